# SPDX-License-Identifier: Apache-2.0
"""What the built programs say of themselves."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("PULLTRACE_BIN_DIR", REPOSITORY / "build"))
PROGRAMS = ("pulltrace-agent", "pulltrace-server")


def help_of(program: str) -> str:
    return subprocess.check_output([BUILD / program, "--help"], text=True)


def help_page() -> str:
    """Both programs' --help, word by word."""
    parts = ["# What the programs say\n\nWith more words: [settings](configuration.md).\n"]
    for program in PROGRAMS:
        parts.append(f"## {program}\n\n```text\n{help_of(program)}```\n")
    return "\n".join(parts)


def version_of(program: str) -> str:
    return subprocess.check_output([BUILD / program, "--version"], text=True).split()[1]
