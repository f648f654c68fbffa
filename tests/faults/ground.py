# SPDX-License-Identifier: Apache-2.0
"""Where the rounds are fought: a laboratory whose parts talk over links that can be made to misbehave."""

from __future__ import annotations

import itertools
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from lab import tools
from lab.containerd import PullFailed
from lab.cri import CriClient
from lab.laboratory import HOST, Laboratory
from lab.layers import LayerSpec
from lab.processes import Process
from lab.pulltrace import Agent, Server
from lab.waiting import wait_for
from tests.faults.clock import ShiftedClock
from tests.faults.ledger import Attempt, Job, Span, Watch
from tests.faults.link import Link
from tests.faults.readers import Reader
from tests.faults.witness import Witness
from tests.integration.case import ADDRESS_SANITIZER, BINARIES, SERVER
from tests.kubernetes.fake_api import FakeApi
from tests.kubernetes.kubelet import Pods

# It gives up what stands still after 20 s instead of ten minutes.
AGENT = BINARIES / "pulltrace-agent-hasty"
NODE = "node-a"
BYTES_PER_SECOND = 1_000_000
DISK_BYTES = 600_000_000
SETTINGS = ADDRESS_SANITIZER | {
    "ASAN_OPTIONS": ADDRESS_SANITIZER["ASAN_OPTIONS"]
    + ":quarantine_size_mb=8:verify_asan_link_order=0"
}


class Ground:
    """Registry, containerd on a disk of its own, agent, server, an API server, readers, and links between all."""

    def __init__(self, binaries: tools.ContainerdBinaries, source: random.Random) -> None:
        self._stops: list[Callable[[], object]] = []
        self._numbers = itertools.count(1)
        self.jobs: list[Job] = []
        self.spans: list[Span] = []
        self.server_starts: list[float] = []
        self._pods: dict[str, Pods] = {}
        try:
            self._start(binaries, source)
        except BaseException:
            self.close()
            raise

    def _start(self, binaries: tools.ContainerdBinaries, source: random.Random) -> None:
        self.watch = self._keep(Watch())
        self.lab = self._keep(Laboratory(BYTES_PER_SECOND, binaries=binaries, cri=True))
        self.containerd = self.lab.containerd
        self._give_it_a_disk()
        self.cri = CriClient(self.containerd)
        self.api = self._keep(FakeApi())
        self.witness = Witness()
        self.clock = {name: ShiftedClock(self.lab.path, name) for name in ("agent", "server")}
        self.links: dict[str, Link] = {}
        self._link("registry", self.lab.throttle.port)
        self._link("api", self.api.port)
        self.containerd.serve_registry(HOST, self.links["registry"].port)
        self.server = Server(
            SERVER,
            self.lab.path,
            settings=SETTINGS
            | self.clock["server"].environment
            | {"PULLTRACE_KUBE_URL": f"http://127.0.0.1:{self.links['api'].port}"},
        )
        self._stops.append(lambda: self.server.stop())
        self.server_starts.append(time.monotonic())
        self._link("reports", self.server.port, tap=self.witness.tap)
        self._link("reader", self.server.port)
        relay = self.lab.path / "relay"
        relay.mkdir()
        socket = relay / "containerd.sock"
        self.links["containerd"] = self._keep(Link(socket, self.containerd.socket))
        self.agent = Agent(
            AGENT,
            self.lab.path,
            socket,
            f"http://127.0.0.1:{self.links['reports'].port}",
            SETTINGS | self.clock["agent"].environment | {"PULLTRACE_NODE_NAME": NODE},
        )
        self._stops.append(lambda: self.agent.stop())
        self.readers = {
            "in step": self._keep(Reader(self.server.port)),
            "comes and goes": self._keep(Reader(self.server.port, random.Random(source.random()))),
            "by the link": self._keep(Reader(self.links["reader"].port)),
        }
        wait_for("the agent reports", lambda: self.witness.reports > 0, 30)

    def _link(self, name: str, port: int, tap: object = None) -> None:
        self.links[name] = self._keep(Link(0, port, tap))  # type: ignore[arg-type]

    def _keep(self, part: object) -> object:  # the same, closed at the end
        self._stops.append(part.close)  # type: ignore[attr-defined]
        return part

    def _give_it_a_disk(self) -> None:
        """containerd's root becomes a file system of its own, which can be filled up."""
        self.containerd.stop()
        self.disk = self.containerd.folder / "root"
        subprocess.run(["rm", "-rf", self.disk], check=True)
        self.disk.mkdir()
        size = f"size={DISK_BYTES}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "faults", self.disk], check=True)
        self._stops.append(self._take_the_disk)
        self.containerd.start()

    def _take_the_disk(self) -> None:
        self.containerd.kill()
        subprocess.run(["umount", "--lazy", self.disk], check=False)

    def close(self) -> None:
        while self._stops:
            self._stops.pop()()

    # --- load ---

    def new_job(self, name: str, source: random.Random) -> Job:
        """An image of a few layers; one in five lacks one at the registry, so that its pull fails."""
        repository = f"fire/{name}-{next(self._numbers)}"
        sizes = [source.randint(20_000, 2_500_000) for _ in range(source.randint(1, 4))]
        layers = [LayerSpec(size, f"{repository} {i}") for i, size in enumerate(sizes)]
        image = self.lab.images.push(repository, "1.0", layers)
        self.lab.images.discard_blobs()
        if source.random() < 0.2:
            self.lab.images.remove_blob(image, image.layers[-1])
        job = Job(f"{HOST}/{repository}", self.lab.reference(image), source.random() < 0.4)
        self.jobs.append(job)
        if job.has_pod:
            self._pods[job.reference] = Pods(self.api, NODE, job.reference, 1)
        return job

    def begin(self, job: Job, by_cri: bool) -> Attempt:
        if job.has_pod:
            pods = self._pods[job.reference]
            pods.begin() if job.attempts else pods.wait()
        attempt = Attempt(time.monotonic())
        job.attempts.append(attempt)

        def tell() -> None:
            self._tell_pods(job)

        if by_cri:
            call = self.cri.start_pull(job.reference)
            self.watch.add(attempt, call.process, lambda: _words_of(call), tell)
        else:
            process = self.containerd.start_pull(job.reference)
            self.watch.add(attempt, process, lambda: _words(process), tell)
        return attempt

    def _tell_pods(self, job: Job) -> None:
        """What the kubelet says when the job's last attempt has ended."""
        if job.has_pod and job.attempts[-1].succeeded:
            self._pods[job.reference].pulled()
            self._pods[job.reference].run()
        elif job.has_pod:
            self._pods[job.reference].refuse(job.attempts[-1].words)

    def images(self) -> set[str]:
        """What containerd has."""
        return set(self.containerd.image_names())

    # --- what was killed comes back ---

    def restart_agent(self) -> None:
        if not self.agent.process.is_running():
            self.agent.start()

    def restart_server(self) -> None:
        if not self.server.process.is_running():
            self.server.start()
            self.server_starts.append(time.monotonic())

    def restart_containerd(self) -> None:
        if not self.containerd.process.is_running():
            self.containerd.start()


def _words(process: Process) -> str:
    if process.exit_status() == 0:
        return ""
    return process.stderr_text().strip()[-500:] or f"status {process.exit_status()}"


def _words_of(call: object) -> str:
    try:
        call.finish(1)  # type: ignore[attr-defined]
    except PullFailed as error:
        return str(error)[-500:] or "failed"
    return ""


def open_files(process: Process) -> int:
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
