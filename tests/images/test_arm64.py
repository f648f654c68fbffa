# SPDX-License-Identifier: Apache-2.0
"""Both arm64 images on an emulated arm64 machine with Debian's kernel: the agent is confined and reports a real pull."""

from __future__ import annotations

import re
import unittest
from pathlib import Path

from lab.images import ImageMaker
from lab.layers import LayerSpec
from lab.registry import Registry
from lab.waiting import free_port, wait_for
from lab.workspace import Workspace
from tests.images import guest
from tests.images.test_images import Image
from tests.integration.http_json import get

BOOT_S = 600  # emulated, on a busy machine
PULL_S = 300
LAYERS = (3_000_000, 500_000)


class Arm64(unittest.TestCase):
    def setUp(self) -> None:
        workspace = Workspace()
        self.addCleanup(workspace.close)
        self.folder: Path = workspace.path

    def unpack(self, program: str) -> Path:
        root = self.folder / program
        root.mkdir()
        Image(program, "arm64").unpack(root)
        return root

    def test_the_agent_is_confined_and_reports_a_pull(self) -> None:
        registry = Registry(self.folder / "registry")
        self.addCleanup(registry.stop)
        images = ImageMaker(self.folder / "images", registry.port)
        layers = [LayerSpec(size, f"arm64 {number}") for number, size in enumerate(LAYERS)]
        image = images.push("arm64/app", "1.0", layers, platforms=["linux/arm64", "linux/amd64"])
        reference = image.reference(f"{guest.HOST_IN_GUEST}:{registry.port}")
        archive = guest.make_archive(
            self.unpack("pulltrace-agent"), self.unpack("pulltrace-server"), reference
        )
        port = free_port()
        machine = guest.start(self.folder, archive, port)
        self.addCleanup(machine.kill)

        def line(words: str) -> str | None:
            self.assertTrue(machine.is_running(), machine.stderr_text())
            found = re.search(rf"^guest: ({words})\s*$", machine.stdout_text(), re.M)
            return found[1] if found else None

        try:
            wait_for("it boots", lambda: line("aarch64 .*"), BOOT_S, every_s=1)
            wait_for("the agent is ready", lambda: line("ready: .*"), BOOT_S, every_s=1)
            wait_for("the pull has ended", lambda: line("pulled 0"), PULL_S, every_s=1)

            def pulls() -> list[dict[str, object]]:
                found: list[dict[str, object]] = get(port, "/api/v1/pulls").json()["pulls"]
                return [pull for pull in found if pull["phase"] == "completed"]

            wait_for("the pull is reported", pulls, 60, every_s=1)
        except Exception:
            print(machine.stdout_text()[-6000:])
            raise

        self.assertEqual(line("ready: .*"), "ready: containerd reached, server reached")
        status = dict(re.findall(r"^guest: (Cap\w+|NoNewPrivs|Seccomp):\s+(\w+)", machine.stdout_text(), re.M))
        nothing = "0" * 16
        self.assertEqual(
            status,
            {"CapPrm": nothing, "CapEff": nothing, "CapBnd": nothing, "NoNewPrivs": "1", "Seccomp": "2"},
        )
        pull = pulls()[0]
        wanted = {
            "nodeName": "arm64-node",
            "imageRef": reference,
            "platform": "linux/arm64",
            "totalBytes": image.layer_bytes,
            "downloadedBytes": image.layer_bytes,
            "layerCount": len(LAYERS),
        }
        self.assertEqual({name: pull[name] for name in wanted}, wanted)
