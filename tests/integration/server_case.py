# SPDX-License-Identifier: Apache-2.0
"""The ground of tests of the server alone: reports are written here, as agents of all kinds send them."""

from __future__ import annotations

import datetime
import json
import socket
import tempfile
from pathlib import Path
from typing import Any

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.case import ProcessCase
from tests.integration.http_json import Answer, request

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
    """As our own agent reports it."""
    return {
        "id": identity,
        "imageRef": image,
        "repository": f"docker.io/library/{image}",
        "startedAt": "2026-01-01T00:00:00Z",
        "totalKnown": True,
        "phase": "downloading",
        "layers": list(layers),
    } | more


class ServerCase(ProcessCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def report(self, server: Server, node: str, *pulls: dict[str, Any], **more: Any) -> Answer:
        body = {"nodeName": node, "timestamp": now(), "pulls": list(pulls)} | more
        data = json.dumps(body).encode()
        return request(server.port, "POST", "/api/v1/report", data, Content_Type="application/json")

    def deliver(self, server: Server, node: str, *pulls: dict[str, Any], **more: Any) -> None:
        """Reports, and waits when the node has just reported."""
        def judged() -> Answer | None:
            answer = self.report(server, node, *pulls, **more)
            return answer if answer.status != 429 else None

        answer = wait_for("a report of the node may come again", judged, 30, every_s=0.1)
        self.assertEqual(answer.status, 200, answer.text())


def raw(port: int, data: bytes, timeout_s: float = 10) -> bytes:
    """Sends bytes and returns all that comes until the server closes the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        connection.sendall(data)
        while chunk := connection.recv(65536):
            received += chunk
    return received
