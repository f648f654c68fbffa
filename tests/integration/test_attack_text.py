# SPDX-License-Identifier: Apache-2.0
"""Hostile text in every field that an agent or Kubernetes can fill: it stays text, wherever it is shown."""

from __future__ import annotations

import json
import re
import socket
from typing import Any

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.integration.server_case import ServerCase, layer, pull
from tests.kubernetes.cluster import event, pod
from tests.kubernetes.fake_api import FakeApi

# Ends of lines and events, of JSON and of HTML; what a terminal obeys, in 7 and in 8 bits; what turns
# text around; a key word of each format that it could get into.
HOSTILE = (
    "x\r\nevent: goodbye\r\ndata: {}\r\n\r\n\nid: 9\n\x1b]0;title\x07\x1b[2J\x9b31m\x90q\x9c\x85\u2028\u2029"
    '\u202e\ufeff\x7f\x08"\\\',;=1+1|`</script><x-evil onclick=1>\n# HELP evil\nevil 1\nSet-Cookie: a=b'
)
LINE = re.compile(rb"(?:event: [a-z.]+|id: [\w.:-]+|retry: \d+|data: \{.*\}|:.*|)")
# A terminal obeys these, however they come to it; others turn text around, or are not seen.
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def read_stream(port: int, query: str) -> bytes:
    """All bytes of an event stream up to the end of its snapshot, without those of its chunks."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(
            f"GET /api/v1/events?hello=1{query} HTTP/1.0\r\nHost: x\r\n\r\n".encode()
        )
        while b"event: synced" not in received:
            chunk = connection.recv(65536)
            if not chunk:
                break
            received += chunk
    return received.partition(b"\r\n\r\n")[2]


class Injection(ServerCase):
    server: Server
    api: FakeApi

    def setUp(self) -> None:
        super().setUp()
        self.api = FakeApi()
        self.addCleanup(self.api.close)
        self.server = self.start_server(
            PULLTRACE_KUBE_URL=self.api.url, PULLTRACE_LOG_LEVEL="debug"
        )

    def hostile_pull(self, number: int, **more: Any) -> dict[str, Any]:
        text = f"{HOSTILE}{number}"
        return pull(
            text,
            text,
            layer(number, 5, mediaType=text, extractionError=text),
            repository=text,
            namespace=text,
            platform=text,
            snapshotter=text,
            error=text,
            **more,
        )

    def send_everything(self) -> None:
        """Twice: pulls under way, then ended, so that each kind of event is sent."""
        for end in ({}, {"phase": "failed", "completedAt": "2026-01-01T00:01:00Z"}):
            self.deliver(
                self.server,
                "evil",
                self.hostile_pull(1, **end),
                self.hostile_pull(2),
                agentVersion=HOSTILE,
                runtime={"name": HOSTILE, "version": HOSTILE},
            )
        evil = pod("evil", HOSTILE, "evil", "default", "ErrImagePull", HOSTILE)
        evil["metadata"] |= {"name": HOSTILE[:200], "namespace": HOSTILE[:200]}
        evil["spec"]["containers"][0]["name"] = HOSTILE[:200]
        evil["status"]["containerStatuses"][0]["name"] = HOSTILE[:200]
        self.api.put("pods", evil)
        self.api.put("events", event(evil, "Failed", f'Failed to pull image "{HOSTILE}": {HOSTILE}'))
        wait_for(
            "the pod is known",
            lambda: get(self.server.port, "/api/v1/pods").json()["pods"] != [],
            20,
        )

    def check_stream(self, stream: bytes) -> None:
        kinds = set()
        for line in stream.split(b"\n"):
            self.assertIsNotNone(LINE.fullmatch(line), line)
            kind, _, value = line.partition(b": ")
            if kind == b"data":
                json.loads(value)
            if kind == b"event":
                kinds.add(value)
        self.assertNotIn(b"goodbye", kinds)
        self.assertIsNone(CONTROLS.search(stream.decode()))

    def test_text_stays_text_in_streams_answers_and_headers(self) -> None:
        self.send_everything()
        for query in ("", "&types=pull,layer", "&layers=0", "&node=evil"):
            with self.subTest(f"stream {query}"):
                stream = read_stream(self.server.port, query)
                self.check_stream(stream)
                self.assertIn(b"x-evil", stream)
        for path in ("pulls?layers=1", "pods", "nodes", "registries", "summary", "pods?waiting=1"):
            with self.subTest(path):
                answer = get(self.server.port, f"/api/v1/{path}")
                self.assertEqual(answer.status, 200)
                answer.json()
                self.assertIsNone(CONTROLS.search(answer.text()))
                self.assertNotIn("Set-Cookie", answer.headers)
        found = get(self.server.port, "/api/v1/pulls").json()["pulls"]
        wanted = json.loads(json.dumps(HOSTILE + "1"))
        self.assertIn(wanted, [each["imageRef"] for each in found])

    def test_text_stays_text_in_the_log(self) -> None:
        self.send_everything()
        for path in ("/%0d%0aSet-Cookie:%20a=b", "/api/v1/pulls?image=%0a%1b%5b2J%c2%9b", "/%9b31m"):
            get(self.server.port, path)
        self.report(self.server, "evil\r\n\x1b[2J")
        self.report(self.server, "evil", timestamp=HOSTILE)
        self.server.process.stop(timeout_s=10)
        lines = self.server.process.stdout_text().split("\n") + self.server.process.stderr_text().split("\n")
        self.assertGreater(len(lines), 3)
        for line in filter(None, lines):
            json.loads(line)
            self.assertIsNone(CONTROLS.search(line), line)

    def test_nothing_that_is_asked_for_comes_back_as_a_header_or_as_html(self) -> None:
        for path in (
            "/%0d%0aSet-Cookie:%20a=b", "/api/v1/pulls?image=%0d%0aSet-Cookie:%20a=b",
            "/api/v1/pulls?sort=<script>alert(1)</script>", "/<script>alert(1)</script>",
            "/api/v1/pods/<x-evil>/%0d%0aSet-Cookie:a=b", "/api/v1/pulls?limit=<x-evil>",
            "/api/v1/events?types=<x-evil>", "/api/v1/events?node=%0d%0a%0d%0a<x-evil>&types=x",
        ):  # fmt: skip
            with self.subTest(path):
                answer = get(self.server.port, path)
                self.assertNotIn("Set-Cookie", answer.headers)
                self.assertRegex(answer.headers["Content-Type"], r"^application/(problem\+)?json")
                self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
                answer.json()
