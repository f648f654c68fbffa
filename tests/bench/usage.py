# SPDX-License-Identifier: Apache-2.0
"""What a process has used, from /proc."""

from __future__ import annotations

import re
import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Time on a core of all its threads, in nanosecond steps."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def anonymous_kib(pid: int) -> int:
    """RssAnon: memory that is its own, without shared libraries and the binary."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.M)
    assert found is not None
    return int(found[1])


class CpuMeter:
    """CPU milliseconds per second of wall time since it was made."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._cpu = cpu_seconds(pid)
        self._wall = time.monotonic()

    def ms_per_s(self) -> float:
        return (cpu_seconds(self._pid) - self._cpu) * 1000 / (time.monotonic() - self._wall)
