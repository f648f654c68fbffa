# SPDX-License-Identifier: Apache-2.0
"""Figures of the server with 5,000 waiting pods on 1,000 nodes; part of `make bench`.

Usage: tests.kubernetes.bench [PODS]      as many pods as said, of 600 bytes from 20,000 on
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from http.client import HTTPConnection
from multiprocessing.synchronize import Event
from pathlib import Path

from lab.pulltrace import Server
from lab.tools import REPOSITORY
from lab.waiting import wait_for
from tests.bench.usage import anonymous_kib, cpu_seconds
from tests.integration.http_json import get, is_in_step
from tests.integration.metrics import metric
from tests.kubernetes.cluster import pod, pull, stamp
from tests.kubernetes.fake_api import FakeApi

BINARIES = Path(os.environ.get("PULLTRACE_BIN_DIR") or REPOSITORY / "build").resolve()
NODES = 1000
PODS = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
POD_BYTES = 6000 if PODS < 20_000 else 0  # of padding: real pods are about so large
STEADY_S = 20
RELISTS = 5
LISTS = 'pulltrace_kubernetes_lists_total{resource="pods"}'


class Reports:
    """Reports of all nodes in turn, from a process of its own, and how long each took."""

    def __init__(self, port: int) -> None:
        self._results: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
        self._stop = multiprocessing.Event()
        arguments = (port, self._stop, self._results)
        self._process = multiprocessing.Process(target=report, args=arguments, daemon=True)
        self._process.start()

    def end(self) -> list[float]:
        self._stop.set()
        seconds = self._results.get(timeout=20)
        self._process.join(10)
        return sorted(seconds)


def report(port: int, stop: Event, results: multiprocessing.Queue[list[float]]) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    seconds: list[float] = []
    while not stop.is_set():
        number = len(seconds)
        node = number % NODES
        body = {
            "nodeName": f"n{node}",
            "timestamp": stamp(whole=False),
            "intervalMs": 1000,
            "pulls": [pull("p", f"a.io/image-{node % 50}", number // NODES % 1000)],
        }
        data = json.dumps(body).encode()
        started = time.perf_counter()
        connection.request("POST", "/api/v1/report", data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - started)
        assert answer.status == 200, answer.status
        time.sleep(0.002)
    results.put(seconds)


def memory_mb(pid: int) -> float:
    return anonymous_kib(pid) / 1024


def show(what: str, value: float, unit: str) -> None:
    print(f"  {what:<58} {value:9.2f} {unit}", flush=True)


def show_latencies(what: str, seconds: list[float]) -> None:
    for name, part in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        index = min(int(part * len(seconds)), len(seconds) - 1)
        show(f"{what}, {name} of {len(seconds)}", seconds[index] * 1000, "ms")


def measure(api: FakeApi, server: Server) -> None:
    pid = server.process.pid
    before = memory_mb(pid)
    started = cpu_seconds(pid)
    pods = [
        pod(f"pod-{i}", f"a.io/image-{(i % NODES + i // NODES * 7) % 50}:1", f"n{i % NODES}",
            padding=POD_BYTES)
        for i in range(PODS)
    ]  # fmt: skip
    api.put_all("pods", pods)
    wait_for("all pods are known", lambda: json.loads(
        get(server.port, "/api/v1/summary").body)["waitingPods"] == PODS, 300)  # fmt: skip
    time.sleep(5)  # until those that wait without an event are shown as queued
    show(f"CPU to take in {PODS} pods on {NODES} nodes", cpu_seconds(pid) - started, "s")
    show("memory for them", memory_mb(pid) - before, "MB")

    started, at = cpu_seconds(pid), time.monotonic()
    time.sleep(STEADY_S)
    share = (cpu_seconds(pid) - started) / (time.monotonic() - at) * 100
    show("CPU in steady state", share, "% of a core")

    reports = Reports(server.port)
    time.sleep(STEADY_S)
    show_latencies("a report", reports.end())

    reports = Reports(server.port)
    for _ in range(RELISTS):
        lists = metric(server.metrics_port, LISTS)
        api.expire_streams()
        wait_for("it lists again", lambda: metric(server.metrics_port, LISTS) > lists, 300)
        time.sleep(1)
    show_latencies(f"a report during {RELISTS} new lists", reports.end())
    show("memory in the end", memory_mb(pid), "MB")


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="pt-kube-bench-"))
    api = FakeApi()
    server = Server(BINARIES / "pulltrace-server", folder, None, {
        "PULLTRACE_KUBE_URL": api.url, "PULLTRACE_LOG_LEVEL": "warn"})  # fmt: skip
    try:
        wait_for("it is ready", lambda: is_in_step(server.port), 15)
        measure(api, server)
        server.process.require_running()
    finally:
        server.stop()
        api.close()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
