#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packs a script for Valkey into a C file: embed_script.py SCRIPT OUTPUT

Lines that are comments only stay out: each server would send them.
"""

import sys
from pathlib import Path

source, output = map(Path, sys.argv[1:])
kept = [line for line in source.read_text().splitlines() if not line.strip().startswith("--")]
bytes_of_script = "\n".join(kept).strip().encode() + b"\n\0"
numbers = ",\n    ".join(
    ", ".join(str(byte) for byte in bytes_of_script[at : at + 20])
    for at in range(0, len(bytes_of_script), 20)
)
output.write_text(f"extern const char pt_script_{source.stem}[];\nconst char pt_script_{source.stem}[] = {{\n    {numbers}}};\n")
