# SPDX-License-Identifier: Apache-2.0
"""Pulls get their names and pods, and what waits or fails gets a row."""

from __future__ import annotations

import time

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.events import EventLog
from tests.integration.http_json import get
from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import Object, event, pod, pull, running, stamp


class Joining(FakeCase):
    def waiting_pods(self, server: Server) -> int:
        return int(get(server.port, "/api/v1/summary").json()["waitingPods"])

    def test_name_and_pods_within_a_second_of_the_later_of_both(self) -> None:
        server = self.start()
        self.wait_for_watches()
        self.api.put("pods", pod("early", "nginx:1.29"))
        wait_for("the pod is the first", lambda: self.waiting_pods(server) == 1, 5)
        self.report(server, "node-1", pull("p1", "docker.io/library/nginx"))
        self.wait_for_pull(
            server,
            "the pull has its name",
            timeout_s=1,
            imageRef="docker.io/library/nginx:1.29",
            imageRefExact=True,
            pods=["early"],
        )
        self.report(server, "node-2", pull("p2", "localhost/app"))
        self.api.put("pods", pod("late", "localhost:5000/app:v1", "node-2"))
        self.api.put("pods", pod("too", "localhost:5000/app:v1", "node-2", "other"))
        self.wait_for_pull(
            server,
            "the pull has its name",
            timeout_s=1,
            imageRef="localhost:5000/app:v1",
            pods=["late", "too"],
        )
        filtered = self.pulls(server, "?namespace=other")
        self.assertEqual([p["imageRef"] for p in filtered], ["localhost:5000/app:v1"])
        self.assertEqual(len(self.pulls(server, "?image=app:v1")), 1)

    def test_a_queued_image_becomes_the_pull_in_the_same_row(self) -> None:
        server = self.start()
        self.wait_for_watches()
        waiting = pod("web", "a.io/b:1")
        self.api.put("pods", waiting)
        self.api.put("events", event(waiting, "Pulling", 'Pulling image "a.io/b:1"'))
        row = self.wait_for_pull(server, "it is queued", imageRef="a.io/b:1", phase="queued")
        time.sleep(1.1)  # so long it is queued
        self.report(server, "node-1", pull("p1", "a.io/b"))
        found = self.wait_for_pull(server, "it runs", phase="downloading", pods=["web"])
        self.assertEqual(found["id"], row["id"])
        self.assertEqual(found["imageRef"], "a.io/b:1")
        wait_for("how long it was queued", lambda: self.pulls(server)[0]["queuedSeconds"] > 0.5, 2)
        self.api.put("pods", running(waiting))
        done = pull("p1", "a.io/b", 1000, "completed")
        self.report(server, "node-1", done | {"imageRef": "a.io/b:1", "imageRefExact": True})
        self.wait_for_pull(server, "it is done", phase="completed", id=row["id"], pods=["web"])
        self.assertEqual(len(self.pulls(server)), 1)

    def test_what_nobody_waits_for_any_more_is_cancelled(self) -> None:
        server = self.start()
        self.wait_for_watches()
        waiting = pod("web", "a.io/b:1")
        self.api.put("pods", waiting)
        self.wait_for_pull(server, "it is queued", timeout_s=6, phase="queued", pods=["web"])
        self.api.delete("pods", "default", "web")
        self.wait_for_pull(server, "it is cancelled", timeout_s=10, phase="cancelled")

    def test_the_same_image_for_fifty_pods(self) -> None:
        server = self.start()
        self.wait_for_watches()
        names = [f"p{i:02}" for i in range(50)]
        self.api.put_all("pods", [pod(name, "a.io/b:1") for name in names])
        self.report(server, "node-1", pull("p1", "a.io/b"))
        self.wait_for_pull(server, "all pods are there", imageRef="a.io/b:1", pods=names)
        self.api.put_all("pods", [running(pod(name, "a.io/b:1")) for name in names])
        done = pull("p1", "a.io/b", 1000, "completed")
        self.report(server, "node-1", done | {"imageRef": "a.io/b:1", "imageRefExact": True})
        self.wait_for_pull(server, "they stay with it", phase="completed", pods=names)


class LeavingInMidPull(FakeCase):
    def setUp(self) -> None:
        super().setUp()
        self.server = self.start()
        self.wait_for_watches()
        self.waiting = pod("web", "a.io/b:1")
        self.api.put("pods", self.waiting)
        self.report(self.server, "node-1", pull("p1", "a.io/b"))
        self.wait_for_pull(self.server, "it is joined", imageRef="a.io/b:1", pods=["web"])

    def wait_until_left(self) -> None:
        self.wait_for_pull(
            self.server,
            "the pull runs on without the pod",
            10,
            nodeName="node-1",
            imageRef="a.io/b:1",
            phase="downloading",
            pods=[],
        )

    def test_deleted(self) -> None:
        self.api.delete("pods", "default", "web")
        self.wait_until_left()

    def test_evicted(self) -> None:
        evicted = {"phase": "Failed", "reason": "Evicted"}
        self.api.put("pods", self.waiting | {"status": self.waiting["status"] | evicted})
        self.wait_until_left()

    def test_rescheduled_under_the_same_name(self) -> None:
        self.api.delete("pods", "default", "web")
        again = pod("web", "a.io/b:1", "node-2")
        again["metadata"]["uid"] = "another"
        self.api.put("pods", again)
        self.report(self.server, "node-2", pull("p1", "a.io/b"))
        self.wait_for_pull(self.server, "it is joined", nodeName="node-2", pods=["web"])
        self.wait_until_left()


def failures(log: EventLog) -> int:
    return [event.type for event in log.all()].count("pull.failed")


class Failing(FakeCase):
    words = 'rpc error: code = NotFound desc = failed to resolve reference "a.io/b:nope": not found'

    def fail(self, of: Object, count: int) -> None:
        words = f'Failed to pull image "a.io/b:nope": {self.words}'
        self.api.put("events", event(of, "Failed", words, count, name="failed-event"))

    def test_each_attempt_is_logged_once_in_one_row(self) -> None:
        server = self.start()
        self.wait_for_watches()
        log = self.listen(server)
        web = pod("web", "a.io/b:nope")
        self.api.put("pods", web)
        self.api.put("events", event(web, "Pulling", 'Pulling image "a.io/b:nope"', name="pulling"))
        for attempt in (1, 2, 3):
            self.fail(web, attempt)
            self.api.put(
                "pods", pod("web", "a.io/b:nope", waiting="ErrImagePull", message=self.words)
            )
            self.wait_for_pull(server, "the attempt is counted", phase="failed", attempts=attempt)
            wait_for("it is streamed", lambda: failures(log) == attempt, 3)
            back_off = f'Back-off pulling image "a.io/b:nope": ErrImagePull: {self.words}'
            self.api.put(
                "pods", pod("web", "a.io/b:nope", waiting="ImagePullBackOff", message=back_off)
            )
        row = self.wait_for_pull(server, "it has failed", errorClass="not_found", pods=["web"])
        self.assertEqual(row["error"], self.words)
        self.assertIn("nextAttemptAt", row)
        self.assertEqual(len(self.pulls(server)), 1)
        self.assertEqual(len(self.log_lines(server, "pull.failed")), 3)
        self.assertEqual(failures(log), 3)
        not_found = 'pulltrace_pull_errors_total{class="not_found"}'
        self.assertEqual(self.metric(server, not_found), 3)

    def test_a_success_after_failures_closes_the_row(self) -> None:
        server = self.start()
        self.wait_for_watches()
        web = pod("web", "a.io/b:nope", waiting="ErrImagePull", message=self.words)
        self.api.put("pods", web)
        row = self.wait_for_pull(server, "it has failed", phase="failed", attempts=1)
        self.report(server, "node-1", pull("p1", "a.io/b"))
        self.wait_for_pull(server, "it runs", phase="downloading", id=row["id"], attempts=1)
        self.api.put("pods", running(web))
        done = pull("p1", "a.io/b", 1000, "completed")
        self.report(server, "node-1", done | {"imageRef": "a.io/b:nope", "imageRefExact": True})
        found = self.wait_for_pull(server, "it is done", phase="completed", id=row["id"])
        self.assertNotIn("error", found)
        self.assertNotIn("errorClass", found)
        self.assertEqual(len(self.pulls(server)), 1)

    def test_a_pull_that_broke_gets_the_words_and_the_next_attempt(self) -> None:
        server = self.start()
        self.wait_for_watches()
        web = pod("web", "a.io/b:1")
        self.api.put("pods", web)
        self.report(server, "node-1", pull("p1", "a.io/b", started_s=-15))
        row = self.wait_for_pull(server, "it runs", imageRef="a.io/b:1")
        words = 'Failed to pull image "a.io/b:1": unexpected EOF'
        failed_at = stamp(-12)  # the kubelet's back-off has passed since
        self.api.put(
            "events",
            event(web, "Failed", words) | {"firstTimestamp": failed_at, "lastTimestamp": failed_at},
        )
        ended = {"phase": "failed", "error": "the pull ended without its image"}
        broken = pull("p1", "a.io/b", started_s=-15, **ended)
        self.report(server, "node-1", broken)
        self.wait_for_pull(
            server, "why is said", phase="failed", error="unexpected EOF", errorClass="network"
        )
        self.report(server, "node-1", broken, pull("p2", "a.io/b", 200))
        self.wait_for_pull(server, "the next attempt", phase="downloading", id=row["id"])
        # The agent reports the first attempt again, as long as it does not know that it arrived.
        self.report(server, "node-1", broken, pull("p2", "a.io/b", 300))
        self.assertEqual(len(self.pulls(server)), 1)
        self.assertEqual(len(self.log_lines(server, "pull.failed")), 1)

    def test_the_kubelets_other_refusals(self) -> None:
        server = self.start()
        self.wait_for_watches()
        never = 'Container image "a.io/c:1" is not present with pull policy of Never'
        invalid = "couldn't parse image name \"A:B:C\": invalid reference format"
        self.api.put("pods", pod("x", "a.io/c:1", waiting="ErrImageNeverPull", message=never))
        self.api.put("pods", pod("y", "A:B:C", waiting="InvalidImageName", message=invalid))
        self.wait_for_pull(server, "policy", imageRef="a.io/c:1", errorClass="policy")
        self.wait_for_pull(server, "name", imageRef="A:B:C", errorClass="invalid_reference")
