# SPDX-License-Identifier: Apache-2.0
"""Sees what an agent reports and what the server answers, as the tap of a Link."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

FINAL = ("completed", "failed")


@dataclass(frozen=True)
class Ack:
    """The end of a pull for which the server has answered 200, and when."""

    at: float  # time.monotonic()
    pull_id: str  # as the server calls it, unless a row had waited for it
    repository: str
    phase: str
    is_check: bool


def server_id(node: str, agent_id: str) -> str:
    """What the server calls a pull of an agent (src/server/store/pull_id.c)."""
    text = node.encode() + b"\0i" + agent_id.encode() + b"\0" + (0).to_bytes(8, "little")
    return hashlib.sha256(text).hexdigest()[:32]


class _Message:
    """Cuts a byte stream of HTTP/1.1 messages with Content-Length into them."""

    def __init__(self) -> None:
        self._bytes = b""

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The first line and body of each message that is whole now."""
        self._bytes += data
        found = []
        while b"\r\n\r\n" in self._bytes:
            head, _, rest = self._bytes.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = dict(line.lower().split(":", 1) for line in lines[1:])
            length = int(fields.get("content-length", "0"))
            if len(rest) < length:
                break
            found.append((lines[0], rest[:length]))
            self._bytes = rest[length:]
        return found


class Witness:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there: dict[int, _Message] = {}
        self._back: dict[int, _Message] = {}
        self._waiting: dict[int, list[dict[str, Any]]] = {}
        self._acks: list[Ack] = []
        self.reports = 0

    def tap(self, connection: int, is_there: bool, data: bytes) -> None:
        with self._lock:
            side = self._there if is_there else self._back
            for first, body in side.setdefault(connection, _Message()).feed(data):
                if is_there:
                    self._waiting.setdefault(connection, []).append(json.loads(body))
                else:
                    self._answered(connection, first)

    def acks(self) -> list[Ack]:
        with self._lock:
            return list(self._acks)

    def _answered(self, connection: int, status_line: str) -> None:
        waiting = self._waiting.get(connection)
        if not waiting:
            return  # it is refused before all of it has come
        report = waiting.pop(0)
        self.reports += 1
        if status_line.split()[1] != "200":
            return
        for pull in report["pulls"]:
            if pull["phase"] in FINAL:
                self._acks.append(
                    Ack(
                        time.monotonic(),
                        server_id(report["nodeName"], pull["id"]),
                        pull.get("repository") or pull["imageRef"],
                        pull["phase"],
                        pull.get("kind") == "check",
                    )
                )
