# SPDX-License-Identifier: Apache-2.0
"""Several servers on one Kubernetes: each sees what the kubelet says, and one of them counts and logs it."""

from __future__ import annotations

import time
from typing import Any

from lab.pulltrace import Server
from lab.waiting import Timeout, wait_for
from tests.integration.http_json import get
from tests.integration.metrics import value_of
from tests.integration.test_share import lines, pulls
from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import pull
from tests.kubernetes.kubelet import Pods
from tests.kubernetes.scene import NOT_FOUND

REPOSITORY = "registry.example/shop/web"
WEB = f"{REPOSITORY}:1"
GONE = "registry.example/shop/gone:1"
LINGER_S = 5  # a row, when those that waited for it are gone
NEXT = "registry.example/shop/next-{}:1"
ERRORS = 'pulltrace_pull_errors_total{class="not_found"}'
REGISTRY_ERRORS = 'pulltrace_registry_errors_total{registry="registry.example",class="not_found"}'


class ShareCase(FakeCase):
    def wait_on_each(self, servers: list[Server], timeout_s: float = 3, **wanted: Any) -> None:
        for server in servers:
            self.wait_for_pull(server, str(wanted), timeout_s, **wanted)

    def sum(self, servers: list[Server], series: str) -> float:
        texts = [get(server.metrics_port, "/metrics").text() for server in servers]
        return sum(value_of(text, series) for text in texts if series in text)


class SeveralServers(ShareCase):
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


class RowsOfKubernetes(ShareCase):
    """What no agent has reported is kept as well, for servers that start later."""

    def setUp(self) -> None:
        super().setUp()
        self.valkey = self.start_valkey()

    def start_replicas(self, count: int) -> list[Server]:
        """Each sees what happens from then on."""
        servers = [self.start(PULLTRACE_SHARE_URL=self.valkey.url) for _ in range(count)]
        self.wait_for_watches(self._watches + 2 * count)
        self._watches += 2 * count
        return servers

    _watches = 0

    def shown(self, server: Server) -> dict[str, Any]:
        """A page takes what was cancelled away, as an id that a server has left for the log's."""
        return {row["id"]: row for row in pulls(server).values() if row["phase"] != "cancelled"}

    def assert_same_everywhere(self, servers: list[Server], count: int) -> dict[str, Any]:
        first = servers[0]

        def are_same() -> bool:
            shown = self.shown(first)
            return len(shown) == count and all(self.shown(other) == shown for other in servers)

        try:
            wait_for("all show the same", are_same, 10)
        except Timeout:
            self.maxDiff = None
            for other in servers[1:]:
                self.assertEqual(lines(self.shown(first)), lines(self.shown(other)))
            self.assertEqual(lines(self.shown(first)), count)
        return self.shown(first)

    def end_two(self, servers: list[Server]) -> None:
        """One fails and its pod is deleted, one completes."""
        failing, coming = Pods(self.api, "node-1", GONE, 1), Pods(self.api, "node-2", WEB, 2)
        for pods in (failing, coming):
            pods.wait()
        self.wait_on_each(servers, imageRef=WEB, phase="queued")
        for attempt in (1, 2):
            failing.refuse(NOT_FOUND.format(GONE))
            self.wait_on_each(servers, imageRef=GONE, phase="failed", attempts=attempt)
        coming.pulled()
        coming.run()
        failing.delete()
        self.wait_on_each(servers, LINGER_S + 3, imageRef=WEB, phase="completed")
        self.wait_on_each(servers, LINGER_S + 3, imageRef=GONE, phase="failed", waiting=False)

    def test_who_starts_later_has_those_that_have_ended(self) -> None:
        servers = self.start_replicas(3)
        self.end_two(servers)
        shown = self.assert_same_everywhere(servers, 2)
        failed = next(row for row in shown.values() if row["imageRef"] == GONE)
        self.assertEqual((failed["attempts"], failed["errorClass"], failed["waiting"]), (2, "not_found", False))
        late = self.start_replicas(1)
        self.assertEqual(self.assert_same_everywhere([*servers, *late], 2), shown)
        self.assertEqual(self.sum(late, ERRORS), 0)
        for server in servers:
            server.process.kill()
        self.valkey.kill()
        self.valkey.start()  # with nothing
        wait_for("they are given back", lambda: self.valkey.ask("HLEN {pulltrace}:finished") == "2", 15)
        self._watches = 2
        last = self.start_replicas(1)
        self.assertEqual(self.assert_same_everywhere([*late, *last], 2), shown)

    def test_what_ends_while_valkey_is_away_is_kept_when_it_is_back(self) -> None:
        servers = self.start_replicas(2)
        self.valkey.kill()
        self.end_two(servers)
        self.valkey.start()
        wait_for("they are kept", lambda: self.valkey.ask("HLEN {pulltrace}:finished") == "2", 15)
        late = self.start_replicas(1)
        self.assert_same_everywhere([*servers, *late], 2)

    def test_what_goes_on_after_it_had_ended_is_one_row_everywhere(self) -> None:
        servers = self.start_replicas(2)
        self.end_two(servers)
        late = self.start_replicas(1)
        self.assert_same_everywhere([*servers, *late], 2)
        again = Pods(self.api, "node-1", GONE, 1)
        again.wait()
        self.wait_on_each([*servers, *late], imageRef=GONE, phase="queued")
        again.refuse(NOT_FOUND.format(GONE))
        everywhere = [*servers, *late]
        for more in (0, 1):  # one that begins in the middle of it
            everywhere += self.start_replicas(more)
            self.wait_on_each(everywhere, imageRef=GONE, phase="failed", waiting=True)
            self.assertEqual({row["id"] for server in everywhere for row in self.pulls(server)}, set(pulls(servers[0])))
        again.delete()
        self.wait_on_each(everywhere, LINGER_S + 3, imageRef=GONE, phase="failed", waiting=False)
        self.assert_same_everywhere([*servers, *late, *self.start_replicas(1)], 2)
        self.assertEqual(set(pulls(everywhere[-1])), set(pulls(servers[0])))

    def test_who_began_in_the_middle_takes_the_id_of_the_log(self) -> None:
        servers = self.start_replicas(2)
        pods = Pods(self.api, "node-1", GONE, 1)
        pods.wait()
        self.wait_on_each(servers, imageRef=GONE, phase="queued")
        time.sleep(2)  # the kubelet's times are whole seconds
        pods.refuse(NOT_FOUND.format(GONE))  # a pod that was scheduled anew, as far as its times say
        self.wait_on_each(servers, imageRef=GONE, phase="failed")
        late = self.start_replicas(1)
        self.wait_on_each(late, imageRef=GONE, phase="failed")
        self.assertEqual(len({row["id"] for server in (*servers, *late) for row in self.pulls(server)}), 2)
        time.sleep(2)  # what follows at once is another row
        pods.pulled()
        pods.run()
        self.wait_on_each([*servers, *late], LINGER_S + 3, imageRef=GONE, phase="completed")
        everywhere = [*servers, *late, *self.start_replicas(1)]
        wait_for("all have one id", lambda: len({key for server in everywhere for key in self.shown(server)}) == 1, 5)
        self.assertEqual({len(self.shown(server)) for server in everywhere}, {1})
