# SPDX-License-Identifier: Apache-2.0
"""An end that the server has taken is one that its readers know: it may be killed right behind its answer."""

from __future__ import annotations

import contextlib
import socket
import time

from lab.pulltrace import Server
from tests.integration.server_case import ServerCase, layer, pull

REPORTS = 100
SECONDS = 2.5  # that readers who take nothing may hold up an answer
RECEIVE_BYTES = 2304  # the least that the kernel gives


class AcknowledgedEnds(ServerCase):
    def read_stream(self, server: Server, receive_bytes: int = 0) -> socket.socket:
        reader = socket.socket()
        self.addCleanup(reader.close)
        reader.settimeout(10)
        if receive_bytes:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        reader.connect(("127.0.0.1", server.port))
        reader.sendall(b"GET /api/v1/events?hello=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return reader

    def read_to(self, reader: socket.socket, mark: bytes) -> None:
        received = b""
        while mark not in received:
            received += reader.recv(65536)

    def what_has_come(self, reader: socket.socket) -> bytes:
        received = b""
        reader.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                received += reader.recv(1 << 20)
        return received

    def end_one(self, server: Server, number: int) -> float:
        """Returns how long the answer took."""
        end = {"phase": "completed", "completedAt": "2026-01-01T00:01:00Z"}
        one = pull("p", f"app-{number}:1", layer(number, 1000), **end)
        began = time.monotonic()
        answer = self.report(server, f"node-{number}", one)
        self.assertEqual(answer.status, 200, answer.text())
        return time.monotonic() - began

    def test_readers_have_it_before_the_agent_has_its_answer(self) -> None:
        server = self.start_server()
        readers = [self.read_stream(server) for _ in range(5)]
        for reader in readers:
            self.read_to(reader, b"event: synced")
        for number in range(REPORTS):
            self.end_one(server, number)
            for reader in readers:
                received = self.what_has_come(reader)
                self.assertIn(f"app-{number}:1".encode(), received)
                self.assertIn(b"pull.completed", received)

    def test_who_reads_nothing_holds_up_no_answer(self) -> None:
        server = self.start_server(PULLTRACE_MAX_MEMORY=str(64 * 1024 * 1024))
        for _ in range(50):
            self.read_stream(server, RECEIVE_BYTES)
        waited = [self.end_one(server, number) for number in range(REPORTS)]
        self.assertLess(max(waited), SECONDS, sorted(waited)[-5:])

    def test_an_agent_that_goes_while_it_waits_is_no_trouble(self) -> None:
        server = self.start_server()
        self.read_to(self.read_stream(server), b"event: synced")
        for number in range(REPORTS):
            body = (
                f'{{"nodeName":"gone-{number}","timestamp":"2026-01-01T00:01:00Z","pulls":[{{"id":"p",'
                f'"imageRef":"a:1","startedAt":"2026-01-01T00:00:00Z","phase":"completed"}}]}}'
            ).encode()
            with socket.create_connection(("127.0.0.1", server.port)) as agent:
                agent.sendall(
                    b"POST /api/v1/report HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                    + f"Content-Length: {len(body)}\r\n\r\n".encode()
                    + body
                )
        self.end_one(server, 0)
        self.assertIsNone(server.process.exit_status())
