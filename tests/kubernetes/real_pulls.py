# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver, a real containerd that pulls as for the kubelet, the real agent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import ClassVar

from lab.cri import CriClient
from lab.laboratory import HOST, Laboratory
from lab.layers import LayerSpec
from lab.pulltrace import Agent, Server
from lab.tools import REPOSITORY
from lab.waiting import wait_for
from tests.integration.browser import node_command
from tests.integration.case import ADDRESS_SANITIZER, AGENT, MB
from tests.kubernetes.case import fits
from tests.kubernetes.cluster import Object, event, pod, running
from tests.kubernetes.real_case import RealCase

NODE = "agent"  # as the lab names its agent's node
ROUNDS = 5
PODS = 3
WITHIN_S = 1.0
PULL_S = 60


class RealPulls(RealCase):
    lab: ClassVar[Laboratory]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.lab = Laboratory(2 * MB, cri=True)
        cls.addClassCleanup(cls.lab.close)

    def setUp(self) -> None:
        super().setUp()
        self.client = CriClient(self.lab.containerd)
        self.server = self.start_ready()
        self.start_agent(self.server)

    def start_agent(self, server: Server) -> None:
        socket = self.lab.containerd.socket
        agent = Agent(AGENT, self.folder, socket, server.url, ADDRESS_SANITIZER)
        self.must_end_well(agent)
        wait_for("it reports", lambda: self.metric(server, "pulltrace_agent_reports_total"), 15)

    def push(self, repository: str, tag: str = "1", size: int = 5 * MB) -> str:
        image = self.lab.images.push(repository, tag, [LayerSpec(size, f"{repository} {tag}")])
        return self.lab.reference(image)

    def create_pods(self, name: str, reference: str, count: int = PODS) -> list[Object]:
        return [self.create(pod(f"{name}-{i}", reference, NODE)) for i in range(count)]

    def seconds_until_shown(self, later: float, reference: str, pods: list[Object]) -> float:
        names = sorted(each["metadata"]["name"] for each in pods)
        self.wait_for_pull(
            self.server, "name and pods", 10, phase="downloading", imageRef=reference, pods=names
        )
        return time.monotonic() - later

    def measure(self, what: str, once: Callable[[str, str], float]) -> None:
        """Each round pulls another image; prints how long it took until all was shown."""
        seconds = []
        for number in range(ROUNDS):
            name = f"{what}-{number}".replace(" ", "-")
            seconds.append(once(name, self.push(f"kube/{name}")))
        took = f"{min(seconds):.2f} to {max(seconds):.2f} s"
        print(f"\n  {what}: name and {PODS} pods {took} after the later of both", file=sys.stderr)
        self.assertLess(max(seconds), WITHIN_S)

    def test_the_pods_come_first(self) -> None:
        def once(name: str, reference: str) -> float:
            pods = self.create_pods(name, reference)
            asked = f'Pulling image "{reference}"'
            self.api.write_event(event(pods[0], "Pulling", asked))
            started = time.monotonic()
            call = self.client.start_pull(reference)
            seconds = self.seconds_until_shown(started, reference, pods)
            call.finish(PULL_S)
            return seconds

        self.measure("pods first", once)

    def test_the_pull_comes_first(self) -> None:
        def once(name: str, reference: str) -> float:
            call = self.client.start_pull(reference)
            self.wait_for_pull(self.server, "it runs", 10, repository=reference.rsplit(":", 1)[0])
            pods = self.create_pods(name, reference, PODS - 1)
            created = time.monotonic()
            pods += self.create_pods(f"{name}-last", reference, 1)
            seconds = self.seconds_until_shown(created, reference, pods)
            call.finish(PULL_S)
            return seconds

        self.measure("pull first", once)

    def test_references_of_all_forms(self) -> None:
        image = self.lab.images.push("kube/d", "v1", [LayerSpec(4 * MB, "kube/d")])
        other = self.lab.images.push("kube/d", "v2", [LayerSpec(4 * MB, "kube/d v2")])
        bare = self.lab.images.push("kube/bare", "latest", [LayerSpec(4 * MB, "kube/bare")])
        self.create(pod("other", self.lab.reference(other), NODE))  # of the same repository
        references = {
            "digest": f"{HOST}/kube/d@{image.root_digest}",
            "both": f"{HOST}/kube/d:v1@{image.root_digest}",
            "none": f"{HOST}/kube/bare",
        }
        for name, reference in references.items():
            with self.subTest(reference):
                waiting = self.create(pod(name, reference, NODE))
                call = self.client.start_pull(reference)
                wanted = reference if "@" in reference else f"{reference}:{bare.tag}"
                self.wait_for_pull(self.server, "it runs", 10, imageRef=wanted, pods=[name])
                call.finish(PULL_S)
                self.api.set_status(running(waiting))
                self.wait_for_pull(self.server, "it is done", 10, pods=[name], phase="completed")
                self.api.delete_pod(waiting)
                self.client.remove_image(reference)

    def ask_for(self, name: str, reference: str) -> Object:
        """A pod waits for the image, and the kubelet has asked for it."""
        waiting = self.create(pod(name, reference, NODE))
        self.api.write_event(event(waiting, "Pulling", f'Pulling image "{reference}"'))
        return waiting

    def test_two_tags_of_a_repository_at_once(self) -> None:
        references = [self.push("kube/at-once", tag, 8 * MB) for tag in ("v1", "v2")]
        asked, calls = [], []
        for number, reference in enumerate(references):
            asked.append((self.ask_for(f"at-once-{number}", reference), reference))
            calls.append(self.client.start_pull(reference))
            time.sleep(1.2)  # the kubelet's times are whole seconds

        def wait_for_both(phase: str) -> None:
            for waiting, reference in asked:
                pods = [waiting["metadata"]["name"]]
                self.wait_for_pull(self.server, phase, 10, imageRef=reference, phase=phase, pods=pods)

        wait_for_both("downloading")
        for call, (waiting, _) in zip(calls, asked):
            call.finish(PULL_S)
            self.api.set_status(running(waiting))
        wait_for_both("completed")

    def test_two_tags_behind_the_kubelets_serial_pulls(self) -> None:
        v1, v2 = (self.push("kube/serial", tag, 4 * MB) for tag in ("v1", "v2"))
        first, second = self.ask_for("serial-v1", v1), self.ask_for("serial-v2", v2)
        call = self.client.start_pull(v1)
        of_first = {"imageRef": v1, "pods": ["serial-v1"]}
        of_second = {"imageRef": v2, "pods": ["serial-v2"]}
        # Both were asked for in the same second: which of them it is, its image record says.
        call.finish(PULL_S)
        self.wait_for_pull(self.server, "the record says", 10, phase="completed", **of_first)
        self.api.write_event(event(first, "Pulled", f'Successfully pulled image "{v1}" in 2s'))
        self.api.set_status(running(first))
        row = self.wait_for_pull(self.server, "the other one waits", 10, phase="queued", **of_second)
        call = self.client.start_pull(v2)
        of_second["id"] = row["id"]
        self.wait_for_pull(self.server, "it goes on in its row", 10, phase="downloading", **of_second)

        def waited() -> bool:
            return any(
                pull["id"] == row["id"] and pull["queuedSeconds"] > 1
                for pull in self.pulls(self.server)
            )

        wait_for("how long it was queued", waited, 3)
        call.finish(PULL_S)
        words = f'Successfully pulled image "{v2}" in 2s (9s including waiting)'
        self.api.write_event(event(second, "Pulled", words))
        self.api.set_status(running(second))
        self.wait_for_pull(
            self.server, "the kubelet's figure", 10, phase="completed", queuedSeconds=7, **of_second
        )

    def test_the_page_names_the_pods(self) -> None:
        reference = self.push("shop/frontend", size=60 * MB)
        other = f"{HOST}/shop/cache:1"
        self.api.namespace("shop")
        for number in range(PODS):
            self.create(pod(f"frontend-{number}", reference, NODE, "shop"))
        self.create(pod("cache-0", other, NODE, "shop"))
        call = self.client.start_pull(reference)
        settings = {
            "PULLTRACE_URL": f"{self.server.url}/",
            "PULLTRACE_EXPECT_IMAGES": reference,
            "PULLTRACE_FAILED_IMAGE": other,
            "PULLTRACE_QUEUED_IMAGE": other,
            "PULLTRACE_REFUSED_IMAGE": other,
            "PULLTRACE_METRICS": f"http://127.0.0.1:{self.server.metrics_port}/metrics",
            "PULLTRACE_LAB_PID": str(os.getpid()),
        }
        command = node_command(
            ["--test-name-pattern=a row names the pods", "tests/browser/kubernetes.test.mjs"]
        )
        seen = subprocess.run(
            command, cwd=REPOSITORY, env=os.environ | settings, capture_output=True, text=True
        )
        self.assertEqual(seen.returncode, 0, seen.stdout + seen.stderr)
        self.assertIn("ok 1 - a row names the pods", seen.stdout)
        call.finish(PULL_S)

    def test_killed_and_restarted_while_it_pulls(self) -> None:
        first = self.push("kube/through", size=14 * MB)
        waiting = self.create(pod("through", first, NODE))
        call = self.client.start_pull(first)
        row = self.wait_for_pull(self.server, "it runs", 10, imageRef=first, pods=["through"])
        self.api.kill()
        second = self.push("kube/meanwhile", size=16 * MB)
        other = self.client.start_pull(second)
        self.wait_for_pull(self.server, "its repository", 10, repository=second.rsplit(":", 1)[0])
        self.api.start()
        restarted = time.monotonic()
        late = self.create(pod("late", second, NODE))
        self.wait_for_pull(self.server, "all is right", 30, imageRef=second, pods=["late"])
        self.assertLess(time.monotonic() - restarted, 30)
        kept = next(pull for pull in self.pulls(self.server) if pull["id"] == row["id"])
        self.assertTrue(fits(kept, {"imageRef": first, "pods": ["through"]}), kept)
        for each, run in ((waiting, call), (late, other)):
            run.finish(PULL_S)
            self.api.set_status(running(each))
        for name in ("through", "late"):
            self.wait_for_pull(self.server, "it is done", 10, phase="completed", pods=[name])
