# SPDX-License-Identifier: Apache-2.0
"""The crowd of nodes and readers (tests/replicas/crowd.c) as a process, with what it has found at its end."""

from __future__ import annotations

import json
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REST_S = 60
REPORT_S = 120


class Crowd:
    def __init__(self, program: Path, ports: Sequence[int], watched: Sequence[int], **options: object) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", str(program), "--port", _list(ports)]
        if watched:
            command += ["--watch", _list(watched)]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        self._child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    def rest(self) -> bool:
        """Whether, in a minute, every pull has its end, each end its 200, and every reader all that there is."""
        self._order("rest")
        if not select.select([self._child.stdout], [], [], REST_S)[0]:
            return False
        assert self._child.stdout is not None
        return self._child.stdout.readline() == "at rest\n"

    def be_strict(self, is_strict: bool) -> None:
        """Whether ends must come in their order: not while a server reads anew what it has missed."""
        self._order("strict" if is_strict else "loose")

    def begin_update(self) -> None:
        """From now on how long readers are without a stream counts for the update."""
        self._order("update")

    def report(self) -> dict[str, Any]:
        """What it has found. It ends with that."""
        self._order("report")
        text, _ = self._child.communicate(timeout=REPORT_S)
        found: dict[str, Any] = json.loads(text)
        return found

    def stop(self) -> None:
        self._child.kill()
        self._child.wait()

    def _order(self, words: str) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(words + "\n")
        self._child.stdin.flush()


def _list(ports: Sequence[int]) -> str:
    return ",".join(map(str, ports))
