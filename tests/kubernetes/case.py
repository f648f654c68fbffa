# SPDX-License-Identifier: Apache-2.0
"""The ground of these tests: a fake API server and the real pulltrace-server for each test."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.case import ProcessCase
from tests.integration.events import EventLog
from tests.integration.http_json import get, is_in_step
from tests.kubernetes.cluster import Object, post_report
from tests.kubernetes.fake_api import FakeApi
from tests.kubernetes.scene import Story, play


class ServerCase(ProcessCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pt-kube-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def wait_until_ready(self, server: Server, timeout_s: float = 15) -> None:
        wait_for("it is in step", lambda: is_in_step(server.port), timeout_s)

    def assert_ready_but(self, server: Server, lack: str) -> None:
        """It shows pulls, and says what it does not know of Kubernetes."""
        answer = get(server.port, "/readyz")
        self.assertEqual(answer.status, 200)
        self.assertRegex(answer.text(), f"^ok, but .*{lack}")
        self.assertRegex(get(server.port, "/api/v1/summary").json()["missing"], lack)

    def pulls(self, server: Server, query: str = "") -> list[Object]:
        found: list[Object] = get(server.port, "/api/v1/pulls" + query).json()["pulls"]
        return found

    def wait_for_pull(
        self, server: Server, what: str, timeout_s: float = 3, **wanted: Any
    ) -> Object:
        """The first pull whose fields are as wanted; `pods` is compared by the pods' names."""

        def find() -> Object | None:
            return next((pull for pull in self.pulls(server) if fits(pull, wanted)), None)

        try:
            return wait_for(what, find, timeout_s, every_s=0.02)  # type: ignore[return-value]
        except Exception:
            print(json.dumps(self.pulls(server, "?layers=0"), indent=1)[:4000], file=sys.stderr)
            raise

    def log_lines(self, server: Server, message: str) -> list[Object]:
        lines = server.process.stdout_path.read_text().splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in parsed if line["msg"] == message]

    def report(self, server: Server, node: str, *pulls: Object) -> None:
        """Reports; waits where the node's last report is less than 500 ms old."""
        wait_for("the report is taken", lambda: post_report(server.port, node, *pulls) == 200, 3)


class FakeCase(ServerCase):
    def setUp(self) -> None:
        super().setUp()
        self.api = FakeApi()
        self.addCleanup(self.api.close)

    def start(self, **settings: str) -> Server:
        server = self.start_server(PULLTRACE_KUBE_URL=self.api.url, **settings)
        self.wait_until_ready(server)
        return server

    def listen(self, server: Server) -> EventLog:
        log = EventLog(server.port, "?layers=0")
        self.addCleanup(log.close)
        return log

    def play(self, server: Server, stories: dict[str, Story]) -> None:
        """Each of them, once the watches stand, is a subtest."""
        self.wait_for_watches()
        failures = play(stories, self.api, server.port)
        for name in stories:
            with self.subTest(name):
                if name in failures:
                    self.fail(failures[name])

    def wait_for_watches(self, count: int = 2, timeout_s: float = 10) -> None:
        wait_for("the watches stand", lambda: self.api.watches() >= count, timeout_s)


def fits(pull: Object, wanted: dict[str, Any]) -> bool:
    for name, value in wanted.items():
        found = pull.get(name)
        if name == "pods":
            found = sorted(pod["podName"] for pod in pull.get("pods", []))
        if found != value:
            return False
    return True
