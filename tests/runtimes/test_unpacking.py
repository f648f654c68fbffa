# SPDX-License-Identifier: Apache-2.0
"""What containerd does with its own snapshotter: beside each other, discarded, annotated, by one client or another."""

from __future__ import annotations

import itertools
from typing import ClassVar

from lab import tools
from lab.cri import CriClient
from lab.images import Image
from lab.laboratory import Laboratory
from lab.unpacking import Unpacking
from tests.integration.case import MB, sizes
from tests.integration.clients import CriPull, Ctr, RunningPull
from tests.runtimes.case import EROFS, HOST, RuntimeCase
from tests.runtimes.witness import Witness

FALLS_BACK = "Falling back to local image pull"


class Parallel(RuntimeCase):
    """Layers are unpacked beside each other, and committed in order."""

    bytes_per_second = 20 * MB

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs", at_once=4)

    def test_upper_layers_wait_for_no_lower_one(self) -> None:
        image = self.push("parallel/app", 40 * MB, MB, MB, MB)
        first, *others = self.pull_and_count(image).row["layers"]
        for layer in others:
            self.assertLess(layer["extractStartedAt"], first["extractStartedAt"])
            self.assertGreaterEqual(layer["extractCompletedAt"], first["extractCompletedAt"])


class ParallelOnContainerd24(Parallel):
    binaries = tools.CONTAINERD_24


class ParallelErofs(Parallel):
    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("erofs", differ="erofs", at_once=4, programs=EROFS)


class Discarded(RuntimeCase):
    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs", discard=True)

    def test_shared_layers_are_not_counted_twice(self) -> None:
        shared = sizes("discard/shared", 3 * MB, 2 * MB)
        for name, size in (("one", 4 * MB), ("two", 3 * MB)):
            image = self.lab.images.push(
                f"discard/{name}", "1.0", [*shared, *sizes(f"discard/{name}", size)]
            )
            self.pull_and_count(image)
        self.assertEqual(self.pull_and_count(image).row["bytesFetched"], 0)


class DiscardedOnContainerd24(Discarded):
    binaries = tools.CONTAINERD_24


class DiscardedOnContainerd1(Discarded):
    binaries = tools.CONTAINERD_DEBIAN


class Annotated(RuntimeCase):
    bytes_per_second = MB

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs", annotations=True)

    def test_the_tag_is_known_with_the_first_snapshot(self) -> None:
        image = self.push("annotated/app", 4 * MB, MB)
        witness = Witness(self.lab.containerd, self.folder)
        self.addCleanup(witness.stop)
        pulled = self.pull_and_count(image)
        exact = next(event for event in pulled.story if event.pull["imageRefExact"])
        self.assertEqual(exact.pull["imageRef"], image.reference(HOST))
        late = exact.received - witness.extractions(pulled.began)[0]
        self.note(image.repository, "tag after s", 0, f"{late:.3f}")
        self.assertLess(late, 0.3)
        self.assertGreater(pulled.ended - exact.received, 2)


class AnnotatedOnContainerd24(Annotated):
    binaries = tools.CONTAINERD_24


class AnnotatedOnContainerd1(Annotated):
    binaries = tools.CONTAINERD_DEBIAN


class Transfer(RuntimeCase):
    """By containerd's transfer service: what its CRI plugin does by itself since 2.1, and ctr."""

    ctr_options: ClassVar[tuple[str, ...]] = ()
    falls_back = False

    def test_by_the_kubelet_and_by_ctr(self) -> None:
        for name, start in (("kubelet", self.start), ("ctr", self.start_by_ctr)):
            with self.subTest(name):
                image = self.push_large(f"{type(self).__name__.lower()}/{name}")
                self.check_percent(image, self.pull_and_count(image, start))
        said = self.lab.containerd.process.stderr_text()
        self.assertEqual(FALLS_BACK in said, self.falls_back)

    def start_by_ctr(self, image: Image) -> RunningPull:
        return Ctr(self.lab.containerd, *self.ctr_options).start(image.reference(HOST))


class TransferOnContainerd24(Transfer):
    binaries = tools.CONTAINERD_24


class Local(Transfer):
    """By containerd's client, as where snapshots are annotated, and by ctr --local."""

    ctr_options = ("--local",)
    falls_back = True

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs", annotations=True)


RUNTIME_CLASS = """
[plugins."io.containerd.cri.v1.images".runtime_platforms.sandboxed]
  platform = "linux/amd64"
  snapshotter = "native"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.sandboxed]
  runtime_type = "io.containerd.runc.v2"
  snapshotter = "native"
"""


class RuntimeClass(RuntimeCase):
    """A runtime class has a snapshotter of its own: the image is there, for another one."""

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs", discard=True, settings=RUNTIME_CLASS)

    def test_it_is_fetched_anew(self) -> None:
        image = self.push("class/app", 5 * MB, 3 * MB)
        self.assertEqual(self.pull_and_count(image).sources, ["fetched"] * 2)
        pulled = self.pull_and_count(image, self.start_for_class)
        self.assertEqual(pulled.sources, ["fetched"] * 2)
        self.assertGreater(pulled.sent, image.layer_bytes - 1)
        self.assertEqual(self.pull_and_count(image, self.start_for_class).row["bytesFetched"], 0)

    def start_for_class(self, image: Image) -> RunningPull:
        return CriPull(CriClient(self.lab.containerd).start_pull(image.reference(HOST), "sandboxed"))


class Native(RuntimeCase):
    """It copies what is below before it says that it prepares a layer: that is part of the extraction."""

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("native")

    def test_copying_is_extracting(self) -> None:
        image = self.push("native/app", 60 * MB, MB, MB, MB)
        layers = self.pull_and_count(image).row["layers"]
        for below, layer in itertools.pairwise(layers):
            self.assertEqual(layer["extractStartedAt"], below["extractCompletedAt"])


class AnotherSnapshotter(RuntimeCase):
    """The blobs are there, and were unpacked by another one than now: nothing is fetched, all is unpacked."""

    def test_all_is_unpacked_again(self) -> None:
        image = self.push("another/app", 8 * MB, 4 * MB)
        self.pull_and_count(image)
        pulled = self.pull_and_count(image, self.start_with_native)
        self.assertEqual(pulled.row["bytesFetched"], 0)
        self.assertEqual(pulled.row["kind"], "pull")
        for layer in pulled.row["layers"]:
            self.assertEqual((layer["phase"], layer["cached"]), ("done", True))

    def start_with_native(self, image: Image) -> RunningPull:
        local = () if self.binaries is tools.CONTAINERD_DEBIAN else ("--local",)
        client = Ctr(self.lab.containerd, *local, "--snapshotter", "native")
        return client.start(image.reference(HOST))


class AnotherSnapshotterOnContainerd1(AnotherSnapshotter):
    binaries = tools.CONTAINERD_DEBIAN
