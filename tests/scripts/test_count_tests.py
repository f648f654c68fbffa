# SPDX-License-Identifier: Apache-2.0
"""scripts/count-tests: the last line of the suites that run by themselves, and their exit status."""

from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path

from lab.tools import REPOSITORY

ALL_PASSED = "test_a (tests.x.A.test_a) ... ok\n\nRan 3 tests in 1.000s\n\nOK\n"
TWO_FAILED = "FAIL: test_a (tests.x.A.test_a)\nERROR: test_b (tests.x.A.test_b)\nRan 3 tests in 1.000s\n"


class CountTests(unittest.TestCase):
    def test_the_line_and_the_status(self) -> None:
        cases = [
            ("all passed", ALL_PASSED, ["0"], "3 passed, 0 failed", 0),
            ("some failed", TWO_FAILED, ["1"], "1 passed, 2 failed", 1),
            ("it ended before a test did", "Traceback\n", ["1"], "0 passed, 1 failed", 1),
            ("it failed, no test did", ALL_PASSED, ["1"], "2 passed, 1 failed", 1),
            ("more failed besides", ALL_PASSED, ["0", "2"], "1 passed, 2 failed", 1),
            ("more failed than ran", TWO_FAILED, ["1", "5"], "0 passed, 7 failed", 1),
        ]
        for name, text, arguments, line, status in cases:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                log = Path(folder, "log")
                log.write_text(text)
                command = [REPOSITORY / "scripts/count-tests", log, *arguments]
                done = subprocess.run(command, capture_output=True, text=True)
                self.assertEqual((done.stdout, done.stderr, done.returncode), (line + "\n", "", status))
