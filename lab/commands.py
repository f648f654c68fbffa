# SPDX-License-Identifier: Apache-2.0
"""Commands that a script cannot go on without."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

SHOWN = 3000  # characters at the end of what a command has printed


class CommandFailed(Exception):
    """The message has the command, and the end of what it printed."""


def must(
    *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """What it prints on its standard output."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        words = " ".join(map(str, command))
        raise CommandFailed(f"{words}\n{done.stdout[-SHOWN:]}{done.stderr[-SHOWN:]}")
    return done.stdout
