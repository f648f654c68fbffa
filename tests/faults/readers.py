# SPDX-License-Identifier: Apache-2.0
"""Readers of the event stream: in step, or coming back now and then; each keeps what it was sent."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

SILENCE_S = 20  # the server says something each 15 s


@dataclass(frozen=True)
class Heard:
    """A pull event as it came."""

    at: float  # time.monotonic()
    type: str
    pull: dict[str, Any]
    is_new: bool  # came behind `synced`: it happened while this connection stood


@dataclass
class Connection:
    """One connection of a reader, from its request to its end."""

    run: str = ""  # of the server, as hello says it
    synced_at: float = 0  # 0: the server broke off before
    ended_at: float = 0  # 0: it stands
    events: list[Heard] = field(default_factory=list)


class Reader:
    """Reads until close(). With a pause it leaves on its own now and then, and resumes where it was."""

    def __init__(
        self, port: int, pause: random.Random | None = None, keeps: bool = True, host: str = "127.0.0.1"
    ) -> None:
        """Keeps what it is sent, unless that would be too much."""
        self._keeps = keeps
        self._host, self._port = host, port
        self._pause = pause
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._last_id = ""
        self._is_closing = False
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def connections(self) -> list[Connection]:
        """Copies; those that stand grow on."""
        with self._lock:
            return [
                Connection(c.run, c.synced_at, c.ended_at, list(c.events))
                for c in self._connections
            ]

    def is_in_step(self) -> bool:
        with self._lock:
            last = self._connections[-1] if self._connections else None
            return last is not None and last.synced_at > 0 and last.ended_at == 0

    def close(self) -> None:
        self._is_closing = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)

    def _run(self) -> None:
        while not self._is_closing:
            asked = http.client.HTTPConnection(self._host, self._port, timeout=SILENCE_S)
            try:
                asked.connect()
                self._socket = asked.sock
                self._read(asked)
            except (OSError, http.client.HTTPException, ValueError):
                pass  # what the links do to it is the point
            finally:
                asked.close()
            time.sleep(self._pause.uniform(0.05, 0.8) if self._pause else 0.02)

    def _read(self, asked: http.client.HTTPConnection) -> None:
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        asked.request("GET", "/api/v1/events?hello=1&layers=0", headers=headers)
        stream = asked.getresponse()
        if stream.status != 200:
            return
        here = Connection()
        with self._lock:
            self._connections = [*(self._connections if self._keeps else []), here]
        leaves_at = time.monotonic() + (self._pause.uniform(0.5, 4) if self._pause else 1e9)
        name, identity = "", ""
        try:
            for line in stream:
                if not line.endswith(b"\n"):
                    break  # cut off in the middle
                kind, _, value = line.decode().rstrip("\n").partition(": ")
                if kind == "":
                    self._last_id, name = identity or self._last_id, ""
                elif kind == "event":
                    name = value
                elif kind == "id":
                    identity = value
                elif kind == "data":
                    self._take(here, name, json.loads(value))
                if time.monotonic() > leaves_at and kind == "":
                    break
        finally:
            with self._lock:
                here.ended_at = time.monotonic()

    def _take(self, here: Connection, name: str, data: dict[str, Any]) -> None:
        now = time.monotonic()
        with self._lock:
            if name == "hello":
                here.run = data["run"]
            elif name == "synced":
                here.synced_at = now
            elif "pull" in data and self._keeps:
                here.events.append(Heard(now, data["type"], data["pull"], here.synced_at > 0))


def state_of(connections: list[Connection]) -> dict[str, dict[str, Any]]:
    """What a page that took all of it shows now: the pulls of the last server that spoke to it."""
    pulls: dict[str, dict[str, Any]] = {}
    run = ""
    for connection in connections:
        if not connection.run:
            continue  # no server has spoken on it yet
        if connection.run != run:
            pulls.clear()
            run = connection.run
        for event in connection.events:
            pulls[event.pull["id"]] = event.pull
    return pulls
