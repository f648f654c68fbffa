# SPDX-License-Identifier: Apache-2.0
"""Several servers on one Kubernetes: each sees what the kubelet says, and one of them counts and logs it."""

from __future__ import annotations

import unittest
from collections.abc import Iterator

from lab.pulltrace import Server
from lab.tools import ToolMissing
from lab.valkey import Valkey
from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.integration.metrics import value_of
from tests.kubernetes.case import FakeCase
from tests.kubernetes.scene import Scene, Story, into

WEB = "registry.example/web:1"
STORIES: dict[str, Story] = {}
story = into(STORIES)


@story
def failed_and_tried_again(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    scene.asks("p", "web", WEB)
    yield 1
    scene.fails("p", "web", WEB)
    scene.backs_off("p", "web", WEB)
    yield 2
    scene.expect(WEB, phase="failed", errorClass="not_found", attempts=1)


class SeveralServers(FakeCase):
    def test_an_attempt_is_counted_and_logged_once(self) -> None:
        try:
            valkey = Valkey(self.folder / "valkey")
        except ToolMissing as missing:
            raise unittest.SkipTest(str(missing)) from None
        self.addCleanup(valkey.kill)
        servers = [self.start(PULLTRACE_SHARE_URL=valkey.url) for _ in range(2)]
        self.wait_for_watches(4)
        self.play(servers[0], STORIES)
        for server in servers:
            self.wait_for_pull(server, "the failed row", phase="failed", imageRef=WEB)
        rows = [self.pulls(server)[0]["id"] for server in servers]
        self.assertEqual(rows[0], rows[1])
        errors = 'pulltrace_pull_errors_total{class="not_found"}'
        wait_for("it is counted", lambda: self.sum(servers, errors) == 1, 5)
        registry = 'pulltrace_registry_errors_total{registry="registry.example",class="not_found"}'
        self.assertEqual(self.sum(servers, registry), 1)
        self.assertEqual(len(self.log_lines(servers[0], "pull.failed")), 1)  # of both: they share a file

    def sum(self, servers: list[Server], series: str) -> float:
        texts = [get(server.metrics_port, "/metrics").text() for server in servers]
        return sum(value_of(text, series) for text in texts if series in text)
