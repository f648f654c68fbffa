# SPDX-License-Identifier: Apache-2.0
"""Several servers that share one Valkey, and one port in front that spreads connections over them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from lab.pulltrace import Server, answers_well
from lab.spread import start_spread
from lab.valkey import Valkey
from lab.waiting import free_port


class Replicas:
    """`port` is that in front, by which one is ready at least when this has been made."""

    def __init__(
        self,
        binary: Path,
        folder: Path,
        count: int,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.servers: list[Server] = []
        try:
            self._start(binary, folder, count, dict(settings or {}))
        except BaseException:
            self.stop()
            raise

    def _start(self, binary: Path, folder: Path, count: int, settings: dict[str, str]) -> None:
        self.valkey = Valkey(folder / "valkey")
        self._stack.callback(self.valkey.stop)
        settings = {"PULLTRACE_SHARE_URL": self.valkey.url} | settings
        for number in range(1, count + 1):
            server = Server(binary, folder, settings=settings, name=f"server-{number}")
            self._stack.callback(server.stop)
            self.servers.append(server)
        self.spread = start_spread(folder, self.port, [server.port for server in self.servers])
        self._stack.callback(self.spread.stop)
        # Each reads the log first; who came before would be turned away.
        self.spread.wait_until_ready("has a server", lambda: answers_well(self.port, "/readyz"))

    def stop(self) -> None:
        self._stack.close()
