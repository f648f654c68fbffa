# SPDX-License-Identifier: Apache-2.0
"""The ground of the tests on real parts: what was shown is held against what the registry sent, and when."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from lab import tools
from lab.images import OCI_MANIFEST, Image, descriptor
from lab.laboratory import Laboratory
from lab.layers import MEDIA_TYPES, Blob, LayerSpec, write_tar
from lab.pulltrace import Agent, Server
from lab.unpacking import Unpacking
from lab.waiting import wait_for
from tests.integration.case import MB, LabCase
from tests.integration.clients import RunningPull
from tests.integration.events import FINAL, Event, EventLog
from tests.runtimes.meter import Meter

PROGRAMS = tools.TOOLS / "snapshotters"
EROFS = PROGRAMS / "erofs"
BYTES_OFF = 1 << 20
PERCENT_OFF = 2.0
SAMPLE_S = 0.05
HOST = "registry.example"


@dataclass(frozen=True)
class Pulled:
    """One pull: its final row, its events, when its client ran, and what the registry has sent for it."""

    row: dict[str, Any]
    story: list[Event]
    began: float
    ended: float
    sent: int

    @property
    def sources(self) -> list[str]:
        return [layer["source"] for layer in self.row["layers"]]

    def percent_off(self, truth: Callable[[float], float]) -> float:
        """How far the shown percent was from the true one, on average over the pull's time."""
        samples = int((self.ended - self.began) / SAMPLE_S)
        off = 0.0
        for number in range(samples):
            at = self.began + number * SAMPLE_S
            shown = [event.pull["percent"] for event in self.story if event.received <= at]
            off += abs((shown[-1] if shown else 0) - truth(at))
        return off / max(1, samples)


class RuntimeCase(LabCase):
    """Agent and server for each class's test; pulls by CRI, as the kubelet does."""

    binaries = tools.CONTAINERD_2
    uses_cri = True
    bytes_per_second = 4 * MB
    host: ClassVar[str] = HOST
    agent_settings: ClassVar[Mapping[str, str]] = {}
    meter: ClassVar[Meter]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.lab.containerd.serve_registry(HOST, cls.meter.port)

    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking:
        cls.meter = Meter(lab.registry.port, cls.bytes_per_second)
        cls.addClassCleanup(cls.meter.close)
        return cls.unpacks_with(lab)

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        return Unpacking("overlayfs")

    def setUp(self) -> None:
        super().setUp()
        self.server: Server
        self.agent: Agent
        self.log: EventLog
        self.server, self.agent, self.log = self.start_all(**self.agent_settings)

    # --- pulls ---

    def start(self, image: Image) -> RunningPull:
        return self.client.start(image.reference(self.host))

    def push_large(self, repository: str) -> Image:
        """Large against the MiB by which containerd shows bytes: its percent can be right to two points."""
        return self.push(repository, 56 * MB, 5 * MB, 3 * MB)

    def rows(self, image: Image) -> list[dict[str, Any]]:
        """Newest first."""
        return [row for row in self.pulls(self.server) if image.repository in row["imageRef"]]

    def sent(self, repository: str) -> int:
        """Bytes of the repository's blobs, by whatever host has them."""
        return self.meter.bytes_sent(repository)

    def counted(self) -> float:
        return self.metric(self.server, "pulltrace_pull_bytes_total")

    def pull_and_count(
        self,
        image: Image,
        start: Callable[[Image], RunningPull] | None = None,
        timeout_s: float = 120,
    ) -> Pulled:
        """Pulls it; the bytes that are counted must be those that the registry sent."""
        sent_before = self.sent(image.repository)
        counted_before = self.counted()
        known = {row["id"] for row in self.pulls(self.server)}
        call = (start or self.start)(image)
        ended_at = call.finish(timeout_s)

        def ended() -> list[dict[str, Any]]:
            rows = [row for row in self.pulls(self.server) if row["id"] not in known]
            return [row for row in rows if row["phase"] in FINAL]

        row = wait_for(f"{image.repository} has ended", ended, 20)[0]
        sent = self.sent(image.repository) - sent_before
        story = self.log.of_pull(row["id"])
        pulled = Pulled(row, story, call.started, ended_at, sent)
        self.assertEqual(row["phase"], "completed", row)
        self.assertNotIn("queued", {layer["phase"] for layer in row["layers"]}, row)
        counted = self.counted() - counted_before
        self.check_count(image.repository, sent, row["bytesFetched"], counted)
        return pulled

    def check_count(self, what: str, sent: int, shown: int, counted: float) -> None:
        """Also leaves a line of the table that scripts/test-runtimes prints at the end."""
        self.note(what, "bytes", sent, shown)
        self.assertAlmostEqual(shown, sent, delta=BYTES_OFF, msg=f"bytesFetched of {what}")
        self.assertAlmostEqual(counted, sent, delta=BYTES_OFF, msg=f"counter, {what}")

    def check_percent(
        self, image: Image, pulled: Pulled, truth: Callable[[float], float] | None = None
    ) -> None:
        off = pulled.percent_off(truth or self.sent_percent(image, pulled))
        self.note(image.repository, "percent off", 0, f"{off:.2f}")
        self.assertLess(off, PERCENT_OFF, image.repository)

    def note(self, what: str, figure: str, true: object, shown: object) -> None:
        name = f"{type(self).__name__}\t{what}\t{figure}\t{true}\t{shown}"
        print(f"RESULT\t{name}", file=sys.stderr, flush=True)

    def sent_percent(self, image: Image, pulled: Pulled) -> Callable[[float], float]:
        """Of the layers' bytes: what was here before, and what the registry has sent by then."""
        digests = {layer.digest for layer in image.layers}
        all_sent = self.meter.all_sent(image.repository)
        parts = [s for s in all_sent if s.digest in digests and s.at >= pulled.began]
        here = image.layer_bytes - sum(part.size for part in parts)

        def truth(at: float) -> float:
            come = sum(part.size for part in parts if part.at <= at)
            return 100 * max(0, here + come) / image.layer_bytes

        return truth

    def look_while(
        self, image: Image, call: RunningPull, every_s: float = 0.5
    ) -> list[dict[str, Any]]:
        """Its rows, as they were at each look while its client was running."""
        looks = []
        while call.process.is_running():
            looks += self.rows(image)[:1]
            time.sleep(every_s)
        return looks

    # --- what no registry would take ---

    def serve(self, base: Image, layers: Sequence[Mapping[str, Any]]) -> Image:
        """The image with these descriptors instead of its layers' own, as tag 1.0."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(base.config),
            "layers": layers,
        }
        content = json.dumps(manifest).encode()
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        for name in ("1.0", digest):
            path = f"/v2/{base.repository}/manifests/{name}"
            self.meter.serve(path, content, OCI_MANIFEST)
        return replace(base, tag="1.0", root_digest=digest, manifest_digest=digest)

    # --- layers ---

    def estargz_layer(self, size: int, seed: str) -> Blob:
        """A layer whose files can be read one by one."""
        folder: Path = self.folder
        plain, made = folder / f"{seed}.tar", folder / f"{seed}.esgz"
        with plain.open("wb") as target:
            write_tar(target, LayerSpec(size, seed))
        said = answer_of(PROGRAMS / "mkestargz", plain, made)
        annotations = (
            ("containerd.io/snapshot/stargz/toc.digest", said["toc"]),
            ("io.containers.estargz.uncompressed-size", str(plain.stat().st_size)),
        )
        size = made.stat().st_size
        kind = MEDIA_TYPES["gzip", False]
        return Blob(kind, said["digest"], size, said["diff_id"], made, annotations)


class TwoHostsCase(RuntimeCase):
    """Another host, which is no registry of the images, has their blobs, too."""

    other: ClassVar[Meter]

    @classmethod
    def unpacks_with(cls, lab: Laboratory) -> Unpacking:
        cls.other = Meter(lab.registry.port, cls.bytes_per_second)
        cls.addClassCleanup(cls.other.close)
        return Unpacking("overlayfs")

    def sent(self, repository: str) -> int:
        return super().sent(repository) + self.other.bytes_sent(repository)


def answer_of(program: Path, *arguments: str | Path) -> dict[str, Any]:
    """What it printed, as JSON."""
    done = subprocess.run([program, *arguments], check=True, capture_output=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said
