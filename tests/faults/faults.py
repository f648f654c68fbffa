# SPDX-License-Identifier: Apache-2.0
"""What may break: each fault begins, lasts, and ends; then everything is as it was."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path

from lab.processes import Process, own_cgroup
from tests.faults.ground import Ground, LabGround
from tests.faults.ledger import Span
from tests.faults.link import FAULTS
from tests.faults.node_ground import NodeGround

MB = 1_000_000
PRESSING_CONNECTIONS = 30
CGROUPS = Path("/sys/fs/cgroup")


class Fault:
    """The part of that name suffers it; name and `how` stand for it in the log and in the spans of the ground."""

    def __init__(self, ground: Ground, name: str, how: str) -> None:
        self.ground = ground
        self.name = name
        self.what = f"{name} {how}"

    def begin(self) -> None:
        self._span = Span(self.what, time.monotonic())
        self.ground.spans.append(self._span)
        self.break_it()

    def end(self) -> None:
        self.mend()
        self._span.ended = time.monotonic()

    def break_it(self) -> None:
        raise NotImplementedError

    def mend(self) -> None:
        raise NotImplementedError


class Killed(Fault):
    """kill -9; at the end it is started again."""

    def __init__(self, ground: Ground, name: str) -> None:
        super().__init__(ground, name, "killed")

    def break_it(self) -> None:
        process_of(self.ground, self.name).kill()

    def mend(self) -> None:
        restart(self.ground, self.name)


class Frozen(Fault):
    """SIGSTOP, then SIGCONT."""

    def __init__(self, ground: Ground, name: str) -> None:
        super().__init__(ground, name, "frozen")

    def break_it(self) -> None:
        process_of(self.ground, self.name).freeze()

    def mend(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            process_of(self.ground, self.name).resume()


class BadLink(Fault):
    def __init__(self, ground: Ground, name: str, source: random.Random) -> None:
        self._fault = source.choice(FAULTS)
        super().__init__(ground, name, self._fault)
        self._link = ground.links[name]
        self._is_left_alone = name in ("registry", "api")
        self._source = source

    def break_it(self) -> None:
        self._link.set(self._fault, self._source)

    def mend(self) -> None:
        self._link.heal()
        # containerd waits for a silent registry without end, the server for a silent watch for minutes.
        if self._is_left_alone:
            self._link.break_all()


class ApiAway(Fault):
    """The API server restarts."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground, "api", "restarted")

    def break_it(self) -> None:
        self.ground.stop_api()

    def mend(self) -> None:
        self.ground.start_api()


class DiskFull(Fault):
    """containerd's file system has no room."""

    def __init__(self, ground: LabGround) -> None:
        super().__init__(ground, "disk", "full")
        self._disk = ground.disk
        self._filler = ground.disk / "filler"

    def break_it(self) -> None:
        room = os.statvfs(self._disk)
        with self._filler.open("wb") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - 100_000))

    def mend(self) -> None:
        self._filler.unlink(missing_ok=True)


class ClockJump(Fault):
    """The program's wall clock leaps; at the end it leaps back."""

    def __init__(self, ground: Ground, name: str, source: random.Random) -> None:
        self._seconds = source.choice((-86400, -3600, -30, -5, 5, 30, 3600, 86400))
        super().__init__(ground, name, f"clock {self._seconds:+} s")
        self._clock = ground.clock[name]

    def break_it(self) -> None:
        self._clock.jump(self._seconds)

    def mend(self) -> None:
        self._clock.jump(0)


class NoDescriptors(Fault):
    """A running program may open nothing more, while others knock."""

    def __init__(self, ground: Ground, name: str) -> None:
        super().__init__(ground, name, "without descriptors")
        self._knocking: list[socket.socket] = []

    def break_it(self) -> None:
        process = process_of(self.ground, self.name)
        pid = process.pid
        self._limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        highest = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir())
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1, self._limits[1]))
        self._pid = pid
        for _ in range(PRESSING_CONNECTIONS if self.name == "server" else 0):
            with contextlib.suppress(OSError):
                self._knocking.append(
                    socket.create_connection(("127.0.0.1", self.ground.server.port), 1)
                )

    def mend(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(self._pid, resource.RLIMIT_NOFILE, self._limits)
        for connection in self._knocking:
            connection.close()


class NoMemory(Fault):
    """What the program takes from now on is limited by a cgroup; the kernel may kill it."""

    def __init__(self, ground: Ground, name: str, source: random.Random) -> None:
        self._bytes = source.choice((MB // 2, MB, 3 * MB))
        super().__init__(ground, name, f"with {self._bytes / MB:g} MB more")

    def break_it(self) -> None:
        is_v2 = (CGROUPS / "cgroup.controllers").exists()
        top = CGROUPS if is_v2 else CGROUPS / "memory"
        self._home = top / own_cgroup("" if is_v2 else "memory").lstrip("/")
        self._group = top / f"pulltrace-faults-{os.getpid()}-{self.name}"
        self._group.mkdir(exist_ok=True)
        limit = "memory.max" if is_v2 else "memory.limit_in_bytes"
        (self._group / limit).write_text(str(self._bytes))
        pid = process_of(self.ground, self.name).pid
        with contextlib.suppress(ProcessLookupError):
            (self._group / "cgroup.procs").write_text(str(pid))

    def mend(self) -> None:
        for pid in (self._group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                (self._home / "cgroup.procs").write_text(pid)
        restart(self.ground, self.name)
        self._group.rmdir()


def process_of(ground: Ground, name: str) -> Process:
    if name == "agent":
        return ground.agent.process
    if name == "server":
        return ground.server.process
    if name == "containerd":
        return ground.containerd.process
    if name == "registry":
        return ground.registry
    assert isinstance(ground, NodeGround) and name == "kubelet"
    return ground.node.kubelet


def restart(ground: Ground, name: str) -> None:
    """Unless it runs."""
    if name == "agent":
        ground.restart_agent()
    elif name == "server":
        ground.restart_server()
    elif name == "containerd":
        ground.restart_containerd()
    elif isinstance(ground, NodeGround) and not ground.node.kubelet.is_running():
        ground.node.start_kubelet()


def restart_all(ground: Ground) -> None:
    """A fault may have killed what it only meant to limit."""
    for name in ("containerd", "kubelet", *OURS):
        restart(ground, name)


OURS = ("agent", "server")


def killed(ground: Ground, source: random.Random) -> Fault:
    if isinstance(ground, NodeGround):
        return Killed(ground, source.choice((*OURS, "containerd", "kubelet")))
    assert isinstance(ground, LabGround)
    return Killed(ground, source.choice(OURS if ground.is_relayed else (*OURS, "containerd")))


def frozen(ground: Ground, source: random.Random) -> Fault:
    names = (*OURS, "containerd", "registry")
    return Frozen(ground, source.choice((*names, "kubelet") if ground.is_real else names))


def bad_link(ground: Ground, source: random.Random) -> Fault:
    return BadLink(ground, source.choice(sorted(ground.links)), source)


def disk_full(ground: Ground, source: random.Random) -> Fault:
    return DiskFull(ground) if isinstance(ground, LabGround) else killed(ground, source)


def api_away(ground: Ground, source: random.Random) -> Fault:
    return ApiAway(ground)


def clock_jump(ground: Ground, source: random.Random) -> Fault:
    return ClockJump(ground, source.choice(OURS), source)


def no_descriptors(ground: Ground, source: random.Random) -> Fault:
    return NoDescriptors(ground, source.choice(OURS))


def no_memory(ground: Ground, source: random.Random) -> Fault:
    return NoMemory(ground, source.choice(OURS), source)


# As often as each is listed.
KINDS: tuple[Callable[[Ground, random.Random], Fault], ...] = (
    *[killed] * 3, *[bad_link] * 4, frozen, disk_full, clock_jump, no_descriptors, no_memory, api_away,
)  # fmt: skip


def draw(ground: Ground, source: random.Random) -> Fault:
    return source.choice(KINDS)(ground, source)
