# SPDX-License-Identifier: Apache-2.0
"""An API server that means harm: each time a clear word, a counter, and everything else goes on."""

from __future__ import annotations

import json

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import Object, pod, pull
from tests.kubernetes.fake_api import Faults

TROUBLE = "kubernetes.unreachable"
FAILURES = 'pulltrace_kubernetes_watch_failures_total{resource="pods"}'
INVALID = 'pulltrace_kubernetes_objects_invalid_total{resource="pods"}'
TOO_LARGE = 'pulltrace_kubernetes_objects_too_large_total{resource="pods"}'
LEFT_OUT = "pulltrace_kubernetes_pods_left_out_total"
MB = 1_000_000


class Hostile(FakeCase):
    def assert_complains(self, server: Server, words: str) -> None:
        def complaints() -> list[Object]:
            return [line for line in self.log_lines(server, TROUBLE) if words in line["error"]]

        wait_for(f"it says: {words}", complaints, 60)
        self.wait_for_count(server, FAILURES)
        self.assertEqual(get(server.port, "/healthz").status, 200)

    def wait_for_count(self, server: Server, series: str) -> None:
        """Of pods: the watch of events may have complained first."""
        wait_for(f"{series} counts", lambda: self.metric(server, series) > 0, 20)

    def assert_recovers(self, server: Server) -> None:
        self.api.faults = Faults()
        self.api.put("pods", pod("good", "a.io/good:1", "node-good"))
        self.report(server, "node-good", pull("p", "a.io/good"))
        self.wait_for_pull(server, "it recovers", 40, imageRef="a.io/good:1", pods=["good"])

    def test_watches_that_never_end_an_object(self) -> None:
        self.api.faults.endless = b'{"type":"ADDED","object":{"x":"' + b"x" * MB
        server = self.start()
        self.assert_complains(server, "the answer does not end")
        self.wait_for_count(server, TOO_LARGE)
        self.assert_recovers(server)

    def test_lists_that_are_none(self) -> None:
        bodies = {
            "no JSON": b"<html>log in first</html>",
            "breaks off": b'{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{',
            "without resourceVersion": b'{"items":[]}',
            "the answer is no JSON": b'{"metadata":' + b"[" * 5000,
            "the answer does not end": b'{"metadata":{"x":"' + b"x" * 100_000 + b'"},"items":[]}',
        }
        for words, body in bodies.items():
            with self.subTest(words):
                self.api.faults.list_body = body
                server = self.start_server(PULLTRACE_KUBE_URL=self.api.url)
                self.assert_complains(server, words)
        self.assert_recovers(server)

    def test_it_invents_pods_and_rows(self) -> None:
        """What docs/security.md admits: what it says of pods is believed."""
        self.api.put("pods", pod("invented", "a.io/invented:1", "node-1"))
        self.api.put("pods", pod("joined", "a.io/real:1", "node-1"))
        server = self.start()
        self.report(server, "node-1", pull("p", "a.io/real"))
        self.wait_for_pull(server, "joined", 20, imageRef="a.io/real:1", pods=["joined"])
        self.wait_for_pull(server, "a row", 20, imageRef="a.io/invented:1", pods=["invented"])

    def test_a_redirect_is_not_followed(self) -> None:
        self.api.faults.refuse_status = 302
        self.api.faults.refuse_headers = {"Location": self.api.url + "/elsewhere"}
        server = self.start_server(PULLTRACE_KUBE_URL=self.api.url)
        self.assert_complains(server, "302")
        self.assertEqual([asked for asked in self.api.asked if "elsewhere" in asked.path], [])
        self.assert_recovers(server)

    def test_objects_that_are_not_what_they_should_be(self) -> None:
        long_name = json.dumps(pod("x" * 300, "a.io/b:1")).encode()
        objects = [
            b'{"metadata":{"uid":"u","namespace":"n","name":"\xff\xfe"}}',
            b'{"metadata":{"uid":"u","namespace":"n","name":"a\x00b"}}',
            b'{"metadata":{"uid":"u","namespace":"n","name":"a\\u0000b"}}',
            b'{"metadata":{"uid":7,"namespace":[],"name":{}}}',
            b'{"metadata":null}',
            long_name,
        ]
        self.api.faults.list_body = (
            b'{"metadata":{"resourceVersion":"100"},"items":[' + b",".join(objects) + b"]}"
        )
        server = self.start()
        self.assertEqual(self.metric(server, INVALID), len(objects))
        lines = self.log_lines(server, "kubernetes.object_skipped")
        collections = sorted(line["collection"] for line in lines)
        self.assertEqual(collections, ["events", "nodes", "pods"], "one line for each")
        self.assert_recovers(server)

    def test_an_odd_resource_version(self) -> None:
        server = self.start()
        words = {"400": "-1 &watch=0#%00/..", "the path is too long": "9" * 20_000}
        for number, (complaint, version) in enumerate(words.items()):
            self.wait_for_watches(timeout_s=20)
            made = pod(f"p{number}", f"a.io/b{number}:1", f"n{number}")
            made["metadata"]["resourceVersion"] = version
            self.api.say(json.dumps({"type": "ADDED", "object": made}).encode() + b"\n")
            self.report(server, f"n{number}", pull("p", f"a.io/b{number}"))
            self.wait_for_pull(server, "it is taken", imageRef=f"a.io/b{number}:1")
            self.api.reset()
            self.assert_complains(server, complaint)
        self.assert_recovers(server)

    def test_thousands_of_pods_on_one_node(self) -> None:
        many = [pod(f"p{i}", f"a.io/i{i}:1", "crowded") for i in range(2100)]
        self.api.put_all("pods", many)
        server = self.start()
        self.assertEqual(self.metric(server, LEFT_OUT), 100)
        wait_for("it says so", lambda: self.log_lines(server, "kubernetes.left_out"), 5)
        self.assert_recovers(server)
