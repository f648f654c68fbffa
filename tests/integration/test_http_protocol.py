# SPDX-License-Identifier: Apache-2.0
"""What HTTP/1.1 allows a client to do, over plain connections and TLS."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl

from lab.pulltrace import Server
from tests.integration.certificates import make_certificates
from tests.integration.http_json import get
from tests.integration.server_case import ServerCase, layer, now, pull, raw

PULLS = 400
LAYERS = 8
REPORT_HEAD = "POST /api/v1/report HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def report_of(node: str) -> bytes:
    return json.dumps({"nodeName": node, "timestamp": now(), "pulls": []}).encode()


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, answer.read()


class Protocol(ServerCase):
    def nodes(self, server: Server) -> list[str]:
        return sorted(node["nodeName"] for node in get(server.port, "/api/v1/nodes").json()["nodes"])

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        server = self.start_server()
        body = report_of("n")
        report = f"{REPORT_HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body
        # The page's script is larger than what the socket takes at once.
        script = get(server.port, "/").text().split('src="./')[1].split('"')[0]
        requests = [
            report,
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            f"GET /{script} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 30,
            b"GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        ]
        answers = raw(server.port, b"".join(requests)).split(b"HTTP/1.1 ")[1:]
        statuses = [int(answer[:3]) for answer in answers]
        self.assertEqual(statuses, [200, 200] + [200] * 30 + [200, 404])
        self.assertTrue(answers[0].endswith(b"{}"))
        self.assertTrue(answers[1].endswith(b"ok"))
        self.assertEqual(len({answer.partition(b"\r\n\r\n")[2] for answer in answers[2:32]}), 1)
        self.assertIn(b'"nodeName":"n"', answers[32])

    def test_a_request_behind_a_stream_waits_for_its_end(self) -> None:
        server = self.start_server()
        received = b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(
                b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
            )
            while b": pulltrace" not in received:
                received += connection.recv(4096)
            server.process.send(15)
            while chunk := connection.recv(4096):
                received += chunk
        self.assertEqual(server.process.wait(5), 0)
        self.assertEqual(received.count(b"HTTP/1.1 "), 1)
        self.assertTrue(received.endswith(b"0\r\n\r\n"), received[-100:])

    def test_a_client_that_asks_may_go_on(self) -> None:
        server = self.start_server()
        body = report_of("n")
        head = f"{REPORT_HEAD}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(head.encode())
            self.assertEqual(connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(body)
            self.assertEqual(read_answer(connection), (200, b"{}"))
        self.assertEqual(self.nodes(server), ["n"])

    def test_a_body_in_chunks_is_a_body(self) -> None:
        server = self.start_server()
        body = report_of("chunked")
        chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(f"{REPORT_HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
            self.assertEqual(read_answer(connection), (200, b"{}"))
        self.assertEqual(self.nodes(server), ["chunked"])

    def test_http_1_0_and_half_closed_clients_are_answered_whole(self) -> None:
        server = self.start_server()
        self.assertTrue(raw(server.port, b"GET /healthz HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\nok"))
        path = get(server.port, "/").text().split('src="./')[1].split('"')[0]
        whole = get(server.port, "/" + path).body
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(get(server.port, "/healthz").status, 200)  # by then it has seen the end
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        self.assertTrue(received.endswith(whole))


class Refusals(ServerCase):
    """What is refused before it costs anything."""

    def answer(self, server: Server, head: str) -> tuple[int, bytes]:
        """To a request of which no byte of the body is sent; the server closes behind it."""
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(head.encode())
            answered = read_answer(connection)
            self.assertEqual(connection.recv(100), b"")
            return answered

    def test_a_body_that_is_not_wanted_is_refused_by_its_head(self) -> None:
        server = self.start_server(PULLTRACE_AGENT_TOKEN="a-good-token")
        json_type = "Content-Type: application/json\r\n"
        token = "Authorization: Bearer a-good-token\r\n"
        long_body = "Content-Length: 1000000\r\n"
        for what, status, first, headers in (
            ("no token", 401, "POST /api/v1/report", json_type),
            ("another token", 401, "POST /api/v1/report", json_type + token.replace("good", "bad")),
            ("no type", 415, "POST /api/v1/report", token),
            ("foreign page", 403, "POST /api/v1/report", token + "Sec-Fetch-Site: cross-site\r\n"),
            ("foreign origin", 403, "POST /api/v1/report", token + "Origin: http://y\r\n"),
            ("not POST", 405, "GET /api/v1/report", json_type + token),
            ("POST elsewhere", 405, "POST /healthz", json_type + token),
            ("body of a GET", 413, "GET /api/v1/pulls", ""),
            ("body of an asset", 413, "GET /", ""),
        ):
            for expect in ("", "Expect: 100-continue\r\n"):
                for length in (long_body, "Transfer-Encoding: chunked\r\n"):
                    with self.subTest(what, expect=expect, length=length):
                        head = f"{first} HTTP/1.1\r\nHost: x\r\n{headers}{expect}{length}\r\n"
                        got, body = self.answer(server, head)
                        self.assertEqual(got, status)
                        self.assertIn("error", json.loads(body))
        rejected = 'pulltrace_agent_reports_rejected_total{reason="%s"}'
        for reason, count in (("token", 8), ("content_type", 4), ("origin", 8)):
            self.assertEqual(self.metric(server, rejected % reason), count)

    def test_bodies_without_the_token_take_no_memory(self) -> None:
        server = self.start_server(PULLTRACE_AGENT_TOKEN="a-good-token")
        before = self.metric(server, "process_resident_memory_bytes")
        head = f"{REPORT_HEAD}Content-Length: 1000000\r\n\r\n".encode()
        with contextlib.ExitStack() as open_ones:
            for _ in range(100):
                connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
                open_ones.enter_context(connection)
                with contextlib.suppress(ConnectionError):
                    connection.sendall(head + b" " * 900_000)
            grown = self.metric(server, "process_resident_memory_bytes") - before
        self.assertLess(grown, 30_000_000)

    def test_only_allowed_hosts_are_answered(self) -> None:
        server = self.start_server(PULLTRACE_ALLOWED_HOSTS="pulls.example, other.example")
        for host, status in (
            ("pulls.example", 200),
            ("OTHER.example:8080", 200),
            ("127.0.0.1", 200),
            ("localhost:1", 200),
            ("attacker.example", 421),
        ):
            with self.subTest(host):
                for port, path in ((server.port, "/healthz"), (server.metrics_port, "/metrics")):
                    self.assertEqual(get(port, path, Host=host).status, status)

    def test_pipelined_requests_hold_up_nobody(self) -> None:
        server = self.start_server()
        many = b"GET /api/v1/nodes HTTP/1.1\r\nHost: x\r\n\r\n" * 1000
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(many)
            for _ in range(5):
                self.assertEqual(get(server.port, "/healthz").status, 200)
            # A turn answers one of them; a thousand would have been answered before the first probe.
            received = connection.recv(10_000_000, socket.MSG_PEEK).count(b"HTTP/1.1 200")
        self.assertLess(received, 500)


class OverTls(ServerCase):
    def setUp(self) -> None:
        super().setUp()
        certificates = make_certificates(self.folder / "tls")
        self.context = ssl.create_default_context(cafile=str(certificates.authority))
        self.context.verify_flags |= ssl.VERIFY_X509_STRICT  # as by itself from Python 3.13 on
        self.server = self.start_server(
            PULLTRACE_TLS_CERT_FILE=str(certificates.certificate),
            PULLTRACE_TLS_KEY_FILE=str(certificates.key),
        )

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.server.port), timeout=20)
        self.addCleanup(plain.close)
        secure = self.context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.addCleanup(secure.close)
        return secure

    def ask(self, connection: ssl.SSLSocket, path: str) -> None:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def report_many_pulls(self, connection: ssl.SSLSocket) -> None:
        layers = [layer(i) for i in range(LAYERS)]
        reported = [pull(str(i), f"app-{i}", *layers) for i in range(PULLS)]
        body = json.dumps({"nodeName": "n", "timestamp": now(), "pulls": reported}).encode()
        self.assertGreater(len(body), 256 * 1024)
        connection.sendall(f"{REPORT_HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.assertEqual(read_answer(connection), (200, b"{}"))

    def test_only_authenticated_suites_are_spoken_and_no_session_is_resumed(self) -> None:
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_ciphers("ALL")
        connection = self.connect()
        suite = connection.cipher()
        self.assertIsNotNone(suite)
        self.assertRegex(suite[0], "^ECDHE-.*(GCM|CHACHA20)")
        self.ask(connection, "/healthz")
        self.assertEqual(read_answer(connection), (200, b"ok"))
        self.assertFalse(connection.session.has_ticket)
        self.context.set_ciphers("ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA:AES128-GCM-SHA256")
        with self.assertRaises(ssl.SSLError):
            self.connect()

    def test_a_plain_request_is_asked_to_come_by_https(self) -> None:
        answer = raw(self.server.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 421 "), answer)
        self.assertIn(b"https://", answer.split(b"\r\n\r\n")[1])

    def test_long_reports_and_long_answers_go_through_one_connection(self) -> None:
        connection = self.connect()
        self.report_many_pulls(connection)
        for _ in range(3):
            self.ask(connection, f"/api/v1/pulls?limit={PULLS}&layers=1")
            status, body = read_answer(connection)
            self.assertEqual(status, 200)
            self.assertEqual(len(json.loads(body)["pulls"]), PULLS)

    def test_a_slow_stream_gets_all(self) -> None:
        self.report_many_pulls(self.connect())
        stream = self.connect()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        self.ask(stream, "/api/v1/events")
        received = b""
        seen: set[str] = set()
        while len(seen) < PULLS:
            received += stream.recv(3000)
            *lines, received = received.split(b"\n")
            for line in lines:
                if line.startswith(b"data: {") and b'"pull":' in line:
                    seen.add(json.loads(line[6:])["pull"]["imageRef"])
        self.assertEqual(seen, {f"app-{i}" for i in range(PULLS)})
