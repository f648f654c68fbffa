# SPDX-License-Identifier: Apache-2.0
"""What was so: which pulls there were, how each ended for its client, and who was away meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.processes import Process

LOOK_S = 0.01


@dataclass
class Attempt:
    """One pull by one client. Times are of time.monotonic()."""

    started: float
    ended: float = 0  # 0: it runs
    succeeded: bool = False
    words: str = ""


@dataclass
class Job:
    """An image that nothing else pulls, and its attempts, one after the other."""

    repository: str  # with its host
    reference: str
    has_pod: bool = False
    attempts: list[Attempt] = field(default_factory=list)

    def is_running(self) -> bool:
        return any(attempt.ended == 0 for attempt in self.attempts)

    def ended_at(self) -> float:
        return max(attempt.ended for attempt in self.attempts)


@dataclass
class Span:
    """While something was away, or misbehaved."""

    what: str
    begun: float
    ended: float = 0  # 0: it goes on


@dataclass(eq=False)
class _Running:
    attempt: Attempt
    process: Process
    words: Callable[[], str]
    on_end: Callable[[], object]


class Watch:
    """Notes when a client ends, whatever the main thread waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[_Running] = []
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(
        self,
        attempt: Attempt,
        process: Process,
        words: Callable[[], str],
        on_end: Callable[[], object],
    ) -> None:
        """`words` says why it failed, once it has ended; empty when it has not."""
        with self._lock:
            self._running.append(_Running(attempt, process, words, on_end))

    def close(self) -> None:
        self._is_closing = True
        self._thread.join(5)

    def _run(self) -> None:
        while not self._is_closing:
            with self._lock:
                ended = [each for each in self._running if not each.process.is_running()]
                self._running = [each for each in self._running if each not in ended]
            for each in ended:
                each.attempt.words = each.words()
                each.attempt.succeeded = each.attempt.words == ""
                each.on_end()
                each.attempt.ended = time.monotonic()
            time.sleep(LOOK_S)
