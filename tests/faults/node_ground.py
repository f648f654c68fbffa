# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes of one node as the ground of rounds: the kubelet pulls, and tries again by itself."""

from __future__ import annotations

import random
import time

from lab import tools
from lab.waiting import Timeout, wait_for
from tests.cluster.node import HOST, Node
from tests.faults.ground import BYTES_PER_SECOND, Ground, sizes
from tests.faults.ledger import Attempt, Job
from tests.integration.case import AGENT
from tests.kubernetes.real_api import ApiError

PATIENCE_S = 240  # the kubelet waits longer after each failure


class NodeGround(Ground):
    """Runs only in the namespaces that tests/cluster/enter has prepared."""

    is_real = True

    def __init__(self, source: random.Random) -> None:
        super().__init__()
        self._names: dict[str, str] = {}  # of pods, by reference
        try:
            self._start(source)
        except BaseException:
            self.close()
            raise

    def _start(self, source: random.Random) -> None:
        self.node = self._keep(Node(tools.CONTAINERD_2, BYTES_PER_SECOND))
        self.path = self.node.path
        self.containerd = self.node.containerd
        self.registry = self.node.throttle.process
        self._link("registry", self.node.throttle.port)
        self._link("api", self.node.api.port)
        self.containerd.serve_registry(HOST, self.links["registry"].port)
        self.node.api.bind_documented_role(self.node.api.service_account("pulltrace"))
        token = self.path / "token"
        token.write_text(self.node.api.token("pulltrace"))
        self._start_server(
            {
                "PULLTRACE_KUBE_URL": f"https://127.0.0.1:{self.links['api'].port}",
                "PULLTRACE_KUBE_TOKEN_FILE": str(token),
                "PULLTRACE_KUBE_CA_FILE": str(self.node.api.authority),
            }
        )
        self._start_agent(AGENT, self.containerd.socket)
        self._start_readers(source)

    def new_job(self, name: str, source: random.Random, may_lack: bool = True) -> Job:
        pod = f"{name}-{next(self._numbers)}"
        reference = self.node.push(f"fire/{pod}:1.0", *sizes(source))
        job = Job(f"{HOST}/fire/{pod}", reference, has_pod=True)
        self._names[reference] = pod
        self.jobs.append(job)
        return job

    def begin(self, job: Job, by_cri: bool) -> None:
        job.attempts.append(Attempt(time.monotonic()))
        self._until_it_answers(lambda: self.node.create_pod(self._names[job.reference], job.reference))

    def look_at_pods(self) -> None:
        """Notes which have got their images, and which attempts have failed before."""
        try:
            pods = {pod["metadata"]["name"]: pod for pod in self.node.pods()}
        except (ApiError, OSError):
            return
        for job in self.jobs:
            pod = pods.get(self._names[job.reference], {})
            if job.is_running() and pod.get("status", {}).get("phase") == "Running":
                self._note_end(job)

    def _note_end(self, job: Job) -> None:
        last = job.attempts[-1]
        events = self.node.events(self._names[job.reference])
        failed = sum(
            int(event.get("count") or 1)
            for event in events
            if event["reason"] == "Failed" and "Failed to pull image" in event["message"]
        )
        words = "the kubelet says so"
        now = time.monotonic()
        job.attempts[:0] = [Attempt(last.started, now, False, words) for _ in range(failed)]
        last.succeeded = True
        last.ended = now

    def kubelets_words(self) -> dict[str, list[str]]:
        """Its events of each pod of this run."""
        return {
            name: [
                f"{event['lastTimestamp']} {event.get('count')} {event['reason']} {event['message']}"
                for event in self.node.events(name)
            ]
            for name in self._names.values()
        }

    def stop_api(self) -> None:
        self.node.api.way.cut()

    def start_api(self) -> None:
        self.node.api.way.open()

    def _until_it_answers(self, ask: object) -> None:
        def is_done() -> bool:
            try:
                ask()  # type: ignore[operator]
            except (ApiError, OSError):
                return False
            return True

        wait_for("the API server answers", is_done, 60)


def wait_for_pods(ground: NodeGround) -> None:
    def is_done() -> bool:
        ground.look_at_pods()
        return not any(job.is_running() for job in ground.jobs)

    try:
        wait_for("all pods run", is_done, PATIENCE_S, every_s=0.5)
    except Timeout as error:
        waiting = [job.reference for job in ground.jobs if job.is_running()]
        raise Timeout(f"{error}: {waiting}") from error
