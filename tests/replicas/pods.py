# SPDX-License-Identifier: Apache-2.0
"""Pods that wait on nodes without an agent: rows that each server makes of what Kubernetes says, by itself."""

from __future__ import annotations

import time

from tests.kubernetes.fake_api import FakeApi
from tests.kubernetes.kubelet import Pods

EVERY_S, LASTS_S = 4.0, 8.0  # longer than the late watch is late
NODES = 5
NOT_FOUND = (
    "rpc error: code = NotFound desc = failed to pull and unpack image: failed to resolve reference: not found"
)


class PodStories:
    """One image after the other; each fourth cannot be had at first."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api
        self._count = 0
        self._next_at = 0.0
        self._pulling: list[tuple[float, int, Pods]] = []

    def advance(self, may_begin: bool = True) -> None:
        now = time.monotonic()
        if may_begin and now >= self._next_at:
            self._next_at = now + EVERY_S
            self._begin(now)
        for each in [each for each in self._pulling if now >= each[0]]:
            self._pulling.remove(each)
            self._go_on(*each[1:])

    def are_over(self) -> bool:
        return not self._pulling

    def _begin(self, now: float) -> None:
        self._count += 1
        reference = f"registry.example/kube/app-{self._count}:1"
        pods = Pods(self._api, f"without-agent-{self._count % NODES}", reference, 2)
        pods.wait()
        self._pulling.append((now + LASTS_S, self._count, pods))

    def _go_on(self, number: int, pods: Pods) -> None:
        if number % 4 == 0 and number > 0:
            pods.refuse(NOT_FOUND)
            self._pulling.append((time.monotonic() + LASTS_S, -number, pods))
            return
        pods.pulled()
        pods.run()
