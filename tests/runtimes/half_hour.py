# SPDX-License-Identifier: Apache-2.0
"""Pulls that take half an hour at one step, with the limits as they are shipped: none of them has failed.

Too slow for the suite: `make test-runtimes LONG=1` runs these classes beside each other. PACED_MINUTES=1 tries
them quickly, which proves nothing.
"""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar

from lab import tools
from lab.images import Image
from lab.laboratory import Laboratory
from lab.unpacking import Unpacking
from tests.integration.case import MB
from tests.runtimes import paced
from tests.runtimes.case import BYTES_OFF, RuntimeCase

SECONDS = 60 * float(os.environ.get("PACED_MINUTES", "32"))
LOOK_EVERY_S = 10
CRAWL = (1 << 20) // 480  # bytes a second
# By itself containerd 2 gives up what it unpacks for five minutes (https://github.com/containerd/containerd/issues/13909).
PATIENCE = "2h0m0s"
SHOWN = ("phase", "percent", "bytesFetched", "stalledSeconds", "staleReason", "holdUp", "error")


class HalfHourCase(RuntimeCase):
    name: ClassVar[str]
    layer_bytes: ClassVar[int] = 32 * MB

    def goes_on_until_it_is_there(self) -> dict[str, Any]:
        """Its row is looked at every ten seconds: it is at work until the kubelet has its answer."""
        image = self.push(f"long/{self.name}", self.layer_bytes)
        call = self.start(image)
        began, looks = time.monotonic(), 0
        while call.process.is_running():
            self.assertLess(time.monotonic() - began, SECONDS * 1.5 + 60, "it never ends")
            self.look(image, time.monotonic() - began)
            looks += 1
            time.sleep(LOOK_EVERY_S)
        took = time.monotonic() - began
        call.finish(1)
        self.assertGreater(took, SECONDS * 0.9)
        row = self.log.wait_for_end(image.repository)[-1].pull
        print(f"{self.name}: {took:.0f} s, {looks} looks, {row['phase']}", flush=True)
        self.assertEqual(row["phase"], "completed", row)
        self.assertEqual(len({event.pull["id"] for event in self.log.of_image(image.repository)}), 1)
        for result in ("failed", "stale"):
            series = f'pulltrace_pulls_total{{result="{result}"}}'
            self.assertEqual(self.metric(self.server, series), 0)
        return row

    def look(self, image: Image, at: float) -> None:
        rows = self.rows(image)
        for row in rows:
            shown = {name: row[name] for name in SHOWN if name in row}
            layers = [layer["phase"] for layer in row["layers"]]
            print(f"{self.name} {at:7.1f} {shown} {layers}", flush=True)
            self.assertNotEqual(row["phase"], "failed", row)
        if at > LOOK_EVERY_S:
            self.assertEqual(len(rows), 1)


class Extraction(HalfHourCase):
    """A layer that is written onto a slow disk, by containerd's own snapshotter."""

    name = "extraction"

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        settings = paced.processor(cls.layer_bytes / SECONDS)
        return Unpacking("overlayfs", settings=settings, patience=PATIENCE)

    def test_it_is_at_work(self) -> None:
        row = self.goes_on_until_it_is_there()
        self.assertGreater(row["extractSeconds"], SECONDS * 0.9)


class ExtractionOnContainerd24(Extraction):
    name = "extraction24"
    binaries = tools.CONTAINERD_24


class ExtractionOnContainerd1(Extraction):
    name = "extraction1"
    binaries = tools.CONTAINERD_DEBIAN


class Prepare(HalfHourCase):
    """A snapshotter of another maker is silent for half an hour before it takes the layer."""

    name = "prepare"
    layer_bytes = 3 * MB
    mode = "slow"

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        program = tools.BLOCKING_SNAPSHOTTER
        socket = lab.start_snapshotter("blocking", program, str(SECONDS), cls.mode)
        return Unpacking("blocking", socket, annotations=True, patience=PATIENCE)

    def test_it_is_waited_for(self) -> None:
        self.goes_on_until_it_is_there()


class Commit(Prepare):
    """And before it says that the layer is there."""

    name = "commit"
    mode = "commit"


class Whole(Prepare):
    """It fetches and unpacks the layer by itself (SOCI's parallel mode)."""

    name = "whole"
    mode = "whole"


class Crawl(HalfHourCase):
    """Containerd shows bytes by the MiB: here one in eight minutes. Less than one in ten is given up."""

    name = "crawl"
    layer_bytes = int(SECONDS * CRAWL)

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        cls.meter.rates["long/crawl"] = CRAWL
        return Unpacking("overlayfs", patience=PATIENCE)

    def test_it_goes_on(self) -> None:
        row = self.goes_on_until_it_is_there()
        self.assertAlmostEqual(
            row["bytesFetched"], self.meter.bytes_sent("long/crawl"), delta=BYTES_OFF
        )
