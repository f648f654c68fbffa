# SPDX-License-Identifier: Apache-2.0
"""The tests that the documents name are there."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

from lab.tools import REPOSITORY

FOLDERS = {".c": "tests/unit", ".py": "tests/integration"}
NAMED = re.compile(r"`((?:tests/\w+/)?test_\w+(?:\.c|\.py))`\s+`(\w+)`")


def file_of(name: str) -> Path:
    return REPOSITORY / (name if "/" in name else f"{FOLDERS[Path(name).suffix]}/{name}")


class NamedTests(unittest.TestCase):
    def test_each_is_there(self) -> None:
        for document in ("docs/security.md", "docs/testing.md"):
            named = NAMED.findall((REPOSITORY / document).read_text())
            self.assertGreater(len(named), 20, document)
            for name, test in named:
                with self.subTest(f"{document}: {name} {test}"):
                    path = file_of(name)
                    self.assertTrue(path.exists())
                    self.assertRegex(path.read_text(), rf"\b{test}\(")
