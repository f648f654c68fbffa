# SPDX-License-Identifier: Apache-2.0
"""The tests that the documents name are there, and so is every message of the log in its document."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import unittest
from pathlib import Path
from typing import Any

from lab.tools import REPOSITORY

FOLDERS = {".c": "tests/unit", ".py": "tests/integration"}
NAMED = re.compile(r"`((?:tests/\w+/)?test_\w+(?:\.c|\.py))`\s+`(\w+)`")


def file_of(name: str) -> Path:
    return REPOSITORY / (name if "/" in name else f"{FOLDERS[Path(name).suffix]}/{name}")


CALL = re.compile(r'(?:pt_log_(?:debug|info|warn|error)|PT_LOG_WRITE|log_line)\(\s*([^;]*?);', re.S)


def logged(call: str) -> str | None:
    """The code that a call logs with; None when it is that of an event."""
    call = call.replace('RUNTIME_NAME "', '"containerd')
    if "pt_event_type_name(type)" in call:
        return None
    found = re.match(r'(?:PT_LOG_\w+, )?"([^"]*)"', call)
    assert found, call
    return found[1]


class Log(unittest.TestCase):
    def test_every_line_has_a_code_and_the_document_has_every_code(self) -> None:
        sources = [path for path in (REPOSITORY / "src").rglob("*.c") if path.name != "log.c"]
        calls = [call for path in sources for call in CALL.findall(path.read_text())]
        self.assertGreater(len(calls), 40)
        codes = {code for code in map(logged, calls) if code} | {"log.lines_missing"}
        for code in codes:
            self.assertRegex(code, r"^[a-z]+\.[a-z_]+$")
        events = {f"pull.{what}" for what in ("started", "progress", "completed", "failed")}
        rows = re.findall(r"^\| (`.*?`) \| (?:warn|info|debug)", self.document(), re.M)
        listed = [code for row in rows for code in re.findall(r"`([^`]*)`", row)]
        self.assertEqual(sorted(listed), sorted(codes | events))

    def test_the_samples_are_lines(self) -> None:
        samples = self.samples()
        self.assertGreater(len(samples), 2)
        for line in samples:
            self.assertEqual(list(line)[:3], ["time", "level", "msg"])
            self.assertIn(f"`{line['msg']}`", self.document())

    @unittest.skipUnless(shutil.which("jq"), "no jq here")
    def test_the_query_of_failures_finds_them(self) -> None:
        found = re.search(r"^kubectl logs .* \| jq -r '(.*)'$", self.document(), re.M)
        assert found
        event = {"nodeName": "n", "pull": {"imageRef": "a:1", "errorClass": "not_found", "error": "no"}}
        lines = [*self.samples(), {"time": "t", "level": "info", "msg": "pull.failed", "event": event}]
        text = "\n".join(map(json.dumps, lines))
        done = subprocess.run(["jq", "-r", found[1]], input=text, capture_output=True, text=True, timeout=20)
        self.assertEqual((done.stdout, done.stderr), ("t\tn\ta:1\tnot_found\tno\n", ""))

    def document(self) -> str:
        return (REPOSITORY / "docs/logs.md").read_text()

    def samples(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.document().splitlines() if line.startswith('{"')]


class Demonstration(unittest.TestCase):
    def test_its_settings_are_documented(self) -> None:
        source = (REPOSITORY / "lab/demo.py").read_text()
        rows = dict(re.findall(r"^\| `(DEMO_\w+)` \| `(\d+)`", (REPOSITORY / "docs/quick-start.md").read_text(), re.M))
        settings = re.findall(r'setting\("(DEMO_\w+)", ([\d_]+),', source)
        self.assertEqual(rows, {name: default.replace("_", "") for name, default in settings})


class NamedTests(unittest.TestCase):
    def test_each_is_there(self) -> None:
        for document in ("docs/security.md", "docs/testing.md"):
            named = NAMED.findall((REPOSITORY / document).read_text())
            self.assertGreater(len(named), 20, document)
            for name, test in named:
                with self.subTest(f"{document}: {name} {test}"):
                    path = file_of(name)
                    self.assertTrue(path.exists())
                    self.assertTrue(re.search(rf"\b{test}\(", path.read_text()), "it is not there")
