# SPDX-License-Identifier: Apache-2.0
"""How layers share a link: all at once and slowly, one after the other, each in pieces beside each other."""

from __future__ import annotations

import time
from datetime import datetime
from statistics import median
from typing import Any, ClassVar

from lab import tools
from lab.images import Image
from lab.laboratory import Laboratory
from lab.unpacking import Unpacking
from tests.integration.case import MB
from tests.integration.clients import Ctr, RunningPull
from tests.runtimes.case import HOST, RuntimeCase

PULLS, LAYERS = 5, 3


class Shared(RuntimeCase):
    """Fifteen layers that begin together, as by containerd 1, have their MiBs together, too: thirteen seconds apart."""

    binaries = tools.CONTAINERD_DEBIAN
    bytes_per_second = 80_000
    every_s: ClassVar[float] = 0.5

    def test_nothing_stalls_and_the_speed_is_the_links(self) -> None:
        images = [self.push(f"shared/app-{n}", *[3 * MB] * LAYERS) for n in range(PULLS)]
        counted_before = self.counted()
        calls = [self.start(image) for image in images]
        began, looks = time.monotonic(), list[tuple[float, list[dict[str, Any]]]]()
        while any(call.process.is_running() for call in calls):
            looks.append((time.monotonic() - began, self.pulls(self.server)))
            time.sleep(self.every_s)
        for call in calls:
            call.finish()
        rows = [self.log.wait_for_end(image.repository)[-1].pull for image in images]
        sent = sum(self.sent(image.repository) for image in images)
        shown = sum(row["bytesFetched"] for row in rows)
        self.check_count("shared", sent, shown, self.counted() - counted_before)
        stalled = [row for _, look in looks for row in look if row.get("stalledSeconds")]
        self.note("shared", "looks stalled", 0, f"{len(stalled)} of {len(looks) * PULLS}")
        self.assertEqual(stalled, [])
        self.check_speed(looks)

    def check_speed(self, looks: list[tuple[float, list[dict[str, Any]]]]) -> None:
        """From when each has had two pieces: what all pulls have together, in the middle."""
        true = self.bytes_per_second * PULLS * LAYERS
        settled = [look for at, look in looks if at > 28 and len(look) == PULLS]
        speeds = [sum(row["bytesPerSec"] for row in look) for look in settled]
        self.note("shared", "speed", true, f"{median(speeds):.0f}")
        self.assertAlmostEqual(median(speeds), true, delta=true * 0.25)


class Queued(RuntimeCase):
    """containerd 2 fetches three layers at once, of all pulls: who waits for minutes is as quick then as the first."""

    bytes_per_second = 160_000
    pieces_s: ClassVar[float] = 2 * (1 << 20) / 160_000  # of two of them, by which a speed is known

    def test_each_has_its_speed(self) -> None:
        images = [self.push(f"queued/app-{n}", *[4 * MB] * LAYERS) for n in range(3)]
        calls = [self.start(image) for image in images]
        ratios: dict[str, list[float]] = {image.repository: [] for image in images}
        while any(call.process.is_running() for call in calls):
            for image in images:
                ratios[image.repository] += self.look(image)
            time.sleep(0.5)
        for call, image in zip(calls, images, strict=True):
            call.finish()
            seen = ratios[image.repository]
            self.note(image.repository, "speed, share", 1, f"{median(seen):.2f} of {len(seen)}")
            self.assertGreater(len(seen), 5)
            self.assertAlmostEqual(median(seen), 1, delta=0.3)

    def look(self, image: Image) -> list[float]:
        """The shown speed as a share of the true one, while both are known."""
        (row,) = self.rows(image) or [{"phase": "", "bytesPerSec": 0}]
        now = time.time()
        parts = [s for s in self.meter.all_sent(image.repository) if s.size > 1000]
        recent = sum(s.size for s in parts if s.at > now - self.pieces_s)
        is_known = parts and parts[0].at < now - self.pieces_s - 1 and row["phase"] == "downloading"
        self.assertNotIn("stalledSeconds", row)
        return [row["bytesPerSec"] * self.pieces_s / recent] if is_known and recent else []


class OneAfterTheOther(RuntimeCase):
    """The first bytes of a layer show a MiB late; it has begun when the one before has come."""

    bytes_per_second = MB
    late_s: ClassVar[float] = 0.5

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs", downloads=1)

    def test_each_has_its_time(self) -> None:
        image = self.push("turn/app", 2_100_000, 3_200_000, 1_050_000)
        pulled = self.pull_and_count(image)
        for layer in pulled.row["layers"]:
            parts = [s.at for s in self.meter.all_sent(image.repository) if s.digest == layer["digest"]]
            for name, true in (("startedAt", parts[0]), ("completedAt", parts[-1])):
                shown = datetime.fromisoformat(layer[name]).timestamp()
                self.assertAlmostEqual(shown, true, delta=self.late_s, msg=f"{name}: {layer}")
        busy = sum(layer.size for layer in image.layers) / self.bytes_per_second
        self.note(image.repository, "download s", f"{busy:.2f}", pulled.row["downloadSeconds"])
        self.assertAlmostEqual(pulled.row["downloadSeconds"], busy, delta=1)
        self.assertLess(pulled.row["extractSeconds"], 1, "waiting for bytes is no extraction")


class Ranges(RuntimeCase):
    """containerd 2 may fetch a layer by ranges beside each other: what it shows of it is a prefix all the same."""

    range_bytes = MB

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs", fetch_buffer=cls.range_bytes)

    def test_by_the_kubelet_and_by_ctr(self) -> None:
        for name, start in (("kubelet", self.start), ("ctr", self.start_by_ctr)):
            with self.subTest(name):
                image = self.push(f"ranges/{name}", 24 * MB, 5 * MB, 3 * MB)
                self.pull_and_count(image, start)
                asked = {digest for digest, _ in self.meter.ranges}
                self.assertIn(image.layers[0].digest, asked)

    def start_by_ctr(self, image: Image) -> RunningPull:
        return Ctr(self.lab.containerd).start(image.reference(HOST))


class RangesOnContainerd24(Ranges):
    binaries = tools.CONTAINERD_24
