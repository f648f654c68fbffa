# SPDX-License-Identifier: Apache-2.0
"""Reports that are read and applied in several turns of the loop, whatever their senders do meanwhile."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.integration.server_case import ServerCase, layer, now, pull, raw
from tests.integration.test_http_protocol import REPORT_HEAD, read_answer

PULLS = 700


def body_of(node: str, count: int = PULLS, **more: object) -> bytes:
    pulls = [pull(f"p{number}", f"a-{number}:1", layer(number, 100)) for number in range(count)]
    return json.dumps({"nodeName": node, "timestamp": now(), "pulls": pulls} | more).encode()


def request_of(body: bytes) -> bytes:
    return f"{REPORT_HEAD}Content-Length: {len(body)}\r\n\r\n".encode() + body


class LargeReports(ServerCase):
    def active(self, server: Server) -> int:
        return int(get(server.port, "/api/v1/summary").json()["activePulls"])

    def healthy(self, server: Server) -> bool:
        return get(server.port, "/healthz").status == 200

    def test_answers_come_in_order(self) -> None:
        server = self.start_server()
        small = json.dumps({
            "nodeName": "small", "timestamp": now(),
            "pulls": [{"id": f"{number}", "imageRef": "a"} for number in range(300)],
        }).encode()  # fmt: skip
        bad = b"[" * 200_000
        requests = [
            request_of(body_of("one")),
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            request_of(bad),
            request_of(small),
            request_of(body_of("one", 100)),  # too soon
            b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        ]
        answers = raw(server.port, b"".join(requests)).split(b"HTTP/1.1 ")[1:]
        self.assertEqual([int(answer[:3]) for answer in answers], [200, 200, 400, 200, 429, 404])
        self.assertTrue(answers[0].endswith(b"{}"))
        self.assertIn(b"nested deeper than 16 levels", answers[2])
        self.assertEqual(self.active(server), PULLS + 300)

    def test_it_comes_in_chunks_or_from_who_sends_no_more(self) -> None:
        server = self.start_server()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            body = body_of("chunked")
            pieces = [body[at : at + 50_000] for at in range(0, len(body), 50_000)]
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])
            connection.sendall(f"{REPORT_HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
            self.assertEqual(read_answer(connection), (200, b"{}"))
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(request_of(body_of("closed")))
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(read_answer(connection), (200, b"{}"))
            self.assertEqual(connection.recv(10), b"")
        self.assertEqual(self.active(server), 2 * PULLS)

    def test_who_leaves_holds_up_nobody(self) -> None:
        server = self.start_server(PULLTRACE_LOG_LEVEL="warn")

        def leave(number: int) -> None:
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
                wrong = {"timestamp": "never"} if number % 3 == 0 else {}
                connection.sendall(request_of(body_of(f"n{number}", **wrong)))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(leave, range(60)))
        self.assertTrue(self.healthy(server))
        self.assertEqual(self.report(server, "last", pull("p", "a:1")).status, 200)
        answers = raw(
            server.port,
            request_of(body_of("large"))
            + b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
        self.assertTrue(answers.startswith(b"HTTP/1.1 200"), answers[:200])
        self.assertEqual(self.active(server) % PULLS, 1)  # each of the others whole, or not at all

    def test_those_that_wait_are_answered_before_the_end(self) -> None:
        server = self.start_server(PULLTRACE_LOG_LEVEL="info")
        agents = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in "12345"]
        for number, agent in enumerate(agents):
            self.addCleanup(agent.close)
            agent.sendall(request_of(body_of(f"n{number}"))[:-1])
        self.assertTrue(self.healthy(server))
        server.process.send(15)
        wait_for("it stops", lambda: "server.stopping" in server.process.stdout_text(), 5)
        for agent in agents:
            agent.sendall(b"}")
        for agent in agents:
            self.assertEqual(read_answer(agent), (200, b"{}"))
        self.assertEqual(server.process.wait(5), 0)
