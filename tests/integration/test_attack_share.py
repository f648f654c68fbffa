# SPDX-License-Identifier: Apache-2.0
"""A hostile Valkey, and who may write to a good one: no server ends, stalls, grows or starts no more."""

from __future__ import annotations

import json
import time
from typing import Any

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.case import ADDRESS_SANITIZER
from tests.integration.hostile_valkey import HostileValkey, Part, encode, send
from tests.integration.http_json import get, is_in_step, is_ready
from tests.integration.server_case import ServerCase, now, pull
from tests.integration.test_attack_text import CONTROLS, HOSTILE
from tests.integration.test_share import DONE, ShareCase, fetched
from tests.integration.test_share_links import MAY_GROW_BYTES, held

MB = 1_000_000
WORDS = b"-ERR " + HOSTILE.replace("\r", "").replace("\n", "").encode() + b"\r\n"


def entry(report: bytes, **fields: bytes) -> Part:
    found: dict[str, bytes] = {"v": b"1", "o": b"0", "s": b"1", "t": b"x", "n": b"1", "i": b"", "r": report} | fields
    return [b"%d-1" % (time.time() * 1000), [part for name, value in found.items() for part in (name.encode(), value)]]


def read(*entries: Part) -> bytes:
    return encode([[b"log", list(entries)]])


ATTACKS: dict[str, dict[bytes, bytes]] = {
    "nothing but errors": {b"*": WORDS},
    "a length without end": {b"*": b"$999999999999999\r\n"},
    "lengths that are none": {b"*": b"$-2\r\n"},
    "more bytes than may be": {b"XREAD": b"$100000000\r\n" + b"x" * 40 * MB},
    "a list without end": {b"*": b"*999999999999999\r\n"},
    "lists of many": {b"XREAD": b"*16000\r\n" * 9},
    "lists within lists": {b"*": b"*1\r\n" * 100_000},
    "a line without end": {b"*": b"+" + b"x" * MB},
    "no protocol": {b"*": HOSTILE.encode() + b"\r\n"},
    "answers that nobody asked for": {b"*": b"+OK\r\n" * 100_000},
    "errors when it appends": {b"EVALSHA": WORDS},
    "numbers when it appends": {b"EVALSHA": b":1\r\n"},
    "a time that is none": {b"TIME": encode([b"x", b"y"])},
    "a time at the end of all": {b"TIME": encode([b"9223372036", b"999999"])},
    "a time before all": {b"TIME": encode([b"1", b"0"])},
    "a script's name that is none": {b"SCRIPT": encode(HOSTILE.encode()[:40])},
    "words of its memory": {b"INFO": encode(b"maxmemory_policy:" + HOSTILE.encode())},
    "a hash without end": {b"EVAL": encode([b"1", [b"node", b"1-0\n\n{}"] * 100])},
    "parts that are none": {b"EVAL": encode([[[[b"1"]]], None, 1])},
    "no waiting where it is to wait": {b"XREAD": b"*-1\r\n"},
    "entries that are none": {b"XREAD": read(1, None, [], [b"1-1", 5])},
    "reports that are none": {b"XREAD": read(*(entry(text) for text in (b"", b"[", b"{" * 100_000, b"\xff\x00")))},
    "ends that are none": {b"XREAD": read(entry(b"{}", e=b"-1"), entry(b"{}", e=b"9" * 30))},
    "one entry of 20 MB": {b"XREAD": read(entry(b"x" * 20 * MB))},
}


class Hostile(ServerCase):
    def setUp(self) -> None:
        super().setUp()
        self.valkey = HostileValkey()
        self.addCleanup(self.valkey.close)
        options = ADDRESS_SANITIZER["ASAN_OPTIONS"] + ":quarantine_size_mb=8"
        url = f"valkey://127.0.0.1:{self.valkey.port}"
        self.server = self.start_server(PULLTRACE_SHARE_URL=url, ASAN_OPTIONS=options)
        wait_for("ready", lambda: is_in_step(self.server.port), 20)

    def test_it_goes_on_whatever_it_is_answered(self) -> None:
        before = held(self.server)
        for number, (name, answers) in enumerate(ATTACKS.items()):
            with self.subTest(name):
                self.valkey.answer(answers)
                wait_for("it is answered so", lambda: self.is_answered(number), 20, every_s=0.2)
                time.sleep(0.3)  # who asks again at once would do so a thousand times
                self.assertLess(self.valkey.asked[b"*"], 500)
                self.valkey.answer({})
                wait_for("in step again", lambda: is_in_step(self.server.port), 20)
                self.assertLess(held(self.server)[0], before[0] + MAY_GROW_BYTES)
        *lines, _ = self.server.process.stdout_text().split("\n")  # the last one may be half written
        self.assertLess(len(lines), 20 * len(ATTACKS))
        for line in lines:
            with self.subTest(line):
                json.loads(line)
                self.assertIsNone(CONTROLS.search(line))

    def is_answered(self, number: int) -> bool:
        """Meanwhile probes have their answers, and reports that end nothing."""
        began = time.monotonic()
        self.assertEqual(get(self.server.port, "/healthz").status, 200)
        self.assertLess(time.monotonic() - began, 1)
        sequence = int(1000 * began)
        answer = self.report(self.server, f"node-{number}", pull("p", "app:1", fetched(1, 10)), run="0ab1", sequence=sequence)
        self.assertIn(answer.status, (200, 429))
        return self.valkey.has_answered()


def hostile_pull(identity: str, **more: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("repository", "namespace", "platform", "snapshotter", "error"), HOSTILE)
    return pull(identity, HOSTILE, fetched(1, 5) | {"mediaType": HOSTILE, "extractionError": HOSTILE}, **(texts | more))


def hostile_rows() -> list[bytes]:
    """What Kubernetes has said of rows that have ended, as servers write it."""
    hostile = {"imageRef": HOSTILE, "repository": HOSTILE, "error": HOSTILE, "phase": "failed", "completedAt": now()}
    pods = [{"namespace": HOSTILE, "podName": HOSTILE, "container": HOSTILE, "image": HOSTILE}]
    largest = (1 << 64) - 1
    far = {"startedAt": "2261-01-01T00:00:00Z", "completedAt": "1970-01-01T00:00:01Z"}
    rows: list[dict[str, Any]] = [
        {"row": hostile, "pods": pods},
        {"row": hostile | far, "attempts": largest, "rank": largest},
        {"row": hostile | {"phase": "completed"}, "pullNs": largest, "imageBytes": largest, "queuedSeconds": 1e308},
        {"row": hostile | {"imageRef": "x" * 2000}},
        {"row": hostile | {"phase": "downloading"}},
        {"row": hostile, "pods": [5]},
        {"row": hostile, "pods": pods * 3000},
        {"row": "x"},
    ]
    return [json.dumps(row).encode() for row in rows]


class Poisoned(ShareCase):
    """Somebody has the password, and is gone again; what was written stays."""

    def add(self, node: str, *pulls: dict[str, Any], row_ids: bytes = b"", ended: bytes = b"", **more: Any) -> None:
        report = {"nodeName": node, "timestamp": now(), "run": "0ab1", "sequence": 1, "pulls": pulls}
        self.add_text(json.dumps(report | more).encode(), row_ids, ended)

    def add_text(self, text: bytes, row_ids: bytes = b"", ended: bytes = b"", waited: bytes = b"") -> None:
        fields = (b"v", b"1", b"t", b"x", b"n", b"1", b"i", row_ids, b"r", text, b"e", ended, b"w", waited)
        send(self.valkey.port, b"XADD", b"{pulltrace}:log", b"*", *fields)

    def poison(self, honest: bytes) -> None:
        for text in (b"", b"null", b"[" * 100_000, b'{"nodeName":"' + b"x" * 2 * MB, b"\xff\x00\xfe", b'{"nodeName":5}'):
            self.add_text(text)
        self.add("evil", hostile_pull("p"), agentVersion=HOSTILE, runtime={"name": HOSTILE, "version": HOSTILE})
        self.add("evil", hostile_pull("q", phase="failed", completedAt=now()), row_ids=honest)
        for row_ids in (honest * 2, b"-" * 64, b"-a" * 32, honest[:31] + b"-" + honest, b"a", honest * 2000):
            self.add("evil", pull("p", "app:1"), pull("q", "app:1"), row_ids=row_ids)
        self.add("node-a", pull("p", "honest:1", fetched(1, 10)), row_ids=b"f" * 32)
        for number in range(1, 40):
            self.add("node-a", run=f"{number:x}", sequence=(1 << 63) - 1)
        self.add("node-a", sequence=(1 << 64) - 1)
        self.add("evil", pull("n", "app:1", fetched(1, -5) | {"totalBytes": (1 << 63) - 1}), intervalMs=(1 << 62))
        for ended in (b"-1", b"0", b"9223372036854", b"9" * 40, b"x"):
            self.add("past", pull("p", "app:1", fetched(1, 5)), ended=ended)
            self.add("past", *(pull(f"p{number}", "app:1", **DONE) for number in range(300)), ended=ended)
        for number in range(200):
            self.add(f"made-up-{number}")
        for key, values in {b"latest": (b"", b"x", b"1-1\n\n{", b"9223372036854-1\n\n{}"), b"finished": (b"", b"\xff")}.items():
            for number, value in enumerate(values):
                send(self.valkey.port, b"HSET", b"{pulltrace}:" + key, b"%d" % number, value)
                send(self.valkey.port, b"ZADD", b"{pulltrace}:order", b"%d" % number, b"%d" % number)

    def poison_rows(self, honest: bytes) -> None:
        ended = b"%d" % (time.time() * 1000)
        for node in ("node-a", "evil"):
            report = json.dumps({"nodeName": node, "timestamp": now(), "pulls": []}).encode()
            for number, row in enumerate(hostile_rows()):
                for row_id in (honest, b"%031xe" % number, b"-" * 32, b""):
                    self.add_text(report, row_id, ended, row)
                kept = ended + b"-0 " + row + b"\n" + (b"%031xd" % number) + b"\n" + report
                send(self.valkey.port, b"HSET", b"{pulltrace}:finished", b"%031xd" % number, kept)
                send(self.valkey.port, b"ZADD", b"{pulltrace}:order", ended, b"%031xd" % number)

    def honest_row(self, server: Server) -> tuple[str, int]:
        rows = get(server.port, "/api/v1/pulls?node=node-a&image=honest").json()["pulls"]
        self.assertLessEqual(len(rows), 2)
        return max(((row["phase"], row["downloadedBytes"]) for row in rows), key=lambda row: row[1], default=("", 0))

    def skipped(self, server: Server) -> float:
        return self.metric(server, "pulltrace_share_entries_skipped_total")

    def test_servers_go_on_and_start(self) -> None:
        servers = self.start_replicas(2)
        self.share(servers[0], "node-a", pull("h", "honest:1", fetched(1, 100)))
        wait_for("shown", lambda: self.honest_row(servers[1])[1] == 100, 5)
        honest = get(servers[0].port, "/api/v1/pulls?node=node-a").json()["pulls"][0]["id"]
        self.poison(honest.encode())
        self.poison_rows(honest.encode())
        for server in servers:
            wait_for("some is skipped", lambda server=server: self.skipped(server) > 4, 10)
        newcomer = self.start_replica()  # in the middle of it
        servers[1].process.kill()
        servers[1].start()
        wait_for("ready again", lambda: is_ready(servers[1].port), 10)
        self.share(servers[0], "node-a", pull("h", "honest:1", fetched(1, 1000), **DONE), timestamp=now())
        for server in (*servers, newcomer):
            wait_for("its end is shown", lambda: self.honest_row(server)[0] == "completed", 10)
            self.look(server)
        self.assertGreater(self.skipped(newcomer), 4)

    def test_who_is_silenced_by_a_made_up_run_loses_no_end(self) -> None:
        """It is not acknowledged as long as others do not have it, and that is a minute at most."""
        servers = self.start_replicas(2)
        self.share(servers[0], "node-a", pull("h", "honest:1", fetched(1, 100)))
        wait_for("shown", lambda: self.honest_row(servers[1])[1] == 100, 5)
        self.deliver(servers[1], "node-a", run="ffff", sequence=(1 << 63) - 1)
        done = pull("h", "honest:1", fetched(1, 1000), **DONE)

        def answers(status: int) -> bool:
            self._sequence += 1
            return self.report(servers[0], "node-a", done, run="0ab1", sequence=self._sequence).status == status

        wait_for("its end is not acknowledged", lambda: answers(503), 10, every_s=0.6)
        send(self.valkey.port, b"HSET", b"{pulltrace}:seen", b"node-a", b"ffff 9223372036854775807 1 0ab1")  # long ago
        wait_for("it is", lambda: answers(200), 10, every_s=0.6)
        for server in servers:
            wait_for("its end is shown", lambda: self.honest_row(server)[0] == "completed", 10)

    def test_a_key_that_holds_something_else_is_named_and_left_as_it_is(self) -> None:
        server = self.start_replica()
        for key in (b"{pulltrace}:log", b"{pulltrace}:seen", b"{pulltrace}:finished"):
            with self.subTest(key):
                send(self.valkey.port, b"SET", key, b"of another program")
                done = pull("p", "app:1", fetched(1, 1000), **DONE)
                wait_for("an end is not taken", lambda: self.status_of_end(server, key, done) == 503, 10)
                self.assertEqual(send(self.valkey.port, b"GET", key), encode(b"of another program"))
                self.assertEqual(get(server.port, "/readyz").status, 200)
                send(self.valkey.port, b"DEL", key)
                wait_for("it is taken", lambda: self.status_of_end(server, key, done) == 200, 15)
        self.assertIn("PULLTRACE_SHARE_PREFIX", server.process.stdout_text())

    def status_of_end(self, server: Server, key: bytes, done: dict[str, Any]) -> int:
        self._sequence += 1
        node = f"node-{key.decode()[12:]}"
        return self.report(server, node, done, run="0ab1", sequence=self._sequence).status

    def look(self, server: Server) -> None:
        for path in ("pulls?layers=1&limit=1000", "nodes", "registries", "summary"):
            self.assertIsNone(CONTROLS.search(get(server.port, f"/api/v1/{path}").text()), path)
        for line in server.process.stdout_text().split("\n"):
            self.assertIsNone(CONTROLS.search(line), line)
