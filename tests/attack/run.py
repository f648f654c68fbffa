# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of this folder, or those named: python3 -m tests.attack.run [TEST]..."""

from __future__ import annotations

import resource
import subprocess
import sys
import unittest


DESCRIPTORS = 20_000


def main() -> int:
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    loader = unittest.TestLoader()
    names = [f"tests.attack.{name}" for name in sys.argv[1:]]
    suite = loader.loadTestsFromNames(names) if names else loader.discover("tests/attack", top_level_dir=".")
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = len({test.id().split(" ")[0] for test, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
