# SPDX-License-Identifier: Apache-2.0
"""Tokens, TLS, and what the agent gives up after its start."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
import warnings
from pathlib import Path

from lab.processes import Process
from lab.pulltrace import Server
from lab.waiting import free_port, wait_for
from tests.integration.case import RELEASE_AGENT, LabCase
from tests.integration.certificates import Certificates, make_certificates
from tests.integration.http_json import get, request

CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
FILTERED = "2"  # https://www.kernel.org/doc/html/latest/filesystems/proc.html
NOTHING = {name: "0" * 16 for name in CAPABILITY_SETS} | {"NoNewPrivs": "1", "Seccomp": FILTERED}
TOKEN = "a-token-of-the-test"
REPORT = b'{"nodeName":"other","timestamp":"2026-01-01T00:00:00Z","pulls":[]}'


def complaints(process: Process) -> list[str]:
    return re.findall(r'^.*"level":\s*"(?:warn|warning|error)".*$', process.stdout_text(), re.M)


class Tokens(LabCase):
    def test_the_right_token_is_let_in(self) -> None:
        server = self.start_server(PULLTRACE_AGENT_TOKEN=TOKEN)
        self.start_agent(server.url, PULLTRACE_AGENT_TOKEN=TOKEN)
        self.wait_for_agent(server)

    def test_a_wrong_token_is_refused_and_said(self) -> None:
        server = self.start_server(PULLTRACE_AGENT_TOKEN=TOKEN)
        agent = self.start_agent(server.url, PULLTRACE_AGENT_TOKEN="wrong")
        wait_for("the agent says so", lambda: "401" in " ".join(complaints(agent.process)), 15)
        self.assertEqual(get(server.port, "/api/v1/nodes").json()["nodes"], [])

    def test_reports_without_the_token_are_401(self) -> None:
        server = self.start_server(PULLTRACE_AGENT_TOKEN=TOKEN)
        for header in ("", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN):
            with self.subTest(header):
                answer = request(
                    server.port,
                    "POST",
                    "/api/v1/report",
                    REPORT,
                    Authorization=header,
                    Content_Type="application/json",
                )
                self.assertEqual(answer.status, 401)
                self.assertIn("error", answer.json())


    def report(self, server: Server, node: str, interval_ms: int) -> int:
        body = REPORT.replace(b"other", node.encode()).replace(
            b'"pulls"', f'"intervalMs":{interval_ms},"pulls"'.encode()
        )
        return request(
            server.port, "POST", "/api/v1/report", body,
            Authorization=f"Bearer {TOKEN}", Content_Type="application/json",
        ).status  # fmt: skip

    def test_who_reads_is_not_asked_who_they_are(self) -> None:
        """What docs/security.md admits: the token is for reports only."""
        server = self.start_server(PULLTRACE_AGENT_TOKEN=TOKEN)
        for path in ("/", "/api/v1/pulls", "/api/v1/pods", "/api/v1/nodes", "/api/v1/summary"):
            self.assertEqual(get(server.port, path).status, 200, path)
        self.assertEqual(get(server.metrics_port, "/metrics").status, 200)

    def test_who_has_the_token_speaks_for_any_node_and_silences_one(self) -> None:
        """What docs/security.md admits: the token is shared, and the body names the node."""
        server = self.start_server(PULLTRACE_AGENT_TOKEN=TOKEN)
        self.assertEqual(self.report(server, "node-1", 1000), 200)
        self.assertEqual(self.report(server, "node-2", 1000), 200)
        end = time.monotonic() + 3
        answers = []
        while time.monotonic() < end:
            time.sleep(0.101)
            self.report(server, "node-1", 200)
            answers.append(self.report(server, "node-1", 1000))
        self.assertEqual(set(answers), {429})
        self.assertEqual(self.report(server, "node-2", 1000), 200)


class TokensInClear(LabCase):
    """A token that leaves the machine by plain HTTP is warned of, whoever sends it."""

    elsewhere = "192.0.2.1:9"  # where nobody is: https://www.rfc-editor.org/rfc/rfc5737

    def agent_log(self, scheme: str) -> str:
        agent = self.start_agent(f"{scheme}://{self.elsewhere}", PULLTRACE_AGENT_TOKEN=TOKEN)
        wait_for("it runs", lambda: "agent.started" in agent.process.stdout_text(), 15)
        return agent.process.stdout_text()

    def server_log(self, scheme: str) -> str:
        token = self.folder / "token"
        token.write_text(TOKEN)
        server = self.start_server(
            PULLTRACE_KUBE_URL=f"{scheme}://{self.elsewhere}",
            PULLTRACE_KUBE_TOKEN_FILE=str(token),
        )
        return server.process.stdout_text()

    def test_both_warn(self) -> None:
        self.assertIn("server.token_in_clear", self.agent_log("http"))
        self.assertIn("kubernetes.token_in_clear", self.server_log("http"))

    def test_neither_warns_of_https_nor_logs_the_token(self) -> None:
        logs = self.agent_log("https") + self.server_log("https")
        for words in ("in_clear", TOKEN):
            self.assertNotIn(words, logs)


class Tls(LabCase):
    def setUp(self) -> None:
        super().setUp()
        self.certificates = make_certificates(self.folder / "tls")

    def start_tls_server(self, certificates: Certificates) -> Server:
        return self.start_server(
            PULLTRACE_TLS_CERT_FILE=str(certificates.certificate),
            PULLTRACE_TLS_KEY_FILE=str(certificates.key),
        )

    def test_reports_go_over_https_with_a_ca_file(self) -> None:
        server = self.start_tls_server(self.certificates)
        authority = self.certificates.authority
        self.start_agent(f"https://127.0.0.1:{server.port}", PULLTRACE_CA_FILE=str(authority))
        self.wait_for_agent(server)

    def test_an_unknown_authority_is_refused_and_said(self) -> None:
        server = self.start_tls_server(self.certificates)
        other = make_certificates(self.folder / "other")
        agent = self.start_agent(
            f"https://127.0.0.1:{server.port}", PULLTRACE_CA_FILE=str(other.authority)
        )
        wait_for(
            "the agent says so", lambda: "certificate" in " ".join(complaints(agent.process)), 15
        )
        self.assertEqual(self.metric(server, "pulltrace_agent_reports_total"), 0)

    def test_old_tls_is_refused(self) -> None:
        server = self.start_tls_server(self.certificates)
        context = ssl.create_default_context(cafile=str(self.certificates.authority))
        with warnings.catch_warnings(category=DeprecationWarning, action="ignore"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname="127.0.0.1")


class AgentAddress(LabCase):
    """Agents speak TLS to an address of their own; the page stays plain and takes no report."""

    def setUp(self) -> None:
        super().setUp()
        self.certificates = make_certificates(self.folder / "tls")
        self.port = free_port()
        self.server = self.start_server(
            PULLTRACE_AGENT_ADDR=f"127.0.0.1:{self.port}",
            PULLTRACE_TLS_CERT_FILE=str(self.certificates.certificate),
            PULLTRACE_TLS_KEY_FILE=str(self.certificates.key),
        )

    def test_a_report_by_tls_is_on_the_plain_page(self) -> None:
        log = self.listen(self.server)
        authority = self.certificates.authority
        self.start_agent(f"https://127.0.0.1:{self.port}", PULLTRACE_CA_FILE=str(authority))
        self.wait_for_agent(self.server)
        image = self.push("by/tls", 1_500_000)
        self.pull(image)
        self.assert_completed(log.wait_for_end("by/tls")[-1], image)
        self.assertIn("<html", get(self.server.port, "/").text())

    def test_nothing_else_is_taken_at_either(self) -> None:
        context = ssl.create_default_context(cafile=str(self.certificates.authority))
        for method, path, status in (
            ("GET", "/api/v1/pulls", 404),
            ("GET", "/healthz", 404),
            ("GET", "/", 404),
            ("GET", "/api/v1/report", 405),
            ("POST", "/api/v1/report", 415),
        ):
            with self.subTest(f"{method} {path}"):
                connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context)
                self.addCleanup(connection.close)
                connection.request(method, path)
                self.assertEqual(connection.getresponse().status, status)
        json = {"Content_Type": "application/json"}
        answer = request(self.server.port, "POST", "/api/v1/report", b"{}", **json)
        self.assertEqual(answer.status, 421)
        self.assertIn("PULLTRACE_AGENT_ADDR", answer.text())
        refused = 'pulltrace_agent_reports_rejected_total{reason="address"}'
        self.assertEqual(self.metric(self.server, refused), 1)

    def test_a_report_is_answered_behind_a_plain_connection_that_just_closed(self) -> None:
        """Whose descriptor it may get, in the same turn of the loop. Head and body come apart."""
        context = ssl.create_default_context(cafile=str(self.certificates.authority))
        headers = {"Content-Type": "application/json"}
        for number in range(20):
            self.assertEqual(get(self.server.port, "/healthz", Connection="close").status, 200)
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
            self.addCleanup(connection.close)
            report = REPORT.replace(b"other", f"node-{number}".encode())
            connection.request("POST", "/api/v1/report", report, headers)
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()

    def test_it_ends_in_order(self) -> None:
        authority = self.certificates.authority
        self.start_agent(f"https://127.0.0.1:{self.port}", PULLTRACE_CA_FILE=str(authority))
        self.wait_for_agent(self.server)
        self.assertEqual(self.server.stop(), 0)


class CapturedAgent(LabCase):
    def test_it_holds_no_capability_and_gains_none(self) -> None:
        """Nor does what it cannot do hinder it: it reports a pull."""
        server = self.start_server()
        log = self.listen(server)
        agent = self.start_agent(server.url, RELEASE_AGENT)
        self.wait_for_agent(server)
        image = self.push("captured/app", 1_500_000)
        self.pull(image)
        self.assert_completed(log.wait_for_end("captured/app")[-1], image)

        threads = list(Path(f"/proc/{agent.process.pid}/task").iterdir())

        self.assertTrue(threads)
        for thread in threads:
            self.assertEqual(self.held(thread / "status"), NOTHING)

    def held(self, status: Path) -> dict[str, str]:
        names = r"^(Cap\w+|NoNewPrivs|Seccomp):\s+(\S+)$"
        return dict(re.findall(names, status.read_text(), re.M))
