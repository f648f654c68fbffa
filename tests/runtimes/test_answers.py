# SPDX-License-Identifier: Apache-2.0
"""Registries that answer oddly in mid-pull: elsewhere, later, not now, not all of it."""

from __future__ import annotations

from typing import Any

from lab import tools
from lab.containerd import PullFailed
from lab.images import Image
from lab.waiting import wait_for
from tests.integration.case import MB
from tests.runtimes.case import Pulled, TwoHostsCase
from tests.runtimes.meter import Oddity

WAIT_A_SECOND = Oddity(429, {"Retry-After": "1"})
NOT_NOW = Oddity(503)


class Answers(TwoHostsCase):
    def push_two(self, name: str) -> Image:
        return self.push(f"answer/{name}", 7 * MB, 3 * MB)

    def check_goes_on(self, image: Image) -> Pulled:
        """containerd hides it: no failure is shown."""
        pulled = self.pull_and_count(image)
        phases = {event.pull["phase"] for event in pulled.story}
        self.assertNotIn("failed", phases)
        self.assertEqual(self.failures(), 0)
        return pulled

    def failures(self) -> float:
        return self.metric(self.server, 'pulltrace_pulls_total{result="failed"}')

    def test_blobs_are_at_another_host(self) -> None:
        image = self.push_two("redirected")
        self.meter.redirects[image.repository] = f"http://127.0.0.1:{self.other.port}"
        self.check_goes_on(image)
        self.assertGreater(self.other.bytes_sent(image.repository), image.layer_bytes - 1)

    def test_too_many_requests_in_mid_pull(self) -> None:
        image = self.push_two("later")
        self.meter.oddities[image.layers[1].digest] = [WAIT_A_SECOND]
        self.check_goes_on(image)

    def test_service_unavailable_once(self) -> None:
        image = self.push_two("unavailable")
        self.meter.oddities[image.layers[1].digest] = [NOT_NOW]
        self.check_broken_or_whole(image)

    def test_cut_off_and_resumed(self) -> None:
        """By containerd itself, with a range from where it was."""
        image = self.push_two("cut")
        digest = image.layers[0].digest
        self.meter.oddities[digest] = [Oddity(cut_after=3_500_000), Oddity(cut_after=1_300_000)]
        self.check_goes_on(image)
        self.assertEqual([d for d, _ in self.meter.ranges if d == digest], [digest] * 2)

    def test_reset(self) -> None:
        image = self.push_two("reset")
        self.meter.oddities[image.layers[0].digest] = [Oddity(cut_after=3_500_000, by_reset=True)]
        self.check_broken_or_whole(image)

    def test_resumed_with_less_than_was_asked_for(self) -> None:
        image = self.push_two("short")
        digest = image.layers[0].digest
        self.meter.oddities[digest] = [Oddity(cut_after=3_500_000), Oddity(range_bytes=MB)]
        self.check_broken_or_whole(image)

    def test_resumed_with_the_whole(self) -> None:
        """The registry knows no ranges: what containerd has it throws away when it comes again, which nobody sees."""
        image = self.push_two("whole")
        digest, came_twice = image.layers[0].digest, 3_500_000
        self.meter.oddities[digest] = [Oddity(cut_after=came_twice), Oddity(range_bytes=0)]
        self.start(image).finish()
        row = self.log.wait_for_end(image.repository)[-1].pull
        self.assertEqual((row["phase"], row["bytesFetched"]), ("completed", image.layer_bytes))
        self.assertGreaterEqual(self.sent(image.repository), image.layer_bytes + came_twice)

    def check_broken_or_whole(self, image: Image) -> None:
        """As containerd decides: what it gives up has failed, and is fetched when that is asked for again."""
        try:
            self.start(image).finish()
            wanted = ["completed"]
        except PullFailed:
            self.log.wait_for_end(image.repository)
            self.start(image).finish()
            wanted = ["failed", "completed"]

        def ended() -> list[dict[str, Any]]:
            rows = self.rows(image)[::-1]
            return rows if [row["phase"] for row in rows] == wanted else []

        rows = wait_for(f"{image.repository} has ended: {wanted}", ended, 20)
        shown = sum(row["bytesFetched"] for row in rows)
        what, sent = f"{image.repository}, {wanted[0]}", self.sent(image.repository)
        self.check_count(what, sent, shown, self.counted())
        self.assertEqual(rows[-1]["percent"], 100)


class AnswersOnContainerd24(Answers):
    binaries = tools.CONTAINERD_24


class AnswersOnContainerd1(Answers):
    binaries = tools.CONTAINERD_DEBIAN
