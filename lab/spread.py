# SPDX-License-Identifier: Apache-2.0
"""Spreads TCP connections over servers, as a Service of Kubernetes does: python3 -m lab.spread PORT SERVER_PORT...

All ports are on 127.0.0.1. Each connection goes to the next server that is ready by its /readyz, asked
twice a second; one that does not accept it is passed over. A connection stays where it is until an end closes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.processes import Process
from lab.tools import REPOSITORY
from lab.waiting import accepts_connections

HOST = "127.0.0.1"
LOOK_S = 0.5
ANSWER_S = 1.0
BACKLOG = 4096


class End(asyncio.Protocol):
    """One end of a connection that passes all it is sent on to the other end."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None
        self.held: list[bytes] = []  # while there is no other end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.held.append(data)
        elif self.other.transport is not None:
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self.other is not None and self.other.transport is not None:
            # What was sent before the end still goes out.
            self.other.transport.abort() if error else self.other.transport.close()

    def pause_writing(self) -> None:
        """Too much is held for this end: the other one is not read for now."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class Spread:
    def __init__(self, servers: Sequence[int]) -> None:
        self._servers = list(servers)
        self._ready: set[int] = set()
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def near_end(self) -> End:
        return _NearEnd(self)

    def connect(self, near: End) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(near))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def watch(self) -> None:
        """Asks each server by itself, so that a frozen one holds up no other."""
        await asyncio.gather(*(self._watch(server) for server in self._servers))

    async def _watch(self, server: int) -> None:
        while True:
            if await _is_ready(server):
                self._ready.add(server)
            else:
                self._ready.discard(server)
            await asyncio.sleep(LOOK_S)

    async def _connect(self, near: End) -> None:
        loop = asyncio.get_running_loop()
        for _ in self._servers:
            self._turn += 1
            server = self._servers[self._turn % len(self._servers)]
            if server not in self._ready:
                continue
            try:
                async with asyncio.timeout(ANSWER_S):
                    _, far = await loop.create_connection(End, HOST, server)
            except (OSError, TimeoutError):
                self._ready.discard(server)
                continue
            self._join(near, far)
            return
        if near.transport is not None:
            near.transport.abort()

    def _join(self, near: End, far: End) -> None:
        near.other, far.other = far, near
        if far.transport is None:
            return
        for data in near.held:
            far.transport.write(data)
        if near.transport is None:
            far.transport.close()


class _NearEnd(End):
    def __init__(self, spread: Spread) -> None:
        super().__init__()
        self._spread = spread

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._spread.connect(self)


async def _is_ready(server: int) -> bool:
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(HOST, server)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: pulltrace\r\nConnection: close\r\n\r\n")
            return b" 200 " in await reader.readline()
    except (OSError, TimeoutError):
        return False
    finally:
        if writer is not None:
            writer.close()


async def serve(port: int, servers: Sequence[int]) -> None:
    spread = Spread(servers)
    listener = await asyncio.get_running_loop().create_server(
        spread.near_end, HOST, port, backlog=BACKLOG
    )
    async with listener:
        await spread.watch()


def start_spread(folder: Path, port: int, servers: Sequence[int]) -> Process:
    """As a process of the lab."""
    argv = [sys.executable, "-m", "lab.spread", *map(str, (port, *servers))]
    process = Process("spread", ["env", "-C", REPOSITORY, *argv], folder)
    process.wait_until_ready("listens", lambda: accepts_connections(port))
    return process


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]), [int(text) for text in sys.argv[2:]]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
