# SPDX-License-Identifier: Apache-2.0
"""Several servers are one, by a log in a real Valkey or Redis."""

from __future__ import annotations

import json
import random
import socket
import time
from pathlib import Path
from typing import Any

from lab.pulltrace import Server
from lab.waiting import Timeout, free_port, wait_for
from tests.faults.link import Link
from tests.integration.certificates import make_certificates
from tests.integration.http_json import get, is_ready
from tests.integration.server_case import ServerCase, layer, now, pull

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


def report_bytes(node: str, sequence: int, *reported: dict[str, Any]) -> bytes:
    """The request with a report of our own agent."""
    report = {"nodeName": node, "timestamp": now(), "run": "0ab1", "sequence": sequence}
    body = json.dumps(report | {"pulls": reported}).encode()
    head = "POST /api/v1/report HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


KEPT_S = 15  # by the log
MANY = 220  # entries: Valkey lets them go by hundreds
DONE = {"phase": "completed", "completedAt": "2026-01-01T00:01:00Z"}


class ShareCase(ServerCase):
    def setUp(self) -> None:
        super().setUp()
        self.valkey = self.start_valkey()
        self._sequence = 0

    def start_replicas(self, count: int, **settings: str) -> list[Server]:
        """Together: at a log in which nothing happens each is ready after a second."""
        servers = [self.start_server(PULLTRACE_SHARE_URL=self.valkey.url, **settings) for _ in range(count)]
        for server in servers:
            wait_for("replica is ready", lambda: is_ready(server.port), 10)
        return servers

    def start_replica(self, **settings: str) -> Server:
        (server,) = self.start_replicas(1, **settings)
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
        servers = self.start_replicas(3)
        for number, server in enumerate(servers):
            self.share(server, f"node-{number}", pull("p", f"app-{number}:1", fetched(number, 500)))
        shown = self.assert_equal_everywhere(servers, 3)
        self.assertEqual({item["phase"] for item in shown.values()}, {"downloading"})
        first, *others = [without_local(get(server.port, "/api/v1/nodes").json()) for server in servers]
        for other in others:
            self.assertEqual(lines(other), lines(first))

    def test_a_new_replica_has_all_that_there_was(self) -> None:
        first = self.start_replica()
        self.share(first, "node-a", pull("p", "app-a:1", fetched(1, 1000), **DONE), pull("q", "app-b:1", fetched(2, 10)))
        self.share(first, "node-a", pull("q", "app-b:1", fetched(2, 20)))
        second = self.start_replica()
        shown = self.assert_equal_everywhere([first, second], 2)
        self.assertEqual({item["phase"] for item in shown.values()}, {"completed", "downloading"})

    def test_what_failed_before_a_replica_started_is_no_burst(self) -> None:
        first = self.start_replica()
        failed = {"phase": "failed", "error": "it failed", "completedAt": now()}
        self.share(first, "node-a", pull("p", "app-a:1", fetched(1, 10), **failed))
        # A newer report of the node names it no more: it comes as one of the past.
        self.share(first, "node-a")
        second = self.start_replica()
        self.assert_equal_everywhere([first, second], 1)
        self.assertEqual([self.failures(server) for server in (first, second)], [1, 0])

    def failures(self, server: Server) -> int:
        """Those of the last half hour."""
        registries = get(server.port, "/api/v1/registries").json()["registries"]
        return sum(sum(registry["history"]["failed"]) for registry in registries)

    def test_a_killed_replica_takes_no_acknowledged_end_along(self) -> None:
        servers = self.start_replicas(2)
        for number in range(20):
            one = pull("p", f"app-{number}:1", fetched(number, 1000), **DONE)
            self.share(servers[0], f"node-{number}", one)
        servers[0].process.kill()
        wait_for("all ends", lambda: len(pulls(servers[1])) == 20, 5)


class Counters(ShareCase):
    def test_they_add_up(self) -> None:
        servers = self.start_replicas(2)
        for number in range(6):
            new = {"startedAt": now(), "bytesFetched": 1000, "kind": "pull"}
            one = pull("p", f"app-{number}:1", fetched(number, 1000), **(DONE | new))
            self.share(servers[number % 2], f"node-{number}", one)
        self.assert_equal_everywhere(servers, 6)
        for series, count in {
            'pulltrace_pulls_total{result="completed"}': 3,
            'pulltrace_registry_pulls_total{registry="docker.io",result="completed"}': 3,
            'pulltrace_registry_bytes_total{registry="docker.io"}': 3000,
            "pulltrace_pull_bytes_total": 3000,
            "pulltrace_agent_reports_total": 3,
            "pulltrace_share_entries_taken_total": 3,
            "pulltrace_share_entries_applied_total": 3,
        }.items():
            with self.subTest(series):
                self.assertEqual([self.metric(server, series) for server in servers], [count] * 2)


class AwayCase(ShareCase):
    """Valkey comes and goes."""

    def words(self, server: Server) -> str:
        return get(server.port, "/readyz").text()

    def await_apart(self, servers: list[Server], is_apart: bool) -> None:
        for server in servers:
            wait_for("apart" if is_apart else "together", lambda: ("cannot be reached" in self.words(server)) == is_apart, 12)
            self.assertEqual(get(server.port, "/readyz").status, 200)
            self.assertEqual("apart" in get(server.port, "/api/v1/summary").json(), is_apart)
            self.assertEqual(self.metric(server, "pulltrace_share_up"), 0 if is_apart else 1)


class ValkeyIsAway(AwayCase):
    def test_without_it_only_an_end_has_to_come_again(self) -> None:
        servers = self.start_replicas(2)
        self.valkey.kill()
        self.await_apart(servers, True)
        self.share(servers[0], "node-a", pull("p", "app-a:1", fetched(1, 500)))
        answer = self.report(servers[0], "node-b", pull("q", "app-b:1", fetched(2, 1000), **DONE))
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (503, "1"), answer.text())
        self.assertEqual(answer.json()["code"], "report_not_shared")
        self.assertEqual(len(pulls(servers[0])), 2)  # it was applied nevertheless
        self.valkey.start()
        self.await_apart(servers, False)
        self.share(servers[0], "node-a", pull("p", "app-a:1", fetched(1, 600)))
        self.share(servers[0], "node-b", pull("q", "app-b:1", fetched(2, 1000), **DONE))
        self.assert_equal_everywhere(servers, 2)

    def test_frozen_it_holds_no_agent_up_for_long(self) -> None:
        server = self.start_replica()
        self.valkey.process.freeze()
        try:
            self.share(server, "node-a", pull("p", "app-a:1", fetched(1, 500)))
            self.await_apart([server], True)
        finally:
            self.valkey.process.resume()
        self.await_apart([server], False)


class ValkeyWasAway(AwayCase):
    """With its data, or without."""

    def test_ends_that_it_has_lost_are_given_back(self) -> None:
        servers = self.start_replicas(2)
        self.share(servers[0], "node-a", pull("p", "app-a:1", fetched(1, 1000), **DONE))
        self.valkey.kill()
        self.await_apart(servers, True)
        self.valkey.start()  # with nothing
        self.await_apart(servers, False)
        newcomer = self.start_replica()
        self.assert_equal_everywhere([*servers, newcomer], 1)

    def test_ends_are_given_back_also_when_who_took_them_is_gone(self) -> None:
        taker, witness = self.start_replicas(2)
        self.share(taker, "node-a", pull("p", "app-a:1", fetched(1, 1000), **DONE))
        self.assert_equal_everywhere([taker, witness], 1)
        late = self.start_replica()  # which has it by what was kept
        taker.process.kill()
        witness.process.kill()
        self.valkey.kill()
        self.await_apart([late], True)
        self.valkey.start()  # with nothing
        self.await_apart([late], False)
        newcomer = self.start_replica()
        self.assert_equal_everywhere([late, newcomer], 1)

    def test_with_its_data_nothing_is_begun_anew(self) -> None:
        servers = self.start_replicas(2)
        self.share(servers[0], "node-a", pull("p", "app-a:1", fetched(1, 1000), **DONE))
        self.valkey.save()
        self.valkey.kill()
        self.await_apart(servers, True)
        self.valkey.start()
        self.await_apart(servers, False)
        self.share(servers[1], "node-b", pull("q", "app-b:1", fetched(2, 1000), **DONE))
        self.assert_equal_everywhere(servers, 2)
        for server in servers:
            self.assertNotIn("share.lost", server.process.stdout_text())


class ValkeyRefuses(AwayCase):
    def test_a_server_that_may_not_read_says_so(self) -> None:
        servers = self.start_replicas(2)
        self.valkey.ask("ACL SETUSER default -xread")
        self.await_apart(servers, True)
        self.assertIn("docs/replicas.md", servers[0].process.stdout_text())
        self.valkey.ask("ACL SETUSER default +xread")
        self.await_apart(servers, False)

    def test_one_that_is_full_is_logged_once_and_read(self) -> None:
        servers = self.start_replicas(2)
        self.share(servers[0], "node-a", pull("p", "app-a:1", fetched(1, 1000), **DONE))
        self.valkey.ask("CONFIG SET maxmemory 1")
        answer = self.report(servers[0], "node-b", pull("q", "app-b:1", fetched(2, 1000), **DONE))
        self.assertEqual(answer.status, 503, answer.text())
        self.await_apart(servers[:1], True)
        newcomer = self.start_replica()  # which reads nevertheless
        self.assertEqual(len(pulls(newcomer)), 1)
        # Each server has logged it once at most, however often it has tried again.
        self.assertLessEqual(servers[0].process.stdout_text().count("share.unreachable"), 3)
        self.valkey.ask("CONFIG SET maxmemory 0")
        self.await_apart([*servers, newcomer], False)


class StoppedReplica(ShareCase):
    def test_it_turns_no_node_back(self) -> None:
        servers = self.start_replicas(2)
        self.share(servers[0], "node-a", pull("p", "app-a:1", fetched(1, 100)))
        self.assert_equal_everywhere(servers, 1)
        servers[0].process.freeze()
        data = report_bytes("node-a", 2, pull("p", "app-a:1", fetched(1, 200)))
        held = socket.create_connection(("127.0.0.1", servers[0].port), timeout=10)
        self.addCleanup(held.close)
        held.sendall(data)  # which it reads when it goes on
        self._sequence = 2
        self.share(servers[1], "node-a", pull("p", "app-a:1", fetched(1, 1000), **DONE))
        time.sleep(0.6)  # the next report of the node is not too soon
        servers[0].process.resume()
        self.assertIn(b" 200 ", held.recv(65536))
        (item,) = self.assert_equal_everywhere(servers, 1).values()
        self.assertEqual(item["phase"], "completed")

    def test_after_more_than_the_log_keeps_it_is_not_ready_until_it_has_read_what_it_missed(self) -> None:
        way = Link(0, self.valkey.port)
        self.addCleanup(way.close)
        (other,) = self.start_replicas(1)
        stopped = self.start_server(PULLTRACE_SHARE_URL=f"valkey://127.0.0.1:{way.port}")
        wait_for("ready", lambda: is_ready(stopped.port), 10)
        stopped.process.freeze()
        self.share_many(other, "before")
        time.sleep(KEPT_S + 1)
        self.share_many(other, "behind")  # with which those before go
        way.set("delay", random.Random(0))
        stopped.process.resume()
        wait_for("not ready", lambda: not is_ready(stopped.port), 5)
        way.heal()
        wait_for("ready again", lambda: is_ready(stopped.port), 10)
        self.assertEqual(len(pulls(stopped)), 2 * MANY)

    def share_many(self, server: Server, name: str) -> None:
        for number in range(MANY):
            self.share(server, f"{name}-{number}", pull("p", "app:1", fetched(1, 10)))


class Encrypted(ServerCase):
    """TLS and a password, as managed services have them."""

    def setUp(self) -> None:
        super().setUp()
        made = make_certificates(self.folder / "certificates")
        self.authority = str(made.authority)
        self.tls_port = free_port()
        options: list[str | Path] = [
            "--tls-port", str(self.tls_port), "--tls-cert-file", made.certificate, "--tls-key-file", made.key,
            "--tls-ca-cert-file", made.authority,
            "--tls-auth-clients", "no", "--requirepass", "a-password-of-valkey",
        ]  # fmt: skip
        self.start_valkey(options)
        self.password = self.folder / "password"
        self.password.write_text("a-password-of-valkey\n")

    def start_replica(self, **settings: str) -> Server:
        return self.start_server(
            PULLTRACE_SHARE_URL=f"valkeys://127.0.0.1:{self.tls_port}",
            PULLTRACE_SHARE_PASSWORD_FILE=str(self.password),
            **settings,
        )

    def assert_it_complains(self, server: Server, words: str) -> None:
        wait_for(words, lambda: words in server.process.stdout_text(), 10)
        said = get(server.port, "/readyz")
        self.assertEqual(said.status, 503)
        self.assertIn("their log cannot be reached, or refuses this server", said.text())

    def test_with_the_ca_and_the_password_it_is_ready(self) -> None:
        server = self.start_replica(PULLTRACE_SHARE_CA_FILE=self.authority)
        wait_for("ready", lambda: is_ready(server.port), 10)
        answer = self.report(server, "node-a", pull("p", "app-a:1", fetched(1, 1000), **DONE))
        self.assertEqual(answer.status, 200, answer.text())

    def test_without_the_ca_it_says_so(self) -> None:
        self.assert_it_complains(self.start_replica(), "certificate")

    def test_a_wrong_password_is_named_and_the_right_one_taken_when_it_comes(self) -> None:
        self.password.write_text("another\n")
        server = self.start_replica(PULLTRACE_SHARE_CA_FILE=self.authority)
        self.assert_it_complains(server, "PULLTRACE_SHARE_PASSWORD_FILE")
        self.password.write_text("a-password-of-valkey\n")
        wait_for("ready", lambda: is_ready(server.port), 10)
