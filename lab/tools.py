# SPDX-License-Identifier: Apache-2.0
"""Where the private copies of containerd, docker-registry and nginx are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
TOOLS = REPOSITORY / ".tools"
DEBIAN = TOOLS / "debian"

REGISTRY = DEBIAN / "usr/bin/docker-registry"
NGINX = DEBIAN / "usr/sbin/nginx"


@dataclass(frozen=True)
class ContainerdBinaries:
    """One generation of containerd, with its own ctr."""

    name: str
    containerd: Path
    ctr: Path


CONTAINERD_DEBIAN = ContainerdBinaries(
    "debian", DEBIAN / "usr/bin/containerd", DEBIAN / "usr/bin/ctr"
)
CONTAINERD_2 = ContainerdBinaries(
    "containerd2", TOOLS / "containerd2/current/containerd", TOOLS / "containerd2/current/ctr"
)


class ToolMissing(Exception):
    """A private copy is not there; the message says how to get it."""


def require_tools() -> None:
    for program in (CONTAINERD_DEBIAN.containerd, CONTAINERD_DEBIAN.ctr, REGISTRY, NGINX):
        if not program.exists():
            raise ToolMissing(f"{program} is missing: run scripts/fetch-tools")
