# SPDX-License-Identifier: Apache-2.0
"""The commands that the documents give: each line of a block that is fenced as `sh`, with what continues it, and in prose
what names pulltrace and can be typed as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lab.tools import REPOSITORY

PLACES = ("*.md", "docs/**/*.md", "deploy/**/*.md", ".github/**/*.md")
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
IN_PROSE = re.compile(r"`((?:sudo )?(?:ctr|helm|kubectl|skopeo|systemctl) [^`]*\bpulltrace\b[^`]*)`")
FENCED = re.compile(r"^```.*?^```$", re.M | re.S)


@dataclass(frozen=True)
class Command:
    document: str
    text: str  # on one line, without a comment

    def __str__(self) -> str:
        return f"{self.document}: {self.text}"


def documents() -> dict[str, str]:
    """All of the repository's but the changelog, which quotes what was. A tree without git has them too."""
    found = [path for glob in PLACES for path in sorted(REPOSITORY.glob(glob))]
    named = {str(path.relative_to(REPOSITORY)): path.read_text() for path in found}
    del named["CHANGELOG.md"]
    return named


def commands_of(document: str, text: str) -> Iterator[Command]:
    for block in BLOCK.findall(text):
        for line in re.sub(r" *\\\n\s*", " ", block).splitlines():
            command = re.sub(r"(^|\s)#\s.*$", "", line).strip()
            if command:
                yield Command(document, command)
    for command in IN_PROSE.findall(FENCED.sub("", text)):
        yield Command(document, " ".join(command.split()))


def all_commands() -> list[Command]:
    return [command for name, text in documents().items() for command in commands_of(name, text)]


def indented_code(text: str) -> list[str]:
    """Lines of a block that is code by its blanks alone, which no test would find."""
    plain = FENCED.sub("", text)
    return re.findall(r"(?:\A|\n\n)(?: {4}|\t)(\S.*)", "\n\n".join(outside_of_lists(plain)))


def outside_of_lists(text: str) -> list[str]:
    """Paragraphs that do not follow a list's entry, whose further paragraphs are indented too."""
    kept: list[str] = []
    within = False
    for paragraph in text.split("\n\n"):
        indented = paragraph.startswith(("    ", "\t"))
        if not indented:
            within = bool(re.match(r"\s*(?:[-*]|\d+\.) ", paragraph))
        if not (indented and within):
            kept.append(paragraph)
    return kept
