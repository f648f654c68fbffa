# SPDX-License-Identifier: Apache-2.0
"""Where the private copies of containerd, docker-registry, nginx and others are."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TOOLS = REPOSITORY / ".tools"
DEBIAN = TOOLS / "debian"

SHIM = DEBIAN / "usr/bin/containerd-shim-runc-v2"
REGISTRY = DEBIAN / "usr/bin/docker-registry"
NGINX = DEBIAN / "usr/sbin/nginx"


@dataclass(frozen=True)
class ContainerdBinaries:
    """One generation of containerd, with its own ctr."""

    name: str
    containerd: Path
    ctr: Path

    def version(self) -> tuple[int, int]:
        """Major and minor, as the program says them."""
        command = [self.containerd, "--version"]
        words = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r" v?(\d+)\.(\d+)\.", words)
        if found is None:
            raise ValueError(f"{self.containerd} --version: {words}")
        return int(found[1]), int(found[2])


CONTAINERD_DEBIAN = ContainerdBinaries(
    "debian", DEBIAN / "usr/bin/containerd", DEBIAN / "usr/bin/ctr"
)
CONTAINERD_2 = ContainerdBinaries(
    "containerd2", TOOLS / "containerd2/current/containerd", TOOLS / "containerd2/current/ctr"
)
CONTAINERD_24 = ContainerdBinaries(
    "containerd24", TOOLS / "containerd24/current/containerd", TOOLS / "containerd24/current/ctr"
)
BLOCKING_SNAPSHOTTER = TOOLS / "snapshotters/blocking-proxy"


class ToolMissing(Exception):
    """A private copy is not there; the message says how to get it."""


def require_tools() -> None:
    for program in (CONTAINERD_DEBIAN.containerd, CONTAINERD_DEBIAN.ctr, REGISTRY, NGINX):
        if not program.exists():
            raise ToolMissing(f"{program} is missing: run scripts/fetch-tools")


def put_in_place(ready: Path, target: Path) -> None:
    """Copies the folder; the target is whole or not there, also when that is broken off."""
    new = target.with_name(f"{target.name}.new")
    for former in (new, target):
        shutil.rmtree(former, ignore_errors=True)
    shutil.copytree(ready, new, symlinks=True)
    new.rename(target)
