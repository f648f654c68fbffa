# SPDX-License-Identifier: Apache-2.0
"""Nodes from which no agent reports: what the kubelet says is all that is known."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.http_json import get, is_in_step
from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import Object, pod, post_report
from tests.kubernetes.scene import Scene, Story, into

AGENTS_KNOWN_S = 50  # from the server's start on
WEB = "registry.example/web:1"
STORIES: dict[str, Story] = {}
story = into(STORIES)


def node(name: str, runtime: str) -> Object:
    return {"metadata": {"name": name}, "status": {"nodeInfo": {"containerRuntimeVersion": runtime}}}


@story
def pulled(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    yield 3
    row = scene.expect(WEB, phase="queued", waiting=True)
    scene.asks("p", "web", WEB)
    yield 1
    known = {"percent": 0, "totalKnown": False, "bytesPerSec": 0, "readyEtaSeconds": None}
    scene.expect(WEB, phase="resolving", id=row["id"], waiting=True, pods=["p/web"], **known)
    yield 4
    row = scene.expect(WEB, phase="resolving", id=row["id"])
    assert row["holdUp"]["kind"] == "agent_missing", row
    words = "in 4.5s (5s including waiting). Image size: 72950530 bytes."
    scene.say("p", "web", "Pulled", f'Successfully pulled image "{WEB}" {words}')
    yield 1
    figures = {"downloadSeconds": 4.5, "queuedSeconds": 0.5, "totalBytes": 72950530}
    known = {"downloadedBytes": 72950530, "percent": 100, "totalKnown": True, "waiting": False}
    scene.expect(WEB, phase="completed", id=row["id"], pods=["p/web"], **figures, **known)


@story
def failed_and_tried_again(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    scene.asks("p", "web", WEB)
    yield 1
    row = scene.expect(WEB, phase="resolving")
    scene.fails("p", "web", WEB)
    scene.backs_off("p", "web", WEB)
    yield 2
    row = scene.expect(WEB, phase="failed", errorClass="not_found", attempts=1, id=row["id"])
    assert row["nextAttemptAt"], row
    assert row["holdUp"]["kind"] == "backoff", row
    scene.asks("p", "web", WEB, first_s=1, last_s=1)
    yield 1
    scene.expect(WEB, phase="resolving", attempts=1, error=None, id=row["id"])


@story
def an_agent_comes_late(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    scene.asks("p", "web", WEB)
    yield 1
    row = scene.expect(WEB, phase="resolving")
    repository = WEB.partition(":")[0]
    scene.report(
        {
            "id": "p1",
            "imageRef": repository,
            "repository": repository,
            "startedAt": row["startedAt"],
            "totalKnown": False,
            "layers": [],
            "phase": "downloading",
        }
    )
    yield 1
    scene.expect(WEB, phase="downloading", id=row["id"], pods=["p/web"])


class WithoutAgent(FakeCase):
    def nodes(self, server: Server, query: str = "") -> dict[str, Object]:
        listed = get(server.port, "/api/v1/nodes" + query).json()["nodes"]
        return {each["nodeName"]: each for each in listed}

    def wait_until_agents_are_known(self, server: Server) -> None:
        """Of a node of the cluster from which none reports it is said."""

        def are_known() -> bool:
            return any("reason" in node for node in self.nodes(server).values())

        wait_for("who has an agent is known", are_known, AGENTS_KNOWN_S + 5)

    def test_pulls_are_shown_from_the_kubelets_words(self) -> None:
        self.api.put("nodes", node("other", "containerd://2.1.4"))
        server = self.start()
        self.wait_until_agents_are_known(server)
        self.play(server, STORIES)

    def test_nodes_say_why_nothing_is_known_of_their_bytes(self) -> None:
        self.api.put("nodes", node("crio", "cri-o://1.31.0"))
        self.api.put("nodes", node("with-agent", "containerd://2.1.4"))
        server = self.start()
        self.assertEqual(post_report(server.port, "with-agent"), 200)
        wait_for("the cluster's node is there", lambda: "crio" in self.nodes(server), 5)
        self.assertFalse(self.nodes(server)["crio"]["silent"])  # it may report yet
        self.wait_until_agents_are_known(server)
        found = self.nodes(server)
        self.assertEqual(set(found), {"crio", "with-agent"})
        crio = found["crio"]
        self.assertEqual(crio["reason"], "no agent reports from this node")
        self.assertTrue(crio["silent"])
        self.assertEqual((crio["runtimeName"], crio["runtimeVersion"]), ("cri-o", "1.31.0"))
        self.assertNotIn("lastReportAt", crio)
        self.assertNotIn("reason", found["with-agent"])
        self.assertEqual(found["with-agent"]["runtimeVersion"], "2.1.4")
        self.assertEqual(self.nodes(server, "?node=crio"), {"crio": crio})
        self.api.delete("nodes", "", "crio")
        wait_for("it is gone", lambda: "crio" not in self.nodes(server), 5)

    def test_without_the_right_to_nodes_one_line_is_logged(self) -> None:
        self.api.faults.forbidden = "nodes"
        server = self.start()
        self.wait_for_watches()
        message = "kubernetes.forbidden"
        wait_for("it says so", lambda: self.log_lines(server, message), 5)
        said = time.monotonic()

        def asked() -> int:
            return len([each for each in self.api.asked if each.path.endswith("/nodes")])

        self.assertEqual(asked(), 1)
        wait_for("it asks again", lambda: asked() == 2, 15)
        self.assertGreater(time.monotonic() - said, 2)
        self.api.put("pods", pod("behind", "a.io/behind:1"))
        self.wait_for_pull(server, "what comes behind is shown", 10, imageRef="a.io/behind:1")
        self.assertEqual(len(self.log_lines(server, message)), 1)
        self.assertTrue(is_in_step(server.port))
