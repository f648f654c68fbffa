#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A page of the site fetches nothing from another host: `site/check_offline.py FOLDER`.

Looks at what a browser fetches by itself in each HTML file (scripts, styles, pictures, fonts, frames), and at url()
and @import in the styles. A link that somebody must follow is no such thing.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src"}
NOT_FETCHED = {"canonical", "alternate", "next", "prev", "edit", "license", "author", "me"}
FOREIGN = re.compile(r"^(https?:)?//")
IN_STYLES = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")


class Fetches(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get(FETCHED.get(tag, ""))
        if tag == "link" and not NOT_FETCHED & set((given.get("rel") or "").split()):
            address = given.get("href")
        if address and FOREIGN.match(address):
            self.found.append(address)


def foreign(path: Path) -> list[str]:
    text = path.read_text(errors="replace")
    if path.suffix == ".css":
        return IN_STYLES.findall(text)
    parser = Fetches()
    parser.feed(text)
    return parser.found + IN_STYLES.findall("".join(re.findall(r"<style.*?</style>", text, re.S)))


def main() -> int:
    folder = Path(sys.argv[1])
    pages = [path for path in sorted(folder.rglob("*")) if path.suffix in {".html", ".css"}]
    found = [f"{path.relative_to(folder)} fetches {address}" for path in pages for address in foreign(path)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
