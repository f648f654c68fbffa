# SPDX-License-Identifier: Apache-2.0
"""Several servers are one, by a log in a real Valkey or Redis."""

from __future__ import annotations

import json
import unittest
from typing import Any

from lab.pulltrace import Server
from lab.tools import ToolMissing
from lab.valkey import Valkey
from lab.waiting import Timeout, wait_for
from tests.integration.http_json import get
from tests.integration.server_case import ServerCase, layer, pull

# What a server may show otherwise than another, and why.
LOCAL = {
    "version": "of a run of a server",
    "bytesPerSec": "a rate over the moments at which reports were applied",
    "etaSeconds": "follows from rates",
    "readyEtaSeconds": "follows from rates",
    "holdUp": "concluded once a second by each",
}


def without_local(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_local(item) for key, item in value.items() if key not in LOCAL}
    return [without_local(item) for item in value] if isinstance(value, list) else value


def pulls(server: Server) -> dict[str, Any]:
    """All pulls by id, with their layers, but what is local."""
    items = get(server.port, "/api/v1/pulls?limit=1000").json()["pulls"]
    return {item["id"]: without_local(item) for item in items}


def lines(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True)


def fetched(number: int, got: int) -> dict[str, Any]:
    """A layer as our own agent reports it."""
    return layer(number, got, startedAt="2026-01-01T00:00:01Z")


class ShareCase(ServerCase):
    def setUp(self) -> None:
        super().setUp()
        try:
            self.valkey = Valkey(self.folder / "valkey")
        except ToolMissing as missing:
            raise unittest.SkipTest(str(missing)) from None
        self.addCleanup(self.valkey.kill)
        self._sequence = 0

    def start_replica(self, **settings: str) -> Server:
        server = self.start_server(PULLTRACE_SHARE_URL=self.valkey.url, **settings)
        wait_for("replica is ready", lambda: get(server.port, "/readyz").status == 200, 10)
        return server

    def share(self, server: Server, node: str, *reported: dict[str, Any], **more: Any) -> None:
        """A report of our own agent, which numbers them."""
        self._sequence += 1
        self.deliver(server, node, *reported, run="0ab1", sequence=self._sequence, **more)

    def assert_equal_everywhere(self, servers: list[Server], count: int) -> dict[str, Any]:
        first = servers[0]

        def are_equal() -> bool:
            shown = pulls(first)
            return len(shown) == count and all(pulls(other) == shown for other in servers)

        try:
            wait_for("all replicas show the same", are_equal, 5)
        except Timeout:
            self.maxDiff = None
            for other in servers[1:]:
                self.assertEqual(lines(pulls(first)), lines(pulls(other)))
            raise
        return pulls(first)


class SeveralServers(ShareCase):
    def test_a_report_to_one_is_on_all(self) -> None:
        servers = [self.start_replica() for _ in range(3)]
        for number, server in enumerate(servers):
            self.share(server, f"node-{number}", pull("p", f"app-{number}:1", fetched(number, 500)))
        shown = self.assert_equal_everywhere(servers, 3)
        self.assertEqual({item["phase"] for item in shown.values()}, {"downloading"})
        first, *others = [without_local(get(server.port, "/api/v1/nodes").json()) for server in servers]
        for other in others:
            self.assertEqual(lines(other), lines(first))

    def test_a_new_replica_has_all_that_there_was(self) -> None:
        first = self.start_replica()
        done = {"phase": "completed", "completedAt": "2026-01-01T00:01:00Z"}
        self.share(first, "node-a", pull("p", "app-a:1", fetched(1, 1000), **done), pull("q", "app-b:1", fetched(2, 10)))
        self.share(first, "node-a", pull("q", "app-b:1", fetched(2, 20)))
        second = self.start_replica()
        shown = self.assert_equal_everywhere([first, second], 2)
        self.assertEqual({item["phase"] for item in shown.values()}, {"completed", "downloading"})

    def test_a_killed_replica_takes_no_acknowledged_end_along(self) -> None:
        servers = [self.start_replica() for _ in range(2)]
        done = {"phase": "completed", "completedAt": "2026-01-01T00:01:00Z"}
        for number in range(20):
            one = pull("p", f"app-{number}:1", fetched(number, 1000), **done)
            self.share(servers[0], f"node-{number}", one)
        servers[0].process.kill()
        wait_for("all ends", lambda: len(pulls(servers[1])) == 20, 5)
