# SPDX-License-Identifier: Apache-2.0
"""Real snapshotters: stargz, SOCI and EROFS, on what containerd makes of them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import datetime

from lab import tools
from lab.images import Image, chain_ids
from lab.laboratory import Laboratory
from lab.layers import Blob, LayerSpec, write_tar
from lab.processes import Process
from lab.pulltrace import environment
from lab.unpacking import Unpacking
from lab.waiting import wait_for
from tests.integration.case import ADDRESS_SANITIZER, AGENT, MB, sizes
from tests.runtimes.case import EROFS, HOST, PROGRAMS, RuntimeCase, answer_of

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
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        registry = f"{HOST}=127.0.0.1:{cls.meter.port}"
        socket = lab.start_snapshotter("stargz", PROGRAMS / "stargz-proxy", registry)
        return Unpacking("stargz", socket, annotations=True)

    bytes_per_second = 2 * MB

    def test_lazy_ordinary_and_mixed_images(self) -> None:
        lazy = [self.estargz_layer(6 * MB, f"lazy{number}") for number in range(4)]
        image = self.lab.images.push_layers("lazy/first", "1.0", lazy)
        self.assertEqual(self.pull_and_count(image).sources, ["remote"] * 4)
        ordinary = self.push_large("lazy/ordinary")
        self.check_percent(ordinary, self.pull_and_count(ordinary))
        mixed = [self.estargz_layer(5 * MB, "below"), self.push("lazy/top", 3 * MB).layers[0]]
        pulled = self.pull_and_count(self.lab.images.push_layers("lazy/below", "1.0", mixed))
        self.assertEqual(pulled.sources, ["remote", "fetched"])
        again = self.pull_and_count(image)
        self.assertEqual(again.row["bytesFetched"], 0)

    def test_watched_beside_the_agent(self) -> None:
        """It says what is on demand; and the agent's reports, of which it has none, go on."""
        settings = {
            "PULLTRACE_CONTAINERD_SOCKET": str(self.lab.containerd.socket),
            "PULLTRACE_CONTAINERD_SOCKET_DIRS": str(self.lab.containerd.folder),
            "PULLTRACE_SERVER_URL": self.server.url,
            "PULLTRACE_NODE_NAME": "agent",
        }
        watch = Process(
            "watch",
            [AGENT, "--watch"],
            self.folder,
            environment=environment(ADDRESS_SANITIZER | settings),
        )
        self.addCleanup(watch.stop)
        layers = [self.estargz_layer(4 * MB, f"watched{number}") for number in range(2)]
        image = self.lab.images.push_layers("lazy/watched", "1.0", layers)
        self.assertEqual(self.pull_and_count(image).sources, ["remote"] * 2)
        line = re.compile(rf"^{re.escape(image.reference(HOST))} ready: 0 B fetched .* on demand$", re.M)
        wait_for("it is said", lambda: line.search(watch.stdout_text()), 15)

    def test_a_lazy_layer_above_an_ordinary_one(self) -> None:
        """containerd begins to fetch it, and gives that up when the snapshotter has mounted it.

        Of what was given up nobody sees the MiB that was not whole, nor what has come since the last look: the sizes
        are such that it is two thirds of a one, and that a look comes behind the last whole one.
        """
        ordinary = self.push("lazy/base", 2_800_000).layers[0]
        mixed = [ordinary, self.estargz_layer(5 * MB, "above")]
        pulled = self.pull_and_count(self.lab.images.push_layers("lazy/above", "1.0", mixed))
        self.assertEqual(pulled.sources[1], "remote")


class StargzOnContainerd24(Stargz):
    binaries = tools.CONTAINERD_24


class StargzOnContainerd1(Stargz):
    binaries = tools.CONTAINERD_DEBIAN


class SociCase(RuntimeCase):
    settings = SOCI

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        """It fetches from the host that the image's name has."""
        cls.host = f"127.0.0.1:{cls.meter.port}"
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
        self.lab.containerd.serve_registry(self.host, self.meter.port)


class SociWithoutIndex(SociCase):
    def test_it_falls_back(self) -> None:
        image = self.push_large("soci/plain")
        pulled = self.pull_and_count(image)
        self.assertEqual(pulled.sources, ["fetched"] * 3)
        self.check_percent(image, pulled)


class SociLazy(SociCase):
    """Its manifest names an index of what is where in the layers, of all but the last."""

    def indexed(self, repository: str, *layer_bytes: int) -> Image:
        blobs = self.push(f"{repository}-plain", *layer_bytes).layers
        ztocs = []
        for number, blob in enumerate(blobs[:-1]):
            path = self.folder / f"{number}.ztoc"
            said = answer_of(PROGRAMS / "mkztoc", blob.path, path)
            annotations = (
                ("com.amazon.soci.image-layer-digest", blob.digest),
                ("com.amazon.soci.image-layer-mediaType", blob.media_type),
                ("com.amazon.soci.span-size", str(said["span"])),
            )
            kind = "application/octet-stream"
            ztocs.append(Blob(kind, said["digest"], said["size"], "", path, annotations))
        index = self.lab.images.push_index_of_layers(
            repository, "application/vnd.amazon.soci.index.v2+json", ztocs
        )
        note = {"com.amazon.soci.index-digest": index}
        return self.lab.images.push_layers(repository, "1.0", blobs, note)

    def test_what_has_an_index_is_mounted(self) -> None:
        pulled = self.pull_and_count(self.indexed("soci/lazy", 12 * MB, 15 * MB, 3 * MB))
        self.assertEqual(pulled.sources[:2], ["remote"] * 2)
        self.assertLess(pulled.sent, 4 * MB)


class SociParallel(SociCase):
    settings = SOCI_PARALLEL
    bytes_per_second = MB // 10

    def test_it_advances_with_the_layers(self) -> None:
        for number in range(2):  # the second one when the snapshotter is known
            image = self.push(f"soci/parallel{number}", 6 * MB, 8 * MB, 3 * MB, 14 * MB)
            pulled = self.pull_and_count(image)
            self.assertEqual(pulled.sources, ["snapshotter"] * 4)
            self.check_percent(image, pulled, self.percent_by_layers(image))

    def percent_by_layers(self, image: Image) -> Callable[[float], float]:
        """A layer counts from when its snapshot was committed, as containerd says it."""
        committed: list[tuple[float, int]] = []
        for chain_id, layer in zip(chain_ids(image.layers), image.layers, strict=True):
            said = self.lab.containerd.ctr("snapshots", "--snapshotter", "soci", "info", chain_id)
            created = datetime.fromisoformat(json.loads(said)["Created"][:26].rstrip("Z") + "+00:00")
            committed.append((created.timestamp(), layer.size))

        def truth(at: float) -> float:
            return 100 * sum(size for when, size in committed if when <= at) / image.layer_bytes

        return truth


class SociParallelOnContainerd24(SociParallel):
    binaries = tools.CONTAINERD_24


class Erofs(RuntimeCase):
    """Layers are fetched as ever and made into file systems."""

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("erofs", differ="erofs", programs=EROFS)

    def test_layers_are_fetched(self) -> None:
        image = self.push_large("erofs/plain")
        pulled = self.pull_and_count(image)
        self.assertEqual(pulled.sources, ["fetched"] * 3)
        self.check_percent(image, pulled)


class ErofsOnContainerd24(Erofs):
    binaries = tools.CONTAINERD_24


class ErofsCache(RuntimeCase):
    """The layers' content is in a cache on the node: they are prepared and committed, and not fetched."""

    binaries = tools.CONTAINERD_24

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
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
        pulled = self.pull_and_count(self.lab.images.push("erofs/some", "1.0", specs))
        self.assertEqual(pulled.sources, ["snapshotter_cache"] * 2 + ["fetched"])
        pulled = self.pull_and_count(self.lab.images.push("erofs/all", "1.0", specs[:2]))
        self.assertEqual(pulled.row["bytesFetched"], 0)
