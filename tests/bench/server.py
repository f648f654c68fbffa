# SPDX-License-Identifier: Apache-2.0
"""What the server costs and how late it is under load: python3 -m tests.bench.server [PART...]

Plays agents and readers with build/tests/bench/loadgen against build/pulltrace-server, both on this
machine, and prints one table a part. Parts: cost, growth, bursts, cluster, cluster-10s (whose agents
do not follow the server that asks for longer heartbeats), streams, latency, memory (without: all).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from lab.pulltrace import Server
from lab.tools import REPOSITORY

SERVER = REPOSITORY / "build/pulltrace-server"
LOADGEN = REPOSITORY / "build/tests/bench/loadgen"
RESERVED_FILES = 300
COST_RUNS = 5

Figures = dict[str, Any]


def resident_kb(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


@contextmanager
def fresh_server(**environment: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(
            SERVER, Path(folder), None, {"PULLTRACE_LOG_LEVEL": "error"} | environment
        )
        try:
            yield server
        finally:
            server.stop()


def load(server: Server, **options: Any) -> subprocess.Popen[str]:
    command: list[Any] = [LOADGEN, "--port", server.port, "--pid", server.process.pid]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}"] + ([] if value is True else [value])
    return subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)


def figures_of(loadgen: subprocess.Popen[str]) -> Figures:
    output = loadgen.communicate(timeout=180)[0]
    if loadgen.returncode != 0:
        sys.exit(f"bench: loadgen ended with {loadgen.returncode}: {loadgen.args!r}")
    figures: Figures = json.loads(output)
    return figures


def run(**options: Any) -> Figures:
    """One run against a fresh server; adds what it held in memory before."""
    with fresh_server() as server:
        idle_kb = resident_kb(server)
        return figures_of(load(server, **options)) | {"idleKB": idle_kb}


def file_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1] - RESERVED_FILES


def table(title: str, columns: dict[str, Callable[[Figures], object]], rows: list[Figures]) -> None:
    print(f"\n{title}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(str(column(row)) for column in columns.values()) + " |", flush=True)


def ms(name: str) -> Callable[[Figures], str]:
    return lambda figures: f"{figures[name]:.1f} ms"


def plain(name: str) -> Callable[[Figures], object]:
    return lambda figures: figures[name]


LOAD: dict[str, Callable[[Figures], object]] = {
    "nodes": plain("nodes"),
    "CPU a report": lambda f: f"{f['cpuMicrosPerReport']:.0f} µs",
    "of a core": lambda f: f"{f['cpuPercent']:.1f} %",
    "POST p50": ms("postMsP50"),
    "POST p99": ms("postMsP99"),
    "errors": plain("errors"),
}


@contextmanager
def awake_cores() -> Iterator[None]:
    """Keeps all cores from sleeping by work that gives way to any other.

    A core that has slept between two turns of a server's loop does the same work a third slower.
    """
    spin = (
        "import os\n"
        "os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\n"
        f"while os.getppid() == {os.getpid()}:\n"
        "    for _ in range(1000000): pass\n"
    )
    spinners = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def cost() -> None:
    """One run says little: the cost swings from run to run."""
    awake, asleep = awake_cores, nullcontext
    rows = []
    for reports, cores, options in (
        ("v1 fields only (3.6 KB), no streams, cores awake", awake, {"v1": True}),
        ("our agent's (5.3 KB), no streams, cores awake", awake, {}),
        ("our agent's (5.3 KB), no streams", asleep, {}),
        ("our agent's (5.3 KB), 20 full streams", asleep, {"streams": 20}),
    ):
        with cores():
            runs = [run(nodes=1000, seconds=8, **options) for _ in range(COST_RUNS)]
        runs.sort(key=lambda figures: float(figures["cpuMicrosPerReport"]))
        costs = [figures["cpuMicrosPerReport"] for figures in runs]
        spread = {"reports": reports, "least": costs[0], "most": costs[-1]}
        rows.append(runs[COST_RUNS // 2] | spread)
    columns = {
        "reports": plain("reports"),
        "CPU a report, median": LOAD["CPU a report"],
        "least to most": lambda f: f"{f['least']:.0f}–{f['most']:.0f} µs",
    } | {name: LOAD[name] for name in ("of a core", "POST p50", "POST p99", "errors")}
    table(f"1,000 nodes × 2 pulls × 8 layers at 1 Hz, {COST_RUNS} runs each", columns, rows)


def growth() -> None:
    rows = []
    for nodes in (1000, 2000, 5000, 10000, 20000):
        rows.append(
            run(nodes=nodes, seconds=10, warm_up=4, connections=min(nodes, 10000, file_limit()))
        )
    memory: dict[str, Callable[[Figures], object]] = {
        "memory": lambda f: f"{f['residentKB'] / 1024:.0f} MB"
    }
    table("As many nodes, no streams", LOAD | memory, rows)


def bursts() -> None:
    rows = [run(nodes=nodes, interval=250, warm_up=4) for nodes in (2500, 10000)]
    table("Four reports a second from each, as while fast pulls go on everywhere", LOAD, rows)


def cluster(**idle_options: Any) -> None:
    """All of a very large cluster: 5 % of its nodes pull, the others say that they are there."""
    idle_options = idle_options or {"heartbeats": True}
    nodes, pulling = 130_000, 6_500
    spans = {"warm_up": 36, "seconds": 10, "settle": 0}
    connections = min(5000, file_limit() // 2)
    with fresh_server(PULLTRACE_MAX_NODES="150000") as server:
        idle = load(
            server,
            first=pulling,
            nodes=nodes - pulling,
            pulls=0,
            **idle_options,
            connections=connections,
            **spans,
        )
        busy = figures_of(load(server, nodes=pulling, connections=connections, **spans))
        reports = busy["reports"] + figures_of(idle)["reports"]
    columns: dict[str, Callable[[Figures], object]] = {
        "nodes": lambda _: nodes,
        "that pull": lambda _: pulling,
        "reports a second": lambda _: reports // spans["seconds"],
        "of a core": LOAD["of a core"],
        "POST p50": ms("postMsP50"),
        "POST p99": ms("postMsP99"),
        "errors": plain("errors"),
        "memory": lambda f: f"{f['residentKB'] / 1024:.0f} MB",
    }
    table("The largest known cluster", columns, [busy])


def streams() -> None:
    rows = [
        run(
            nodes=50,
            streams=min(10000, file_limit()),
            query="layers=0",
            warm_up=8,
            seconds=15,
            settle=15,
        ),
        run(nodes=200, streams=2000, warm_up=5, seconds=15, settle=15),
    ]
    columns = {
        "streams": plain("streams"),
        "layers": lambda f: "no" if f["nodes"] == 50 else "yes",
        "nodes": plain("nodes"),
        "of a core": LOAD["of a core"],
        "sent": lambda f: f"{f['streamMBPerSec']:.0f} MB/s",
        "POST p99": ms("postMsP99"),
        "dropped": plain("droppedStreams"),
        "without every final state": plain("streamsMissingCompletions"),
        "memory": lambda f: f"{f['residentKB'] / 1024:.0f} MB",
    }
    table("Many streams", columns, rows)


def latency() -> None:
    columns = {
        "streams": plain("streams"),
        "nodes": plain("nodes"),
        "event p50": ms("eventMsP50"),
        "event p99": ms("eventMsP99"),
        "CPU a report": LOAD["CPU a report"],
        "of a core": LOAD["of a core"],
    }
    rows = [run(nodes=1000, streams=readers, seconds=15, warm_up=4) for readers in (20, 100)]
    table("From report to reader", columns, rows)


def memory() -> None:
    figures = run(nodes=2000, pulls=10, seconds=10, pull_seconds=3600)
    pulls = figures["nodes"] * figures["pulls"]
    grown = figures["residentKB"] - figures["idleKB"]
    print(
        f"\nMemory: {figures['idleKB'] / 1024:.1f} MB idle; {pulls} pulls of 8 layers on "
        f"{figures['nodes']} connections: {grown / 1024:.0f} MB more, {grown / pulls:.1f} KB a pull",
        flush=True,
    )


PARTS = {
    "cost": cost,
    "growth": growth,
    "bursts": bursts,
    "cluster": cluster,
    "cluster-10s": lambda: cluster(interval=10_000),
    "streams": streams,
    "latency": latency,
    "memory": memory,
}


def main() -> None:
    wanted = sys.argv[1:] or list(PARTS)
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        sys.exit(f"bench: no part {unknown[0]}; there are: {', '.join(PARTS)}")
    for name in wanted:
        PARTS[name]()


if __name__ == "__main__":
    main()
