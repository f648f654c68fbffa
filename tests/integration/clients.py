# SPDX-License-Identifier: Apache-2.0
"""The ways in which images are pulled: ctr, with unpacking or without, and the kubelet's CRI call."""

from __future__ import annotations

import time
from typing import Protocol

from lab.containerd import Containerd, PullFailed
from lab.cri import CriCall, CriClient
from lab.processes import Process


class RunningPull(Protocol):
    started: float  # time.time()

    @property
    def process(self) -> Process: ...

    def finish(self, timeout_s: float = 120) -> float:
        """Waits for the end and returns its time; raises PullFailed with the client's words."""
        ...


class PullClient(Protocol):
    def start(self, reference: str) -> RunningPull: ...


class CtrPull:
    def __init__(self, process: Process) -> None:
        self.started = time.time()
        self.process = process

    def finish(self, timeout_s: float = 120) -> float:
        status = self.process.wait(timeout_s)
        ended = time.time()
        if status != 0:
            raise PullFailed(self.process.stderr_text().strip())
        return ended


class Ctr:
    def __init__(self, containerd: Containerd, *options: str) -> None:
        self._containerd = containerd
        self._options = options

    def start(self, reference: str) -> CtrPull:
        return CtrPull(self._containerd.start_pull(reference, *self._options))


class CtrFetch:
    def __init__(self, containerd: Containerd) -> None:
        self._containerd = containerd

    def start(self, reference: str) -> CtrPull:
        return CtrPull(self._containerd.start_fetch(reference))


class CriPull:
    def __init__(self, call: CriCall) -> None:
        self.started = time.time()
        self._call = call

    @property
    def process(self) -> Process:
        return self._call.process

    def finish(self, timeout_s: float = 120) -> float:
        self.process.wait(timeout_s)
        ended = time.time()
        self._call.finish(timeout_s)
        return ended


class Cri:
    def __init__(self, containerd: Containerd) -> None:
        self._client = CriClient(containerd)

    def start(self, reference: str) -> CriPull:
        return CriPull(self._client.start_pull(reference))
