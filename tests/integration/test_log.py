# SPDX-License-Identifier: Apache-2.0
"""A server whose log nobody reads goes on, and says afterwards how many lines are missing."""

from __future__ import annotations

import json
import subprocess
import threading

from lab.pulltrace import environment
from lab.waiting import accepts_connections, free_port, wait_for
from tests.integration.case import ADDRESS_SANITIZER, SERVER
from tests.integration.http_json import get, request
from tests.integration.server_case import ServerCase, now, pull

PULLS_PER_REPORT = 20
REPORTS = 40


class UnreadLog(ServerCase):
    def setUp(self) -> None:
        super().setUp()
        self.port, self.metrics_port = free_port(), free_port()
        settings = {
            "PULLTRACE_HTTP_ADDR": f"127.0.0.1:{self.port}",
            "PULLTRACE_METRICS_ADDR": f"127.0.0.1:{self.metrics_port}",
        }
        self.server = subprocess.Popen(
            [SERVER], env=environment(ADDRESS_SANITIZER | settings), stdout=subprocess.PIPE
        )
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        wait_for("the server listens", lambda: accepts_connections(self.port), 15)

    def dropped(self) -> float:
        lines = get(self.metrics_port, "/metrics").text().splitlines()
        start = 'pulltrace_log_lines_dropped_total{reason="unread"} '
        return sum(float(line[len(start) :]) for line in lines if line.startswith(start))

    def test_the_server_goes_on(self) -> None:
        for node in range(REPORTS):
            name = f"{'long-name/' * 60}{node}"
            pulls = [pull(f"lease-{number}", name) for number in range(PULLS_PER_REPORT)]
            body = json.dumps({"nodeName": f"node-{node}", "timestamp": now(), "pulls": pulls})
            answer = request(
                self.port, "POST", "/api/v1/report", body.encode(), Content_Type="application/json"
            )
            self.assertEqual(answer.status, 200)
        self.assertGreater(self.dropped(), 0)
        assert self.server.stdout
        lines: list[bytes] = []
        reader = threading.Thread(target=lambda: lines.extend(self.server.stdout or []))
        reader.start()

        def missing() -> list[int]:
            logged = [json.loads(line) for line in list(lines)]
            return [line["lines"] for line in logged if line["msg"] == "log.lines_missing"]

        wait_for("the log says what is missing", missing, 10)
        self.assertEqual(missing(), [self.dropped()])
        self.server.terminate()
        self.assertEqual(self.server.wait(10), 0)
        reader.join(10)
        self.server.stdout.close()
        self.assertEqual(json.loads(lines[-1])["msg"], "server.stopped")
