# SPDX-License-Identifier: Apache-2.0
"""Pulls of what is no usual image: told as far as known, and never wrongly."""

from __future__ import annotations

from dataclasses import replace

from lab import tools
from lab.containerd import PullFailed
from lab.images import Image
from tests.integration.case import MB, LabCase, sizes
from tests.integration.clients import Cri, Ctr, CtrFetch, PullClient
from tests.integration.events import EventLog

ARTIFACT = "application/vnd.example.data"


class OddityCase(LabCase):
    uses_cri = True

    def check_artifact(self, name: str, client: PullClient) -> None:
        image = self.lab.images.push_artifact(name, "1.0", ARTIFACT, sizes(name, 2 * MB, 300_000))
        _, _, log = self.start_all()

        client.start(self.lab.reference(image)).finish()

        final = log.wait_for_end(name)[-1]
        self.assert_true_from_the_start(log.of_image(name), image)
        self.assert_completed(final, image)
        self.assertEqual({layer["mediaType"] for layer in final.pull["layers"]}, {ARTIFACT})

    def push_schema_1(self, name: str) -> Image:
        specs = sizes(name, 2 * MB, 900_000, 30_000)
        return self.lab.images.push(f"schema1/{name}", "1.0", specs, docker_types=True)


class OnContainerd1(OddityCase):
    def test_an_artifact_has_no_config(self) -> None:
        self.check_artifact("artifact/fetched", CtrFetch(self.lab.containerd))

    def test_schema_1_by_ctr(self) -> None:
        self.check_schema_1("pulled", Ctr(self.lab.containerd))

    def test_schema_1_that_is_not_unpacked(self) -> None:
        self.check_schema_1("fetched", CtrFetch(self.lab.containerd))

    def test_schema_1_by_the_kubelet(self) -> None:
        self.check_schema_1("kubelet", Cri(self.lab.containerd))

    def check_schema_1(self, name: str, client: PullClient) -> None:
        """containerd fetches the layers and then writes a manifest of its own."""
        image = self.push_schema_1(name)
        _, _, log = self.start_all()

        client.start(self.lab.reference(image)).finish()

        final = log.wait_for_end(image.repository)[-1]
        record = self.lab.containerd.ctr("images", "ls", f"name=={self.lab.reference(image)}")
        self.assertIn(final.pull["rootDigest"], record)
        own = final.pull["rootDigest"]
        self.assert_completed(final, replace(image, root_digest=own, manifest_digest=own))
        self.assert_told_as_far_as_known(log, final.pull["id"], image)

    def assert_told_as_far_as_known(self, log: EventLog, pull_id: str, image: Image) -> None:
        story = [event.pull for event in log.of_pull(pull_id)]
        digests = [layer.digest for layer in image.layers]
        self.assertFalse(story[0]["totalKnown"], "no manifest tells it")
        for pull in story:
            if pull["totalKnown"]:
                told = pull["totalBytes"], pull["layerCount"]
                self.assertEqual(told, (image.layer_bytes, len(digests)))
            else:
                self.assertEqual((pull["phase"], pull["percent"]), ("downloading", 0))
                self.assertLessEqual(pull["totalBytes"], image.layer_bytes)
                self.assertLessEqual(pull["downloadedBytes"], image.layer_bytes)
                self.assertLessEqual({layer["digest"] for layer in pull["layers"]}, set(digests))


class OnContainerd2(OddityCase):
    binaries = tools.CONTAINERD_2

    def test_an_artifact_has_no_config(self) -> None:
        self.check_artifact("artifact/fetched", CtrFetch(self.lab.containerd))

    def test_an_artifact_by_the_kubelet(self) -> None:
        self.check_artifact("artifact/kubelet", Cri(self.lab.containerd))

    def test_schema_1_is_refused(self) -> None:
        image = self.push_schema_1("refused")
        server, _, log = self.start_all()

        with self.assertRaises(PullFailed):
            self.pull(image)

        self.pull(self.push("refused/marker", 1_500_000))
        log.wait_for_end("refused/marker")
        completed = [row["imageRef"] for row in self.pulls(server) if row["phase"] == "completed"]
        self.assertEqual(completed, ["registry.example/refused/marker:1.0"])
