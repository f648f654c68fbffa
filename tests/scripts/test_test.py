# SPDX-License-Identifier: Apache-2.0
"""scripts/test: what it counts, and that it runs every test."""

from __future__ import annotations

import subprocess
import tempfile
import textwrap
import unittest
from pathlib import Path

from tests.scripts.load import load_script

script = load_script("test")


class Counting(unittest.TestCase):
    def test_of_unittest(self) -> None:
        for what, body, expected in (
            ("all pass", "def test_a(self): pass\ndef test_b(self): pass", (2, 0, 0)),
            ("one fails", "def test_a(self): self.fail()\ndef test_b(self): pass", (1, 1, 0)),
            ("one breaks", "def test_a(self): open('/none')\ndef test_b(self): pass", (1, 1, 0)),
            (
                "two subtests fail",
                "def test_a(self):\n  for i in (1, 2):\n    with self.subTest(i): self.fail()",
                (0, 1, 0),
            ),
            (
                "the class is skipped",
                "@classmethod\ndef setUpClass(cls): raise unittest.SkipTest('no')\ndef test_a(self): pass",
                (0, 0, 1),
            ),
            (
                "the class cannot begin",
                "@classmethod\ndef setUpClass(cls): raise OSError('no')\ndef test_a(self): pass",
                (0, 1, 0),
            ),
        ):
            with self.subTest(what), tempfile.TemporaryDirectory() as folder:
                source = "import unittest\nclass Tests(unittest.TestCase):\n" + textwrap.indent(
                    body, "  "
                )
                Path(folder, "test_it.py").write_text(source)
                command = [script.PYTHON, "-m", "unittest", "-v", "test_it"]
                done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
                counts = script.read_unittest(done.stderr)
                self.assertEqual((counts.passed, counts.failed, counts.skipped), expected)

    def test_of_node(self) -> None:
        counts = script.read_node("# tests 9\n# pass 6\n# fail 1\n# cancelled 0\n# skipped 2\n")
        self.assertEqual((counts.passed, counts.failed, counts.skipped), (6, 1, 2))

    def test_a_job_that_ran_nothing_or_ended_badly_has_failed(self) -> None:
        for what, output, status, expected in (
            ("nothing", "Ran 0 tests in 0.000s\n\nOK\n", 0, (0, 1, 0)),
            ("no word", "", 1, (0, 1, 0)),
            ("a crash at the end", "Ran 3 tests in 1.000s\n\nOK\n", -11, (3, 1, 0)),
            ("a skipped class", "Ran 0 tests in 0.000s\n\nOK (skipped=1)\n", 0, (0, 0, 1)),
        ):
            with self.subTest(what), tempfile.TemporaryDirectory() as folder:
                job = script.Job("any", "job", [], script.read_unittest)
                job.logs = Path(folder)
                job.log.parent.mkdir()
                job.log.write_text(output)
                job.finish(status, 1.0)
                counts = job.counts
                self.assertEqual((counts.passed, counts.failed, counts.skipped), expected)


class Jobs(unittest.TestCase):
    def test_each_class_is_one_and_no_test_is_left_out(self) -> None:
        for suite in ("integration", "kubernetes", "scripts"):
            with self.subTest(suite):
                folder = str(script.REPOSITORY / "tests" / suite)
                found = unittest.TestLoader().discover(folder, top_level_dir=str(script.REPOSITORY))
                counts = script.test_classes(f"tests/{suite}")
                self.assertEqual(sum(counts.values()), found.countTestCases())

    def test_one_busy_job_at_a_time(self) -> None:
        def job(suite: str, name: str) -> script.Job:
            return script.Job(suite, name, [], script.read_unittest)

        busy = job("browser", "kept")
        other_busy = job("integration", "test_turns.Turns")
        calm = job("integration", "test_pulls.WithCtr")
        for what, waiting, running, expected in (
            ("alone", [busy, calm], [], busy),
            ("beside a calm one", [busy], [calm], busy),
            ("beside a busy one", [other_busy, calm], [busy], calm),
            ("nothing else is left", [other_busy], [busy, calm], None),
            ("nothing is left", [], [], None),
        ):
            with self.subTest(what):
                self.assertIs(script.next_job(waiting, running), expected)

    def test_a_module_that_cannot_be_imported_is_one_that_fails(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "test_broken.py").write_text("import none_such\n")
            self.assertEqual(dict(script.test_classes(folder, folder)), {"test_broken": 1})
