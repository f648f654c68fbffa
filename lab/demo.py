# SPDX-License-Identifier: Apache-2.0
"""The demonstration: real pulls in a loop through a throttle, watched by agent and server."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from lab.containerd import PullFailed
from lab.demo_images import Lane, Step, make_lanes
from lab.images import Image
from lab.laboratory import Laboratory
from lab.processes import Process, ProcessDied
from lab.pulltrace import Agent, Server
from lab.replicas import Replicas
from lab.tools import REPOSITORY, ToolMissing
from lab.valkey import Valkey
from lab.waiting import Timeout, free_port, port_is_free

BACK_S = 8

HELP = """\
Settings, as environment or make variables (make demo DEMO_PORT=9000):
  DEMO_PORT     port of the page on loopback                             (8080, or a free one)
  DEMO_RATE     bytes a second that the registry gives each layer        (1500000)
  DEMO_SECONDS  end by itself after so many seconds; 0 means at Ctrl-C   (0)
  REPLICAS      servers, which share a Valkey behind one port            (1)

Everything lives in one temporary folder and takes less than 1 GB; Ctrl-C removes it all.
"""


class BadSetting(Exception):
    """A DEMO_ variable does not hold what it should."""


def setting(name: str, default: int, minimum: int, maximum: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not minimum <= int(text) <= maximum:
        raise BadSetting(f"{name}={text}: must be a number from {minimum} to {maximum}")
    return int(text)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


class Pull:
    def __init__(self, lab: Laboratory, image: Image, step: Step) -> None:
        self._name = f"{image.repository}:{image.tag}"
        self._started = time.monotonic()
        options = ("--max-concurrent-downloads", "1") if step.one_layer_at_a_time else ()
        self.process = lab.containerd.start_pull(lab.reference(image), *options)
        note = f" ({step.note})" if step.note else ""
        say(
            f"pulls   {self._name}: {len(image.layers)} layers, {image.layer_bytes / 2**20:.1f} MB{note}"
        )

    def has_ended(self) -> bool:
        status = self.process.exit_status()
        if status is None:
            return False
        words = "pulled " if status == 0 else "failed "
        say(f"{words} {self._name} after {time.monotonic() - self._started:.1f} s")
        self.process.discard_output()
        return True


class LaneRun:
    """Where a lane stands. All is done from one thread, by polling."""

    def __init__(self, lab: Laboratory, lane: Lane, start_after_s: float) -> None:
        self._lab = lab
        self._lane = lane
        self._next_step = 0
        self._pulls: list[Pull] = []
        self._wait_until = time.monotonic() + start_after_s

    def advance(self) -> None:
        if self._pulls:
            self._pulls = [pull for pull in self._pulls if not pull.has_ended()]
            if not self._pulls:
                self._wait_until = time.monotonic() + self._lane.pause_s
        elif time.monotonic() >= self._wait_until:
            if self._next_step == len(self._lane.steps):
                self._forget_images()
                self._next_step = 0
            step = self._lane.steps[self._next_step]
            self._next_step += 1
            self._pulls = [Pull(self._lab, image, step) for image in step.images]

    def _forget_images(self) -> None:
        for step in self._lane.steps:
            for image in step.images:
                self._lab.containerd.remove_image(self._lab.reference(image))


SERVER = REPOSITORY / "build/pulltrace-server"
SERVERS_SHARE = """\
    {count} servers share a Valkey; that address spreads connections over them.
    Kill one and watch: the page goes on with another one, and misses nothing.
{kills}
    What was killed comes back after {back_s} s, Valkey with none of its data, which the servers give back to it.
"""


class Revival:
    """A server, or Valkey, that comes back a while after somebody has killed it."""

    def __init__(self, name: str, program: Server | Valkey) -> None:
        self._name = name
        self._program = program
        self._due: float | None = None

    def advance(self) -> None:
        if self._program.process.is_running():
            return
        if self._due is None:
            say(f"killed  {self._name}")
            self._due = time.monotonic() + BACK_S
        elif time.monotonic() >= self._due:
            self._program.start()
            self._due = None
            say(f"started {self._name} again: {self.command()}")

    def command(self) -> str:
        return f"kill -9 {self._program.process.pid}"

    def line(self) -> str:
        return f"      {self.command():<16} {self._name}"


def start_servers(
    stack: ExitStack, folder: Path, port: int, count: int
) -> tuple[str, list[Process], list[Revival]]:
    """Their address, who must not end, and whom to bring back."""
    if count == 1:
        server = Server(SERVER, folder, port)
        stack.callback(server.stop)
        return server.url, [server.process], []
    replicas = Replicas(SERVER, folder, count, port)
    stack.callback(replicas.stop)
    revivals = [Revival(f"server {number}", server) for number, server in enumerate(replicas.servers, 1)]
    return replicas.url, [replicas.spread], [*revivals, Revival("Valkey", replicas.valkey)]


def print_address(url: str, revivals: list[Revival]) -> None:
    print(f"\n    Pulltrace is at  {url}/   (Ctrl-C ends it)\n", flush=True)
    if revivals:
        kills = "\n".join(revival.line() for revival in revivals)
        print(SERVERS_SHARE.format(count=len(revivals) - 1, kills=kills, back_s=BACK_S), flush=True)


def start_pulltrace(
    stack: ExitStack, lab: Laboratory, port: int, count: int
) -> tuple[list[Process], list[Revival]]:
    folder = lab.path / "pulltrace"
    folder.mkdir()
    url, watched, revivals = start_servers(stack, folder, port, count)
    agent = Agent(
        REPOSITORY / "build/pulltrace-agent",
        folder,
        lab.containerd.socket,
        url,
        {"PULLTRACE_NODE_NAME": platform.node().lower() or "demo-node"},
    )
    stack.callback(agent.stop)
    print_address(url, revivals)
    return [*watched, agent.process], revivals


def print_socket(lab: Laboratory) -> tuple[list[Process], list[Revival]]:
    socket = lab.containerd.socket
    print(
        "\nWatch it with:\n"
        f"  PULLTRACE_CONTAINERD_SOCKET={socket} \\\n"
        f"  PULLTRACE_CONTAINERD_SOCKET_DIRS={socket.parent} build/pulltrace-agent\n",
        flush=True,
    )
    return [], []


def run(lab_only: bool) -> None:
    rate = setting("DEMO_RATE", 1_500_000, 1_000, 10**9)
    port = setting("DEMO_PORT", 8080, 1, 65535)
    seconds = setting("DEMO_SECONDS", 0, 0, 10**6)
    count = setting("REPLICAS", 1, 1, 9)
    if not port_is_free(port):
        taken, port = port, free_port()
        if not lab_only:
            say(f"port {taken} is taken; takes {port} instead")

    with ExitStack() as stack:
        say("starts a private registry, throttle and containerd")
        lab = stack.enter_context(Laboratory(rate, {"shop/frontend": rate // 10}))
        say("makes images (240 MB of random layers)")
        lanes = make_lanes(lab.images)
        lab.images.discard_blobs()
        watched, revivals = print_socket(lab) if lab_only else start_pulltrace(stack, lab, port, count)
        watched += [lab.containerd.process, lab.registry.process, lab.throttle.process]
        runs: list[LaneRun | Revival] = [
            LaneRun(lab, lane, 2.0 * number) for number, lane in enumerate(lanes)
        ]
        runs += revivals
        end = time.monotonic() + seconds if seconds else float("inf")
        try:
            while time.monotonic() < end:
                for each in runs:
                    each.advance()
                for process in watched:
                    process.require_running()
                time.sleep(0.1)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            say("ends everything")


def on_terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make demo",
        description=__doc__,
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--lab-only", action="store_true", help="pull without agent and server; prints the socket"
    )
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print(
            "demo: needs root, because containerd mounts file systems: sudo make demo",
            file=sys.stderr,
        )
        return 2
    signal.signal(signal.SIGTERM, on_terminate)
    signal.signal(signal.SIGHUP, on_terminate)
    try:
        run(arguments.lab_only)
    except KeyboardInterrupt:
        pass
    except (BadSetting, ToolMissing) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except (ProcessDied, PullFailed, Timeout, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    say("nothing is left behind")
    return 0


if __name__ == "__main__":
    sys.exit(main())
