# SPDX-License-Identifier: Apache-2.0
"""What several servers cost, without faults: scripts/test-replicas --bench [NODES...]

For each number of nodes (1000, 5000, 10000), at 1 Hz, one server and three on one Valkey: CPU a report, what
Valkey takes, how long reports wait, who takes most of the cores, and how soon a further server is ready; at the end
the rows of the table in docs/performance.md. Nodes speak to the servers without anything between, so that nothing
else of ours is measured.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from lab.pulltrace import Server
from lab.valkey import Valkey
from lab.waiting import Timeout, wait_for
from lab.workspace import Workspace
from tests.bench.usage import CpuMeter, anonymous_kib
from tests.integration.http_json import is_ready
from tests.replicas.crowd import Crowd
from tests.replicas.figures import ServerMeter, ValkeyMeter
from tests.replicas.ground import BINARIES, CROWD

SEVERAL = 3
WARM_UP_S, MEASURED_S = 5, 10
READY_S = 60
HEAD = (
    "| nodes at 1 Hz | idle | CPU a report: one server | each of three | reports a second that came through three "
    "| they wait: p50, p99 | Valkey: CPU, memory, in, out | a further server is ready after |"
)


@dataclass
class Found:
    cpu_us: list[float] = field(default_factory=list)  # a report, of each server
    per_s: float = 0  # reports
    waits: str = ""
    valkey: str = ""
    further: str = ""
    idle: str = ""


def measure(count: int, nodes: int) -> Found:
    found = Found()
    with Workspace() as workspace:
        folder = workspace.path
        valkey = Valkey(folder / "valkey") if count > 1 else None
        settings = {"PULLTRACE_LOG_LEVEL": "error"}
        if valkey:
            settings["PULLTRACE_SHARE_URL"] = valkey.url
        servers = [
            Server(BINARIES / "pulltrace-server", folder, settings=settings, name=f"server-{number}")
            for number in range(1, count + 1)
        ]
        wait_for("all are ready", lambda: all(is_ready(server.port) for server in servers), READY_S)
        crowd = Crowd(
            CROWD, [server.port for server in servers], [],
            nodes=nodes, pulls=2, layers=8, pull_seconds=20,
        )  # fmt: skip
        try:
            _measure(servers, valkey, crowd, nodes, found)
            if valkey:
                crowd.be_strict(False)
                found.further = _start_further(folder, settings)
            said = crowd.report()
            found.waits = f"{said['postMsP50']:.0f}, {said['postMsP99']:.0f} ms"
            print(f"  reports wait {found.waits} (p50, p99); {said['skippedInCalm']} were not sent", flush=True)
            if valkey:
                print(
                    f"  while it starts, and has gone: p99 {said['postMsP99OutOfCalm']:.0f} ms, "
                    f"{said['skipped'] - said['skippedInCalm']} were not sent", flush=True,
                )  # fmt: skip
        finally:
            crowd.stop()
            for server in servers:
                server.stop()
            if valkey:
                valkey.stop()
    return found


def _measure(servers: list[Server], valkey: Valkey | None, crowd: Crowd, nodes: int, found: Found) -> None:
    time.sleep(WARM_UP_S)
    meters = [ServerMeter(server) for server in servers]
    share = ValkeyMeter(valkey) if valkey else None
    load, idle_s = CpuMeter(crowd.pid), idle_seconds()
    for meter in (*meters, *([share] if share else [])):
        meter.look()
    time.sleep(MEASURED_S)
    for meter in (*meters, *([share] if share else [])):
        meter.look()
    cores = os.cpu_count() or 1
    found.idle = f"{100 * (idle_seconds() - idle_s) / MEASURED_S / cores:.0f} %"
    found.cpu_us = [meter.us_a_report() for meter in meters]
    found.per_s = sum(meter.taken / meter.wall_s for meter in meters)
    found.valkey = share.cells() if share else ""
    print(f"\n{len(servers)} server{'s' if share else ''}, {nodes} nodes at 1 Hz, 2 pulls of 8 layers each", flush=True)
    for server, meter in zip(servers, meters):
        memory = anonymous_kib(server.process.pid) / 1024
        print(f"  {server.process.name}: {meter.words()}, {memory:.0f} MiB of its own", flush=True)
    for line in share.lines() if share else []:
        print(f"  {line}", flush=True)
    print(f"  the crowd itself: {load.ms_per_s() / 10:.0f} % of a core; {found.idle} of the {cores} cores are idle", flush=True)


def idle_seconds() -> float:
    """Of all cores together (proc(5), /proc/stat)."""
    return int(Path("/proc/stat").read_text().split()[4]) / os.sysconf("SC_CLK_TCK")


def _start_further(folder: Path, settings: dict[str, str]) -> str:
    """How long it takes until it is ready."""
    began = time.monotonic()
    further = Server(BINARIES / "pulltrace-server", folder, settings=settings, name="further")
    try:
        wait_for("a further server is ready", lambda: is_ready(further.port), READY_S)
        took = f"{time.monotonic() - began:.1f} s"
    except Timeout as late:
        took = str(late)
    further.stop()
    print(f"  a further server is ready after {took}", flush=True)
    return took


def row(nodes: int, alone: Found, several: Found) -> str:
    least, most = min(several.cpu_us), max(several.cpu_us)
    each = f"{least:.0f} to {most:.0f} µs" if round(least) != round(most) else f"{most:.0f} µs"
    return (
        f"| {nodes:,} | {several.idle} | {alone.cpu_us[0]:.0f} µs | {each} | {several.per_s:,.0f} | {several.waits} "
        f"| {several.valkey} | {several.further} |"
    )


def main() -> None:
    rows = []
    for nodes in [int(text) for text in sys.argv[1:]] or [1000, 5000, 10000]:
        rows.append(row(nodes, measure(1, nodes), measure(SEVERAL, nodes)))
    print("", HEAD, "|---" * HEAD.count(" | ") + "|---|", *rows, sep="\n", flush=True)


if __name__ == "__main__":
    main()
