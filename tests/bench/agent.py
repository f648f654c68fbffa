# SPDX-License-Identifier: Apache-2.0
"""How true and how cheap the agent is: python3 -m tests.bench.agent [--scene S...] [--client C...]

Compares what the event stream says with containerd's files sampled at 10 Hz, and measures CPU and
memory of agent and server when idle and with 20 pulls of 40 layers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from lab.images import Image
from lab.laboratory import Laboratory
from lab.pulltrace import Agent, Server
from lab.tools import CONTAINERD_2, CONTAINERD_DEBIAN, REPOSITORY, ContainerdBinaries
from lab.waiting import wait_for
from tests.bench.truth import TruthSampler, deviations
from tests.bench.usage import CpuMeter, anonymous_kib
from tests.integration.case import MB, sizes
from tests.integration.clients import Cri, Ctr, PullClient, RunningPull
from tests.integration.events import EventLog, broken_rules
from tests.integration.metrics import metric

BINARIES = Path(os.environ.get("PULLTRACE_BIN_DIR") or REPOSITORY / "build").resolve()
IDLE_S = 30
BUSY_S = 15
EXTRACTED_WITHIN_S = 600  # containerd 2 takes minutes for 800 layers
KB = 1000


class Bench:
    def __init__(self, stack: ExitStack, binaries: ContainerdBinaries, cri: bool) -> None:
        rates = {"slow": 700 * KB, "short": 0, "many": 25 * KB}
        self.lab = stack.enter_context(Laboratory(MB, rates, binaries, cri))
        folder = self.lab.path / "pulltrace"
        folder.mkdir()
        self.server = Server(BINARIES / "pulltrace-server", folder)
        stack.callback(self.server.stop)
        self.agent = Agent(
            BINARIES / "pulltrace-agent",
            folder,
            self.lab.containerd.socket,
            self.server.url,
        )
        stack.callback(self.agent.stop)
        wait_for("the agent reports", self._reports, 15)
        self.log = EventLog(self.server.port)
        stack.callback(self.log.close)
        containerd = self.lab.containerd
        self.client: PullClient
        if cri:
            self.client = Cri(containerd)
        else:
            self.client = Ctr(containerd, "--max-concurrent-downloads", "3")

    def _reports(self) -> bool:
        return metric(self.server.metrics_port, "pulltrace_agent_reports_total") > 0

    def idle(self) -> None:
        time.sleep(2)
        meters = [CpuMeter(self.agent.process.pid), CpuMeter(self.server.process.pid)]
        time.sleep(IDLE_S)
        for name, process, meter in (
            ("agent", self.agent.process, meters[0]),
            ("server", self.server.process, meters[1]),
        ):
            print(
                f"  idle {name:<7} {meter.ms_per_s():7.3f} ms CPU/s"
                f"  {anonymous_kib(process.pid):6} KiB RssAnon"
            )

    def leases(self) -> None:
        """As idle, on a node with the leases of a thousand image volumes and a builder's cache."""
        containerd = self.lab.containerd
        ids = [f"{number:064x}" for number in range(1000)]
        ids += [f"cache{number:020d}" for number in range(1000)]
        command = [containerd.binaries.ctr, "-a", containerd.socket, "-n", "k8s.io"]
        create = [*command, "leases", "create", "--expires", "0", "--id", "{}"]
        subprocess.run(
            ["xargs", "-P", "2", "-I{}", *create],
            input="\n".join(ids),
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        time.sleep(45)  # until the last of them rests
        print(f"  {len(ids)} leases at rest:")
        self.idle()

    def truth(self) -> None:
        for image in (
            self._push("slow/three-layers", 14 * MB, 9 * MB, 20 * MB),
            self._push("slow/one-layer", 24 * MB),
            self._push("slow/twelve-layers", *(2500 * KB for _ in range(12))),
        ):
            sampler = TruthSampler(self.lab.containerd.content, image)
            pull = self.client.start(self.lab.reference(image))
            ended = pull.finish()
            sampler.stop()
            self.log.wait_for_end(image.repository)
            off = deviations(sampler.samples, self.log.of_image(image.repository))
            self._print(image, pull, ended)
            print(
                f"    off by {statistics.mean(off):.2f} points on average, at most {max(off):.2f}"
            )

    def short(self) -> None:
        image = self._push("short/pull", 120 * KB, 30 * KB)
        pull = self.client.start(self.lab.reference(image))
        ended = pull.finish()
        final = self.log.wait_for_end(image.repository)[-1]
        self._print(image, pull, ended)
        print(f"    {final.pull['phase']} as {final.pull['imageRef']}")

    def busy(self) -> None:
        images = [
            self._push(f"many/app-{number:02}", *(60 * KB + 100 * layer for layer in range(40)))
            for number in range(20)
        ]
        pulls = [self.client.start(self.lab.reference(image)) for image in images]
        wait_for(
            "20 rows", lambda: len({e.pull["id"] for e in self.log.of_image("many/")}) == 20, 30
        )
        meter = CpuMeter(self.agent.process.pid)
        peak = 0
        end = time.monotonic() + BUSY_S
        while time.monotonic() < end and all(pull.process.is_running() for pull in pulls):
            peak = max(peak, anonymous_kib(self.agent.process.pid))
            time.sleep(0.1)
        print(
            f"  20 pulls of 40 layers: agent {meter.ms_per_s():.2f} ms CPU/s, {peak} KiB RssAnon;"
            f" {sum(pull.process.is_running() for pull in pulls)} of 20 still ran at the end"
        )
        for pull in pulls:
            pull.finish(EXTRACTED_WITHIN_S)
        for image in images:
            final = self.log.wait_for_end(image.repository)[-1].pull
            if (final["phase"], final["totalBytes"]) != ("completed", image.layer_bytes):
                print(f"    WRONG: {image.repository} {final['phase']} {final['totalBytes']}")

    def finish(self) -> bool:
        wrong = broken_rules(self.log.all())
        for text in wrong:
            print(f"  WRONG: {text}")
        return not wrong

    def _push(self, repository: str, *layer_bytes: int) -> Image:
        return self.lab.images.push(repository, "1.0", sizes(repository, *layer_bytes))

    def _print(self, image: Image, pull: RunningPull, ended: float) -> None:
        story = self.log.of_image(image.repository)
        print(
            f"  {image.repository}: {ended - pull.started:.2f} s;"
            f" first sent {story[0].received - pull.started:+.2f} s after its start,"
            f" its end {story[-1].received - ended:+.2f} s after it"
        )


SCENES: dict[str, Callable[[Bench], None]] = {
    "idle": Bench.idle,
    "leases": Bench.leases,
    "truth": Bench.truth,
    "short": Bench.short,
    "busy": Bench.busy,
}
DEFAULT = [name for name in SCENES if name != "leases"]  # which takes three minutes
CLIENTS = {
    "ctr": (CONTAINERD_DEBIAN, False),
    "cri": (CONTAINERD_DEBIAN, True),
    "ctr2": (CONTAINERD_2, False),
    "cri2": (CONTAINERD_2, True),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scene", nargs="+", choices=SCENES, default=DEFAULT)
    parser.add_argument("--client", nargs="+", choices=CLIENTS, default=["ctr", "cri", "cri2"])
    wanted = parser.parse_args()
    well = True
    for name in wanted.client:
        binaries, cri = CLIENTS[name]
        if not binaries.containerd.exists():
            print(f"{binaries.name}: not here, left out")
            continue
        print(f"{binaries.name}, pulled by {'CRI' if cri else 'ctr'}", flush=True)
        with ExitStack() as stack:
            bench = Bench(stack, binaries, cri)
            for scene in wanted.scene:
                SCENES[scene](bench)
            well = bench.finish() and well
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
