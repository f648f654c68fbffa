# SPDX-License-Identifier: Apache-2.0
"""Several servers on each kind of Valkey that there is: with TLS and users, a cluster, a replica, one that evicts."""

from __future__ import annotations

from pathlib import Path

from lab.pulltrace import Server
from lab.valkey import Valkey
from lab.waiting import free_port, wait_for
from tests.faults.link import Link
from tests.integration.certificates import make_certificates
from tests.integration.http_json import get, is_ready
from tests.integration.server_case import pull
from tests.integration.test_share import DONE, AwayCase, fetched, pulls
from tests.replicas.rights import USER, user_line

SLOTS = 16384


class AsDocumented(AwayCase):
    """TLS, and a user with the rights of docs/replicas.md, whose password changes."""

    def setUp(self) -> None:
        super().setUp()
        self.valkey.kill()
        made = make_certificates(self.folder / "certificates")
        self.users, self.password = self.folder / "users.acl", self.folder / "password"
        self.write_password("the-first-password")
        port = free_port()
        options: list[str | Path] = [
            "--tls-port", str(port), "--tls-cert-file", made.certificate, "--tls-key-file", made.key,
            "--tls-ca-cert-file", made.authority, "--tls-auth-clients", "no", "--aclfile", self.users,
        ]  # fmt: skip
        self.valkey = self.start_valkey(options)
        self.settings = {
            "PULLTRACE_SHARE_URL": f"valkeys://{USER}@127.0.0.1:{port}",
            "PULLTRACE_SHARE_PASSWORD_FILE": str(self.password),
            "PULLTRACE_SHARE_CA_FILE": str(made.authority),
        }

    def write_password(self, password: str) -> None:
        self.users.write_text(user_line(password) + "\n")
        new = self.password.with_suffix(".new")
        new.write_text(password + "\n")
        new.replace(self.password)

    def start_replicas(self, count: int, **settings: str) -> list[Server]:
        servers = [self.start_server(**self.settings, **settings) for _ in range(count)]
        for server in servers:
            wait_for("replica is ready", lambda: is_ready(server.port), 10)
        return servers

    def assert_nothing_was_denied(self) -> None:
        self.assertEqual(self.valkey.ask("ACL LOG"), "0")

    def test_its_rights_are_enough_for_all_also_when_data_was_lost(self) -> None:
        servers = self.start_replicas(2)
        ended = [pull("p", f"app-{number}:1", fetched(number, 1000), **DONE) for number in range(3)]
        for number, one in enumerate(ended):
            self.share(servers[number % 2], f"node-{number}", one, pull("q", "app-9:1", fetched(9, 10)))
        self.assert_equal_everywhere(servers, 6)
        self.assert_nothing_was_denied()
        self.valkey.kill()
        self.await_apart(servers, True)
        self.valkey.start()  # with nothing
        self.await_apart(servers, False)
        newcomer = self.start_replica()
        wait_for("the ends are given back", lambda: len(pulls(newcomer)) >= 3, 10)
        for number in range(4, 20):  # one in 16 sweeps
            self.share(servers[0], f"node-{number}", pull("q", "app-9:1", fetched(9, 20)))
        self.assert_nothing_was_denied()

    def test_a_password_is_replaced_while_servers_run(self) -> None:
        servers = self.start_replicas(2)
        self.write_password("the-second-password")
        self.valkey.ask("ACL LOAD")
        self.valkey.ask("CLIENT KILL TYPE normal")  # as Redis 7.0 does by itself; Valkey 8 lets them stand
        for server in servers:
            wait_for("noticed", lambda: self.metric(server, "pulltrace_share_disconnections_total") > 0, 5)
        self.await_apart(servers, False)
        self.share(servers[0], "node-a", pull("p", "app-a:1", fetched(1, 1000), **DONE))
        self.share(servers[1], "node-b", pull("p", "app-b:1", fetched(2, 1000), **DONE))
        self.assert_equal_everywhere(servers, 2)
        self.start_replica()


class ACluster(AwayCase):
    """Cannot be used, and each server says so; it goes on with what it hears itself."""

    def start_member(self, slots: str, bus_port: int) -> Valkey:
        options = ["--cluster-enabled", "yes", "--cluster-port", str(bus_port), "--cluster-require-full-coverage", "no"]
        member = Valkey(self.folder / f"member-{bus_port}", options)
        self.addCleanup(member.kill)
        if slots:
            member.ask(f"CLUSTER ADDSLOTSRANGE {slots}")
        return member

    def assert_it_says(self, member: Valkey, *words: str) -> None:
        server = self.start_server(PULLTRACE_SHARE_URL=member.url)

        def says_all() -> bool:
            return all(each in server.process.stdout_text() for each in (*words, "which cannot be used"))

        wait_for(f"it says {words}", says_all, 15)
        self.assertEqual(get(server.port, "/readyz").status, 503)

    def test_one_that_holds_the_keys_elsewhere(self) -> None:
        bus_port = free_port()
        slot = int(self.start_member("", free_port()).ask("CLUSTER KEYSLOT {pulltrace}:log"))
        first = self.start_member(f"0 {slot}", bus_port)
        second = self.start_member(f"{slot + 1} {SLOTS - 1}", free_port())
        second.ask(f"CLUSTER MEET 127.0.0.1 {first.port} {bus_port}")

        def know_each_other() -> bool:
            """The second alone may be well too: it wants no other's slots."""
            said = second.ask("CLUSTER INFO")
            return "cluster_state:ok" in said and f"cluster_slots_assigned:{SLOTS}" in said

        wait_for("they know each other", know_each_other, 15)
        self.assert_it_says(second, "MOVED")

    def test_one_that_serves_no_keys(self) -> None:
        self.assert_it_says(self.start_member("", free_port()), "CLUSTERDOWN")


class AReplica(AwayCase):
    def start_copy(self) -> Valkey:
        self.to_copy = Link(0, self.valkey.port)
        self.addCleanup(self.to_copy.close)
        copy = Valkey(self.folder / "copy", ["--replicaof", "127.0.0.1", str(self.to_copy.port)])
        self.addCleanup(copy.kill)
        self.await_copy(copy)
        return copy

    def await_copy(self, copy: Valkey) -> None:
        def is_in_step() -> bool:
            own, of_copy = self.valkey.info(), copy.info()
            is_linked = of_copy.get("master_link_status") == "up"
            return is_linked and own["master_repl_offset"] == of_copy["slave_repl_offset"]

        wait_for("the copy has all", is_in_step, 20)

    def test_who_is_sent_to_one_says_so_and_shows_what_the_others_take(self) -> None:
        copy = self.start_copy()
        (taker,) = self.start_replicas(1)
        astray = self.start_server(PULLTRACE_SHARE_URL=copy.url)
        wait_for("ready", lambda: is_ready(astray.port), 10)
        self.await_apart([astray], True)
        self.assertIn("name the primary", astray.process.stdout_text())
        self.share(taker, "node-a", pull("p", "app-a:1", fetched(1, 1000), **DONE))
        self.assert_equal_everywhere([taker, astray], 1)
        self.share(astray, "node-b", pull("q", "app-b:1", fetched(2, 10)))
        answer = self.report(astray, "node-c", pull("q", "app-c:1", fetched(2, 1000), **DONE))
        self.assertEqual((answer.status, answer.json()["code"]), (503, "report_not_shared"))

    def test_what_a_failover_loses_is_given_back(self) -> None:
        copy = self.start_copy()
        way = Link(0, self.valkey.port)
        self.addCleanup(lambda: way.close())
        url = f"valkey://127.0.0.1:{way.port}"
        servers = [self.start_server(PULLTRACE_SHARE_URL=url) for _ in range(2)]
        for server in servers:
            wait_for("ready", lambda: is_ready(server.port), 10)
        self.share(servers[0], "node-a", pull("p", "app-a:1", fetched(1, 1000), **DONE))
        self.await_copy(copy)
        self.to_copy.close()  # it lacks the next one
        self.share(servers[1], "node-b", pull("p", "app-b:1", fetched(2, 1000), **DONE))
        self.assert_equal_everywhere(servers, 2)
        self.valkey.kill()
        copy.ask("REPLICAOF NO ONE")
        way.close()
        way = Link(way.port, copy.port)
        self.await_apart(servers, False)
        wait_for("lost", lambda: any("share.lost" in each.process.stdout_text() for each in servers), 10)
        newcomer = self.start_server(PULLTRACE_SHARE_URL=url)
        wait_for("the newcomer is ready", lambda: is_ready(newcomer.port), 10)
        self.assert_equal_everywhere([*servers, newcomer], 2)


class OneThatEvicts(AwayCase):
    def test_it_is_warned_of_at_the_start(self) -> None:
        self.valkey.ask("CONFIG SET maxmemory-policy allkeys-lru")
        server = self.start_replica()
        wait_for("warned", lambda: "share.evicts" in server.process.stdout_text(), 5)
        self.assertIn('"policy":"allkeys-lru"', server.process.stdout_text())
        self.assertIn("noeviction", server.process.stdout_text())

    def test_one_that_does_not_is_not_warned_of(self) -> None:
        server = self.start_replica()
        self.assertNotIn("share.evicts", server.process.stdout_text())
