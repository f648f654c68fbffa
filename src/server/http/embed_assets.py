#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packs the built web page into a C file: embed_assets.py DIST OUTPUT DEPFILE [PATH=FILE...]

Further files, or all of a folder, are served at PATH besides.

Each file is compressed with gzip. Without a built page (DIST/index.html) the program gets a page
that says so, so that the server can be worked on without Node.js.
"""

import gzip
import hashlib
import re
import sys
from pathlib import Path

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

MISSING_PAGE = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Pulltrace</title></head>
<body><h1>Pulltrace</h1>
<p>This server was built without its web page. Run <code>make build</code>, which builds both.
The API is at <a href="api/v1/pulls">api/v1/pulls</a>.</p></body></html>
"""

# Vite puts a hash of the content behind the name: index-B1q2w3e4.js
HASHED_NAME = re.compile(r"-[A-Za-z0-9_-]{8,}\.\w+$")


def fail(message):
    sys.exit(f"embed_assets.py: {message}")


def read_files(dist):
    """Returns (URL path, content) of every file of the page."""
    if not (dist / "index.html").is_file():
        print(f"embed_assets.py: {dist}/index.html is not there: the server gets a page that says "
              "so; 'make web' builds the real one", file=sys.stderr)
        return [("/index.html", MISSING_PAGE)]
    paths = sorted(path for path in dist.rglob("*") if path.is_file())
    return [("/" + path.relative_to(dist).as_posix(), path.read_bytes()) for path in paths]


def read_further(arguments):
    """Returns the same, and each file with its own path, of `/path=file` and `/path=folder`."""
    found = []
    for argument in arguments:
        path, _, name = argument.partition("=")
        place = Path(name)
        for file in sorted(place.glob("*")) if place.is_dir() else [place]:
            found.append((f"{path}/{file.name}" if place.is_dir() else path, file))
    return found


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_bytes(data):
    lines = (", ".join(str(byte) for byte in data[i : i + 24]) for i in range(0, len(data), 24))
    return ",\n    ".join(lines)


def pack(path, content):
    """Returns the array and the table row of one file."""
    content_type = CONTENT_TYPES.get(Path(path).suffix)
    if not content_type:
        fail(f"{path}: no content type is known for this ending; add it to CONTENT_TYPES")
    name = "asset_" + hashlib.sha256(path.encode()).hexdigest()[:16]
    packed = gzip.compress(content, 9, mtime=0)
    etag = '"' + hashlib.sha256(content).hexdigest()[:32] + '"'
    immutable = "true" if path.startswith("/assets/") and HASHED_NAME.search(path) else "false"
    array = f"static const unsigned char {name}[] = {{\n    {c_bytes(packed)}}};\n"
    row = (f"    {{{c_string(path)}, {c_string(content_type)}, {c_string(etag)}, {name}, "
           f"sizeof({name}), {len(content)}, {immutable}}},\n")
    return array, row


def main():
    if len(sys.argv) < 4:
        fail("usage: embed_assets.py DIST OUTPUT DEPFILE [PATH=FILE...]")
    dist, output, depfile = (Path(argument) for argument in sys.argv[1:4])
    further = read_further(sys.argv[4:])
    files = read_files(dist) + [(path, file.read_bytes()) for path, file in further]
    packed = [pack(path, content) for path, content in files]
    text = '// Made by embed_assets.py.\n#include "server/http/assets.h"\n\n'
    text += "\n".join(array for array, _ in packed)
    text += "\nconst struct pt_asset pt_assets[] = {\n" + "".join(row for _, row in packed) + "};\n"
    text += f"\nconst size_t pt_asset_count = {len(packed)};\n"
    if not output.is_file() or output.read_text() != text:
        output.write_text(text)
    used = [dist / "index.html", *sorted(path for path in dist.rglob("*") if path.is_file())]
    used += [file for _, file in further]
    escaped = (str(path).replace(" ", "\\ ") for path in dict.fromkeys(used))
    depfile.write_text(f"{output}: " + " ".join(escaped) + "\n")


if __name__ == "__main__":
    main()
