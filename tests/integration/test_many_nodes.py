# SPDX-License-Identifier: Apache-2.0
"""With 100,000 nodes no turn of the server's loop takes more than 5 ms of CPU, whatever is asked of them."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from tests.integration.http_json import get
from tests.integration.server_case import now
from tests.integration.turns_case import TurnsCase

NODES = 100_000
CONNECTIONS = 400
AT_ONCE = 200  # so that what they send ahead has room


def report(node: int) -> bytes:
    body = json.dumps({"nodeName": f"node-{node}", "timestamp": now(), "pulls": []}).encode()
    head = "POST /api/v1/report HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class ManyNodes(TurnsCase):
    settings: ClassVar[dict[str, str]] = {"PULLTRACE_MAX_NODES": str(NODES)}

    def setUp(self) -> None:
        super().setUp()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.report_every, range(CONNECTIONS)))

    def report_every(self, first: int) -> None:
        """Of so many nodes one. A connection's requests are answered one a turn."""
        nodes = range(first, NODES, CONNECTIONS)
        received = b""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=60) as connection:
            connection.sendall(b"".join(map(report, nodes)))
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(1 << 20):
                received += data
        self.assertEqual(received.count(b"HTTP/1.1 200 "), len(nodes))

    def abandon(self) -> None:
        """Closes when the answer has begun."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as connection:
            connection.sendall(b"GET /api/v1/nodes HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.recv(1000)

    def test_no_turn_is_long_whatever_is_asked_of_them(self) -> None:
        listed = get(self.server.port, "/api/v1/nodes").json()["nodes"]
        self.assertEqual(len({node["nodeName"] for node in listed}), NODES)
        self.assertEqual(len(listed), NODES)
        for path in ("/api/v1/nodes", "/api/v1/nodes?node=node-77", "/api/v1/summary"):
            self.check(path, lambda path=path: get(self.server.port, path))
        self.check("/api/v1/nodes, abandoned", self.abandon)
