# SPDX-License-Identifier: Apache-2.0
"""What it costs: CPU a report of each server over all of its runs, and what Valkey takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from lab.pulltrace import Server
from lab.valkey import Valkey
from tests.bench.usage import cpu_seconds
from tests.integration.http_json import get
from tests.integration.metrics import value_of


@dataclass
class Mark:
    """What a process has used and done so far."""

    pid: int
    cpu_s: float
    taken: float
    applied: float


class ServerMeter:
    """What lies between two looks counts when it is of one process, so that kills leave out a little."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._last: Mark | None = None
        self.cpu_s = self.taken = self.applied = self.wall_s = 0.0
        self._looked_at = time.monotonic()

    def look(self) -> None:
        now, mark = time.monotonic(), None
        with contextlib.suppress(OSError, AssertionError, IndexError):
            mark = self._mark()
        last = self._last
        if mark and last and mark.pid == last.pid:
            self.cpu_s += mark.cpu_s - last.cpu_s
            self.taken += mark.taken - last.taken
            self.applied += mark.applied - last.applied
            self.wall_s += now - self._looked_at
        self._last, self._looked_at = mark, now

    def _mark(self) -> Mark:
        pid = self.server.process.pid
        text = get(self.server.metrics_port, "/metrics").text()
        taken = value_of(text, "pulltrace_agent_reports_total")
        applied = 0.0
        with contextlib.suppress(AssertionError):  # of one server alone there is none
            applied = value_of(text, "pulltrace_share_entries_applied_total")
        return Mark(pid, cpu_seconds(pid), taken, applied)

    def us_a_report(self) -> float:
        """Of those that it took and those that it applied."""
        return 1e6 * self.cpu_s / max(1, self.taken + self.applied)

    def words(self) -> str:
        if not self.taken + self.applied or not self.wall_s:
            return "nothing measured"
        return (
            f"{self.us_a_report():.0f} µs of CPU a report ({self.taken:.0f} taken here, "
            f"{self.applied:.0f} by others), {100 * self.cpu_s / self.wall_s:.1f} % of a core"
        )


class ValkeyMeter:
    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._pid = 0
        self._cpu = self._in = self._out = 0.0
        self.cpu_s = self.wall_s = self.bytes_in = self.bytes_out = 0.0
        self.peak_bytes = 0
        self._looked_at = time.monotonic()

    def look(self) -> None:
        now = time.monotonic()
        try:
            info = self._valkey.info()
            pid, cpu = self._valkey.process.pid, cpu_seconds(self._valkey.process.pid)
            taken, sent = int(info["total_net_input_bytes"]), int(info["total_net_output_bytes"])
        except (OSError, KeyError):
            self._pid = 0
            return
        if pid == self._pid:
            self.cpu_s += cpu - self._cpu
            self.bytes_in += taken - self._in
            self.bytes_out += sent - self._out
            self.wall_s += now - self._looked_at
        self.peak_bytes = max(self.peak_bytes, int(info["used_memory_peak"]))
        self._pid, self._cpu, self._in, self._out, self._looked_at = pid, cpu, taken, sent, now

    def lines(self) -> Iterator[str]:
        if self.wall_s:
            yield f"Valkey: {self.cells()} (CPU, memory at most, in, out)"

    def cells(self) -> str:
        return (
            f"{100 * self.cpu_s / self.wall_s:.1f} % of a core, {self.peak_bytes / 2**20:.0f} MiB, "
            f"{self.bytes_in / self.wall_s / 1e6:.1f} MB/s, {self.bytes_out / self.wall_s / 1e6:.1f} MB/s"
        )
