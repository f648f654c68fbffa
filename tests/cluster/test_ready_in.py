# SPDX-License-Identifier: Apache-2.0
"""`ready in` against the time that was really left, over images of ten shapes."""

from __future__ import annotations

import sys

from tests.cluster.case import NodeCase
from tests.integration.case import MB
from tests.integration.events import Event

SHAPES = {
    "one": [10],
    "even-3": [8] * 3,
    "even-6": [4] * 6,
    "uneven-4": [2, 5, 7, 10],
    "uneven-12": [n * 0.4 for n in range(1, 13)],
    "falling-6": [9, 7, 5, 3, 2, 1],
    "large-last": [1, 1, 1, 1, 16],
    "large-first": [16, 1, 1, 1, 1],
    "many-30": [0.8] * 30,
    "two": [4, 12],
}
LIMITS = {25: 0.15, 50: 0.10}  # of the pull's whole time, at these percents


class ReadyIn(NodeCase):
    bytes_per_second = MB

    def test_ten_shapes(self) -> None:
        off: dict[int, list[float]] = {at: [] for at in LIMITS}
        stories: list[str] = []
        for name, megabytes in SHAPES.items():
            image = self.node.push(f"eta/{name}:1.0", *[int(mb * MB) for mb in megabytes])
            self.node.create_pod(f"eta-{name}", image)
            self.node.wait_until_running(f"eta-{name}", 1, 120)
            story = self.log.wait_for_end(f"eta/{name}")
            end = story[-1].received
            events = self.log.of_image(f"eta/{name}")
            began = next(e.received for e in events if e.pull["phase"] == "downloading")
            for at, limit in LIMITS.items():
                error = _error(events, at, end) / (end - began)
                off[at].append(error)
                print(f"  {name} at {at} %: off by {100 * error:+.0f} %", file=sys.stderr)
                if abs(error) > limit:
                    stories.append(f"{name}:\n{_pace(events, end)}")
        for at, limit in LIMITS.items():
            with self.subTest(f"at {at} %"):
                self.assertLessEqual(max(map(abs, off[at])), limit, "\n".join(stories))


def _error(events: list[Event], percent: int, end: float) -> float:
    """Seconds by which the first `ready in` from this percent on was wrong."""
    for event in events:
        ready = event.pull.get("readyEtaSeconds")
        if event.pull.get("percent", 0) >= percent and ready is not None:
            return float(ready) - (end - event.received)
    raise AssertionError(f"no `ready in` from {percent} % on")


def _pace(events: list[Event], end: float) -> str:
    """What had come when, and what was said: whether the registry's pace or the forecast was off."""
    lines = []
    for event in events:
        ready = event.pull.get("readyEtaSeconds")
        megabytes = event.pull.get("downloadedBytes", 0) / MB
        said = "nothing" if ready is None else f"{ready:.1f} s"
        lines.append(f"  {end - event.received:.2f} s left, {said} said, {megabytes:.1f} MB come")
    return "\n".join(lines)
