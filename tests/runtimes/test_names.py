# SPDX-License-Identifier: Apache-2.0
"""Whom bytes are said to come from: mirrors, and two registries on one host."""

from __future__ import annotations

from lab import tools
from lab.images import Image
from tests.integration.case import MB
from tests.integration.clients import Ctr, RunningPull
from tests.runtimes.case import Pulled, RuntimeCase
from tests.runtimes.meter import Meter

MIRRORED = "mirrored.example"
HOSTS = """\
server = "http://127.0.0.1:9"
[host."http://127.0.0.1:{port}"]
  capabilities = ["pull", "resolve"]
"""
BYTES = 'pulltrace_registry_bytes_total{{registry="{}"}}'


class Mirror(RuntimeCase):
    """containerd says nowhere which host has served, so an image is of the registry that its name has."""

    bytes_per_second = 10 * MB

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.host = MIRRORED
        folder = cls.lab.containerd.hosts / MIRRORED
        folder.mkdir()
        (folder / "hosts.toml").write_text(HOSTS.format(port=cls.meter.port))

    def test_the_registry_is_the_names(self) -> None:
        image = self.push("mirror/app", 4 * MB, MB)
        pulled = self.pull_and_count(image)
        self.assertEqual(pulled.row["registry"], MIRRORED)
        self.assertEqual(pulled.row["imageRef"], image.reference(MIRRORED))
        self.assertGreater(pulled.sent, image.layer_bytes - 1, "by the mirror, the registry is not there")
        counted = self.metric(self.server, BYTES.format(MIRRORED))
        self.assertAlmostEqual(counted, image.layer_bytes, delta=1000)


class MirrorOnContainerd24(Mirror):
    binaries = tools.CONTAINERD_24


class MirrorOnContainerd1(Mirror):
    binaries = tools.CONTAINERD_DEBIAN


class TwoPorts(RuntimeCase):
    """Two registries on one host are two, by the kubelet and by ctr, though content's labels lack the port."""

    bytes_per_second = 10 * MB

    def test_each_has_its_own_bytes(self) -> None:
        other = Meter(self.lab.registry.port, self.bytes_per_second)
        self.addCleanup(other.close)
        images = {}
        for number, meter in enumerate((self.meter, other)):
            self.host = f"127.0.0.1:{meter.port}"
            self.lab.containerd.serve_registry(self.host, meter.port)
            images[self.host] = [
                self.pull_from(self.push(f"ports/{kind}-{number}", (number + 2) * MB), meter, kind)
                for kind in ("kubelet", "ctr")
            ]
        for host, pulls in images.items():
            for pulled in pulls:
                self.assertEqual(pulled.row["registry"], host)
            counted = self.metric(self.server, BYTES.format(host))
            self.assertAlmostEqual(counted, sum(pulled.sent for pulled in pulls), delta=5000)

    def pull_from(self, image: Image, meter: Meter, kind: str) -> Pulled:
        # What is sent is counted where it is sent.
        self.meter = meter
        return self.pull_and_count(image, self.start if kind == "kubelet" else self.start_by_ctr)

    def start_by_ctr(self, image: Image) -> RunningPull:
        return Ctr(self.lab.containerd).start(image.reference(self.host))


class TwoPortsOnContainerd1(TwoPorts):
    binaries = tools.CONTAINERD_DEBIAN
