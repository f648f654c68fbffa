# SPDX-License-Identifier: Apache-2.0
"""The servers' user at Valkey, with no more rights than docs/replicas.md gives him."""

from __future__ import annotations

import re

from lab.tools import REPOSITORY

DOCUMENT = REPOSITORY / "docs/replicas.md"
USER = "pulltrace"


def user_line(password: str, prefix: str = "pulltrace") -> str:
    """As a file of users has it (aclfile)."""
    line = re.search(rf"^user {USER} on >PASSWORD .*$", DOCUMENT.read_text(), re.M)
    assert line is not None
    return line[0].replace("PASSWORD", password).replace("{pulltrace}", f"{{{prefix}}}")
