# SPDX-License-Identifier: Apache-2.0
"""Pulls of what is no usual image: shown as far as known, and never wrongly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab import tools
from lab.containerd import PullFailed
from lab.images import Image
from lab.layers import MEDIA_TYPES
from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.case import MB, LabCase, sizes
from tests.integration.clients import Cri, Ctr, CtrFetch, PullClient
from tests.integration.events import EventLog
from tests.integration.http_json import get

ARTIFACT = "application/vnd.example.data"
OCI_GZIP = MEDIA_TYPES["gzip", False]


class OddityCase(LabCase):
    uses_cri = True

    def push_artifact(self, name: str) -> Image:
        return self.lab.images.push_artifact(name, "1.0", ARTIFACT, sizes(name, 2 * MB, 300_000))

    def check_not_unpacked(self, image: Image, client: PullClient, fails: bool) -> None:
        """It is stored and cannot be run: never a success, and no failure of the registry."""
        server, _, log = self.start_all()
        failed = False
        try:
            client.start(self.lab.reference(image)).finish()
        except PullFailed:
            failed = True
        self.assertEqual(failed, fails, "what the client says")
        final = log.wait_for_end(image.repository)[-1]
        shown = final.type, final.pull["errorClass"], final.pull["totalBytes"]
        self.assertEqual(shown, ("pull.failed", "not_unpacked", image.layer_bytes))
        self.assertEqual(final.pull["imageRef"], self.lab.reference(image))
        line = 'pulltrace_pull_errors_total{class="not_unpacked"} 1'
        self.assertIn(line, get(server.metrics_port, "/metrics").text().splitlines())

    def check_artifact_by_the_kubelet(self) -> None:
        """A success where containerd takes what is no image, else as any that is not unpacked."""
        image = self.push_artifact("artifact/kubelet")
        if not self.lab.containerd.takes_artifacts:
            self.check_not_unpacked(image, Cri(self.lab.containerd), fails=True)
            return
        _, _, log = self.start_all()

        self.client.start(self.lab.reference(image)).finish()

        final = log.wait_for_end(image.repository)[-1]
        self.assert_true_from_the_start(log.of_image(image.repository), image)
        self.assert_completed(final, image)
        self.assertEqual({layer["mediaType"] for layer in final.pull["layers"]}, {ARTIFACT})

    def check_artifact_by_ctr(self) -> None:
        image = self.push_artifact("artifact/ctr")
        fails = not self.lab.containerd.takes_artifacts
        self.check_not_unpacked(image, Ctr(self.lab.containerd), fails)

    def push_without_config(self, name: str) -> Image:
        """Ordinary layers, and a config that says nothing of them."""
        return self.lab.images.push_artifact(name, "1.0", OCI_GZIP, sizes(name, 2 * MB, 300_000))

    def check_refused(self, image: Image) -> None:
        """containerd fails at once; what is shown of it, if anything, is that it failed."""
        server, _, log = self.start_all()

        with self.assertRaises(PullFailed):
            self.pull(image)

        self.pull(self.push(f"marker/{image.repository}", 1_500_000))
        log.wait_for_end(f"marker/{image.repository}")
        completed = [row["imageRef"] for row in self.pulls(server) if row["phase"] == "completed"]
        self.assertEqual(completed, [f"registry.example/marker/{image.repository}:1.0"])

    def check_no_config(self, name: str) -> None:
        image = self.push_artifact(name)
        bare = self.lab.images.manifest_without_config(image)
        digest = self.lab.throttle.serve_manifest(name, "bare", bare)
        self.check_refused(replace(image, tag="bare", root_digest=digest, manifest_digest=digest))

    def push_schema_1(self, name: str) -> Image:
        specs = sizes(name, 2 * MB, 900_000, 30_000)
        return self.lab.images.push(f"schema1/{name}", "1.0", specs, docker_types=True)


class OnContainerd1(OddityCase):
    """Whatever is no image is stored, and then fails to be unpacked, if that is wanted."""

    def test_an_artifact_by_the_kubelet(self) -> None:
        self.check_artifact_by_the_kubelet()

    def test_an_artifact_by_ctr(self) -> None:
        self.check_artifact_by_ctr()

    def test_an_artifact_that_is_only_fetched(self) -> None:
        image = self.push_artifact("artifact/fetched")
        self.check_not_unpacked(image, CtrFetch(self.lab.containerd), fails=False)

    def test_an_image_that_is_only_fetched(self) -> None:
        image = self.push("image/fetched", 2 * MB, 30_000)
        self.check_not_unpacked(image, CtrFetch(self.lab.containerd), fails=False)

    def test_an_image_for_a_snapshotter_that_is_not_there(self) -> None:
        image = self.push("image/snapshotter", 2 * MB, 30_000)
        client = Ctr(self.lab.containerd, "--snapshotter", "nowhere")
        self.check_not_unpacked(image, client, fails=True)

    def test_layers_of_a_config_that_is_none(self) -> None:
        """The kubelet's pull stores the image without having fetched them."""
        image = self.push_without_config("artifact/layers")
        self.check_not_unpacked(image, Cri(self.lab.containerd), fails=True)

    def test_a_manifest_without_a_config_is_refused(self) -> None:
        self.check_no_config("artifact/bare")

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
        sent = self.lab.throttle.bytes_sent(image.repository)
        self.assertAlmostEqual(final.pull["bytesFetched"], sent, delta=1 << 20)
        if isinstance(client, CtrFetch):
            self.assertEqual(final.pull["errorClass"], "not_unpacked")
            self.assert_shown_as_far_as_known(log, final.pull["id"], image)
            return
        record = self.lab.containerd.ctr("images", "ls", f"name=={self.lab.reference(image)}")
        self.assertIn(final.pull["rootDigest"], record)
        own = final.pull["rootDigest"]
        self.assert_completed(final, replace(image, root_digest=own, manifest_digest=own))
        self.assert_shown_as_far_as_known(log, final.pull["id"], image)

    def assert_shown_as_far_as_known(self, log: EventLog, pull_id: str, image: Image) -> None:
        story = [event.pull for event in log.of_pull(pull_id)]
        digests = [layer.digest for layer in image.layers]
        self.assertFalse(story[0]["totalKnown"], "no manifest says it")
        for pull in story:
            if pull["totalKnown"]:
                shown = pull["totalBytes"], pull["layerCount"]
                self.assertEqual(shown, (image.layer_bytes, len(digests)))
            else:
                self.assertEqual((pull["phase"], pull["percent"]), ("downloading", 0))
                self.assertLessEqual(pull["totalBytes"], image.layer_bytes)
                self.assertLessEqual(pull["downloadedBytes"], image.layer_bytes)
                self.assertLessEqual({layer["digest"] for layer in pull["layers"]}, set(digests))


class OnContainerd2(OddityCase):
    binaries = tools.CONTAINERD_2

    def test_an_artifact_by_the_kubelet(self) -> None:
        self.check_artifact_by_the_kubelet()

    def test_an_artifact_by_ctr(self) -> None:
        self.check_artifact_by_ctr()

    def test_layers_of_a_config_that_is_none(self) -> None:
        """The kubelet's pull is content with the image's record, and fetches none of them."""
        image = self.push_without_config("artifact/layers")
        server = self.start_server()
        self.start_agent(server.url)
        self.wait_for_agent(server)

        self.client.start(self.lab.reference(image)).finish()

        row = wait_for("it has ended", lambda: self._completed(server, image), 15)
        shown = row["percent"], row["totalBytes"], row["downloadedBytes"], row["layerCount"]
        self.assertEqual(shown, (100, 0, 0, 0))

    def _completed(self, server: Server, image: Image) -> dict[str, Any] | None:
        rows = self.pulls(server, f"?image={image.repository}&status=completed")
        return rows[0] if rows else None

    def test_schema_1_is_refused(self) -> None:
        self.check_refused(self.push_schema_1("refused"))

    def test_a_manifest_without_a_config_is_refused(self) -> None:
        self.check_no_config("artifact/bare")
