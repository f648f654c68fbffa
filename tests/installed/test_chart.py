# SPDX-License-Identifier: Apache-2.0
"""Installed, it shows a pull within a minute, and is gone without a trace."""

from __future__ import annotations

import time
import unittest

from tests.installed.case import MB, NAMESPACE, RELEASE, InstalledCase, say


class Installing(InstalledCase):
    def test_a_pull_is_live_within_a_minute_of_the_install(self) -> None:
        image = self.node.push("shop/first:1.0", 10 * MB)
        started = time.monotonic()
        self.install(**self.given_secrets())
        installed = time.monotonic()
        self.node.wait_until_ready(NAMESPACE, "server")
        self.node.wait_until_ready(NAMESPACE, "agent")
        ready = time.monotonic()
        address = self.forward(RELEASE, 80)
        self.wait_until_reporting(address)
        self.node.create_pod("first", image)
        self.addCleanup(self.node.delete_everything)
        self.wait_for_row(address, image, phase="downloading")
        live = time.monotonic()
        say(
            f"helm install {installed - started:.1f} s, both ready {ready - started:.1f} s, "
            f"first live row {live - started:.1f} s after its start"
        )
        self.assertLess(live - started, 60)
        row = self.wait_for_row(address, image, phase="completed")
        self.assertEqual([pod["podName"] for pod in row["pods"]], ["first"])
        self.assertIn("Succeeded", self.helm("test", RELEASE))


if __name__ == "__main__":
    unittest.main()
