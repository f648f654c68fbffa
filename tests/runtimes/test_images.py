# SPDX-License-Identifier: Apache-2.0
"""Images of every shape: each byte is counted once, and each row says what the image has."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace

from lab import tools
from lab.containerd import PullFailed
from lab.images import OCI_CONFIG, OCI_MANIFEST, Image
from lab.layers import MEDIA_TYPES, Blob, LayerSpec
from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.case import MB, sizes
from tests.integration.clients import Ctr, RunningPull
from tests.integration.events import FINAL, EventLog
from tests.runtimes.case import HOST, Pulled, RuntimeCase

EMPTY_TAR = bytes(1024)
FOREIGN = "linux/s390x"


class Images(RuntimeCase):
    bytes_per_second = 10 * MB
    takes_sha512 = False

    def check(self, image: Image) -> Pulled:
        pulled = self.pull_and_count(image)
        self.assertEqual(pulled.row["totalBytes"], image.layer_bytes)
        shown = [layer["digest"] for layer in pulled.row["layers"]]
        self.assertEqual(shown, [layer.digest for layer in image.layers])
        self.assertEqual(pulled.row["imageRef"], image.reference(HOST))
        self.assertEqual(pulled.row["percent"], 100)
        return pulled

    def test_hundred_layers(self) -> None:
        """Of the first tiny layers that are extracted nobody takes the time for that of all."""
        pulled = self.check(self.push("shape/hundred", *[30_000 + number for number in range(100)]))
        for event in pulled.story:
            left_s = pulled.ended - event.received
            self.assertLess(event.pull.get("readyEtaSeconds", 0), 3 * max(left_s, 0) + 3)

    def test_an_empty_layer_among_others(self) -> None:
        base = self.push("shape/base", 2 * MB, MB)
        content = gzip.compress(EMPTY_TAR, mtime=0)
        path = self.folder / "empty.tar.gz"
        path.write_bytes(content)
        digest, diff_id = digest_of(content), digest_of(EMPTY_TAR)
        empty = Blob(MEDIA_TYPES["gzip", False], digest, len(content), diff_id, path)
        layers = [base.layers[0], empty, base.layers[1]]
        self.check(self.lab.images.push_layers("shape/empty", "1.0", layers))

    def test_a_gzip_of_several_members(self) -> None:
        base = self.push("shape/member", 2 * MB, MB)
        tar = gzip.decompress(base.layers[0].path.read_bytes())
        half = len(tar) // 2
        content = gzip.compress(tar[:half], mtime=0) + gzip.compress(tar[half:], mtime=0)
        path = self.folder / "members.tar.gz"
        path.write_bytes(content)
        members = replace(base.layers[0], digest=digest_of(content), size=len(content), path=path)
        self.check(self.lab.images.push_layers("shape/members", "1.0", [members, base.layers[1]]))

    def test_content_that_is_only_stored(self) -> None:
        """ctr content fetch: nothing is unpacked, and each byte is counted."""
        image = self.push("shape/stored", 3 * MB, MB)
        containerd = self.lab.containerd
        self.assertEqual(containerd.start_fetch(image.reference(HOST)).wait(60), 0)
        row = self.log.wait_for_end(image.repository)[-1].pull
        self.assertEqual(row["errorClass"], "not_unpacked")
        sent = self.meter.bytes_sent(image.repository)
        self.check_count(image.repository, sent, row["bytesFetched"], self.counted())

    def test_the_same_layer_twice(self) -> None:
        """It is shown once, and fetched once."""
        base = self.push("shape/once", 3 * MB, MB)
        image = self.lab.images.push_layers("shape/twice", "1.0", [*base.layers, base.layers[0]])
        pulled = self.pull_and_count(image)
        self.assertEqual(pulled.row["bytesFetched"], base.layer_bytes)
        self.assertEqual(pulled.row["percent"], 100)

    def test_layers_that_are_there(self) -> None:
        shared = sizes("shape/shared", 4 * MB, 3 * MB)
        first = self.lab.images.push("shape/first", "1.0", shared)
        second = self.lab.images.push("shape/second", "1.0", [*shared, *sizes("other", 2 * MB)])
        self.check(first)
        pulled = self.check(second)
        self.assertEqual(pulled.row["bytesFetched"], second.layers[-1].size)
        self.assertEqual(pulled.sources, ["local", "local", "fetched"])

    def test_layers_that_another_pull_fetches(self) -> None:
        """Both at once: the bytes count for one of them."""
        shared = sizes("shape/both", 20 * MB)
        images = [self.lab.images.push(f"shape/both-{name}", "1.0", shared) for name in "ab"]
        before = self.counted()
        for call in [self.start(image) for image in images]:
            call.finish()
        rows = [self.log.wait_for_end(image.repository)[-1].pull for image in images]
        sent = sum(self.meter.bytes_sent(image.repository) for image in images)
        shown = sum(row["bytesFetched"] for row in rows)
        self.check_count("shape/both", sent, shown, self.counted() - before)

    def test_compressions(self) -> None:
        for kind in ("zstd", "none"):
            with self.subTest(kind):
                name = f"shape/{kind}"
                specs = [LayerSpec(4 * MB, name, kind), LayerSpec(MB, f"{name} 1", kind)]
                self.check(self.lab.images.push(name, "1.0", specs))

    def test_dockers_types(self) -> None:
        for name, platforms in (("one", ()), ("list", ("linux/amd64", "linux/arm64"))):
            with self.subTest(name):
                repository = f"shape/docker-{name}"
                specs = sizes(repository, 3 * MB, MB)
                self.check(
                    self.lab.images.push(
                        repository, "1.0", specs, docker_types=True, platforms=platforms
                    )
                )

    def test_names_on_layers(self) -> None:
        """Containerd then has them in what it calls its downloads."""
        base = self.push("shape/plain", 6 * MB, 3 * MB)
        note = (("org.opencontainers.image.ref.name", "some-layer@v1"),)
        named = [replace(layer, annotations=note) for layer in base.layers]
        pulled = self.check(self.lab.images.push_layers("shape/named", "1.0", named))
        part = [event for event in pulled.story if 0 < event.pull["percent"] < 100]
        self.assertTrue(part)

    def test_sha512(self) -> None:
        base = self.push("shape/sha256", 3 * MB, MB)
        layers = []
        for layer in base.layers:
            content = layer.path.read_bytes()
            digest = digest_of(content, "sha512")
            self.meter.serve(f"/v2/shape/sha512/blobs/{digest}", content, layer.media_type)
            layers.append(replace(layer, digest=digest))
        config = base.config.path.read_bytes()
        config_digest = digest_of(config, "sha512")
        self.meter.serve(f"/v2/shape/sha512/blobs/{config_digest}", config, OCI_CONFIG)
        described = [
            {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}
            for layer in layers
        ]
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": {
                    "mediaType": OCI_CONFIG,
                    "digest": config_digest,
                    "size": len(config),
                },
                "layers": described,
            }
        ).encode()
        root = digest_of(manifest)
        for name in ("1.0", root):
            self.meter.serve(f"/v2/shape/sha512/manifests/{name}", manifest, OCI_MANIFEST)
        image = Image("shape/sha512", "1.0", root, root, base.config, tuple(layers))
        if self.takes_sha512:
            self.check(image)
            return
        with self.assertRaises(PullFailed):
            self.start(image).finish()
        wait_for("nothing goes on", lambda: not self.active(image), 20)
        shown = [(row["phase"], row["bytesFetched"]) for row in self.rows(image)]
        self.assertIn(shown, ([], [("failed", 0)]))

    def active(self, image: Image) -> list[str]:
        return [row["id"] for row in self.rows(image) if row["phase"] not in FINAL]


class ImagesOnContainerd24(Images):
    binaries = tools.CONTAINERD_24
    takes_sha512 = True


class ImagesOnContainerd1(Images):
    binaries = tools.CONTAINERD_DEBIAN


class AnotherPlatform(RuntimeCase):
    """Until a layer is seen its total is a guess, so the events are not held to one that never moves."""

    def listen(self, server: Server, query: str = "") -> EventLog:
        log = EventLog(server.port, query)
        self.addCleanup(log.close)
        return log

    def test_its_layers_count(self) -> None:
        specs = sizes("foreign/app", 3 * MB, MB)
        platforms = (FOREIGN, "linux/amd64")
        image = self.lab.images.push("foreign/app", "1.0", specs, platforms=platforms)

        def start(image: Image) -> RunningPull:
            client = Ctr(self.lab.containerd, "--platform", FOREIGN)
            return client.start(image.reference(HOST))

        self.pull_and_count(image, start)


class AnotherPlatformOnContainerd24(AnotherPlatform):
    binaries = tools.CONTAINERD_24


class AnotherPlatformOnContainerd1(AnotherPlatform):
    binaries = tools.CONTAINERD_DEBIAN


class OtherNamespace(RuntimeCase):
    """Containerd's namespaces share their content: what another one has pulled, nobody fetches."""

    def test_nothing_is_fetched(self) -> None:
        image = self.push("namespace/app", 5 * MB, 2 * MB)
        containerd = self.lab.containerd
        process = containerd.start_pull(image.reference(HOST), namespace="default")
        self.assertEqual(process.wait(60), 0)
        pulled = self.pull_and_count(image)
        self.assertEqual(pulled.row["bytesFetched"], 0)
        self.assertEqual(pulled.sources, ["namespace"] * 2)


class OtherNamespaceOnContainerd24(OtherNamespace):
    binaries = tools.CONTAINERD_24


class OtherNamespaceOnContainerd1(OtherNamespace):
    binaries = tools.CONTAINERD_DEBIAN


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
