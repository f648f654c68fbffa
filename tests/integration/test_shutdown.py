# SPDX-License-Identifier: Apache-2.0
"""SIGTERM and SIGINT end both in good time and without a leak, in the middle of work too."""

from __future__ import annotations

import signal

from tests.integration.case import MB, LabCase

ENDS_WITHIN_S = 5


class CleanShutdown(LabCase):
    def test_in_mid_pull_with_a_reader(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name):
                server, agent, log = self.start_all()
                image = self.push(f"shutdown/{number.name.lower()}", 5 * MB)
                pull = self.client.start(self.lab.reference(image))
                log.wait_for("bytes are shown", lambda event: event.pull["downloadedBytes"] > 0)

                agent.process.send(number)
                self.assertEqual(agent.process.wait(ENDS_WITHIN_S), 0)
                server.process.send(number)
                self.assertEqual(server.process.wait(ENDS_WITHIN_S), 0)
                pull.finish()

    def test_without_containerd_and_without_server(self) -> None:
        self.lab.containerd.stop()
        agent = self.start_agent("http://127.0.0.1:9")
        agent.process.wait_until_ready("has begun", lambda: agent.process.stdout_text(), 10)
        self.assertEqual(agent.stop(), 0)
