# SPDX-License-Identifier: Apache-2.0
"""A pull is given up only when it is dead: by an agent and a server that wait for a thirtieth of the time.

What takes 20 s here takes ten minutes in the agent as it is shipped (PT_PATIENCE_DIVISOR in src/base/limits.h).
"""

from __future__ import annotations

import time
import unittest
from typing import Any, ClassVar

from lab import tools
from lab.images import Image
from lab.laboratory import Laboratory
from lab.pulltrace import Server
from lab.unpacking import Unpacking
from lab.waiting import wait_for
from tests.integration.case import BINARIES, MB, LabCase
from tests.integration.events import EventLog
from tests.runtimes import paced

HASTY_AGENT = BINARIES / "pulltrace-agent-hasty"
GIVEN_UP_AFTER_S = 20
LONG_S = 1.6 * GIVEN_UP_AFTER_S
LAYER_BYTES = 4 * MB


class PatienceCase(LabCase):
    server: Server
    log: EventLog

    def setUp(self) -> None:
        super().setUp()
        self.server = self.start_server(PULLTRACE_STALE_TIMEOUT=f"{GIVEN_UP_AFTER_S}s")
        self.log = self.listen(self.server)
        self.start_agent(self.server.url, HASTY_AGENT)
        self.wait_for_agent(self.server)

    def row(self, image: Image) -> dict[str, Any] | None:
        rows = [row for row in self.pulls(self.server) if row["rootDigest"] == image.root_digest]
        return rows[-1] if rows else None

    def results(self) -> dict[str, float]:
        names = ("completed", "failed", "stale")
        series = {name: f'pulltrace_pulls_total{{result="{name}"}}' for name in names}
        return {name: self.metric(self.server, text) for name, text in series.items()}


class AtWork(PatienceCase):
    """Nothing that a look sees changes for longer than a dead pull is waited for."""

    uses_cri = True
    bytes_per_second = 4 * MB

    def goes_on_until_it_is_there(self, name: str) -> dict[str, Any]:
        image = self.push(name, LAYER_BYTES)
        began = time.monotonic()
        self.pull(image)
        self.assertGreater(time.monotonic() - began, LONG_S * 0.9)
        final = self.log.wait_for_end(name)[-1]
        self.assert_completed(final, image)
        story = self.log.of_image(name)
        self.assertEqual(len({event.pull["id"] for event in story}), 1)
        self.assertEqual([event for event in story if event.type == "pull.failed"], [])
        self.assertEqual(self.results(), {"completed": 1, "failed": 0, "stale": 0})
        return final.pull


class HeldExtraction(AtWork):
    """What is written into its snapshot grows."""

    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking:
        settings = paced.processor(LAYER_BYTES / LONG_S)
        return Unpacking("overlayfs", settings=settings)

    def test_it_goes_on(self) -> None:
        pull = self.goes_on_until_it_is_there("patience/extraction")
        self.assertGreater(pull["extractSeconds"], LONG_S * 0.9)


class HeldExtractionOnContainerd2(HeldExtraction):
    binaries = tools.CONTAINERD_2


class BlockingPrepare(AtWork):
    """A snapshotter of another maker is in one call."""

    mode: ClassVar[str] = "slow"

    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking:
        program = tools.BLOCKING_SNAPSHOTTER
        if not program.exists():
            raise unittest.SkipTest("no blocking snapshotter here (it needs Go to be built)")
        return Unpacking("blocking", lab.start_snapshotter("blocking", program, str(LONG_S), cls.mode))

    def test_it_goes_on(self) -> None:
        self.goes_on_until_it_is_there(f"patience/{self.mode}")


class BlockingPrepareOnContainerd2(BlockingPrepare):
    binaries = tools.CONTAINERD_2
    mode = "whole"


class SlowLink(AtWork):
    """Its bytes come too slowly for containerd to show any between two limits: a MiB at a time."""

    bytes_per_second = int((1 << 20) / LONG_S)

    def test_it_goes_on(self) -> None:
        image = self.push("patience/slow", 1_500_000)
        self.pull(image, 120)
        self.assert_completed(self.log.wait_for_end("patience/slow")[-1], image)
        self.assertEqual(self.results(), {"completed": 1, "failed": 0, "stale": 0})


class SlowLinkOnContainerd2(SlowLink):
    binaries = tools.CONTAINERD_2


class KilledClient(PatienceCase):
    """Its lease lives on for a day, and its ingests stay as they are."""

    bytes_per_second = MB // 2

    def test_it_is_stalled_and_then_failed(self) -> None:
        image = self.push("patience/killed", LAYER_BYTES)
        pull = self.client.start(self.lab.reference(image))
        self.log.wait_for("some of it has come", lambda event: event.pull["percent"] > 20)
        pull.process.kill()
        killed = time.monotonic()

        wait_for("it is stalled", lambda: (self.row(image) or {}).get("stalledSeconds"), 15)
        final = self.log.wait_for_end("patience/killed", timeout_s=40)[-1]

        self.assertGreater(time.monotonic() - killed, GIVEN_UP_AFTER_S - 5)
        self.assertEqual(final.pull["phase"], "failed")
        self.assertIn("abandoned", final.pull["error"])
        self.assertEqual(self.results(), {"completed": 0, "failed": 1, "stale": 0})
