# SPDX-License-Identifier: Apache-2.0
"""What the server answers to good, bad, slow and hostile HTTP."""

from __future__ import annotations

import gzip
import json
import re
import socket
import ssl
import threading
import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from lab.waiting import wait_for
from tests.integration.certificates import make_certificates
from tests.integration.http_json import get, request
from tests.integration.metrics import value_of
from tests.integration.server_case import ServerCase, layer, now, pull, raw

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}
JSON = {"Content_Type": "application/json"}
SLOW_CLIENT_IS_CUT_WITHIN_S = 30


def headers_and_body(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}, body


class Errors(ServerCase):
    def check_headers(self, headers: dict[str, str]) -> None:
        for name, value in SECURITY_HEADERS.items():
            self.assertEqual(headers.get(name), value, name)
        policy = headers["content-security-policy"]
        self.assertTrue(policy.startswith("default-src 'self';"), policy)
        self.assertNotIn("unsafe", policy)
        age = datetime.now(timezone.utc) - parsedate_to_datetime(headers["date"])
        self.assertLess(abs(age.total_seconds()), 60)

    def test_a_taken_report_is_answered_with_the_same_headers(self) -> None:
        server = self.start_server()
        for version in ("1.1", "1.0"):
            body = json.dumps({"nodeName": version, "timestamp": now(), "pulls": []})
            head = f"POST /api/v1/report HTTP/{version}\r\nHost: x\r\n"
            head += "Content-Type: application/json\r\n"
            report = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()
            received = b""
            with self.subTest(version), socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(report)
                while not received.endswith(b"\r\n\r\n{}"):
                    received += client.recv(4096) or self.fail(str(received))
                first, headers, _ = headers_and_body(received)
                self.assertEqual(first, "HTTP/1.1 200 OK")
                self.check_headers(headers)

    def check_problem(self, kind: str, problem: dict[str, Any], status: int) -> None:
        self.assertEqual(kind, "application/problem+json")
        self.assertEqual(set(problem), {"error", "code", "status", "title", "detail"})
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["title"])
        self.assertRegex(problem["code"], "^[a-z_]+$")
        self.assertTrue(problem["error"])
        self.assertEqual(problem["detail"], problem["error"])

    def test_every_refusal_says_why_in_json(self) -> None:
        server = self.start_server()
        report = json.dumps({"nodeName": "n", "timestamp": now(), "pulls": []}).encode()
        deep = (
            b'{"nodeName":"n","timestamp":"2026-01-01T00:00:00Z","x":'
            + b"[" * 40
            + b"]" * 40
            + b"}"
        )
        long_name = json.dumps({"nodeName": "n" * 254, "timestamp": now(), "pulls": []}).encode()
        for what, status, method, path, body, headers in (
            ("no JSON", 400, "POST", "/api/v1/report", b"{", JSON),
            ("no object", 400, "POST", "/api/v1/report", b"[]", JSON),
            ("empty", 400, "POST", "/api/v1/report", b"", JSON),
            ("deep", 400, "POST", "/api/v1/report", deep, JSON),
            ("long name", 400, "POST", "/api/v1/report", long_name, JSON),
            ("bad UTF-8", 400, "POST", "/api/v1/report", report[:-1] + b',"x":"\xff"}', JSON),
            ("other type", 415, "POST", "/api/v1/report", report, {"Content_Type": "text/plain"}),
            ("no type", 415, "POST", "/api/v1/report", report, {}),
            (
                "compressed",
                415,
                "POST",
                "/api/v1/report",
                report,
                JSON | {"Content_Encoding": "gzip"},
            ),
            ("too large", 413, "POST", "/api/v1/report", b" " * (1 << 20) + report, JSON),
            ("GET", 405, "GET", "/api/v1/report", None, {}),
            ("POST", 405, "POST", "/api/v1/pulls", b"", {}),
            ("DELETE", 405, "DELETE", "/api/v1/pulls/x", None, {}),
            ("no such address", 404, "GET", "/api/v1/nothing", None, {}),
            ("no such file", 404, "GET", "/assets/../../etc/passwd", None, {}),
            ("no such pull", 404, "GET", "/api/v1/pulls/0123", None, {}),
            ("metrics", 404, "GET", "/metrics", None, {}),
            ("bad escape", 400, "GET", "/api/v1/pulls?node=%zz", None, {}),
            ("bad limit", 400, "GET", "/api/v1/pulls?limit=-1", None, {}),
            ("bad cursor", 400, "GET", "/api/v1/pulls?cursor=x", None, {}),
            ("bad types", 400, "GET", "/api/v1/events?types=x", None, {}),
        ):
            with self.subTest(what):
                answer = request(server.port, method, path, body, **headers)
                self.assertEqual(answer.status, status, answer.body)
                self.check_headers({k.lower(): v for k, v in answer.headers.items()})
                self.check_problem(answer.headers["Content-Type"], answer.json(), status)
        self.assertEqual(
            self.metric(server, 'pulltrace_agent_reports_rejected_total{reason="invalid"}'), 4
        )

    def test_what_is_no_http_is_answered_so_too(self) -> None:
        server = self.start_server()
        post = b"POST /api/v1/report HTTP/1.1\r\nHost: x\r\n"
        for what, status, data in (
            ("garbage", "400", b"\x16\x03\x01garbage\r\n\r\n"),
            ("bad header", "400", b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n"),
            ("huge header", "431", b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40000 + b"\r\n\r\n"),
            ("many headers", "431", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 65 + b"\r\n"),
            ("unknown method", "400", b"BREW / HTTP/1.1\r\n\r\n"),
            ("other version", "505", b"GET / HTTP/2.0\r\n\r\n"),
            ("two lengths", "400", post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            ("bad length", "400", post + b"Content-Length: -5\r\n\r\n"),
            ("expectation", "417", post + b"Content-Length: 5\r\nExpect: tea\r\n\r\n"),
        ):
            with self.subTest(what):
                first, headers, body = headers_and_body(raw(server.port, data))
                self.assertEqual(first.split(" ")[1], status, first)
                self.check_headers(headers)
                self.check_problem(headers["content-type"], json.loads(body), int(status))

    def test_limits_answer_429_and_say_when_to_come_again(self) -> None:
        server = self.start_server(PULLTRACE_MAX_NODES="1", PULLTRACE_MAX_PULLS="1")
        self.deliver(server, "a", pull("1", "app", layer(1)))
        for what, node, pulls, reason in (
            ("too soon", "a", 1, "too_soon"),
            ("another node", "b", 0, "node_limit"),
            ("another pull", "a", 2, "pull_limit"),
        ):
            with self.subTest(what):
                if what == "another pull":
                    time.sleep(0.6)  # so that a report of the node is not too soon
                reported = [pull(str(i + 1), "app", layer(1)) for i in range(pulls)]
                answer = self.report(server, node, *reported)
                self.assertEqual(answer.status, 429)
                self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
                name = f'pulltrace_agent_reports_rejected_total{{reason="{reason}"}}'
                self.assertEqual(self.metric(server, name), 1)
        lines = server.process.stdout_path.read_text().splitlines()
        warned = [line for line in map(json.loads, lines) if line["msg"] == "report.limit"]
        self.assertEqual([line["node"] for line in warned], ["b"], "one warning a minute")
        self.assertIn("maximum of 1 nodes", warned[0]["error"])

    def test_streams_are_limited(self) -> None:
        server = self.start_server(PULLTRACE_MAX_SSE_CLIENTS="1")
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stream:
            stream.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"200", stream.recv(100))
            answer = get(server.port, "/api/v1/events")
            self.assertEqual(answer.status, 503)
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        wait_for(
            "the closed stream is noticed",
            lambda: self.metric(server, "pulltrace_sse_clients_active") == 0,
            5,
        )


class SlowClients(ServerCase):
    def trickle(self, port: int, data: bytes, results: list[float]) -> None:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            for byte in data:
                try:
                    connection.sendall(bytes([byte]))
                    if connection.recv(1) == b"":
                        break
                except TimeoutError:
                    continue
                except OSError:
                    break
        results.append(time.monotonic() - began)

    def test_a_trickled_request_is_cut_and_holds_up_nobody(self) -> None:
        server = self.start_server()
        results: list[float] = []
        head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100
        body = b"POST /api/v1/report HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        body += b"Content-Length: 500\r\n\r\n{" + b" " * 100
        threads = [
            threading.Thread(target=self.trickle, args=(server.port, data, results))
            for data in (head, body)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            began = time.monotonic()
            self.assertEqual(get(server.port, "/healthz").status, 200)
            self.assertLess(time.monotonic() - began, 1)
            time.sleep(0.2)
        self.assertEqual(len(results), 2)
        self.assertLess(max(results), SLOW_CLIENT_IS_CUT_WITHIN_S)


class Page(ServerCase):
    def test_files_are_compressed_and_cached(self) -> None:
        server = self.start_server()
        packed = get(server.port, "/", Accept_Encoding="br, gzip;q=0.5")
        plain = get(server.port, "/", Accept_Encoding="gzip;q=0, identity")
        self.assertEqual(packed.headers["Content-Encoding"], "gzip")
        self.assertNotIn("Content-Encoding", plain.headers)
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertEqual(plain.headers["Cache-Control"], "no-cache")
        self.assertEqual(plain.headers["Content-Type"], "text/html; charset=utf-8")
        again = get(server.port, "/", If_None_Match=plain.headers["ETag"])
        self.assertEqual((again.status, again.body), (304, b""))
        head = request(server.port, "HEAD", "/")
        self.assertEqual(int(head.headers["Content-Length"]), len(plain.body))
        for path in re.findall(r'(?:src|href)="\./(assets/[^"]+)"', plain.text()):
            with self.subTest(path):
                asset = get(server.port, "/" + path)
                self.assertEqual(asset.status, 200)
                self.assertIn("immutable", asset.headers["Cache-Control"])


class Metrics(ServerCase):
    def test_they_are_well_formed(self) -> None:
        server = self.start_server()
        evil = pull("1", 'a"b\\c\n', layer(1), repository='re"g\\x\n/app')
        self.deliver(server, "a", evil | {"phase": "failed", "error": "x"})
        answer = get(server.metrics_port, "/metrics")
        self.assertTrue(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        kinds: dict[str, str] = {}
        seen: set[str] = set()
        for line in answer.text().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertNotIn(name, kinds)
                kinds[name] = kind
                self.assertEqual(name.endswith("_total"), kind == "counter", name)
            elif not line.startswith("#"):
                found = re.fullmatch(
                    r'([a-z_]+)(\{[a-z]+="(?:[^"\\]|\\.)*"(?:,[a-z]+="(?:[^"\\]|\\.)*")*\})? (\S+)',
                    line,
                )
                self.assertIsNotNone(found, line)
                assert found
                self.assertGreaterEqual(float(found[3]), 0, line)
                base = re.sub(r"_(bucket|sum|count)$", "", found[1])
                self.assertIn(
                    kinds.get(found[1]) or kinds.get(base), ("counter", "gauge", "histogram")
                )
                self.assertNotIn(line.rsplit(" ", 1)[0], seen)
                seen.add(line.rsplit(" ", 1)[0])
        self.assertIn('pulltrace_pull_errors_total{class="other"}', seen)
        registry = r'registry="re\"g\\x\n"'
        for result, count in (("completed", 0), ("failed", 1)):
            series = f'pulltrace_registry_pulls_total{{{registry},result="{result}"}}'
            self.assertEqual(value_of(answer.text(), series), count)
        self.assertRegex(answer.text(), r'build_info\{version="[0-9.]+",revision="\w+(-dirty)?"\} 1')

    def test_buckets(self) -> None:
        """Pulls of an hour have one of their own, but for the histogram that was there before."""
        text = get(self.start_server().metrics_port, "/metrics").text()
        short = ["1", "5", "10", "30", "60", "120", "300", "600"]
        for name, wanted in (
            ("pulltrace_pull_duration_seconds", [*short, "+Inf"]),
            ("pulltrace_pull_download_duration_seconds", [*short, "1800", "3600", "+Inf"]),
            ("pulltrace_pull_extract_duration_seconds", [*short, "1800", "3600", "+Inf"]),
            ("pulltrace_registry_pull_duration_seconds", [*short, "1800", "3600", "+Inf"]),
            ("pulltrace_registry_download_duration_seconds", [*short, "1800", "3600", "+Inf"]),
        ):
            with self.subTest(name):
                labels = r'registry="other",' if "registry" in name else ""
                bounds = re.findall(rf'^{name}_bucket{{{labels}le="([^"]*)"}} 0$', text, re.M)
                self.assertEqual(bounds, wanted)
        self.assertRegex(text, r"# HELP pulltrace_pull_duration_seconds .*kubelet's queue does not")


class TlsReload(ServerCase):
    def certificate(self, port: int) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            with context.wrap_socket(plain) as secure:
                return secure.getpeercert(binary_form=True) or b""

    def test_new_files_are_used_and_broken_ones_are_not(self) -> None:
        first = make_certificates(self.folder / "first")
        second = make_certificates(self.folder / "second")
        cert, key = Path(first.certificate), Path(first.key)
        server = self.start_server(
            PULLTRACE_TLS_CERT_FILE=str(cert), PULLTRACE_TLS_KEY_FILE=str(key)
        )
        before = self.certificate(server.port)
        good = cert.read_bytes()
        cert.write_bytes(b"no certificate")
        wait_for(
            "the broken file is said",
            lambda: "tls.reload_failed" in server.process.stdout_text(),
            15,
        )
        self.assertEqual(self.certificate(server.port), before)
        key.write_bytes(Path(second.key).read_bytes())
        cert.write_bytes(Path(second.certificate).read_bytes())
        self.assertNotEqual(good, cert.read_bytes())
        wait_for("the new one is used", lambda: self.certificate(server.port) != before, 15)


class Ending(ServerCase):
    def test_streams_are_ended_and_a_report_under_way_is_answered(self) -> None:
        server = self.start_server()
        body = json.dumps({"nodeName": "n", "timestamp": now(), "pulls": []}).encode()
        head = (
            f"POST /api/v1/report HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=10) as stream,
            socket.create_connection(("127.0.0.1", server.port), timeout=10) as agent,
            socket.create_connection(("127.0.0.1", server.port), timeout=10),
        ):
            stream.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"200", stream.recv(100))
            agent.sendall(head + body[:10])
            wait_for(
                "both are known",
                lambda: self.metric(server, "pulltrace_sse_clients_active") == 1,
                5,
            )
            began = time.monotonic()
            server.process.send(15)
            wait_for("it stops", lambda: "server.stopping" in server.process.stdout_text(), 5)
            agent.sendall(body[10:])
            answer = b""
            while chunk := agent.recv(4096):
                answer += chunk
            received = b""
            while chunk := stream.recv(4096):
                received += chunk
        self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
        self.assertIn(b"Connection: close", answer)
        self.assertIn(b"retry: 1000", received)
        self.assertTrue(received.endswith(b"0\r\n\r\n"), received[-100:])
        self.assertEqual(server.process.wait(5), 0)
        self.assertLess(time.monotonic() - began, 5)
