# SPDX-License-Identifier: Apache-2.0
"""What several servers cost, without faults: python3 -m tests.replicas.bench [NODES...]

For each number of nodes (1000, 5000, 10000), at 1 Hz, one server and three on one Valkey: CPU a report, what
Valkey takes, how long reports wait, who takes most of the cores, and how soon a further server is ready. Nodes
speak to the servers without anything between, so that nothing else of ours is measured.
"""

from __future__ import annotations

import os
import sys
import time
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

COUNTS = (1, 3)
WARM_UP_S, MEASURED_S = 5, 10
READY_S = 60


def measure(count: int, nodes: int) -> None:
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
            _measure(servers, valkey, crowd, nodes)
            if valkey:
                further = _start_further(folder, settings)
                further.stop()
            found = crowd.report()
            waits = f"{found['postMsP50']} ms (p50), {found['postMsP99']} ms (p99)"
            print(f"  reports wait {waits}, all the time; {found['skipped']} were not sent meanwhile", flush=True)
        finally:
            crowd.stop()
            for server in servers:
                server.stop()
            if valkey:
                valkey.stop()


def _measure(servers: list[Server], valkey: Valkey | None, crowd: Crowd, nodes: int) -> None:
    time.sleep(WARM_UP_S)
    meters = [ServerMeter(server) for server in servers]
    share = ValkeyMeter(valkey) if valkey else None
    load = CpuMeter(crowd.pid)
    for meter in (*meters, *([share] if share else [])):
        meter.look()
    time.sleep(MEASURED_S)
    for meter in (*meters, *([share] if share else [])):
        meter.look()
    print(f"\n{len(servers)} server{'s' if share else ''}, {nodes} nodes at 1 Hz, 2 pulls of 8 layers each", flush=True)
    for server, meter in zip(servers, meters):
        memory = anonymous_kib(server.process.pid) / 1024
        print(f"  {server.process.name}: {meter.words()}, {memory:.0f} MiB of its own", flush=True)
    for line in share.lines() if share else []:
        print(f"  {line}", flush=True)
    print(f"  the crowd itself: {load.ms_per_s() / 10:.0f} % of a core of {os.cpu_count()}", flush=True)


def _start_further(folder: Path, settings: dict[str, str]) -> Server:
    began = time.monotonic()
    further = Server(BINARIES / "pulltrace-server", folder, settings=settings, name="further")
    try:
        wait_for("a further server is ready", lambda: is_ready(further.port), READY_S)
        print(f"  a further server is ready after {time.monotonic() - began:.1f} s", flush=True)
    except Timeout as late:
        print(f"  {late}", flush=True)
    return further


def main() -> None:
    for nodes in [int(text) for text in sys.argv[1:]] or [1000, 5000, 10000]:
        for count in COUNTS:
            measure(count, nodes)


if __name__ == "__main__":
    main()
