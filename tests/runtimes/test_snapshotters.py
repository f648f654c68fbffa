# SPDX-License-Identifier: Apache-2.0
"""Real snapshotters: stargz, SOCI, EROFS, and containerd's own that discards or annotates."""

from __future__ import annotations

import subprocess

from lab import tools
from lab.laboratory import Laboratory
from lab.layers import LayerSpec, write_tar
from lab.unpacking import Unpacking
from tests.integration.case import MB, sizes
from tests.runtimes.case import EROFS, HOST, PROGRAMS, RuntimeCase

SOCI = """\
[content_store]
type = "soci"
"""
SOCI_PARALLEL = (
    SOCI
    + """\
[pull_modes.parallel_pull_unpack]
enable = true
max_concurrent_downloads = 10
max_concurrent_downloads_per_image = 10
concurrent_download_chunk_size = "1mb"
max_concurrent_unpacks = 10
max_concurrent_unpacks_per_image = 10
discard_unpacked_layers = true
"""
)


class Stargz(RuntimeCase):
    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking:
        registry = f"{HOST}=127.0.0.1:{lab.throttle.port}"
        socket = lab.start_snapshotter("stargz", PROGRAMS / "stargz-proxy", registry)
        return Unpacking("stargz", socket, annotations=True)

    def test_lazy_ordinary_and_mixed_images(self) -> None:
        lazy = [self.estargz_layer(6 * MB, f"lazy{number}") for number in range(4)]
        image = self.lab.images.push_layers("lazy/first", "1.0", lazy)
        self.assertEqual(self.sources(self.pull_and_count(image)), ["remote"] * 4)
        self.pull_and_count(self.push("lazy/ordinary", 3 * MB, 2 * MB))
        mixed = [self.estargz_layer(5 * MB, "below"), self.push("lazy/top", 3 * MB).layers[0]]
        row = self.pull_and_count(self.lab.images.push_layers("lazy/below", "1.0", mixed))
        self.assertEqual(self.sources(row), ["remote", "fetched"])
        again = self.pull_and_count(image)
        self.assertEqual(again["bytesFetched"], 0)

    def test_a_lazy_layer_above_an_ordinary_one(self) -> None:
        """containerd begins to fetch it, and gives that up when the snapshotter has mounted it."""
        ordinary = self.push("lazy/base", 3 * MB).layers[0]
        mixed = [ordinary, self.estargz_layer(5 * MB, "above")]
        row = self.pull_and_count(self.lab.images.push_layers("lazy/above", "1.0", mixed))
        self.assertEqual(self.sources(row)[1], "remote")


class StargzOnContainerd24(Stargz):
    binaries = tools.CONTAINERD_24


class SociCase(RuntimeCase):
    settings = SOCI

    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking:
        """It fetches from the host that the image's name has."""
        cls.host = f"127.0.0.1:{lab.throttle.port}"
        config = lab.path / "soci.toml"
        config.write_text(cls.settings)
        (lab.path / "soci").mkdir()
        containerd = lab.path / "containerd/containerd.sock"
        registry = f"{cls.host}={cls.host}"
        socket = lab.start_snapshotter(
            "soci", PROGRAMS / "soci-proxy", config, containerd, registry
        )
        return Unpacking("soci", socket, annotations=True, discard=True)

    def setUp(self) -> None:
        super().setUp()
        self.lab.containerd.serve_registry(self.host, self.lab.throttle.port)


class SociWithoutIndex(SociCase):
    def test_it_falls_back(self) -> None:
        row = self.pull_and_count(self.push("soci/plain", 4 * MB, 2 * MB))
        self.assertEqual(self.sources(row), ["fetched"] * 2)


class SociParallel(SociCase):
    settings = SOCI_PARALLEL
    bytes_per_second = MB // 2

    def test_it_advances_with_the_layers(self) -> None:
        for number in range(2):  # the second one when the snapshotter is known
            image = self.push(f"soci/parallel{number}", 6 * MB, 8 * MB, 3 * MB, 14 * MB)
            row = self.pull_and_count(image)
            self.assertEqual(self.sources(row), ["snapshotter"] * 4)
            story = self.log.of_image(image.repository)
            seen = {round(event.pull["percent"]) for event in story}
            self.assertGreaterEqual(len(seen - {0, 100}), 1, seen)


class ErofsCache(RuntimeCase):
    """The layers' content is in a cache on the node: they are prepared and committed, and not fetched."""

    binaries = tools.CONTAINERD_24

    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking:
        settings = (
            '[plugins."io.containerd.snapshotter.v1.erofs"]\n'
            f'  layer_content_caches = ["{lab.path}/cache"]\n'
        )
        return Unpacking("erofs", differ="erofs", settings=settings, programs=EROFS)

    def fill(self, *specs: LayerSpec) -> None:
        """With the file systems of these layers, named by the digests of their tars."""
        image = self.lab.images.push("erofs/cached", "1.0", specs)
        for spec, blob in zip(specs, image.layers, strict=True):
            name = blob.diff_id.removeprefix("sha256:")
            tar = self.folder / name
            with tar.open("wb") as target:
                write_tar(target, spec)
            folder = self.lab.path / "cache/sha256" / name[:2]
            folder.mkdir(parents=True, exist_ok=True)
            command = [EROFS / "mkfs.erofs", "--tar=f", "--quiet", folder / f"{name}.erofs", tar]
            subprocess.run(command, check=True, capture_output=True)

    def test_some_layers_and_all(self) -> None:
        specs = sizes("erofs", 5 * MB, 4 * MB, 3 * MB)
        self.fill(*specs[:2])
        row = self.pull_and_count(self.lab.images.push("erofs/some", "1.0", specs))
        self.assertEqual(self.sources(row), ["snapshotter_cache"] * 2 + ["fetched"])
        row = self.pull_and_count(self.lab.images.push("erofs/all", "1.0", specs[:2]))
        self.assertEqual(row["bytesFetched"], 0)


class Parallel(RuntimeCase):
    """Layers are unpacked beside each other, and committed in order."""

    bytes_per_second = 20 * MB

    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs", at_once=4)

    def test_upper_layers_wait_for_no_lower_one(self) -> None:
        first, *others = self.pull_and_count(self.push("parallel/app", 40 * MB, MB, MB, MB))["layers"]
        for layer in others:
            self.assertLess(layer["extractStartedAt"], first["extractStartedAt"])
            self.assertGreaterEqual(layer["extractCompletedAt"], first["extractCompletedAt"])


class ParallelOnContainerd24(Parallel):
    binaries = tools.CONTAINERD_24


class Discarded(RuntimeCase):
    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs", discard=True)

    def test_shared_layers_are_not_counted_twice(self) -> None:
        shared = sizes("discard/shared", 3 * MB, 2 * MB)
        for name, size in (("one", 4 * MB), ("two", 3 * MB)):
            image = self.lab.images.push(
                f"discard/{name}", "1.0", [*shared, *sizes(f"discard/{name}", size)]
            )
            self.pull_and_count(image)
        self.assertEqual(self.pull_and_count(image)["bytesFetched"], 0)


class DiscardedOnContainerd24(Discarded):
    binaries = tools.CONTAINERD_24


class Annotated(RuntimeCase):
    bytes_per_second = MB

    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs", annotations=True)

    def test_the_tag_is_known_with_the_first_snapshot(self) -> None:
        image = self.push("annotated/app", 4 * MB, MB)
        self.pull_and_count(image)
        story = self.log.of_image("annotated/app")
        exact = next(event for event in story if event.pull["imageRefExact"])
        self.assertEqual(exact.pull["imageRef"], image.reference(HOST))
        self.assertLess(exact.received - story[0].received, 0.5)
        self.assertGreater(story[-1].received - exact.received, 2)


class AnnotatedOnContainerd24(Annotated):
    binaries = tools.CONTAINERD_24


class AnnotatedOnContainerd1(Annotated):
    binaries = tools.CONTAINERD_DEBIAN
