# SPDX-License-Identifier: Apache-2.0
"""Waiting for a condition with a deadline, and picking a free loopback port."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Timeout(Exception):
    """A condition did not come true before its deadline."""


def wait_for(what: str, condition: Callable[[], T], timeout_s: float, every_s: float = 0.05) -> T:
    """Polls condition until it returns something true and returns that; raises Timeout naming `what`."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise Timeout(f"{what}: not so within {timeout_s:g} s")
        time.sleep(every_s)


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


_handed_out: set[int] = set()


def free_port() -> int:
    """A loopback TCP port that nobody listens on at this moment, another one at each call. It lies below those that
    the kernel gives to outgoing connections (ip(7), ip_local_port_range), one of which may take it before its user does.
    """
    while True:
        port = random.randrange(11_000, 30_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _handed_out:
            _handed_out.add(port)
            return port


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
