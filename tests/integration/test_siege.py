# SPDX-License-Identifier: Apache-2.0
"""Every kind of peer does its worst at once, against a released server with little memory."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import time
from collections import Counter
from dataclasses import dataclass, field

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.besiegers import Peers, plain_peers, siege, tls_peers
from tests.integration.case import BINARIES
from tests.integration.certificates import make_certificates
from tests.integration.http_json import get, request
from tests.integration.server_case import ServerCase, layer, now, pull

RELEASE_SERVER = BINARIES / "release" / "pulltrace-server"  # sanitizers take memory of their own
MAX_MEMORY = 256 * 1024 * 1024
TOKEN = "agents-know-it"
SIEGE_SECONDS = 12
ANSWER_SECONDS = 0.5
CONNECTED_AT_ONCE = 3000


@dataclass
class Client:
    """Keeps a connection, and opens another when it is cut, as agents and probes do."""

    port: int
    tls: ssl.SSLContext | None
    connection: http.client.HTTPConnection | None = field(default=None)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> int:
        for attempt in (1, 2):
            if not self.connection:
                self.connection = (
                    http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=self.tls)
                    if self.tls
                    else http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                )
            try:
                self.connection.request(
                    method, path, body, {k.replace("_", "-"): v for k, v in headers.items()}
                )
                answer = self.connection.getresponse()
                answer.read()
                return answer.status
            except (OSError, http.client.HTTPException):
                self.close()
                if attempt == 2:
                    raise
        raise AssertionError

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None

    def report(self, node: str, got: int) -> int:
        reported = pull("p", "app:1", layer(1, got))
        body = json.dumps({"nodeName": node, "timestamp": now(), "pulls": [reported]}).encode()
        return self.ask(
            "POST", "/api/v1/report", body,
            Content_Type="application/json", Authorization=f"Bearer {TOKEN}",
        )  # fmt: skip


class SiegeCase(ServerCase):
    """A released server with little memory, and what must hold of it."""

    def start(self, **settings: str) -> Server:
        settings = {
            "PULLTRACE_MAX_MEMORY": str(MAX_MEMORY),
            "PULLTRACE_AGENT_TOKEN": TOKEN,
        } | settings
        server = self.start_server(binary=RELEASE_SERVER, **settings)
        # What is measured is the server, not who else has the processors.
        for process in (server.process.pid, 0):
            os.setpriority(os.PRIO_PROCESS, process, -15)
        self.addCleanup(os.setpriority, os.PRIO_PROCESS, 0, 0)
        return server

    def fill(self, server: Server) -> str:
        """Returns the address of a pull with very many layers."""
        fat = pull("fat", "fat:1") | {"layers": [layer(n, n) for n in range(512)]}
        small = [pull(f"s{i}", f"app-{i}:1", layer(i, i)) for i in range(1000)]
        for node, pulls in (("fat", [fat]), *((f"small-{i}", small) for i in range(10))):
            body = json.dumps({"nodeName": node, "timestamp": now(), "pulls": pulls}).encode()
            answer = request(
                server.port, "POST", "/api/v1/report", body,
                Content_Type="application/json", Authorization=f"Bearer {TOKEN}",
            )  # fmt: skip
            self.assertEqual(answer.status, 200, answer.text())
        found = get(server.port, "/api/v1/pulls?node=fat&layers=0").json()["pulls"]
        return f"/api/v1/pulls/{found[0]['id']}"

    def peak_bytes(self, server: Server) -> int:
        with open(f"/proc/{server.process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def assert_within_budget(self, server: Server) -> None:
        for part in ("store", "connections", "streams", "answers"):
            used = self.metric(server, f'pulltrace_memory_used_bytes{{part="{part}"}}')
            most = self.metric(server, f'pulltrace_memory_max_bytes{{part="{part}"}}')
            refused = self.metric(server, f'pulltrace_memory_refused_total{{part="{part}"}}')
            self.assertLess(used, most + 2**20, part)  # what is being read when it is full
            if refused:
                wait_for(
                    f"a warning of {part}",
                    lambda part=part: f'"part":"{part}"' in server.process.stdout_text(),
                    timeout_s=2,
                )

    def assert_one_warning_each(self, server: Server) -> None:
        lines = [json.loads(line) for line in server.process.stdout_text().splitlines()]
        parts = Counter(line["part"] for line in lines if line.get("event") == "memory.full")
        self.assertLessEqual(max(parts.values(), default=0), 1, parts)


    def outlast(
        self,
        server: Server,
        peers: list[Peers],
        tls: ssl.SSLContext | None,
        seconds: float,
        token: str = "",
    ) -> None:
        """Probes are answered in time meanwhile, an agent goes on, and no limit of memory is passed."""
        agent, probe = Client(server.port, tls), Client(server.port, tls)
        self.addCleanup(agent.close)
        self.addCleanup(probe.close)
        self.assertEqual(agent.report("good", 0), 200)
        reports: list[int] = []
        waits: list[float] = []
        with siege(server.port, peers, token):
            end = time.monotonic() + seconds
            while (began := time.monotonic()) < end:
                self.assertEqual(probe.ask("GET", "/healthz"), 200)
                waits.append(time.monotonic() - began)
                if len(waits) % 10 == 0:
                    reports.append(agent.report("good", len(waits)))
                time.sleep(0.1)
            self.assert_within_budget(server)
        self.assertIsNone(server.process.exit_status())
        self.assertEqual(Counter(reports), {200: len(reports)})
        self.assertLess(max(waits), ANSWER_SECONDS, sorted(waits)[-5:])


class Siege(SiegeCase):
    def withstand(
        self, server: Server, peers: list[Peers], tls: ssl.SSLContext | None, token: str = ""
    ) -> None:
        self.outlast(server, peers, tls, SIEGE_SECONDS, token)
        self.assertLess(self.peak_bytes(server), MAX_MEMORY)
        self.assert_one_warning_each(server)

    def test_every_kind_of_peer_at_once(self) -> None:
        server = self.start()
        script = "/" + get(server.port, "/").text().split('src="./')[1].split('"')[0]
        self.withstand(server, plain_peers(script, self.fill(server)), None, TOKEN)
        wait_for(
            "lists are answered again",
            lambda: get(server.port, "/api/v1/pulls?limit=1").status == 200,
            timeout_s=10,
        )

    def test_half_open_tls(self) -> None:
        made = make_certificates(self.folder / "certificates")
        server = self.start(
            PULLTRACE_TLS_CERT_FILE=str(made.certificate), PULLTRACE_TLS_KEY_FILE=str(made.key)
        )
        tls = ssl.create_default_context(cafile=str(made.authority))
        self.withstand(server, tls_peers(), tls)

    def test_many_that_connect_at_once_delay_no_fresh_probe(self) -> None:
        server = self.start()
        for _ in range(3):
            with contextlib.ExitStack() as held:
                for _ in range(CONNECTED_AT_ONCE):
                    peer = held.enter_context(socket.socket())
                    peer.setblocking(False)
                    peer.connect_ex(("127.0.0.1", server.port))
                began = time.monotonic()
                self.assertEqual(get(server.port, "/healthz").status, 200)
                self.assertLess(time.monotonic() - began, ANSWER_SECONDS)
