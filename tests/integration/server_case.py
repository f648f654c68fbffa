# SPDX-License-Identifier: Apache-2.0
"""The ground of tests of the server alone: reports are written here, as agents of all kinds send them."""

from __future__ import annotations

import datetime
import json
import socket
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

from lab.processes import Process
from lab.pulltrace import Server
from tests.integration.case import ADDRESS_SANITIZER, SANITIZER_WORDS, SERVER
from tests.integration.http_json import Answer, get, request

LAYER_BYTES = 1000


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def layer(number: int, got: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "digest": f"sha256:{number:064x}",
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "totalBytes": LAYER_BYTES,
        "downloadedBytes": got,
        "totalKnown": True,
    } | more


def pull(identity: str, image: str, *layers: dict[str, Any], **more: Any) -> dict[str, Any]:
    """As our own agent tells it."""
    return {
        "id": identity,
        "imageRef": image,
        "repository": f"docker.io/library/{image}",
        "startedAt": "2026-01-01T00:00:00Z",
        "totalKnown": True,
        "phase": "downloading",
        "layers": list(layers),
    } | more


class ServerCase(unittest.TestCase):
    """Each test must leave every server ending with status 0 and without a sanitizer's word."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def start_server(self, **settings: str) -> Server:
        server = Server(SERVER, self.folder, None, ADDRESS_SANITIZER | settings)
        self.addCleanup(lambda: self.end_well(server.process))
        return server

    def end_well(self, process: Process) -> None:
        status = process.exit_status()
        if status is None:
            status = process.stop(timeout_s=10)
        text = process.stderr_text()
        complaints = [line for line in text.splitlines() if any(w in line for w in SANITIZER_WORDS)]
        self.assertEqual((status, complaints), (0, []), text[-4000:])

    def report(self, server: Server, node: str, *pulls: dict[str, Any], **more: Any) -> Answer:
        body = {"nodeName": node, "timestamp": now(), "pulls": list(pulls)} | more
        data = json.dumps(body).encode()
        return request(server.port, "POST", "/api/v1/report", data, Content_Type="application/json")

    def tell(self, server: Server, node: str, *pulls: dict[str, Any], **more: Any) -> None:
        """Reports, and waits when the node has just reported."""
        answer = self.report(server, node, *pulls, **more)
        while answer.status == 429:
            time.sleep(0.1)
            answer = self.report(server, node, *pulls, **more)
        self.assertEqual(answer.status, 200, answer.text())

    def metric(self, server: Server, line_start: str) -> float:
        for line in get(server.metrics_port, "/metrics").text().splitlines():
            if line.startswith(line_start + " "):
                return float(line.rsplit(" ", 1)[1])
        raise AssertionError(f"no metric {line_start}")


def raw(port: int, data: bytes, timeout_s: float = 10) -> bytes:
    """Sends bytes and returns all that comes until the server closes the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(data)
        while chunk := connection.recv(65536):
            received += chunk
    return received
