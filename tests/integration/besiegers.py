# SPDX-License-Identifier: Apache-2.0
"""Peers of every kind that do their worst at once, from many addresses of loopback, in a process of their own."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.synchronize import Event

from tests.integration.server_case import layer, now, pull

WORD = "abcdefghijklmnopqrstuvwxyz"
RECEIVE_BYTES = 2304  # the least that the kernel gives


@dataclass(frozen=True)
class Peers:
    """So many connections from one address. Each says `first`, then `more` each second, and reads nothing."""

    address: str
    first: list[bytes]
    more: bytes = b""


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(
            incoming, outgoing, server_hostname="localhost"
        ).do_handshake()
    return outgoing.read()


def own_filter(number: int) -> str:
    """Another part of the word for each number: all match the same, no two are the same."""
    parts = [WORD[i:j] for i in range(len(WORD)) for j in range(i + 1, len(WORD) + 1)]
    return f"/api/v1/events?layers={number % 2}&image={parts[number // 2]}"


def plain_peers(script: str, fat_pull: str) -> list[Peers]:
    head = "POST /api/v1/report HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    body = f"{head}Content-Length: 1048575\r\n\r\n".encode() + b"x" * 60_000
    half_head = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 15_000
    scans = [
        get(f"/api/v1/pulls?limit=1&image=zz&sort={sort}") * 800
        for sort in ("imageRef", "totalBytes", "-percent", "nodeName")
    ]
    return [
        Peers("127.0.1.1", [body] * 300, b"x" * 60_000),
        Peers("127.0.1.2", [half_head] * 1500, b"y"),
        Peers("127.0.1.3", scans * 4, b"".join(scans)),
        Peers("127.0.1.4", [get("/api/v1/events")] * 300),
        Peers("127.0.1.5", [get("/api/v1/events?types=pull,layer")] * 100),
        Peers("127.0.1.6", [get(own_filter(number)) for number in range(600)]),
        Peers("127.0.1.7", [get("/api/v1/pulls")] * 100),
        Peers("127.0.1.8", [get(fat_pull) * 8] * 500),
        Peers("127.0.1.9", [get(script) * 8] * 300),
        Peers("127.0.1.10", [get("/api/v1/nodes") * 20] * 100),
        Peers("127.0.1.11", [b""] * 2000),
    ]


def tls_peers() -> list[Peers]:
    hello = client_hello()
    return [
        Peers("127.0.2.1", [hello] * 1500),
        Peers("127.0.2.2", [hello[: len(hello) // 2]] * 500),
        Peers("127.0.2.3", [b"\x16\x03\x01\x3f\xff" + b"z" * 10_000] * 300),
    ]


def fat_reports(token: str, round_number: int) -> Iterable[bytes]:
    """As large as a report may be: many pulls, pulls of very many layers, nodes that nobody has."""
    small = [pull(f"{round_number}-{i}", f"{WORD}-{i}:1", layer(i, i)) for i in range(1500)]
    long_type = "application/" + "t" * 240
    fat = [
        pull(f"fat-{round_number}-{i}", f"{WORD}/fat-{i}:1")
        | {"layers": [layer(n, n, mediaType=long_type) for n in range(512)]}
        for i in range(4)
    ]
    for number, pulls in ((0, small), (1, fat), (2, small), (3, fat)):
        report = {
            "nodeName": f"made-up-{round_number}-{number}",
            "timestamp": now(),
            "intervalMs": 3_600_000,
            "pulls": pulls,
        }
        body = json.dumps(report).encode()
        yield (
            f"POST /api/v1/report HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def _dial(port: int, address: str) -> socket.socket:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    connection.settimeout(2)
    try:
        connection.bind((address, 0))
        connection.connect(("127.0.0.1", port))
    except OSError:
        connection.close()
        raise
    connection.setblocking(False)
    return connection


def _say(connection: socket.socket, data: bytes) -> None:
    with contextlib.suppress(BlockingIOError):
        connection.send(data)


def _hold(port: int, peers: Peers, stop: Event) -> None:
    """Keeps all the connections open, and opens those anew that the server cuts."""
    held: dict[int, socket.socket] = {}
    while not stop.is_set():
        began = time.monotonic()
        for number, first in enumerate(peers.first):
            if stop.is_set():
                break
            with contextlib.suppress(OSError):
                if number not in held:
                    held[number] = _dial(port, peers.address)
                    _say(held[number], first)
                elif peers.more:
                    _say(held[number], peers.more)
                continue
            lost = held.pop(number, None)
            if lost:
                lost.close()
        poll = select.poll()
        numbers = {connection.fileno(): number for number, connection in held.items()}
        for descriptor in numbers:
            poll.register(descriptor, select.POLLRDHUP)
        for descriptor, _ in poll.poll(0):
            held.pop(numbers[descriptor]).close()
        stop.wait(max(0.0, 1 - (time.monotonic() - began)))
    for connection in held.values():
        connection.close()


def _report(port: int, token: str, stop: Event) -> None:
    round_number = 0
    while not stop.is_set():
        round_number += 1
        for data in fat_reports(token, round_number):
            if stop.is_set():
                return
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as c:
                c.sendall(data)
                c.recv(65536)


def _besiege(port: int, all_peers: list[Peers], token: str, stop: Event) -> None:
    os.setpriority(os.PRIO_PROCESS, 0, 10)
    works: list[Callable[[], None]] = [
        lambda peers=peers: _hold(port, peers, stop) for peers in all_peers
    ]
    if token:
        works.append(lambda: _report(port, token, stop))
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def siege(port: int, all_peers: list[Peers], token: str = "") -> Iterable[None]:
    """With a token, fat reports come besides."""
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    process = context.Process(target=_besiege, args=(port, all_peers, token, stop))
    process.start()
    try:
        yield
    finally:
        stop.set()
        process.join(10)
        process.kill()
        process.join()
