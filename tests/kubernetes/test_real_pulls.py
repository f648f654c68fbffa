# SPDX-License-Identifier: Apache-2.0
"""Pulls by a real containerd, reported by the real agent, and the pods that wait for them."""

from __future__ import annotations

import time
from typing import Any

from lab.containerd import PullFailed
from lab.layers import MEDIA_TYPES
from lab.waiting import wait_for
from tests.integration.case import MB, LabCase, sizes
from tests.kubernetes.case import fits
from tests.kubernetes.cluster import event, pod, running
from tests.kubernetes.fake_api import FakeApi

NODE = "agent"  # as the lab names its agent's node


class RealPulls(LabCase):
    uses_cri = True

    def setUp(self) -> None:
        super().setUp()
        self.api = FakeApi()
        self.addCleanup(self.api.close)
        self.server = self.start_server(PULLTRACE_KUBE_URL=self.api.url)
        self.start_agent(self.server.url)
        self.wait_for_agent(self.server)

    def wait_for_row(self, what: str, timeout_s: float = 15, **wanted: Any) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            return next((row for row in self.pulls(self.server) if fits(row, wanted)), None)

        found = wait_for(f"{what}: {wanted}", find, timeout_s)
        assert found is not None
        return found

    def test_two_tags_of_a_repository_at_once(self) -> None:
        images = [  # with layers of their own: the same bytes would be one download
            self.lab.images.push("kube/two", tag, sizes(f"kube/two {tag}", 4 * MB))
            for tag in ("v1", "v2")
        ]
        references = [self.lab.reference(image) for image in images]
        pods = [pod(f"p{i}", reference, NODE) for i, reference in enumerate(references)]
        self.api.put_all("pods", pods)
        calls = []
        for waiting, reference in zip(pods, references):
            self.api.put("events", event(waiting, "Pulling", f'Pulling image "{reference}"'))
            calls.append(self.client.start(reference))
            time.sleep(1.2)  # the kubelet's times are whole seconds
        for i, reference in enumerate(references):
            self.wait_for_row(
                "it runs under its name", imageRef=reference, phase="downloading", pods=[f"p{i}"]
            )
        for call in calls:
            call.finish()
        self.api.put_all("pods", [running(waiting) for waiting in pods])
        for i, reference in enumerate(references):
            self.wait_for_row(
                "it is done",
                imageRef=reference,
                imageRefExact=True,
                phase="completed",
                pods=[f"p{i}"],
            )

    def test_an_image_that_does_not_exist_then_does(self) -> None:
        reference = self.lab.reference(self.push("kube/late", 1 * MB)).rsplit(":", 1)[0] + ":nope"
        web = pod("web", reference, NODE)
        self.api.put("pods", web)
        with self.assertRaises(PullFailed) as failed:
            self.client.start(reference).finish()
        words = f'Failed to pull image "{reference}": {failed.exception}'
        self.api.put("events", event(web, "Failed", words))
        row = self.wait_for_row("it has failed", imageRef=reference, phase="failed", pods=["web"])
        self.assertEqual((row["errorClass"], row["attempts"]), ("not_found", 1))
        self.push("kube/late", 2 * MB, tag="nope")
        self.api.put("events", event(web, "Pulling", f'Pulling image "{reference}"'))
        self.client.start(reference).finish()
        self.api.put("pods", running(web))
        done = self.wait_for_row("it is done", imageRef=reference, phase="completed", pods=["web"])
        self.assertEqual(done["id"], row["id"])
        self.assertGreater(done["totalBytes"], 0)
        rows = [row for row in self.pulls(self.server) if "kube/late" in row["imageRef"]]
        self.assertEqual(len(rows), 1)

    def test_what_is_no_container_image(self) -> None:
        """It is stored before it fails: the agent's words come first, then the kubelet's."""
        # A containerd that takes artifacts still refuses layers that the config does not know.
        kind = "application/vnd.example.data"
        if self.lab.containerd.takes_artifacts:
            kind = MEDIA_TYPES["gzip", False]
        artifact = self.lab.images.push_artifact(
            "kube/artifact", "1", kind, sizes("kube/artifact", 2 * MB)
        )
        reference = self.lab.reference(artifact)
        web = pod("web", reference, NODE)
        self.api.put("pods", web)
        with self.assertRaises(PullFailed) as failed:
            self.client.start(reference).finish()
        row = self.wait_for_row("the agent's failure", imageRef=reference, phase="failed")
        self.assertEqual(row["errorClass"], "not_unpacked")

        words = f'Failed to pull image "{reference}": {failed.exception}'
        self.api.put("events", event(web, "Failed", words))

        joined = wait_for("the kubelet's words", lambda: self._row_in_words("mismatched image rootfs"), 15)
        self.assertEqual(
            (joined["id"], joined["phase"], joined["errorClass"], joined["attempts"]),
            (row["id"], "failed", "not_unpacked", 1),
        )
        self.assertEqual(self.metric(self.server, "pulltrace_pull_errors_total"), 1)
        # Between the two the pod waits for no pull that is known, so it may have had a queued row.
        wait_for("one row, else cancelled ones", lambda: self._rows_that_count() == [row["id"]], 15)

    def _rows_that_count(self) -> list[str]:
        return [row["id"] for row in self.pulls(self.server) if row["phase"] != "cancelled"]

    def _row_in_words(self, words: str) -> dict[str, Any] | None:
        rows = self.pulls(self.server)
        return next((row for row in rows if words in row.get("error", "")), None)
