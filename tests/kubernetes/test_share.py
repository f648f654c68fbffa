# SPDX-License-Identifier: Apache-2.0
"""Several servers on one Kubernetes: each sees what the kubelet says, and one of them counts and logs it."""

from __future__ import annotations

from typing import Any

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.integration.metrics import value_of
from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import pull
from tests.kubernetes.kubelet import Pods
from tests.kubernetes.scene import NOT_FOUND

REPOSITORY = "registry.example/shop/web"
WEB = f"{REPOSITORY}:1"
NEXT = "registry.example/shop/next-{}:1"
ERRORS = 'pulltrace_pull_errors_total{class="not_found"}'
REGISTRY_ERRORS = 'pulltrace_registry_errors_total{registry="registry.example",class="not_found"}'


class SeveralServers(FakeCase):
    def test_an_attempt_is_counted_and_logged_once(self) -> None:
        url = self.start_valkey().url
        servers = [self.start(PULLTRACE_SHARE_URL=url) for _ in range(2)]
        self.wait_for_watches(4)
        pods = Pods(self.api, "node-1", WEB, 1)
        pods.wait()
        self.wait_on_each(servers, imageRef=WEB, phase="queued")
        for attempt in (1, 2):
            pods.refuse(NOT_FOUND.format(WEB))
            self.wait_on_each(servers, imageRef=WEB, phase="failed", attempts=attempt)
            wait_for("it is counted", lambda: self.sum(servers, ERRORS) >= attempt, 5)
            Pods(self.api, "node-2", NEXT.format(attempt), 1).wait()  # who shows it has done with what was before
            self.wait_on_each(servers, imageRef=NEXT.format(attempt))
            self.assertEqual(self.sum(servers, ERRORS), attempt)
            self.assertEqual(self.sum(servers, REGISTRY_ERRORS), attempt)
            self.assertEqual(len(self.log_lines(servers[0], "pull.failed")), attempt)  # of both: they share a file
        first, second = ({row["id"] for row in self.pulls(server)} for server in servers)
        self.assertEqual(first, second)

    def test_one_that_starts_later_knows_who_had_waited_for_what_is_over(self) -> None:
        url = self.start_valkey().url
        first = self.start(PULLTRACE_SHARE_URL=url)
        self.wait_for_watches()
        pods = Pods(self.api, "node-1", WEB, 2)
        pods.wait()
        self.wait_for_pull(first, "it is queued", imageRef=WEB, phase="queued")
        self.report(first, "node-1", pull("p1", REPOSITORY, 500, imageRef=WEB))
        self.wait_for_pull(first, "it is joined", imageRef=WEB, phase="downloading", pods=["web-0", "web-1"])
        self.report(first, "node-1", pull("p1", REPOSITORY, 1000, "completed", imageRef=WEB, imageRefExact=True))
        pods.pulled()
        pods.run()
        known = self.wait_for_pull(first, "it is over", imageRef=WEB, phase="completed", pods=["web-0", "web-1"])
        second = self.start(PULLTRACE_SHARE_URL=url)
        found = self.wait_for_pull(second, "it has been read", 15, imageRef=WEB, phase="completed")
        for name in ("id", "imageRef", "imageRefExact", "pods", "waiting"):
            self.assertEqual(found.get(name), known.get(name), name)

    def test_one_that_starts_behind_a_loss_takes_no_agent_for_missing(self) -> None:
        for name in ("node-1", "node-2"):
            self.api.put("nodes", {"metadata": {"name": name}, "status": {"nodeInfo": {}}})
        valkey = self.start_valkey()
        first = self.start(PULLTRACE_SHARE_URL=valkey.url)
        self.report(first, "node-1", pull("p1", REPOSITORY, 500, imageRef=WEB))
        self.report(first, "node-2")
        valkey.ask("FLUSHALL")
        second = self.start(PULLTRACE_SHARE_URL=valkey.url)
        Pods(self.api, "node-1", NEXT.format(1), 1).wait()
        row = self.wait_for_pull(second, "it is queued", imageRef=NEXT.format(1), phase="queued")
        wait_for("the cluster's nodes are there", lambda: len(self.nodes(second)) == 2, 5)
        for node in self.nodes(second).values():
            self.assertFalse(node["silent"])
            for name in ("lastReportAt", "reason"):
                self.assertNotIn(name, node)
        self.assertNotEqual(row.get("holdUp", {}).get("kind"), "agent_missing")
        summary = get(second.port, "/api/v1/summary").json()
        self.assertEqual((summary["nodesReporting"], summary["nodesSilent"]), (0, 0))
        self.assertEqual(len(self.pulls(second)), 1)
        self.report(first, "node-1", pull("p1", REPOSITORY, 600, imageRef=WEB))
        self.wait_for_pull(second, "the pull is back", imageRef=WEB, downloadedBytes=600)
        self.assertIn("lastReportAt", self.nodes(second)["node-1"])
        self.assertNotIn("lastReportAt", self.nodes(second)["node-2"])
        self.report(first, "node-2")
        wait_for("the other node is back", lambda: "lastReportAt" in self.nodes(second)["node-2"], 3)
        third = self.start(PULLTRACE_SHARE_URL=valkey.url)  # it has both without another report
        self.assertEqual({name for name, node in self.nodes(third).items() if "lastReportAt" in node}, {"node-1", "node-2"})

    def nodes(self, server: Server) -> dict[str, Any]:
        return {node["nodeName"]: node for node in get(server.port, "/api/v1/nodes").json()["nodes"]}

    def wait_on_each(self, servers: list[Server], **wanted: Any) -> None:
        for server in servers:
            self.wait_for_pull(server, str(wanted), **wanted)

    def sum(self, servers: list[Server], series: str) -> float:
        texts = [get(server.metrics_port, "/metrics").text() for server in servers]
        return sum(value_of(text, series) for text in texts if series in text)
