# SPDX-License-Identifier: Apache-2.0
"""Lives of seconds instead of months: `--make-secrets` renews everything several times over at a real API server, kubelets
bring the files late, and no report is refused; nobody is restarted."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from pathlib import Path

from lab.pulltrace import Agent, Server
from lab.waiting import free_port, wait_for
from tests.integration.case import ADDRESS_SANITIZER, AGENT
from tests.kubernetes.cluster import stamp
from tests.kubernetes.real_in_pod import ServiceAccountFolder
from tests.kubernetes.real_secrets import LABELS, Secrets, SecretsCase

LIVES = {"CA_LIFE": "60s", "CERT_LIFE": "45s", "TOKEN_LIFE": "18s", "SETTLE": "5s"}
LASTS_S = 60
LATE_S = 2  # of a kubelet, after the Secret has changed


class Mounted:
    """What a kubelet keeps in a pod: all files change at once, behind a link, some time after the Secrets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = ServiceAccountFolder(path)
        self._seen: list[tuple[float, dict[str, str]]] = []
        self._written: dict[str, str] = {}

    def note(self, secrets: Secrets, late_s: float) -> None:
        """Notes what the Secrets hold now; writes the newest that is so old."""
        files = {**secrets["tls"], **secrets["bundle"], **secrets["token"]}
        self._seen.append((time.monotonic(), files))
        old = [seen for at, seen in self._seen if time.monotonic() - at >= late_s]
        if old and old[-1] != self._written:
            self._written = old[-1]
            self._folder.write(**{name.replace(".", "_"): text for name, text in old[-1].items()})

    def __truediv__(self, name: str) -> str:
        return str(self.path / name)


class Rotation(SecretsCase):
    def start_both(self, of_server: Mounted, of_agent: Mounted) -> tuple[Server, int]:
        port = free_port()
        server = self.start_server(
            PULLTRACE_AGENT_ADDR=f"127.0.0.1:{port}",
            PULLTRACE_TLS_CERT_FILE=of_server / "tls.crt",
            PULLTRACE_TLS_KEY_FILE=of_server / "tls.key",
            PULLTRACE_AGENT_TOKEN_FILE=of_server / "token",
        )
        agent = Agent(
            AGENT,
            self.folder,
            self.folder / "no-containerd.sock",
            f"https://localhost:{port}",
            ADDRESS_SANITIZER
            | {"PULLTRACE_AGENT_TOKEN_FILE": of_agent / "token", "PULLTRACE_CA_FILE": of_agent / "ca.crt"},
        )
        self.must_end_well(agent)
        self.agent = agent
        return server, port

    def report_as(self, files: Mounted, port: int) -> tuple[int, str]:
        """As a new agent that has these files; the answer's status, and the server's certificate."""
        context = ssl.create_default_context(cafile=files / "ca.crt")
        body = {"nodeName": f"n{time.monotonic_ns()}", "timestamp": stamp(whole=False), "intervalMs": 1000, "pulls": []}
        token = Path(files / "token").read_text().splitlines()[0]
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        connection = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
        try:
            connection.connect()
            assert isinstance(connection.sock, ssl.SSLSocket)
            serial = str((connection.sock.getpeercert() or {})["serialNumber"])
            connection.request("POST", "/api/v1/report", json.dumps(body), headers)
            return connection.getresponse().status, serial
        finally:
            connection.close()

    def test_no_report_is_refused_while_everything_is_renewed(self) -> None:
        self.create_empty()
        self.allow("get", "patch", names=list(LABELS))
        self.make(**LIVES)
        of_server, prompt, late = (Mounted(self.folder / name) for name in ("server", "prompt", "late"))
        for mounted in (of_server, prompt, late):
            mounted.note(self.read(), 0)
        server, port = self.start_both(of_server, late)
        certificates, tokens, bundles = set(), set(), set()
        until = time.monotonic() + LASTS_S
        while time.monotonic() < until:
            self.make(**LIVES)
            secrets = self.read()
            of_server.note(secrets, LATE_S / 2)
            prompt.note(secrets, 0)
            late.note(secrets, LATE_S)
            for files in (prompt, late):
                status, serial = self.report_as(files, port)
                self.assertEqual(status, 200)
                certificates.add(serial)
            tokens.add(secrets["token"]["token"].splitlines()[0])
            bundles.add(secrets["bundle"]["ca.crt"])
        self.assertGreaterEqual(len(certificates), 3, "certificates that the server has shown")
        self.assertGreaterEqual(len(tokens), 3)
        self.assertGreaterEqual(len(bundles), 3)
        refused = 'pulltrace_agent_reports_rejected_total{reason="token"}'
        self.assertEqual(self.metric(server, refused), 0)
        self.assertNotIn("server.unreachable", self.agent.process.stdout_text())

        # The agent's kept connection ends with the server; the new one trusts today's CAs, by today's token.
        server.stop()
        server.start()
        wait_for("the agent is back", lambda: self.metric(server, "pulltrace_agent_reports_total"), 30)
        self.assertEqual(self.metric(server, refused), 0)

