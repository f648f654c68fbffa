# SPDX-License-Identifier: Apache-2.0
"""Links between the documents lead somewhere: each file is there, and each heading behind a '#'."""

from __future__ import annotations

import re
import unittest

from lab.tools import REPOSITORY
from tests.docs.commands import documents


def headings(text: str) -> set[str]:
    """As the forge makes anchors of them: small letters, blanks as hyphens, nothing else but word characters."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", without_code(text), re.M):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        found.add(re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-"))
    return found


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def dead_links(document: str, text: str, texts: dict[str, str]) -> list[str]:
    dead = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (REPOSITORY / document).parent / path if path else REPOSITORY / document
        if not target.exists():
            dead.append(f"{document}: {link}: there is no such file")
            continue
        name = str(target.resolve().relative_to(REPOSITORY))
        if anchor and name in texts and anchor not in headings(texts[name]):
            dead.append(f"{document}: {link}: there is no such heading")
    return dead


class Documents(unittest.TestCase):
    def test_links_between_documents_lead_somewhere(self) -> None:
        texts = documents() | {"CHANGELOG.md": (REPOSITORY / "CHANGELOG.md").read_text()}
        self.assertIn("README.md", texts)
        dead = [link for name, text in texts.items() for link in dead_links(name, text, texts)]
        self.assertEqual(dead, [])

    def test_a_dead_link_is_found(self) -> None:
        texts = {"README.md": "# A title, here\n[a](#a-title-here) [b](#b) [c](none.md) [d](docs/api.md)"}
        expected = ["#b: there is no such heading", "none.md: there is no such file"]
        found = dead_links("README.md", texts["README.md"], texts)
        self.assertEqual(found, [f"README.md: {link}" for link in expected])
