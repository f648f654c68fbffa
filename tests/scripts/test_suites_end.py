# SPDX-License-Identifier: Apache-2.0
"""A suite in a PID namespace of its own ends when it is asked to, and cleans up."""

from __future__ import annotations

import os
import signal
import subprocess
import unittest

from lab.tools import REPOSITORY

ALONE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
SUITE = """
import time, tests
try:
    print("began", flush=True)
    time.sleep(60)
finally:
    print("cleaned up", flush=True)
"""


@unittest.skipIf(os.getuid() != 0, "namespaces need root")
class Suite(unittest.TestCase):
    def test_it_ends_on_sigterm_as_on_ctrl_c(self) -> None:
        with subprocess.Popen(
            [*ALONE, "/usr/bin/python3", "-c", SUITE],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        ) as suite:
            assert suite.stdout is not None
            try:
                self.assertEqual(suite.stdout.readline(), "began\n")
                os.killpg(suite.pid, signal.SIGTERM)
                self.assertEqual(suite.communicate(timeout=20)[0], "cleaned up\n")
            finally:
                suite.kill()
        self.assertNotEqual(suite.returncode, 0)
