# SPDX-License-Identifier: Apache-2.0
"""Manifests that are no usual image's: layers that are elsewhere, attestations, artifacts, no layers, wrong sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab import tools
from lab.containerd import PullFailed
from lab.images import Image, descriptor
from lab.waiting import wait_for
from tests.integration.case import MB, sizes
from tests.integration.events import FINAL
from tests.runtimes.case import HOST, RuntimeCase, TwoHostsCase

IN_TOTO = "application/vnd.in-toto+json"
MODEL = "application/vnd.example.model"
FOREIGN_TYPES = {
    "oci": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "docker": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
}
ABSURD = 1 << 62
NO_SIZE = "a size that no layer has"


class Manifests(TwoHostsCase):
    takes_artifacts = True

    def test_layers_at_urls_of_their_own(self) -> None:
        """Non-distributable ones, as Windows' base layers were."""
        for name, media_type in FOREIGN_TYPES.items():
            with self.subTest(name):
                base = self.push(f"manifest/foreign-{name}", 3 * MB, 2 * MB, tag="base")
                lower, upper = [descriptor(layer) for layer in base.layers]
                path = f"/v2/{base.repository}/blobs/{lower['digest']}"
                urls = [f"http://127.0.0.1:{self.other.port}{path}"]
                foreign = lower | {"mediaType": media_type, "urls": urls}
                image = self.serve(base, [foreign, upper])
                pulled = self.pull_and_count(image)
                self.assertEqual(pulled.row["totalBytes"], base.layer_bytes)
                came = self.other.bytes_sent(base.repository, base.layers[0].digest)
                self.assertEqual(came, base.layers[0].size)

    def test_attestations_in_an_index(self) -> None:
        """They are no platform's, and only the image's layers are fetched, wherever they stand."""
        for order in ("last", "first"):
            with self.subTest(order):
                name = f"manifest/attested-{order}"
                image = self.push(name, 3 * MB, MB)
                proof = self.lab.images.push_artifact(name, "proof", IN_TOTO, sizes(name, 40_000))
                both = {"linux/amd64": image.root_digest, "unknown/unknown": proof.root_digest}
                if order == "first":
                    both = dict(reversed(both.items()))
                root = self.lab.images.push_index(name, "1.0", both)
                image = replace(image, root_digest=root)
                pulled = self.pull_and_count(image)
                row = pulled.row
                self.assertEqual((row["rootDigest"], row["platform"]), (root, "linux/amd64"))
                self.assertEqual(row["totalBytes"], image.layer_bytes)
                self.assert_true_from_the_start(pulled.story, image)

    def test_an_index_in_an_index(self) -> None:
        image = self.push("manifest/nested", 3 * MB, MB)
        inner = self.lab.images.push_index(
            image.repository, "inner", {"linux/amd64": image.root_digest}
        )
        outer = self.lab.images.push_index(
            image.repository, "1.0", {"linux/amd64": inner}, of_indexes=True
        )
        pulled = self.pull_and_count(replace(image, root_digest=outer))
        shown = pulled.row["rootDigest"], pulled.row["manifestDigest"]
        self.assertEqual(shown, (outer, image.manifest_digest))
        self.assertEqual(pulled.row["totalBytes"], image.layer_bytes)

    def test_an_artifact(self) -> None:
        image = self.lab.images.push_artifact(
            "manifest/model", "1.0", MODEL, sizes("manifest/model", 5 * MB, 300_000)
        )
        if self.takes_artifacts:
            pulled = self.pull_and_count(image)
            self.assertEqual(pulled.row["totalBytes"], image.layer_bytes)
            return
        with self.assertRaises(PullFailed):
            self.start(image).finish()
        row = self.log.wait_for_end(image.repository)[-1].pull
        self.assertEqual(row["errorClass"], "not_unpacked")
        sent = self.sent(image.repository)
        self.check_count(image.repository, sent, row["bytesFetched"], self.counted())

    def test_a_config_and_nothing_else(self) -> None:
        image = self.lab.images.push_layers("manifest/bare", "1.0", [])
        pulled = self.pull_and_count(image)
        self.assertEqual((pulled.row["percent"], pulled.row["layerCount"]), (100, 0))
        self.assertEqual(pulled.row["bytesFetched"], 0)

    def test_sizes_that_no_layer_has(self) -> None:
        for name, size in (("absurd", ABSURD), ("negative", -1), ("missing", None), ("zero", 0)):
            with self.subTest(name):
                self.check_wrong_size(name, size, NO_SIZE)

    def test_too_large_a_size(self) -> None:
        self.check_wrong_size("larger", 3_500_000, "while fetching layer 2 of 3")

    def test_too_small_a_size(self) -> None:
        self.check_wrong_size("smaller", 2_500_000, "while fetching layer 2 of 3")

    def test_a_size_in_quotes(self) -> None:
        """containerd cannot read such a manifest, and gives up before there is anything to be seen."""
        with self.assertRaises(PullFailed):
            self.start(self.push_wrong("quoted", "3000000")).finish()
        self.pull_and_count(self.push("manifest/after-quoted", 2 * MB))
        rows = self.pulls(self.server)
        others = {row["phase"] for row in rows if "after-quoted" not in row["imageRef"]}
        self.assertLessEqual(others, {"failed"})

    def errors(self, error_class: str) -> float:
        return self.metric(self.server, f'pulltrace_pull_errors_total{{class="{error_class}"}}')

    def push_wrong(self, name: str, size: Any) -> Image:
        """The second of its three layers has this size in the manifest; None: it has none."""
        base = self.push(f"manifest/size-{name}", 2 * MB, 3 * MB, MB, tag="base")
        layers = [descriptor(layer) for layer in base.layers]
        layers[1]["size"] = size
        if size is None:
            del layers[1]["size"]
        return self.serve(base, layers)

    def check_wrong_size(self, name: str, size: Any, words: str) -> None:
        """containerd refuses each such image, and the next one goes its way."""
        image = self.push_wrong(name, size)
        error_class = "corrupt" if words == NO_SIZE else "other"
        errors_before, counted_before = self.errors(error_class), self.counted()
        with self.assertRaises(PullFailed):
            self.start(image).finish()
        row = self.log.wait_for_end(image.repository)[-1].pull
        self.assertEqual((row["phase"], row["rootDigest"]), ("failed", image.root_digest))
        self.assertIn(words, row["error"])
        self.assertEqual(row["errorClass"], error_class)
        self.assertEqual(self.errors(error_class), errors_before + 1)
        counted = self.counted() - counted_before
        sent = self.sent(image.repository)
        self.check_count(image.repository, sent, row["bytesFetched"], counted)
        self.pull_and_count(self.push(f"manifest/after-{name}", 2 * MB))


class ManifestsOnContainerd24(Manifests):
    binaries = tools.CONTAINERD_24


class ManifestsOnContainerd1(Manifests):
    binaries = tools.CONTAINERD_DEBIAN
    takes_artifacts = False


class TwoNamespaces(RuntimeCase):
    """At once: containerd 1 fetches for each, containerd 2 lets the one wait for the other."""

    bytes_per_second = 2 * MB
    agent_settings = {"PULLTRACE_CONTAINERD_NAMESPACES": "*"}

    def test_the_same_image(self) -> None:
        image = self.push("namespaces/both", 6 * MB, 2 * MB)
        call = self.start(image)
        other = self.lab.containerd.start_pull(image.reference(HOST), namespace="team")
        call.finish()
        self.assertEqual(other.wait(60), 0)

        def ended() -> list[dict[str, Any]]:
            rows = self.rows(image)
            return rows if len(rows) == 2 and {row["phase"] for row in rows} <= set(FINAL) else []

        rows = wait_for("both have ended", ended, 20)
        self.assertEqual([row["phase"] for row in rows], ["completed"] * 2)
        shown = sum(row["bytesFetched"] for row in rows)
        self.check_count(image.repository, self.sent(image.repository), shown, self.counted())


class TwoNamespacesOnContainerd24(TwoNamespaces):
    binaries = tools.CONTAINERD_24


class TwoNamespacesOnContainerd1(TwoNamespaces):
    binaries = tools.CONTAINERD_DEBIAN
