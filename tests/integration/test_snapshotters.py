# SPDX-License-Identifier: Apache-2.0
"""Snapshotters that fetch by themselves, and such as take their time: by a stand-in for them.

What each mode does stands in tests/runtimes/programs/blocking/main.go.
"""

from __future__ import annotations

import time
import unittest
from datetime import datetime
from typing import ClassVar

from lab import tools
from lab.laboratory import Laboratory
from lab.unpacking import Unpacking
from lab.waiting import wait_for
from tests.integration.case import MB, LabCase
from tests.integration.events import Event


class SnapshotterCase(LabCase):
    uses_cri = True
    bytes_per_second = 4 * MB
    blocking: ClassVar[tuple[str, str]]  # seconds and mode

    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking:
        program = tools.BLOCKING_SNAPSHOTTER
        if not program.exists():
            raise unittest.SkipTest("no blocking snapshotter here (it needs Go to be built)")
        return Unpacking("blocking", lab.start_snapshotter("blocking", program, *cls.blocking))

    def story_of_a_pull(self, name: str, *layer_bytes: int) -> list[Event]:
        """Pulls the image; all that was sent of it, the last of it a completion."""
        server, _, log = self.start_all()
        self.server = server
        self.image = self.push(name, *layer_bytes)
        self.pull(self.image)
        self.answered = time.time()
        final = log.wait_for_end(name)[-1]
        self.assert_completed(final, self.image)
        return log.of_image(name)

    def bytes_counted(self) -> float:
        return self.metric(self.server, "pulltrace_pull_bytes_total")


class Commit(SnapshotterCase):
    """An extraction that takes its time."""

    blocking = ("3", "commit")

    def test_it_is_an_extraction(self) -> None:
        story = self.story_of_a_pull("slow/commit", 2 * MB)

        layer = story[-1].pull["layers"][0]
        began = datetime.fromisoformat(layer["extractStartedAt"])
        ended = datetime.fromisoformat(layer["extractCompletedAt"])
        self.assertGreater((ended - began).total_seconds(), 2.5)
        self.assertEqual(self.bytes_counted(), self.image.layer_bytes)


class CommitOnContainerd2(Commit):
    binaries = tools.CONTAINERD_2


class Prepare(SnapshotterCase):
    """One that takes its time before a layer is fetched, which then is an ordinary one."""

    blocking = ("2", "slow")

    def test_it_completes(self) -> None:
        self.story_of_a_pull("slow/prepare", 2 * MB, MB)

        self.assertEqual(self.bytes_counted(), self.image.layer_bytes)


class PrepareOnContainerd2(Prepare):
    binaries = tools.CONTAINERD_2


class Whole(SnapshotterCase):
    """The snapshotter fetches and unpacks each layer while it is prepared (SOCI's parallel mode)."""

    blocking = ("4", "whole")

    def test_it_advances_with_the_layers(self) -> None:
        story = self.story_of_a_pull("odd/whole", 3 * MB, 3 * MB, 3 * MB)

        on_the_way = [event for event in story if 0 < event.pull["percent"] < 100]
        self.assertEqual({round(event.pull["percent"]) for event in on_the_way}, {33, 67})
        self.assertLess(on_the_way[0].received, self.answered - 4)
        layers = story[-1].pull["layers"]
        self.assertEqual({layer["source"] for layer in layers}, {"snapshotter"})
        self.assertEqual(self.bytes_counted(), self.image.layer_bytes)


class WholeOnContainerd2(Whole):
    binaries = tools.CONTAINERD_2


class Lazy(SnapshotterCase):
    """Layers are mounted from the registry and read when they are needed (stargz)."""

    blocking = ("0.05", "lazy")

    def test_nothing_was_fetched(self) -> None:
        """The first image after the agent's start, and one when the snapshotter is known."""
        self.story_of_a_pull("odd/lazy", 3 * MB, 3 * MB)
        first = self.image
        self.pull(self.push("odd/second", 2 * MB, 2 * MB))
        wait_for("both have ended", self.have_ended, 20)

        self.assertEqual(self.bytes_counted(), 0)
        for pull in self.pulls(self.server):
            layers = pull["layers"]
            self.assertEqual({layer["source"] for layer in layers}, {"remote"}, pull)
            self.assertNotIn("queued", {layer["phase"] for layer in layers}, pull)
        self.assertEqual(self.lab.throttle.requests(first.layers[0].digest), [])

    def have_ended(self) -> bool:
        return [pull["phase"] for pull in self.pulls(self.server)] == ["completed"] * 2


class LazyOnContainerd2(Lazy):
    binaries = tools.CONTAINERD_2
