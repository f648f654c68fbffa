# SPDX-License-Identifier: Apache-2.0
"""Tables of Markdown."""

from __future__ import annotations


def row(*cells: str) -> str:
    """One line; a bar within a cell is text."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
