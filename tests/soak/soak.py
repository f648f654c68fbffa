# SPDX-License-Identifier: Apache-2.0
"""Mixed load on the released programs for SOAK_MINUTES (60), by scripts/soak. Prints what each series did.

From half an hour on, no series may grow by 2 % an hour beyond doubt (tests/soak/flat.py). A shorter run
is too short for that: there the last minute is held against the first one, within bounds that catch what runs away.
The last line is `N passed, N failed`, of the series.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lab.containerd import PullFailed
from lab.laboratory import Laboratory
from lab.layers import LayerSpec
from lab.processes import Process
from lab.pulltrace import Agent, Server
from lab.waiting import wait_for
from tests.bench.usage import anonymous_kib, cpu_seconds
from tests.faults.readers import Reader
from tests.integration.clients import Ctr, CtrPull
from tests.integration.http_json import get
from tests.integration.metrics import metric
from tests.kubernetes.fake_api import FakeApi
from tests.kubernetes.kubelet import Pods
from tests.soak.flat import by_minute, slope_of

BINARIES = Path(os.environ["PULLTRACE_BIN_DIR"]).resolve()
SLOPES_FROM_MIN = 30  # a slope of fewer minutes says nothing
WARM_UP_MIN = 2  # what is kept for a minute has been let go, and caches are full
GROWTH = 0.02  # an hour
SAMPLE_S = 5
LOADED_NODES, FLAPPING_NODES, STREAMS, READERS = 200, 50, 10, 6
IMAGES = 6
BYTES_PER_SECOND = 2_000_000
SERVER = {"PULLTRACE_HISTORY_TTL": "60s", "PULLTRACE_STALE_TIMEOUT": "30s"}


@dataclass
class Series:
    """A figure over time; `bound` is what the last minute of a short run may have more than the first."""

    name: str
    unit: str
    bound: float
    points: list[tuple[float, float]] = field(default_factory=list)

    def minutes(self) -> list[tuple[float, float]]:
        return [point for point in by_minute(self.points) if point[0] >= WARM_UP_MIN]

    def verdict(self, minutes: int) -> tuple[bool, str]:
        """Whether it is flat, and in words what it did."""
        points = self.minutes()
        first, last = points[0][1], points[-1][1]
        words = f"{self.name}: {first:.4g} to {last:.4g} {self.unit}"
        if minutes < SLOPES_FROM_MIN:
            return last - first <= self.bound, f"{words}, at most {self.bound:g} more"
        slope = slope_of([(at / 60, value) for at, value in points])
        parts = [f"{100 * share:+.2f}" for share in (slope.estimate, slope.lowest, slope.highest)]
        return (
            not slope.grows_by_more_than(GROWTH),
            f"{words}, {parts[0]} % an hour ({parts[1]} to {parts[2]})",
        )


class Repeated:
    """Something that is due again and again."""

    def __init__(self, every_s: Callable[[], float], action: Callable[[], object]) -> None:
        self._every_s = every_s
        self._action = action
        self._due = time.monotonic()

    def run_when_due(self) -> None:
        if time.monotonic() >= self._due:
            self._action()
            self._due = time.monotonic() + self._every_s()


class Soak:
    def __init__(self, minutes: int) -> None:
        self._minutes = minutes
        self._random = random.Random(1)
        self._pulls: list[tuple[CtrPull, int]] = []
        self._next_image = 0
        self._stops = contextlib.ExitStack()
        self.series = {
            name: Series(name, unit, bound)
            for name, unit, bound in (
                ("server memory", "KiB", 8192),
                ("server descriptors", "", 30),
                ("server CPU a report", "µs", 200),
                ("event at its reader", "ms", 250),
                ("agent memory", "KiB", 1024),
                ("agent descriptors", "", 8),
                ("agent CPU", "ms a second", 20),
            )
        }

    def __enter__(self) -> Soak:
        with self._stops:
            self._start()
            self._stops = self._stops.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stops.close()

    def _start(self) -> None:
        self.lab = self._stops.enter_context(Laboratory(BYTES_PER_SECOND))
        self.api = FakeApi()
        self._stops.callback(self.api.close)
        self.client = Ctr(self.lab.containerd)
        self.images = [
            self.lab.images.push(
                f"soak/app-{number}", "1.0", [LayerSpec(800_000, f"{number} {i}") for i in range(3)]
            )
            for number in range(IMAGES)
        ]
        folder = self.lab.path
        settings = SERVER | {"PULLTRACE_KUBE_URL": self.api.url}
        self.server = Server(BINARIES / "pulltrace-server", folder, settings=settings)
        self._stops.callback(lambda: self.server.stop())
        socket = self.lab.containerd.socket
        agent = BINARIES / "pulltrace-agent"
        self.agent = Agent(agent, folder, socket, self.server.url, name="steady")
        self._stops.callback(lambda: self.agent.stop())
        self.flapping = Agent(agent, folder, socket, self.server.url, name="flapping")
        self._stops.callback(lambda: self.flapping.stop())
        for number in range(READERS):
            pause = random.Random(number) if number else None
            self._stops.callback(Reader(self.server.port, pause, keeps=False).close)
        self.load = self._start_load(0, LOADED_NODES, STREAMS, 60)
        self.gust = self._start_load(LOADED_NODES, FLAPPING_NODES, 2, 20)
        wait_for("the agent reports", lambda: self._reports() > 0, 30)

    def _start_load(self, first: int, nodes: int, streams: int, seconds: int) -> Process:
        name = f"load-{first}"
        argv = [BINARIES / "tests/bench/loadgen", "--port", self.server.port, "--first", first]
        argv += ["--pid", self.server.process.pid, "--nodes", nodes, "--streams", streams]
        argv += ["--seconds", seconds]
        process = Process(name, [str(part) for part in argv], self.lab.path)
        self._stops.callback(process.kill)
        return process

    # --- load ---

    def run(self) -> None:
        began = time.monotonic()
        repeated = [
            Repeated(lambda: 1, self._keep_load_up),
            Repeated(lambda: 4, self._pull_something),
            Repeated(lambda: self._random.uniform(10, 40), self._flap),
            Repeated(lambda: self._random.uniform(5, 30), self._end_gust),
            Repeated(lambda: 45, self._restart_api),
            Repeated(lambda: SAMPLE_S, lambda: self._sample(time.monotonic() - began)),
        ]
        while time.monotonic() - began < self._minutes * 60:
            for each in repeated:
                each.run_when_due()
            time.sleep(0.1)

    def _keep_load_up(self) -> None:
        if not self.load.is_running():
            self._take_latency(self.load)
            self.load = self._start_load(0, LOADED_NODES, STREAMS, 60)
        if not self.gust.is_running():
            self.gust = self._start_load(LOADED_NODES, FLAPPING_NODES, 2, 20)

    def _take_latency(self, load: Process) -> None:
        if load.exit_status() != 0:
            raise AssertionError(f"the load ended with {load.exit_status()}\n{load.log_tail()}")
        figures = json.loads(load.stdout_text())
        load.discard_output()
        at = self.series["server memory"].points[-1][0]
        self.series["event at its reader"].points.append((at, figures["eventMsP50"]))

    def _end_gust(self) -> None:
        """Its agents are gone without a word, its readers too."""
        self.gust.kill()

    def _pull_something(self) -> None:
        for pull, number in [each for each in self._pulls if not each[0].process.is_running()]:
            self._pulls.remove((pull, number))
            with contextlib.suppress(PullFailed):
                self.lab.containerd.remove_image(self.lab.reference(self.images[number]))
            pull.process.discard_output()
            self._pods(number).run()
            self.api.delete("pods", "soak", f"app-{number}-0")
        number = self._next_image
        if number not in [running for _, running in self._pulls]:
            self._next_image = (number + 1) % IMAGES
            self._pods(number).wait()
            reference = self.lab.reference(self.images[number])
            self._pulls.append((self.client.start(reference), number))

    def _pods(self, number: int) -> Pods:
        return Pods(self.api, "steady", self.lab.reference(self.images[number]), 1)

    def _flap(self) -> None:
        if self._random.random() < 0.5:
            self.flapping.process.kill()
        else:
            self.flapping.stop()
        self.flapping.start()

    def _restart_api(self) -> None:
        self.api.compact()
        self.api.stop()
        time.sleep(1)
        self.api.start()

    # --- figures ---

    def _reports(self) -> float:
        return metric(self.server.metrics_port, "pulltrace_agent_reports_total")

    def _sample(self, at: float) -> None:
        now = time.monotonic()
        figures = {"at": now, "reports": self._reports()}
        for name, program in (("server", self.server), ("agent", self.agent)):
            pid = program.process.pid
            program.process.require_running()
            figures[f"{name} CPU"] = cpu_seconds(pid)
            count = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            self.series[f"{name} descriptors"].points.append((at, count))
            self.series[f"{name} memory"].points.append((at, anonymous_kib(pid)))
        before = getattr(self, "_before", None)
        self._before = figures
        if before is None:
            return
        per_report = (figures["server CPU"] - before["server CPU"]) / max(
            1, figures["reports"] - before["reports"]
        )
        per_second = (figures["agent CPU"] - before["agent CPU"]) / (figures["at"] - before["at"])
        self.series["server CPU a report"].points.append((at, 1e6 * per_report))
        self.series["agent CPU"].points.append((at, 1e3 * per_second))

    def end_well(self) -> list[str]:
        """What is wrong with how the programs end."""
        wrong = []
        if get(self.server.port, "/readyz").status != 200:
            wrong.append("the server is not ready")
        for program in (self.agent, self.flapping, self.server):
            status = program.stop()
            if status not in (0, -signal.SIGKILL):
                wrong.append(f"{program.process.name} ended with {status}")
        return wrong


def main() -> int:
    minutes = int(os.environ.get("SOAK_MINUTES") or 60)
    if minutes < WARM_UP_MIN + 3:
        sys.exit(f"soak: SOAK_MINUTES is at least {WARM_UP_MIN + 3}")
    with Soak(minutes) as soak:
        soak.run()
        wrong = soak.end_well()
    failed = len(wrong)
    print("\n".join(wrong))
    for series in soak.series.values():
        is_flat, words = series.verdict(minutes)
        failed += not is_flat
        print(f"{'ok    ' if is_flat else 'FAILED'} {words}", flush=True)
    print(f"{len(soak.series) + len(wrong) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
