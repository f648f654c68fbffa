# SPDX-License-Identifier: Apache-2.0
"""What the built programs say of themselves."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tables import row

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("PULLTRACE_BIN_DIR", REPOSITORY / "build"))
SETTING = re.compile(r"^  (PULLTRACE_\w+)\n      (.*)$", re.M)
PROGRAMS = ("pulltrace-agent", "pulltrace-server")


def help_of(program: str) -> str:
    return subprocess.check_output([BUILD / program, "--help"], text=True)


def help_page() -> str:
    """Both programs' --help: its settings as tables, all else as it stands."""
    parts = ["# What the programs say\n\nMade of their `--help`. [Settings](configuration.md) has the same with more words.\n"]
    for program in PROGRAMS:
        parts.append(f"## {program}\n")
        for paragraph in help_of(program).rstrip("\n").split("\n\n"):
            rows = [setting_row(*each) for each in SETTING.findall(paragraph)]
            head = ["| setting | default | range | what it is |", "|---|---|---|---|"]
            parts.append("\n".join(head + rows) + "\n" if rows else f"```text\n{paragraph}\n```\n")
    return "\n".join(parts)


def setting_row(name: str, words: str) -> str:
    found = re.match(r"(.*?)(?: \(default: (.*)\))?(?: \[(.*)\])?$", words)
    assert found
    default = f"`{found[2]}`" if found[2] else ""
    return row(f"`{name}`", default, found[3] or "", found[1])


def version_of(program: str) -> str:
    return subprocess.check_output([BUILD / program, "--version"], text=True).split()[1]
