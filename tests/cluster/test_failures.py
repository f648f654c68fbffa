# SPDX-License-Identifier: Apache-2.0
"""Pulls that fail on a real kubelet: class, attempts, the next attempt, and what mends them."""

from __future__ import annotations

import time
from datetime import datetime

from lab import tools
from lab.waiting import wait_for
from tests.cluster.case import RULES_S, NodeCase
from tests.cluster.node import HOST
from tests.integration.case import MB
from tests.kubernetes.real_api import Object

RETRY_SLACK_S = 2.0  # the kubelet looks again after 10 to 16 s, and events have whole seconds


class Failures(NodeCase):
    def test_each_failure_has_its_class(self) -> None:
        broken = self.node.push_image("fail/layer:1.0", MB)
        self.node.images.remove_blob(broken, broken.layers[-1])
        expected = {
            "none": (f"{HOST}/fail/none:1.0", "not_found"),
            "layer": (f"{HOST}/fail/layer:1.0", "not_found"),
            "digest": (f"{HOST}/fail/layer@sha256:{'0' * 64}", "not_found"),
            "down": ("down.example/fail/down:1.0", "network"),
            "auth": ("auth.example/fail/secret:1.0", "unauthorized"),
            "limit": ("limit.example/fail/limited:1.0", "rate_limited"),
            "badname": (f"{HOST}/Fail/UPPER:1.0", "invalid_reference"),
        }
        for name, (image, _) in expected.items():
            self.node.create_pod(f"fail-{name}", image)
        for name, (image, failure) in expected.items():
            with self.subTest(name):
                wanted = {"phase": "failed", "errorClass": failure, "pods": [f"fail-{name}"]}
                self.wait_for_row(name, 60, imageRef=image, **wanted)
        # What is no reference is asked for of no registry, so it is not tried again.
        tried = {image for image, failure in expected.values() if failure != "invalid_reference"}
        wait_for("each has failed again", lambda: self._failed(2) >= tried, 60)
        for name, (image, failure) in expected.items():
            with self.subTest(f"{name}, later"):
                rows = [row for row in self.rows() if row["imageRef"] == image]
                self.assertEqual([row["errorClass"] for row in rows], [failure])

    def _failed(self, attempts: int) -> set[str]:
        """The images whose rows have failed now, after so many attempts at least."""
        failed = [row for row in self.rows() if row["phase"] == "failed"]
        return {row["imageRef"] for row in failed if row.get("attempts", 0) >= attempts}

    def test_an_image_that_may_never_be_pulled(self) -> None:
        image = f"{HOST}/fail/never:1.0"
        containers = [{"name": "app", "image": image, "imagePullPolicy": "Never"}]
        self.node.create_pod("never", "", containers=containers)
        self.wait_for_row("it is shown", 30, imageRef=image, phase="failed", pods=["never"])

    def test_a_failed_image_that_is_pushed_later_goes_on_in_its_row(self) -> None:
        image = f"{HOST}/fail/late:1.0"
        self.node.create_pod("late", image)
        self.wait_for_row("it fails", 30, imageRef=image, phase="failed")
        self.node.push("fail/late:1.0", 3 * MB)
        self.node.wait_until_running("late")
        self.wait_for_row("it is done", 20, imageRef=image, phase="completed", pods=["late"])
        row = self.assert_one_row(image)
        for field in ("error", "errorClass", "nextAttemptAt"):
            self.assertNotIn(field, row)

    def test_attempts_and_the_next_attempt(self) -> None:
        """Attempts as the registry counts them, and a retry time that the kubelet keeps."""
        image = f"{HOST}/fail/again:1.0"
        self.node.create_pod("again", image)
        self.wait_for_row("two attempts", 60, imageRef=image, phase="failed", attempts=2)
        planned = 0.0
        while (row := self.wait_for_row("its row", 1, imageRef=image))["attempts"] == 2:
            planned = _seconds(row["nextAttemptAt"])
            time.sleep(0.2)
        self.assertEqual(row["attempts"], 3)
        events = [e for e in self.node.events("again") if e["message"].startswith("Failed to pull")]
        failed = max(_seconds(event["lastTimestamp"]) for event in events)
        # Behind time it is the second that has begun, each second: of 10.02 s the last may be 8.
        self.assertLessEqual(abs(planned - failed), RETRY_SLACK_S)
        asked = self.node.throttle.requests("/fail/again/manifests/1.0")
        # containerd asks the host and then its own server entry, which is the same here.
        self.assertEqual(len([line for line in asked if line.startswith("HEAD")]), 2 * 3, asked)
        self.assert_one_row(image, pods=["again"])

    def test_a_pod_that_is_made_anew_while_its_image_fails(self) -> None:
        image = f"{HOST}/fail/anew:1.0"
        self.node.create_pod("anew", image)
        self.wait_for_row("it fails", 40, imageRef=image, phase="failed", attempts=1)
        self.node.delete_pod("anew")
        wait_for("it is gone", lambda: not self.node.pods("anew"), 30)
        self.node.create_pod("anew", image)
        self.wait_for_row("it fails again", 40, imageRef=image, attempts=2, pods=["anew"])
        self.node.push("fail/anew:1.0", 2 * MB)
        self.node.wait_until_running("anew", 1, 60)
        self.wait_for_row("it is done", 10, imageRef=image, phase="completed")
        self.assert_one_row(image, pods=["anew"])

    def test_the_earliest_of_several_pods_retries_next(self) -> None:
        image = f"{HOST}/fail/two:1.0"
        self.node.create_pod("two-a", image)
        self.wait_for_row("it fails twice", 60, imageRef=image, attempts=2)
        self.node.create_pod("two-b", image)
        row = self.wait_for_row("both", 30, imageRef=image, pods=["two-a", "two-b"], attempts=3)
        self.assertLess(_seconds(row["nextAttemptAt"]) - time.time(), 12 + RETRY_SLACK_S)


class FailuresOnContainerd16(Failures):
    binaries = tools.CONTAINERD_DEBIAN


class Restarts(NodeCase):
    """Whatever restarts in mid-pull, the image stays one row and ends completed."""

    def _begin(self, name: str) -> str:
        image = self.node.push(f"restart/{name}:1.0", 16 * MB)
        self.node.create_deployment(name, image, 1)
        self.wait_for_row("it runs", 30, imageRef=image, phase="downloading")
        return image

    def _ends_as_one_row(self, name: str, image: str) -> Object:
        self.node.wait_until_running(f"{name}-", 1, 150)
        self.wait_for_row("it is done", 30, imageRef=image, phase="completed")
        return self.assert_one_row(image)

    def test_the_agent(self) -> None:
        image = self._begin("agent")
        self.agent.process.kill()
        self.agent.start()
        self._ends_as_one_row("agent", image)

    def test_the_server(self) -> None:
        image = self._begin("server")
        before = self.wait_for_row("its row", 5, imageRef=image)
        self.server.process.kill()
        self.server.start()
        self.node.wait_until_running("server-", 1, 150)
        self.wait_for_row("it is done", 30, imageRef=image, phase="completed")
        self.assertEqual([row["id"] for row in self.rows("restart/server")], [before["id"]])

    def test_the_api_server(self) -> None:
        image = self._begin("api")
        self.node.api.kill()
        self.node.api.start()
        self._ends_as_one_row("api", image)

    def test_the_kubelet(self) -> None:
        image = self._begin("kubelet")
        self.node.kubelet.kill()
        self.node.start_kubelet()
        self._ends_as_one_row("kubelet", image)

    def test_containerd(self) -> None:
        image = self._begin("containerd")
        self.node.containerd.kill()
        self.node.containerd.start()
        self._ends_as_one_row("containerd", image)

    def test_no_ghosts_after_new_lists(self) -> None:
        gone = f"{HOST}/restart/gone:1.0"
        self.node.create_pod("gone", gone)
        self.wait_for_row("it fails", 30, imageRef=gone, phase="failed")
        self.node.delete_pod("gone")
        self.wait_for_row("nobody waits", 20, imageRef=gone, waiting=False)
        before = len(self.log.of_image("restart/gone"))
        self.node.api.kill()
        self.node.api.start()
        self.node.create_pod("new", self.node.push("restart/new:1.0", MB))
        self.node.wait_until_running("new", 1, 120)
        time.sleep(RULES_S)
        later = self.log.of_image("restart/gone")[before:]
        self.assertEqual([event for event in later if event.pull["phase"] != "failed"], [])
        self.server.process.kill()
        self.server.start()
        time.sleep(RULES_S)
        self.assertEqual(self.rows("restart/gone"), [])


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
