# SPDX-License-Identifier: Apache-2.0
"""A link between two programs that can be made to misbehave: a relay from a port or socket to another one."""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# Where it listens or connects to: a loopback port, or a unix socket.
End = int | Path
Fault = Literal["", "delay", "reset", "half close", "byte by byte", "black hole", "forgotten"]
FAULTS: tuple[Fault, ...] = (
    "delay", "reset", "half close", "byte by byte", "black hole", "forgotten",
)  # fmt: skip

CHUNK_BYTES = 65536
HELD_BYTES = 1 << 20  # of a direction; more stays with its source
TICK_S = 0.02
# Called with a number for the connection, and what is passed on to the far end or comes from there.
Tap = Callable[[int, bool, bytes], None]


@dataclass
class _Way:
    """One direction of a connection: bytes that came from `source` and have to go to `target`."""

    number: int  # of the connection
    is_there: bool  # to the far end, else from it
    source: socket.socket
    target: socket.socket
    held: deque[tuple[float, bytes]] = field(default_factory=deque)  # and when each may go on
    passed: int = 0
    is_read: bool = True  # whoever sends waits while too much is held
    has_ended: bool = False  # the source sends no more
    is_shut: bool = False  # and the target knows


@dataclass
class _Pair:
    ways: tuple[_Way, _Way]
    is_forgotten: bool = False  # as by a firewall: nothing passes any more, for good


class Link:
    """Passes bytes on both ways, until a fault is set.

    delay: each piece waits. reset: connections break when some bytes have passed, also new ones. half
    close: the sender's end comes behind some bytes, and the other way goes on. byte by byte: pieces of
    one byte. black hole: nothing passes; afterwards all of it does, as when packets were lost.
    forgotten: what is connected then passes nothing any more for good, and new connections work.
    """

    def __init__(self, near: End, far: End, tap: Tap | None = None, late_s: float = 0) -> None:
        """Each piece waits so long, also without a fault."""
        self._late_s = late_s
        self._near = near
        self._far = far
        self._tap = tap
        self._fault: Fault = ""
        self._random = random.Random(0)
        self._lock = threading.Lock()
        self._pairs: list[_Pair] = []
        self._count = 0
        self._is_closing = False
        self._selector = selectors.DefaultSelector()
        self._listener = _listen(near)
        self.port = 0 if isinstance(near, Path) else int(self._listener.getsockname()[1])
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def set(self, fault: Fault, source: random.Random) -> None:
        with self._lock:
            self._fault = fault
            self._random = random.Random(source.random())
            if fault == "forgotten":
                for pair in self._pairs:
                    pair.is_forgotten = True

    def heal(self) -> None:
        """What was held passes now. Forgotten connections stay as they are."""
        with self._lock:
            self._fault = ""
            for pair in self._pairs:
                for way in pair.ways:
                    way.held = deque((0.0, piece) for _, piece in way.held)

    def break_all(self) -> None:
        """Resets every connection, forgotten ones too."""
        with self._lock:
            for pair in list(self._pairs):
                self._break(pair)

    def close(self) -> None:
        self._is_closing = True
        self._thread.join(5)

    # --- the relay's thread ---

    def _run(self) -> None:
        while not self._is_closing:
            ready = self._selector.select(TICK_S)
            with self._lock:
                for key, _ in ready:
                    self._receive(key.data)
                for pair in list(self._pairs):
                    self._send(pair)
        with self._lock:
            for pair in list(self._pairs):
                self._break(pair)
        self._selector.close()
        self._listener.close()

    def _receive(self, way: _Way | None) -> None:
        if way is None:
            self._accept()
            return
        pair = next((pair for pair in self._pairs if way in pair.ways), None)
        if pair is None:
            return
        try:
            data = way.source.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._break(pair)
            return
        if data:
            wait = self._random.uniform(0.05, 0.5) if self._fault == "delay" else 0
            way.held.append((time.monotonic() + self._late_s + wait, data))
            self._read_on(way)
            if not way.is_there and self._tap:
                self._tap(way.number, False, data)
            return
        way.has_ended = True
        self._read_on(way)

    def _read_on(self, way: _Way) -> None:
        """Reads from the source, or does not, as is due."""
        held = sum(len(piece) for _, piece in way.held)
        is_due = not way.has_ended and not way.is_shut and held < HELD_BYTES
        if is_due and not way.is_read:
            self._selector.register(way.source, selectors.EVENT_READ, way)
        elif not is_due and way.is_read:
            self._selector.unregister(way.source)
        way.is_read = is_due

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = _connect(self._far)
        except OSError:
            _reset(near)
            return
        self._count += 1
        if not isinstance(self._near, Path):
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = (_Way(self._count, True, near, far), _Way(self._count, False, far, near))
        for way in ways:
            way.source.setblocking(False)
            self._selector.register(way.source, selectors.EVENT_READ, way)
        self._pairs.append(_Pair(ways))

    def _send(self, pair: _Pair) -> None:
        if self._fault == "black hole" or pair.is_forgotten:
            return
        for way in pair.ways:
            try:
                self._pass_on(way)
            except BlockingIOError:
                continue
            except OSError:
                self._break(pair)
                return
        if self._fault == "reset" and any(way.passed > 200 for way in pair.ways):
            if self._random.random() < 0.5:
                self._break(pair)
                return
        if all(way.is_shut for way in pair.ways):
            self._close(pair)

    def _pass_on(self, way: _Way) -> None:
        sent = 0
        while way.held and way.held[0][0] <= time.monotonic() and sent < CHUNK_BYTES:
            piece = way.held[0][1]
            part = piece[:1] if self._fault == "byte by byte" else piece
            count = way.target.send(part)
            if way.is_there and self._tap:
                self._tap(way.number, True, piece[:count])
            way.passed += count
            sent += 64 if self._fault == "byte by byte" else count
            way.held.popleft()
            if count < len(piece):
                way.held.appendleft((0.0, piece[count:]))
        is_cut = self._fault == "half close" and way.passed > 500 and self._random.random() < 0.3
        if (is_cut or (way.has_ended and not way.held)) and not way.is_shut:
            way.is_shut = True
            way.held.clear()
            way.target.shutdown(socket.SHUT_WR)
        self._read_on(way)

    # --- the end of a connection ---

    def _break(self, pair: _Pair) -> None:
        self._forget(pair)
        for way in pair.ways:
            _reset(way.source)

    def _close(self, pair: _Pair) -> None:
        self._forget(pair)
        for way in pair.ways:
            way.source.close()

    def _forget(self, pair: _Pair) -> None:
        self._pairs.remove(pair)
        for way in pair.ways:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(way.source)


def _listen(at: End) -> socket.socket:
    if isinstance(at, Path):
        at.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(at))
        os.chmod(at, 0o600)
        listener.listen(128)
        return listener
    return socket.create_server(("127.0.0.1", at), backlog=128)


def _connect(to: End) -> socket.socket:
    if isinstance(to, Path):
        far = socket.socket(socket.AF_UNIX)
        far.settimeout(2)
        try:
            far.connect(str(to))
        except OSError:
            far.close()
            raise
        return far
    far = socket.create_connection(("127.0.0.1", to), 2)
    far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return far


def _reset(connection: socket.socket) -> None:
    """Closes it with RST rather than FIN."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
