# SPDX-License-Identifier: Apache-2.0
"""The ground of the tests on real snapshotters: what was counted is held against what the registry sent."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, ClassVar

from lab import tools
from lab.images import Image
from lab.layers import MEDIA_TYPES, Blob, LayerSpec, write_tar
from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.case import MB, LabCase
from tests.integration.events import FINAL, EventLog

PROGRAMS = tools.TOOLS / "snapshotters"
EROFS = PROGRAMS / "erofs"
BYTES_OFF = 1 << 20
HOST = "registry.example"


class RuntimeCase(LabCase):
    """Agent and server for each class's test; pulls by CRI, as the kubelet does."""

    binaries = tools.CONTAINERD_2
    uses_cri = True
    bytes_per_second = 4 * MB
    host: ClassVar[str] = HOST

    def setUp(self) -> None:
        super().setUp()
        self.server: Server
        self.log: EventLog
        self.server, _, self.log = self.start_all()

    def pull_and_count(self, image: Image, timeout_s: float = 120) -> dict[str, Any]:
        """Pulls it and returns its final row, whose bytes must be those that the registry sent."""
        sent_before = self.lab.throttle.bytes_sent(image.repository)
        counted_before = self.metric(self.server, "pulltrace_pull_bytes_total")
        known = {pull["id"] for pull in self.pulls(self.server)}
        self.client.start(image.reference(self.host)).finish(timeout_s)

        def ended() -> list[dict[str, Any]]:
            rows = [pull for pull in self.pulls(self.server) if pull["id"] not in known]
            return [pull for pull in rows if pull["phase"] in FINAL]

        row = wait_for(f"{image.repository} has ended", ended, 20)[0]
        sent = self.lab.throttle.bytes_sent(image.repository) - sent_before
        counted = self.metric(self.server, "pulltrace_pull_bytes_total") - counted_before
        print(f"  {image.repository}: sent {sent}, counted {counted:.0f} of {image.layer_bytes}")
        self.assertEqual(row["phase"], "completed", row)
        self.assertAlmostEqual(counted, sent, delta=BYTES_OFF, msg=str(row))
        self.assertAlmostEqual(row["bytesFetched"], sent, delta=BYTES_OFF, msg=str(row))
        self.assertNotIn("queued", {layer["phase"] for layer in row["layers"]}, row)
        return row

    def sources(self, row: dict[str, Any]) -> list[str]:
        return [layer["source"] for layer in row["layers"]]

    def estargz_layer(self, size: int, seed: str) -> Blob:
        """A layer whose files can be read one by one."""
        folder: Path = self.folder
        plain, made = folder / f"{seed}.tar", folder / f"{seed}.esgz"
        with plain.open("wb") as target:
            write_tar(target, LayerSpec(size, seed))
        command = [PROGRAMS / "mkestargz", plain, made]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        annotations = (
            ("containerd.io/snapshot/stargz/toc.digest", told["toc"]),
            ("io.containers.estargz.uncompressed-size", str(plain.stat().st_size)),
        )
        size = made.stat().st_size
        kind = MEDIA_TYPES["gzip", False]
        return Blob(kind, told["digest"], size, told["diff_id"], made, annotations)
