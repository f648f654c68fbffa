# SPDX-License-Identifier: Apache-2.0
"""Valkey, or Redis where a Debian has no other, as a process of the lab: in memory, until it is asked to save.

SHARE_SERVER=valkey or redis names the one that is wanted; .tools/valkey is what scripts/fetch-valkey has brought.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from lab.processes import Process
from lab.tools import TOOLS, ToolMissing
from lab.waiting import accepts_connections, free_port

# Debian's server is the tool that checks a dump, called by another name.
PROGRAMS = {
    "valkey-server": "valkey-server", "redis-server": "redis-server",
    "valkey-check-rdb": "valkey-server", "redis-check-rdb": "redis-server",
}  # fmt: skip
WANTED = os.environ.get("SHARE_SERVER", "")
ANSWER_S = 5


def _found() -> tuple[Path, str]:
    """A program, and the name that makes it a server."""
    fetched = TOOLS / "valkey/bin/valkey-server"
    if WANTED == "valkey" and fetched.exists():
        return fetched, "valkey-server"
    for name, server in PROGRAMS.items():
        path = shutil.which(name)
        if path is not None and server.startswith(WANTED):
            return Path(path), server
    raise ToolMissing(f"no {WANTED or 'Valkey or Redis'} here: make setup installs one, scripts/fetch-valkey brings Valkey")


def program(folder: Path) -> Path:
    """A link to it in the folder, by the name that makes it a server."""
    path, server = _found()
    link = folder / server
    if not link.is_symlink():
        link.symlink_to(path)
    return link


class Valkey:
    """Its data is what save() has last written into `folder`; a start reads that."""

    def __init__(self, folder: Path, options: Sequence[str | Path] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"valkey://127.0.0.1:{self.port}"
        self._folder = folder
        self._dump = folder / "dump.rdb"
        self._argv: list[str | Path] = [
            program(folder), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", folder,
            "--save", "", "--maxmemory-policy", "noeviction", *options,
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        self.process = Process("valkey", self._argv, self._folder)
        self.process.wait_until_ready("listens", lambda: accepts_connections(self.port))

    def stop(self) -> int:
        return self.process.stop()

    def kill(self) -> None:
        self.process.kill()

    def save(self) -> None:
        self.ask("SAVE")

    def forget(self) -> None:
        """What was saved is gone; a start begins with nothing."""
        self._dump.unlink(missing_ok=True)

    def info(self) -> dict[str, str]:
        lines = self.ask("INFO").splitlines()
        pairs = (line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))
        return {name: value for name, value in pairs}

    def ask(self, command: str) -> str:
        """The answer to an inline command (https://valkey.io/topics/protocol/): a status, a number or a text."""
        with socket.create_connection(("127.0.0.1", self.port), ANSWER_S) as connection:
            connection.sendall(command.encode() + b"\r\n")
            answer = connection.makefile("rb")
            first = answer.readline().decode().rstrip("\r\n")
            if first.startswith("-"):
                raise OSError(f"{command}: {first[1:]}")
            return answer.read(int(first[1:])).decode() if first.startswith("$") else first[1:]
