# SPDX-License-Identifier: Apache-2.0
"""Containerd's own events, as its client prints them: what was so, and when."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.containerd import NAMESPACE, Containerd
from lab.processes import Process
from lab.waiting import wait_for

# 2026-11-29 08:00:00.123456789 +0000 UTC k8s.io /snapshot/prepare {"key":…}
LINE = re.compile(
    r"^(?P<day>\S+) (?P<second>[\d:]+)(?P<fraction>\.\d+)? \+0000 UTC \S+ (?P<topic>/\S+) (?P<body>\{.*)$"
)


@dataclass(frozen=True)
class Happened:
    at: float  # as time.time()
    body: dict[str, Any]


class Witness:
    """Listens until stop()."""

    def __init__(self, containerd: Containerd, folder: Path) -> None:
        binary, socket = containerd.binaries.ctr, containerd.socket
        command = [binary, "-a", socket, "-n", NAMESPACE, "events"]
        self._process = Process("witness", command, folder)
        self._containerd = containerd
        wait_for("the witness listens", self._hears, 20, every_s=0.2)

    def _hears(self) -> bool:
        """A namespace's label is changed until the event of that arrives."""
        self._containerd.ctr("namespaces", "label", NAMESPACE, f"witness={time.time()}")
        return bool(self._process.stdout_text())

    def stop(self) -> None:
        self._process.stop()

    def all(self, topic: str, since: float) -> list[Happened]:
        found = []
        for line in self._process.stdout_text().splitlines():
            match = LINE.match(line)
            if match is None or match["topic"] != topic:
                continue
            whole = datetime.fromisoformat(f"{match['day']}T{match['second']}+00:00").timestamp()
            at = whole + float(match["fraction"] or 0)
            if at >= since:
                found.append(Happened(at, json.loads(match["body"])))
        return found

    def extractions(self, since: float) -> list[float]:
        """When the snapshots that layers are extracted into were prepared."""
        prepared = self.all("/snapshot/prepare", since)
        return [event.at for event in prepared if "extract-" in event.body["key"]]
