# SPDX-License-Identifier: Apache-2.0
"""Very many peers of one kind, one kind after the other, against a released server with little memory.

Each kind has the whole server for itself, so that no other takes the room that it would fill. In
tests/integration/test_siege.py all of them come at once, fewer of each.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections import Counter

from lab.waiting import wait_for
from tests.integration.besiegers import Peers, client_hello, get
from tests.integration.certificates import make_certificates
from tests.integration.server_case import now, raw
from tests.integration.test_siege import ANSWER_SECONDS, TOKEN, Client, SiegeCase

HALF_OPEN = 5000
SECONDS = 6
MADE_UP_NODES = 100_000
AT_ONCE = 100  # reports in one write
REPORTERS = 50  # connections: a turn of the loop answers one report of each
MAX_NODES = 20_000

HEAD = b"POST /api/v1/report HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
AUTHORIZED = HEAD + f"Authorization: Bearer {TOKEN}\r\n".encode()


def half_open() -> dict[str, tuple[bytes, bytes]]:
    """What each says first, and then each second."""
    return {
        "connected": (b"", b""),
        "an empty line": (b"\r\n", b""),
        "half a request line": (b"GET /api/v1/pu", b""),
        "a request line that grows": (b"GET /", b"a"),
        "half a head": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b""),
        "a head that grows": (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"),
        "a large half of a head": (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 15_000, b"y"),
        "a body that does not come": (AUTHORIZED + b"Content-Length: 1000000\r\n\r\n", b""),
        "a body that trickles": (AUTHORIZED + b"Content-Length: 1000000\r\n\r\n", b" "),
        "half a body": (AUTHORIZED + b"Content-Length: 100000\r\n\r\n" + b" " * 50_000, b""),
        "half a chunk": (AUTHORIZED + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n  ", b""),
        "chunks without an end": (AUTHORIZED + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        "a body that waits to be asked for": (
            AUTHORIZED + b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n", b"",
        ),
        "a body without the token": (HEAD + b"Content-Length: 1000000\r\n\r\n", b" " * 1000),
    }  # fmt: skip


def slow_readers(script: str, fat_pull: str) -> dict[str, bytes]:
    """What each asks for; none of it is read."""
    return {
        "the stream": get("/api/v1/events"),
        "the stream without layers": get("/api/v1/events?layers=0"),
        "events alone": get("/api/v1/events?types=pull,layer"),
        "a filtered stream": get("/api/v1/events?image=app"),
        "all pulls": get("/api/v1/pulls"),
        "a page of pulls": get("/api/v1/pulls?limit=1000"),
        "a fat pull": get(fat_pull) * 20,
        "nodes": get("/api/v1/nodes") * 50,
        "pods": get("/api/v1/pods") * 50,
        "the page's script": get(script) * 20,
        "refusals": get("/nothing") * 100,
    }


def spread(first: bytes, more: bytes, count: int = HALF_OPEN) -> list[Peers]:
    """From five addresses, so that no one address's share is what stops them."""
    return [Peers(f"127.0.3.{each}", [first] * (count // 5), more) for each in range(1, 6)]


class Crowds(SiegeCase):
    def test_5000_half_open_of_each_kind(self) -> None:
        server = self.start()
        for what, (first, more) in half_open().items():
            with self.subTest(what):
                self.outlast(server, spread(first, more), None, SECONDS)

    def test_5000_half_open_of_each_kind_by_tls(self) -> None:
        made = make_certificates(self.folder / "certificates")
        server = self.start(
            PULLTRACE_TLS_CERT_FILE=str(made.certificate), PULLTRACE_TLS_KEY_FILE=str(made.key)
        )
        tls = ssl.create_default_context(cafile=str(made.authority))
        hello = client_hello()
        for what, first, more in (
            ("connected", b"", b""),
            ("half a hello", hello[: len(hello) // 2], b""),
            ("a hello that trickles", hello[:5], b"\0"),
            ("a hello and no more", hello, b""),
            ("a record that never ends", b"\x16\x03\x01\x3f\xff" + b"z" * 10_000, b"z"),
            ("no TLS", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b""),
        ):
            with self.subTest(what):
                self.outlast(server, spread(first, more), tls, SECONDS)

    def test_slow_readers_in_every_form(self) -> None:
        server = self.start()
        script = "/" + raw(server.port, get("/")[:-2] + b"Connection: close\r\n\r\n").decode().split(
            'src="./'
        )[1].split('"')[0]
        for what, asked in slow_readers(script, self.fill(server)).items():
            with self.subTest(what):
                self.outlast(server, spread(asked, b"", 1000), None, SECONDS)


class MadeUpNodes(SiegeCase):
    """Whoever has the token may invent nodes: so many, and no more, take room."""

    def send(self, connection: socket.socket, first: int) -> None:
        """Pipelined, as no agent does."""
        reports = b""
        for number in range(first, first + AT_ONCE):
            body = json.dumps({"nodeName": f"made-up-{number}", "timestamp": now(), "pulls": []})
            reports += b"%sContent-Length: %d\r\n\r\n%s" % (AUTHORIZED, len(body), body.encode())
        connection.sendall(reports)

    def receive(self, connection: socket.socket) -> Counter[int]:
        """How often each status was answered."""
        received = b""
        while received.count(b"HTTP/1.1 ") < AT_ONCE or not received.endswith(b"}"):
            chunk = connection.recv(1 << 20)
            self.assertTrue(chunk, received[-500:])
            received += chunk
        return Counter(int(each[:3]) for each in received.split(b"HTTP/1.1 ")[1:])

    def test_100_000_made_up_nodes(self) -> None:
        server = self.start(PULLTRACE_MAX_NODES=str(MAX_NODES), PULLTRACE_LOG_LEVEL="warn")
        statuses: Counter[int] = Counter()
        waits = []
        probe = Client(server.port, None)
        self.addCleanup(probe.close)
        agent = Client(server.port, None)
        self.addCleanup(agent.close)
        self.assertEqual(agent.report("good", 1), 200)
        with contextlib.ExitStack() as stack:
            connections = [
                stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20))
                for _ in range(REPORTERS)
            ]
            for first in range(0, MADE_UP_NODES, AT_ONCE * REPORTERS):
                for number, connection in enumerate(connections):
                    self.send(connection, first + number * AT_ONCE)
                began = time.monotonic()
                self.assertEqual(probe.ask("GET", "/healthz"), 200)
                waits.append(time.monotonic() - began)
                for connection in connections:
                    statuses += self.receive(connection)
        self.assertEqual(statuses, {200: MAX_NODES - 1, 429: MADE_UP_NODES - MAX_NODES + 1})
        self.assertLess(max(waits), ANSWER_SECONDS)
        self.assertEqual(agent.report("good", 2), 200)
        known = [f"pulltrace_agents_{state}" for state in ("connected", "silent")]
        self.assertEqual(sum(self.metric(server, each) for each in known), MAX_NODES)
        refused = 'pulltrace_agent_reports_rejected_total{reason="node_limit"}'
        self.assertEqual(self.metric(server, refused), MADE_UP_NODES - MAX_NODES + 1)
        self.assertLess(self.peak_bytes(server), 256 * 2**20)
        lines = [json.loads(line) for line in server.process.stdout_text().splitlines()]
        limits = [line for line in lines if line.get("event") == "report.limit"]
        self.assertLessEqual(len(limits), 3, "one warning a minute")
        wait_for("probes are answered", lambda: probe.ask("GET", "/readyz") == 200, 5)
