# SPDX-License-Identifier: Apache-2.0
"""What the server takes and sends, held to docs/schemas and docs/openapi.json."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import jsonschema

from lab.pulltrace import Server
from lab.tools import REPOSITORY
from tests.integration.http_json import get, request
from tests.integration.server_case import LAYER_BYTES, ServerCase, layer, now, pull

DOCS = REPOSITORY / "docs"
PROBES = ("/healthz", "/readyz")  # any parameter is passed over
STARTED = "2026-01-01T00:00:00Z"

# Members that the first version of the format has; old readers rely on each.
PULL_STATUS_V1 = {
    "id", "nodeName", "imageRef", "totalBytes", "downloadedBytes", "bytesPerSec", "percent",
    "layerCount", "layersDone", "startedAt", "totalKnown",
}  # fmt: skip
LAYER_STATUS_V1 = {
    "pullId", "digest", "totalBytes", "downloadedBytes", "bytesPerSec", "percent", "startedAt",
    "totalKnown",
}  # fmt: skip


@cache
def document(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((DOCS / name).read_text())
    return read


def close(schema: Any) -> None:
    """What is published is open, since readers pass over what they do not know; ours sends nothing else."""
    for part in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(part, dict | list):
            close(part)
    if isinstance(schema, dict) and "properties" in schema and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)


def validator(reference: str) -> jsonschema.Draft202012Validator:
    """Checks against `file` or `file#/path`, files relative to docs/."""
    store = {
        f"file:///docs/{path.relative_to(DOCS).as_posix()}": json.loads(path.read_text())
        for path in [DOCS / "openapi.json", *(DOCS / "schemas").glob("*.json")]
    }
    for address, content in store.items():
        content.pop("$id", None)
        if not address.endswith("report.schema.json"):
            close(content)
    resolver = jsonschema.RefResolver("file:///docs/", {}, store=store)
    return jsonschema.Draft202012Validator(
        {"$ref": f"file:///docs/{reference}"},
        resolver=resolver,
        format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
    )


def section(name: str, heading: str) -> str:
    """What stands below a heading of a document, up to the next one."""
    return (DOCS / name).read_text().split(f"{heading}\n")[1].split("\n## ")[0]


def complaints(reference: str, instance: Any) -> list[str]:
    errors = validator(reference).iter_errors(instance)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in errors]


def answer_schema(path: str, method: str, status: int) -> str:
    escaped = path.replace("~", "~0").replace("/", "~1")
    kind = "application~1json" if status == 200 else "application~1problem+json"
    return f"openapi.json#/paths/{escaped}/{method}/responses/{status}/content/{kind}/schema"


class Documents(ServerCase):
    def test_schemas_are_valid(self) -> None:
        for path in (DOCS / "schemas").glob("*.json"):
            with self.subTest(path.name):
                jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))

    def test_first_version_members_are_required(self) -> None:
        definitions = document("schemas/pulls.schema.json")["$defs"]
        self.assertEqual(set(definitions["PullStatus"]["required"]), PULL_STATUS_V1)
        self.assertEqual(set(definitions["LayerStatus"]["required"]), LAYER_STATUS_V1)


    def test_schemas_are_open(self) -> None:
        for path in [DOCS / "openapi.json", *(DOCS / "schemas").glob("*.json")]:
            with self.subTest(path.name):
                self.assertNotIn('"additionalProperties": false', path.read_text())

    def test_codes_of_problems(self) -> None:
        source = (REPOSITORY / "src/server/http/http_reply.c").read_text()
        codes = re.findall(r'\[PT_PROBLEM_\w+\] = \{\d+, "(\w+)"\}', source)
        self.assertGreater(len(codes), 20)
        problem = document("openapi.json")["components"]["schemas"]["Problem"]
        self.assertEqual(problem["properties"]["code"]["enum"], codes)
        listed = re.findall(r"`(\w+)`", section("api.md", "## Problems"))
        self.assertLessEqual(set(codes), set(listed))

    def test_parameters(self) -> None:
        """Those that the document has are known to the server, and no others."""
        server = self.start_server()
        checked = 0
        for path, operations in document("openapi.json")["paths"].items():
            if "get" not in operations or path in PROBES:
                continue
            address = path.replace("{id}", "x").replace("{namespace}/{name}", "x/y")
            address = address.replace("{file}", "pulls.schema.json")
            named = [p["name"] for p in operations["get"].get("parameters", []) if p["in"] == "query"]
            for name, is_known in [*((name, True) for name in named), ("mood", False)]:
                with self.subTest(f"{path}?{name}"):
                    answer = request(server.port, "HEAD", f"{address}?{name}=")
                    self.assertEqual(answer.status in (200, 404), is_known)
                    answer = get(server.port, f"{address}?{name}=%01") if not is_known else answer
                    checked += 1
            self.assertEqual(answer.json()["code"], "unknown_parameter")
            self.assertIn(", ".join(named) or "none", answer.json()["error"].replace(",", ", "))
        self.assertGreater(checked, 20)

    def test_head_is_answered_where_get_is(self) -> None:
        server = self.start_server()
        self.deliver(server, "node", pull("1", "app", layer(1)))
        one = get(server.port, "/api/v1/pulls").json()["pulls"][0]["id"]
        for path in document("openapi.json")["paths"]:
            if path == "/api/v1/report":
                continue
            address = path.replace("{id}", one).replace("{namespace}/{name}", "x/y")
            address = address.replace("{file}", "pulls.schema.json")
            with self.subTest(path):
                headers = self.headers_of(server, "GET", address)
                self.assertEqual(self.headers_of(server, "HEAD", address), headers)
        self.assertEqual(self.metric(server, "pulltrace_sse_clients_active"), 0)

    def headers_of(self, server: Server, method: str, path: str) -> tuple[int, dict[str, str]]:
        """All that do not depend on the moment; a stream is closed when they are there."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request(method, path)
        answer = connection.getresponse()
        if method == "HEAD":
            self.assertEqual(answer.read(), b"")
        connection.close()
        passed_over = {"date", "content-length", "transfer-encoding"}
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, {k: v for k, v in headers.items() if k not in passed_over}

    def test_the_documents_are_served(self) -> None:
        server = self.start_server()
        for path in [DOCS / "openapi.json", *(DOCS / "schemas").glob("*.json")]:
            with self.subTest(path.name):
                answer = get(server.port, f"/api/v1/{path.relative_to(DOCS).as_posix()}")
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.headers["Content-Type"], "application/json")
                self.assertEqual(answer.json(), json.loads(path.read_text()))


class Contract(ServerCase):
    def check(self, reference: str, instance: Any) -> None:
        self.assertEqual(complaints(reference, instance), [], reference)

    def report_all_kinds(self, server: Server) -> None:
        """Reports of our agent in every phase, and of an agent that sends only the first members."""
        cached = layer(9, LAYER_BYTES, phase="exists", cached=True)
        done = layer(
            1, LAYER_BYTES, phase="done", startedAt=STARTED, completedAt=STARTED,
            extractStartedAt=STARTED, extractCompletedAt=now(),
        )  # fmt: skip
        for step in range(4):
            moving = layer(2, 100 * step, phase="downloading", startedAt=STARTED)
            queued = layer(3, phase="queued")
            extracting = layer(2, LAYER_BYTES, phase="extracting", extractStartedAt=STARTED)
            digests = {"rootDigest": "sha256:" + "a" * 64, "manifestDigest": "sha256:" + "b" * 64}
            self.deliver(
                server,
                "node-own",
                pull("resolving", "app", phase="resolving"),
                pull("downloading", "app", cached, done, moving, queued, **digests),
                pull("extracting", "app", done, extracting, phase="extracting", imageRefExact=True),
                pull("completed", "app", done, phase="completed" if step else "downloading"),
                pull("failed", "app", phase="failed", error="manifest unknown: no such tag"),
                agentVersion="0.1.0",
                runtime={"name": "containerd", "version": "2.1.4"},
                intervalMs=1000,
            )
            legacy = {"startedAt": STARTED, "totalKnown": True}
            named = {"imageRef": "docker.io/library/nginx:1.27", "layers": [layer(5, 10 * step)]}
            nameless = {"imageRef": f"layer-sha256:{'c' * 64}", "layers": [layer(6, 10 * step)]}
            self.deliver(
                server, "node-legacy", *([named | legacy, nameless | legacy] if step < 3 else [])
            )

    def test_reports(self) -> None:
        server = self.start_server()
        report = {"nodeName": "n", "timestamp": now(), "pulls": [pull("1", "app", layer(1))]}
        wrong_type = report | {"pulls": "none"}
        for what, body, good in (
            ("as it should be", report, True),
            ("empty", report | {"pulls": []}, True),
            ("null, as Go writes an empty list", report | {"pulls": None}, True),
            ("with what nobody knows", report | {"mood": "fine"}, True),
            ("no node", {"timestamp": now(), "pulls": []}, False),
            ("odd node", report | {"nodeName": "a b"}, False),
            ("pulls of another type", wrong_type, False),
            ("a number as text", report | {"intervalMs": "1000"}, False),
        ):
            with self.subTest(what):
                named = (
                    body | {"nodeName": what.replace(" ", "-").replace(",", "")} if good else body
                )
                self.assertEqual(complaints("schemas/report.schema.json", named) == [], good)
                answer = request(
                    server.port, "POST", "/api/v1/report", json.dumps(named).encode(),
                    Content_Type="application/json",
                )  # fmt: skip
                self.assertEqual(answer.status, 200 if good else 400, answer.text())
                self.check(answer_schema("/api/v1/report", "post", answer.status), answer.json())

    def test_bad_pulls_are_left_out(self) -> None:
        server = self.start_server()
        for what, bad, reason in (
            ("negative-bytes", layer(1, -1), "invalid"),
            ("huge-bytes", layer(1) | {"totalBytes": 2**62}, "too_large"),
            ("long-digest", layer(1) | {"digest": "d" * 161}, "too_large"),
        ):
            with self.subTest(what):
                name = f'pulltrace_agent_pulls_rejected_total{{reason="{reason}"}}'
                before = self.metric(server, name)
                pulls = [pull("1", "bad", bad), pull("2", "good", layer(1))]
                refused = {"nodeName": what, "timestamp": now(), "pulls": pulls}
                self.assertNotEqual(complaints("schemas/report.schema.json", refused), [])
                answer = self.report(server, what, *pulls)
                self.assertEqual(answer.status, 200, answer.text())
                self.assertEqual(self.metric(server, name), before + 1)
                shown = get(server.port, f"/api/v1/pulls?node={what}").json()["pulls"]
                self.assertEqual([one["imageRef"] for one in shown], [pulls[1]["imageRef"]])

    def test_answers(self) -> None:
        server = self.start_server()
        self.report_all_kinds(server)
        for path in ("/api/v1/pulls", "/api/v1/summary", "/api/v1/nodes"):
            with self.subTest(path):
                self.check(answer_schema(path, "get", 200), get(server.port, path).json())
        pulls = get(server.port, "/api/v1/pulls").json()["pulls"]
        self.assertEqual(len(pulls), 7)
        self.assertIn("__pulling__", [row["imageRef"] for row in pulls])
        self.assertEqual(
            {row["phase"] for row in pulls if row["nodeName"] == "node-legacy"}, {"completed"}
        )
        self.assertEqual(get(server.port, "/api/v1/summary").json()["historySeconds"], 30 * 60)
        for name, found in (("node-legacy", ["node-legacy"]), ("node-unheard", [])):
            nodes = get(server.port, f"/api/v1/nodes?node={name}").json()
            self.check(answer_schema("/api/v1/nodes", "get", 200), nodes)
            self.assertEqual([node["nodeName"] for node in nodes["nodes"]], found)
        page = get(server.port, "/api/v1/pulls?limit=2").json()
        self.check("schemas/pulls.schema.json", page)
        self.assertIn("nextCursor", page)
        one = get(server.port, f"/api/v1/pulls/{pulls[0]['id']}").json()
        self.check("schemas/pulls.schema.json#/$defs/PullStatus", one)

    def test_events(self) -> None:
        server = self.start_server()
        log = EventStream(server.port, "?types=pull,layer")
        self.addCleanup(log.close)
        self.report_all_kinds(server)
        wanted = {
            "pull.started", "pull.progress", "pull.completed", "pull.failed",
            "layer.started", "layer.progress", "layer.completed",
        }  # fmt: skip
        log.read_until(lambda events: {event["type"] for event in events} >= wanted)
        for event in log.events:
            self.check("schemas/event.schema.json", event)
            self.assertNotEqual(event.get("pull", {}).get("error"), "")
        speeds = [e["layer"]["bytesPerSec"] for e in log.events if e["type"] == "layer.progress"]
        self.assertGreater(max(speeds), 0)


    def test_hello(self) -> None:
        server = self.start_server(PULLTRACE_CLUSTER_NAME="prod-eu-1")
        asking = EventStream(server.port, "?hello=1")
        self.addCleanup(asking.close)
        asking.read_until(lambda events: {} in events)  # the data of synced
        self.check("schemas/hello.schema.json", asking.events[0])
        self.assertEqual(asking.events[0]["cluster"], "prod-eu-1")
        self.assertEqual(get(server.port, "/api/v1/summary").json()["cluster"], "prod-eu-1")
        other = EventStream(server.port, "?hello=1")
        self.addCleanup(other.close)
        other.read_until(lambda events: len(events) > 0)
        self.assertEqual(other.events[0]["run"], asking.events[0]["run"])


class EventStream:
    """All events as they come off the wire."""

    def __init__(self, port: int, query: str) -> None:
        self.events: list[dict[str, Any]] = []
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._connection.request("GET", "/api/v1/events" + query)
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200

    def read_until(self, enough: Callable[[list[dict[str, Any]]], bool]) -> None:
        while not enough(self.events):
            line = self._answer.readline()
            assert line, "the stream ended"
            if line.startswith(b"data: "):
                self.events.append(json.loads(line[6:]))

    def close(self) -> None:
        self._connection.close()
