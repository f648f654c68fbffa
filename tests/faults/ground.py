# SPDX-License-Identifier: Apache-2.0
"""Where the rounds are fought: a laboratory whose parts talk over links that can be made to misbehave."""

from __future__ import annotations

import itertools
import random
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from lab import tools
from lab.containerd import Containerd, PullFailed
from lab.cri import CriCall, CriClient
from lab.laboratory import HOST, Laboratory
from lab.layers import LayerSpec
from lab.processes import Process
from lab.pulltrace import Agent, Server
from lab.waiting import wait_for
from tests.faults.clock import ShiftedClock
from tests.faults.ledger import Attempt, Job, Span, Watch
from tests.faults.link import Link, Tap
from tests.faults.readers import Reader
from tests.faults.witness import Witness
from tests.integration.case import ADDRESS_SANITIZER, BINARIES, SERVER
from tests.kubernetes.fake_api import FakeApi
from tests.kubernetes.kubelet import Pods

# It gives up what stands still after 20 s instead of ten minutes.
HASTY_AGENT = BINARIES / "pulltrace-agent-hasty"
NODE = "node-a"
BYTES_PER_SECOND = 1_000_000
BACK_OFF_S = 11  # the kubelet's after a first failure, and a little more
DISK_BYTES = 600_000_000
SETTINGS = ADDRESS_SANITIZER | {
    "ASAN_OPTIONS": ADDRESS_SANITIZER["ASAN_OPTIONS"]
    + ":quarantine_size_mb=8:verify_asan_link_order=0"
}


class Closing(Protocol):
    def close(self) -> object: ...


Part = TypeVar("Part", bound=Closing)


class Ground:
    """Agent, server, readers and the links between them. What they look at, the kinds of ground have."""

    containerd: Containerd
    registry: Process
    path: Path
    is_real = False  # the kubelet is
    has_pods = True  # they wait for what is pulled; a node has those, or is no node of Kubernetes

    def __init__(self) -> None:
        self._stops: list[Callable[[], object]] = []
        self._numbers = itertools.count(1)
        self.jobs: list[Job] = []
        self.spans: list[Span] = []
        self.server_starts: list[float] = []
        self.reported: set[str] = set()  # what the checker has said of rounds before
        self.at_rest: dict[str, float] = {}  # what is held before the first round
        self.links: dict[str, Link] = {}
        self.witness = Witness()
        self.watch = Watch()

    def close(self) -> None:
        self.watch.close()
        while self._stops:
            self._stops.pop()()

    # --- for the kinds of ground ---

    def _start_server(self, settings: Mapping[str, str]) -> None:
        self.clock = {name: ShiftedClock(self.path, name) for name in ("agent", "server")}
        given = SETTINGS | self.clock["server"].environment | dict(settings)
        self.server = Server(SERVER, self.path, settings=given)
        self._stops.append(lambda: self.server.stop())
        self.server_starts.append(time.monotonic())
        self._link("reports", self.server.port, self.witness.tap)
        self._link("reader", self.server.port)

    def _start_agent(self, binary: Path, socket: Path) -> None:
        url = f"http://127.0.0.1:{self.links['reports'].port}"
        given = SETTINGS | self.clock["agent"].environment | {"PULLTRACE_NODE_NAME": NODE}
        self.agent = Agent(binary, self.path, socket, url, given)
        self._stops.append(lambda: self.agent.stop())

    def _start_readers(self, source: random.Random) -> None:
        self.readers = {
            "in step": self._keep(Reader(self.server.port)),
            "comes and goes": self._keep(Reader(self.server.port, random.Random(source.random()))),
            "by the link": self._keep(Reader(self.links["reader"].port)),
        }
        wait_for("the agent reports", lambda: self.witness.reports > 0, 30)

    def _link(self, name: str, port: int, tap: Tap | None = None) -> None:
        self.links[name] = self._keep(Link(0, port, tap))

    def _keep(self, part: Part) -> Part:
        """It is closed at the end."""
        self._stops.append(part.close)
        return part

    # --- what a round does ---

    def new_job(self, name: str, source: random.Random, may_lack: bool = True) -> Job:
        """An image of a few layers that nothing else pulls; it may lack one at the registry."""
        raise NotImplementedError

    def begin(self, job: Job, by_cri: bool) -> None:
        raise NotImplementedError

    def try_again(self, jobs: list[Job]) -> None:
        """Who waits for one that has failed lets it be pulled once more."""

    def stop_api(self) -> None:
        raise NotImplementedError

    def start_api(self) -> None:
        raise NotImplementedError

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


class LabGround(Ground):
    """Registry, containerd on a disk of its own, and an API server that knows of pods."""

    def __init__(
        self, binaries: tools.ContainerdBinaries, is_relayed: bool, source: random.Random
    ) -> None:
        """With a relay between agent and containerd, which may misbehave; the agent then knows the relay's
        process for containerd's, and would not see that containerd was killed."""
        super().__init__()
        self.is_relayed = is_relayed
        self._pods: dict[str, Pods] = {}
        try:
            self._start(binaries, source)
        except BaseException:
            self.close()
            raise

    def _start(self, binaries: tools.ContainerdBinaries, source: random.Random) -> None:
        self.lab = self._keep(Laboratory(BYTES_PER_SECOND, binaries=binaries, cri=True))
        self.path = self.lab.path
        self.containerd = self.lab.containerd
        self.registry = self.lab.throttle.process
        self._give_it_a_disk()
        self.cri = CriClient(self.containerd)
        self.api = self._keep(FakeApi())
        self._link("registry", self.lab.throttle.port)
        self._link("api", self.api.port)
        self.containerd.serve_registry(HOST, self.links["registry"].port)
        self._start_server({"PULLTRACE_KUBE_URL": f"http://127.0.0.1:{self.links['api'].port}"})
        self._start_agent(HASTY_AGENT, self._agents_socket())
        self._start_readers(source)

    def _agents_socket(self) -> Path:
        if not self.is_relayed:
            return self.containerd.socket
        relay = self.path / "relay"
        relay.mkdir()
        socket = relay / "containerd.sock"
        self.links["containerd"] = self._keep(Link(socket, self.containerd.socket))
        return socket

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

    def new_job(self, name: str, source: random.Random, may_lack: bool = True) -> Job:
        repository = f"fire/{name}-{next(self._numbers)}"
        layers = [LayerSpec(size, f"{repository} {i}") for i, size in enumerate(sizes(source))]
        image = self.lab.images.push(repository, "1.0", layers)
        self.lab.images.discard_blobs()
        if source.random() < 0.2 and may_lack:
            self.lab.images.remove_blob(image, image.layers[-1])
        has_pod = self.has_pods and may_lack
        job = Job(f"{HOST}/{repository}", self.lab.reference(image), has_pod)
        self.jobs.append(job)
        if has_pod:
            self._pods[job.reference] = Pods(self.api, NODE, job.reference, 1)
        return job

    def begin(self, job: Job, by_cri: bool) -> None:
        if job.has_pod:
            pods = self._pods[job.reference]
            pods.begin() if job.attempts else pods.wait()
        attempt = Attempt(time.monotonic())
        job.attempts.append(attempt)

        def pods() -> None:
            self._update_pods(job)

        if by_cri:
            call = self.cri.start_pull(job.reference)
            self.watch.add(attempt, call.process, lambda: _words_of(call), pods)
        else:
            process = self.containerd.start_pull(job.reference)
            self.watch.add(attempt, process, lambda: _words(process), pods)

    def _update_pods(self, job: Job) -> None:
        """What the kubelet says when the job's last attempt has ended."""
        if job.has_pod and job.attempts[-1].succeeded:
            self._pods[job.reference].pulled()
            self._pods[job.reference].run()
        elif job.has_pod:
            self._pods[job.reference].refuse(job.attempts[-1].words)

    def stop_api(self) -> None:
        self.api.stop()

    def start_api(self) -> None:
        self.api.start()

    def try_again(self, jobs: list[Job]) -> None:
        """Not before the kubelet would."""
        for job in jobs:
            if job.has_pod and job.attempts and not job.attempts[-1].succeeded:
                time.sleep(max(0, job.attempts[-1].ended + BACK_OFF_S - time.monotonic()))
                self.begin(job, by_cri=True)


def sizes(source: random.Random) -> list[int]:
    return [source.randint(20_000, 2_500_000) for _ in range(source.randint(1, 4))]


def _words(process: Process) -> str:
    if process.exit_status() == 0:
        return ""
    return process.stderr_text().strip()[-500:] or f"status {process.exit_status()}"


def _words_of(call: CriCall) -> str:
    try:
        call.finish(1)
    except PullFailed as error:
        return str(error)[-500:] or "failed"
    return ""


def open_files(process: Process) -> int:
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
