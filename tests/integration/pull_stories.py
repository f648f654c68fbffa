# SPDX-License-Identifier: Apache-2.0
"""What must be shown of pulls that go their way, on whatever containerd and by whatever client."""

from __future__ import annotations

from typing import Any

from lab.images import Image
from lab.layers import LayerSpec
from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.case import MB, SLOWER, LabCase, sizes
from tests.integration.events import EventLog

SHOWN_WITHIN_S = 3.0 * SLOWER
STARTED_WITHIN_S = 2.0 * SLOWER


class PullStories(LabCase):
    by_repository = {"fast": 0, "tiny": 20_000, "huge": 50 * MB}

    def _pull_at_once(self, images: list[Image], log: EventLog) -> None:
        """Pulls them side by side; each must be true from the start and complete."""
        running = [self.client.start(self.lab.reference(image)) for image in images]
        for pull in running:
            pull.finish()

        for image in images:
            with self.subTest(image.repository):
                final = log.wait_for_end(image.repository)[-1]
                self.assert_true_from_the_start(log.of_image(image.repository), image)
                self.assert_completed(final, image)

    def test_two_images_at_once_are_two_rows(self) -> None:
        images = [
            self.push("shop/frontend", 6_200_000, 400_000, 1_200_000),
            self.push("payments/ledger", 7_100_000, 90_000),
        ]
        server, _, log = self.start_all()

        running = [self.client.start(self.lab.reference(image)) for image in images]
        ends = [pull.finish() for pull in running]

        for image, pull, ended in zip(images, running, ends):
            with self.subTest(image.repository):
                final = log.wait_for_end(image.repository)[-1]
                story = log.of_image(image.repository)
                self.assertEqual({event.pull["id"] for event in story}, {final.pull["id"]})
                self.assertLess(story[0].received - pull.started, STARTED_WITHIN_S)
                self.assertLess(final.received - ended, SHOWN_WITHIN_S)
                self.assert_true_from_the_start(story, image)
                self.assert_completed(final, image)
                between = {e.pull["percent"] for e in story if 0 < e.pull["percent"] < 100}
                self.assertGreaterEqual(len(between), 2, "the row must move")
        listed = {pull["imageRef"]: pull for pull in self.pulls(server)}
        self.assertEqual(set(listed), {self.lab.reference(image) for image in images})
        self.assertEqual(self.metric(server, "pulltrace_pulls_active"), 0)

    def test_shared_layers_count_for_both(self) -> None:
        shared = [LayerSpec(3_000_000, "shared by two")]
        images = [
            self.lab.images.push(name, "1.0", shared + sizes(name, 300_000))
            for name in ("share/one", "share/two")
        ]
        _, _, log = self.start_all()

        self._pull_at_once(images, log)

    def test_layers_that_are_there_count_as_cached(self) -> None:
        base = sizes("cached base", 900_000, 500_000, 40_000)
        first = self.lab.images.push("cached/app", "1.0", base + sizes("cached one", 100_000))
        second = self.lab.images.push("cached/app", "1.1", base + sizes("cached two", 2_500_000))
        self.pull(first)
        _, _, log = self.start_all()

        self.pull(second)

        final = log.wait_for_end("cached/app")[-1]
        story = log.of_image("cached/app")
        cached = sum(layer.size for layer in second.layers[:-1])
        self.assert_true_from_the_start(story, second)
        self.assert_completed(final, second)
        self.assertEqual({event.pull["cachedBytes"] for event in story}, {cached})
        phases = [layer["phase"] for layer in final.pull["layers"]]
        self.assertEqual(phases, ["exists", "exists", "exists", "done"])

    def test_a_pull_of_what_is_there_is_never_a_failure(self) -> None:
        image = self.push("there/already", 400_000, 200_000)
        self.pull(image)
        server, _, log = self.start_all()

        self.pull(image)

        marker = self.push("there/marker", 2_000_000)
        self.pull(marker)
        log.wait_for_end("there/marker")
        for pull in self.pulls(server):
            if pull["repository"] == "registry.example/there/already":
                self.assertEqual(pull["phase"], "completed")
                self.assertEqual(pull["cachedBytes"], image.layer_bytes)
        self.assertEqual(self.metric(server, "pulltrace_pull_errors_total"), 0)

    def test_a_pull_shorter_than_the_interval_is_seen(self) -> None:
        image = self.push("fast/short", 200_000, 30_000)
        _, _, log = self.start_all()

        pull = self.client.start(self.lab.reference(image))
        ended = pull.finish()

        final = log.wait_for_end("fast/short")[-1]
        self.assertLess(final.received - ended, SHOWN_WITHIN_S)
        self.assert_completed(final, image)

    def test_a_pull_shorter_than_a_long_interval_is_seen(self) -> None:
        image = self.push("fast/between", 200_000, 30_000)
        _, _, log = self.start_all(PULLTRACE_REPORT_INTERVAL="10s")

        self.client.start(self.lab.reference(image)).finish()

        self.assert_completed(log.wait_for_end("fast/between", timeout_s=30)[-1], image)

    def test_forty_small_layers(self) -> None:
        image = self.push("tiny/forty", *(9_000 + 1_000 * number for number in range(40)))
        _, _, log = self.start_all()

        self.pull(image)

        final = log.wait_for_end("tiny/forty")[-1]
        self.assert_true_from_the_start(log.of_image("tiny/forty"), image)
        self.assert_completed(final, image)

    def test_one_layer_of_200_mb(self) -> None:
        image = self.push("huge/model", 200 * MB)
        _, _, log = self.start_all()

        self.pull(image)

        final = log.wait_for_end("huge/model")[-1]
        story = log.of_image("huge/model")
        self.assert_true_from_the_start(story, image)
        self.assert_completed(final, image)
        self.assertGreater(final.pull["extractSeconds"], 0)
        layer = final.pull["layers"][0]
        self.assertLess(layer["extractStartedAt"], layer["extractCompletedAt"])
        self.assertLess(layer["startedAt"], layer["completedAt"])

    def test_an_index_counts_only_the_pulled_platform(self) -> None:
        for docker_types in (False, True):
            name = f"multi/{'docker' if docker_types else 'oci'}"
            with self.subTest(name):
                image = self.lab.images.push(
                    name,
                    "1.0",
                    sizes(name, 1_500_000, 80_000),
                    docker_types,
                    ("linux/amd64", "linux/arm64", "linux/s390x"),
                )
                _, _, log = self.start_all()
                self.pull(image)
                final = log.wait_for_end(name)[-1]
                self.assert_true_from_the_start(log.of_image(name), image)
                self.assert_completed(final, image)
                self.assertEqual(final.pull["manifestDigest"], image.manifest_digest)
                wanted = [
                    platform
                    for platform, digest in image.platform_digests.items()
                    if digest == image.manifest_digest
                ]
                self.assertEqual([final.pull["platform"]], wanted)

    def test_zstd_and_uncompressed_layers(self) -> None:
        specs = [
            LayerSpec(900_000, "as zstd", "zstd"),
            LayerSpec(700_000, "as tar", "none"),
            LayerSpec(500_000, "as gzip", "gzip"),
        ]
        image = self.lab.images.push("mixed/compression", "1.0", specs)
        _, _, log = self.start_all()

        self.pull(image)

        final = log.wait_for_end("mixed/compression")[-1]
        self.assert_completed(final, image)
        shown = [layer["mediaType"] for layer in final.pull["layers"]]
        self.assertEqual(shown, [layer.media_type for layer in image.layers])

    def test_twenty_at_once_are_twenty_rows(self) -> None:
        images = [self.push(f"many/app-{n:02}", 1_200_000 + 1_000 * n, 20_000) for n in range(20)]
        server, _, log = self.start_all()

        self._pull_at_once(images, log)
        self.assertEqual(len(self.pulls(server)), 20)

    def test_a_stalled_registry_is_shown_and_survived(self) -> None:
        image = self.push("stall/app", 6 * MB)
        server, _, log = self.start_all()
        pull = self.client.start(self.lab.reference(image))
        log.wait_for("a tenth is there", lambda event: event.pull["percent"] > 10)

        self.lab.throttle.stall()
        self.addCleanup(self.lab.throttle.resume)
        stalled = wait_for("shown as stalled", lambda: self._stalled_row(server, 3), 20)
        assert stalled is not None
        self.assertEqual(stalled["phase"], "downloading")
        wait_for("it is counted", lambda: self.metric(server, "pulltrace_pulls_stalled") == 1, 20)
        self.lab.throttle.resume()

        pull.finish()
        final = log.wait_for_end("stall/app")[-1]
        self.assert_completed(final, image)

    def _stalled_row(self, server: Server, seconds: float) -> dict[str, Any] | None:
        rows = self.pulls(server, "?image=stall/app")
        return rows[0] if rows and rows[0].get("stalledSeconds", 0) >= seconds else None
