# SPDX-License-Identifier: Apache-2.0
"""Runs the browser tests against a real server, agent and pulls: python3 -m tests.integration.browser

The pulls are real; the pods that wait for them are those of a fake API server. The tests get by environment:
  PULLTRACE_URL            the page
  PULLTRACE_EXPECT_IMAGES  references, by commas, that are pulled over and over while the tests run
  PULLTRACE_FAILED_IMAGE   a reference whose pulls fail after some seconds, over and over
  PULLTRACE_QUEUED_IMAGE   a reference that one pod waits for and nobody pulls
  PULLTRACE_REFUSED_IMAGE  a reference that does not exist: two pods wait, one attempt after the other fails
  PULLTRACE_SERVERS        the servers' own addresses, by commas
  PULLTRACE_METRICS        the address of the server's metrics
  PULLTRACE_LAB_PID        SIGUSR1 to it kills the server and starts it again three seconds later; for the test of
                           replicas there are two behind one address, which go by turns
Arguments are passed on to node instead of the folder tests/browser.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from lab.images import Image
from lab.laboratory import Laboratory
from lab.processes import Process
from lab.pulltrace import Agent, Server
from lab.replicas import Replicas
from lab.tools import REPOSITORY
from tests.integration.case import ADDRESS_SANITIZER, AGENT, MB, SERVER, sizes
from tests.kubernetes.fake_api import FakeApi
from tests.kubernetes.kubelet import Pods

SERVER_AWAY_S = 3
PAUSE_S = 2
REFUSED_EVERY_S = 12
NODE = "agent"  # as the lab names its agent's node


class PullLoop:
    """Pulls one image, deletes it, and so on; `pods` wait for it each time."""

    def __init__(
        self, lab: Laboratory, image: Image, *options: str, pods: Pods | None = None
    ) -> None:
        self._lab = lab
        self._reference = lab.reference(image)
        self._options = options
        self._pods = pods
        self._process: Process | None = None
        self._pause_until = 0.0

    def advance(self) -> None:
        if self._process is None:
            if time.monotonic() >= self._pause_until:
                if self._pods:
                    self._pods.wait()
                self._process = self._lab.containerd.start_pull(self._reference, *self._options)
        elif not self._process.is_running():
            self._process = None
            self._pause_until = time.monotonic() + PAUSE_S
            if self._pods:
                self._pods.run()
            if self._reference in self._lab.containerd.image_names():
                self._lab.containerd.remove_image(self._reference)


class RefusalLoop:
    """Fails for the pods time and again, sooner than a kubelet, whose pauses grow."""

    def __init__(self, pods: Pods, reference: str) -> None:
        self._pods = pods
        self._error = (
            "rpc error: code = NotFound desc = failed to pull and unpack image: "
            f'failed to resolve reference "{reference}": not found'
        )
        self._next_at = 0.0
        pods.wait()

    def advance(self) -> None:
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + REFUSED_EVERY_S
            self._pods.refuse(self._error)


class Restarter:
    """Kills one of the servers at each signal, by turns."""

    def __init__(self, servers: list[Server]) -> None:
        self._servers = servers
        self._server = servers[0]
        self._away_until = 0.0
        self._wanted = False
        signal.signal(signal.SIGUSR1, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._wanted = True

    def advance(self) -> None:
        if self._wanted:
            self._wanted = False
            self._server = self._servers[0]
            self._servers = [*self._servers[1:], self._server]
            self._server.process.kill()
            self._away_until = time.monotonic() + SERVER_AWAY_S
        elif self._away_until and time.monotonic() >= self._away_until:
            self._away_until = 0.0
            self._server.start()


def node_command(arguments: list[str]) -> list[str]:
    files = arguments or [
        str(path) for path in sorted((REPOSITORY / "tests/browser").glob("*.test.*"))
    ]
    return ["node", "--test", "--test-reporter=tap", "--test-concurrency=1", *files]


def start_servers(stack: ExitStack, folder: Path, settings: dict[str, str]) -> tuple[str, list[Server]]:
    """Where they are, and which: one, but two for the test of replicas."""
    if any("replicas" in argument for argument in sys.argv[1:]):
        replicas = Replicas(SERVER, folder, 2, settings=settings)
        stack.callback(replicas.stop)
        return replicas.url, replicas.servers
    server = Server(SERVER, folder, settings=settings)
    stack.callback(server.stop)
    return server.url, [server]


def main() -> int:
    with ExitStack() as stack:
        lab = stack.enter_context(Laboratory(1 * MB))
        push = lab.images.push
        first = push("shop/frontend", "2.31.0", sizes("frontend", 9 * MB, 3 * MB, 700_000))
        second = push("ml/recommender-gpu", "2026.11", sizes("gpu", 14 * MB, 400_000))
        broken = push("ops/report-mailer", "0.9.1", sizes("mailer", 4 * MB, 1 * MB))
        lab.images.remove_blob(broken, broken.layers[-1])

        host = lab.reference(first).split("/")[0]
        queued, refused = f"{host}/shop/cache:8.2", f"{host}/ops/ledger:nope"

        api = FakeApi()
        stack.callback(api.close)
        Pods(api, NODE, queued, 1).wait()

        folder = Path(lab.path / "pulltrace")
        folder.mkdir()
        kubernetes = {"PULLTRACE_KUBE_URL": api.url}
        url, servers = start_servers(stack, folder, ADDRESS_SANITIZER | kubernetes)
        agent = Agent(AGENT, folder, lab.containerd.socket, url, ADDRESS_SANITIZER)
        stack.callback(agent.stop)
        loops = [
            PullLoop(lab, first, pods=Pods(api, NODE, lab.reference(first), 3)),
            PullLoop(lab, second, pods=Pods(api, NODE, lab.reference(second), 1)),
            PullLoop(lab, broken, "--max-concurrent-downloads", "1"),
            RefusalLoop(Pods(api, NODE, refused, 2), refused),
        ]
        restarter = Restarter(servers)
        settings = {
            "PULLTRACE_URL": f"{url}/",
            "PULLTRACE_EXPECT_IMAGES": ",".join(map(lab.reference, (first, second))),
            "PULLTRACE_FAILED_IMAGE": lab.reference(broken),
            "PULLTRACE_QUEUED_IMAGE": queued,
            "PULLTRACE_REFUSED_IMAGE": refused,
            "PULLTRACE_SERVERS": ",".join(server.url for server in servers),
            "PULLTRACE_METRICS": f"http://127.0.0.1:{servers[0].metrics_port}/metrics",
            "PULLTRACE_LAB_PID": str(os.getpid()),
        }
        command = ["setpriv", "--pdeathsig", "KILL", *node_command(sys.argv[1:])]
        tests = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | settings)
        while tests.poll() is None:
            restarter.advance()
            for loop in loops:
                loop.advance()
            time.sleep(0.1)
        return tests.returncode


if __name__ == "__main__":
    sys.exit(main())
