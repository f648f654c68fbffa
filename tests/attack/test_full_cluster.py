# SPDX-License-Identifier: Apache-2.0
"""As many pods as may wait, and a row for each: no turn of the server's loop takes more than 5 ms of CPU."""

from __future__ import annotations

from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.integration.server_case import layer, pull
from tests.integration.test_turns import ROOM, ClusterCase
from tests.integration.turns_case import TRIES, long_turns
from tests.kubernetes.cluster import pod

FULL_PODS = 100_000
FULL_NODES = 1000


class AFullCluster(ClusterCase):
    def test_no_turn_is_long_with_100_000_pods_and_their_rows(self) -> None:
        pods = [
            pod(f"pod-{number}", f"a.io/image-{number}:1", f"n{number % FULL_NODES}")
            for number in range(FULL_PODS)
        ]
        self.api.put_all("pods", pods)
        self.start(**ROOM)
        wait_for("all are known", lambda: self.waiting_pods() == FULL_PODS, 120)
        rows = "pulltrace_pulls_queued"
        wait_for("each has its row", lambda: self.metric(self.server, rows) == FULL_PODS, 120)
        for path in (
            "/api/v1/pods", "/api/v1/pods?waiting=1", "/api/v1/pulls?limit=1000", "/api/v1/summary",
            "/api/v1/registries", "/api/v1/nodes", "/api/v1/pods/default/pod-7",
            "/api/v1/pulls?status=active&layers=0&sort=imageRef",
        ):  # fmt: skip
            self.assertEqual(get(self.server.port, path).status, 200, path)
        self.read_stream()
        for node in range(0, FULL_NODES, 2):  # an agent comes, and pulls one of its images
            self.deliver(self.server, f"n{node}", pull("p", f"a.io/image-{node}:1", layer(node)))
        self.api.expire_streams()
        for number in range(0, FULL_PODS, 20):
            self.api.delete("pods", "default", f"pod-{number}")
        left = FULL_PODS - FULL_PODS // 20
        wait_for("some are gone", lambda: self.waiting_pods() == left, 120)
        self.assertLess(long_turns(self.server), TRIES)
