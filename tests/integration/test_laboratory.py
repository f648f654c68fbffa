# SPDX-License-Identifier: Apache-2.0
"""The laboratory itself: a network of its own has loopback and nothing else."""

from __future__ import annotations

import socket
import subprocess
import unittest

from lab.tools import REPOSITORY

TRY = """
import socket
with socket.create_server(("127.0.0.1", {port})) as server:
    socket.create_connection(server.getsockname(), timeout=5).close()
print("loopback")
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print(error.strerror)
"""


class OwnNetwork(unittest.TestCase):
    def test_it_has_loopback_only_and_every_port_of_it(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = subprocess.run(
                ["/usr/bin/python3", "-m", "lab.loopback"]
                + ["/usr/bin/python3", "-c", TRY.format(port=port)],
                cwd=REPOSITORY,
                capture_output=True,
                text=True,
                timeout=30,
            )
        self.assertEqual(
            done.stdout.splitlines(), ["loopback", "Network is unreachable"], done.stderr
        )
