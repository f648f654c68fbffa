# SPDX-License-Identifier: Apache-2.0
"""What must be shown of pulls that find everything there, and of whose bytes they are that came."""

from __future__ import annotations

import time
from typing import Any

from lab.images import Image
from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.case import LabCase, sizes
from tests.integration.events import Event


class CheckStories(LabCase):
    _behind: Image

    def test_replicas_one_after_the_other_are_one_pull(self) -> None:
        image = self.push("check/replicas", 1_500_000, 300_000)
        server, _, log = self.start_all()

        for _ in range(3):
            self.pull(image)

        ends = self._ends(server, 3, "check/replicas")
        self.assertEqual([end.get("kind") for end in ends], ["pull", "check", "check"])
        self.assertEqual([end["bytesFetched"] for end in ends], [image.layer_bytes, 0, 0])
        self.assertEqual({end["phase"] for end in ends}, {"completed"})
        self.assertEqual({end["imageRef"] for end in ends}, {self.lab.reference(image)})
        self._assert_counted(server, pulls=1, checks=2, fetched=image.layer_bytes)
        self._assert_no_flapping(log.of_image("check/replicas"))

    def test_checks_in_quick_succession_are_all_counted(self) -> None:
        image = self.push("check/quick", 200_000, 50_000)
        self.pull(image)
        server, _, _ = self.start_all()

        for pause in (0, 0.1, 0.3, 0.7, 1.2):
            time.sleep(pause)
            self.pull(image)

        ends = self._ends(server, 5, "check/quick")
        self.assertEqual({(end["kind"], end["bytesFetched"]) for end in ends}, {("check", 0)})
        self._assert_counted(server, pulls=0, checks=5, fetched=0)

    def test_checks_by_digest(self) -> None:
        image = self.push("check/digest", 200_000, 50_000)
        reference = f"{self.lab.reference(image).rpartition(':')[0]}@{image.root_digest}"
        self.client.start(reference).finish()
        server, _, _ = self.start_all()

        for pause in (0, 0.1, 0.4, 1.2):
            time.sleep(pause)
            self.client.start(reference).finish()

        ends = self._ends(server, 4, "check/digest")
        self.assertEqual({end["kind"] for end in ends}, {"check"})
        self._assert_counted(server, pulls=0, checks=4, fetched=0)

    def test_who_comes_while_another_one_fetches_is_a_check(self) -> None:
        image = self.push("check/behind", 2_000_000, 1_800_000)
        server, _, _ = self.start_all()

        first = self.client.start(self.lab.reference(image))
        wait_for("both layers are on their way", lambda: self._begun(server, "check/behind") == 2, 20)
        second = self.client.start(self.lab.reference(image))
        for pull in (first, second):
            pull.finish()

        ends = self._ends(server, 2, "check/behind")
        self.assertEqual({end["downloadedBytes"] for end in ends}, {image.layer_bytes})
        fetched = [(end["kind"], end["bytesFetched"]) for end in ends]
        self.assertEqual(fetched, [("pull", image.layer_bytes), ("check", 0)])
        self._assert_counted(server, pulls=1, checks=1, fetched=image.layer_bytes)

    def test_of_two_at_once_each_layer_has_one_that_fetches_it(self) -> None:
        image = self.push("check/both", 1_500_000, 900_000)
        server, _, _ = self.start_all()

        running = [self.client.start(self.lab.reference(image)) for _ in range(2)]
        for pull in running:
            pull.finish()

        ends = self._ends(server, 2, "check/both")
        self.assertEqual({end["downloadedBytes"] for end in ends}, {image.layer_bytes})
        # They begin within a millisecond: containerd gives each layer to whoever asks for it first.
        fetched = sorted((end["kind"], end["bytesFetched"]) for end in ends)
        by_one = [("check", 0), ("pull", image.layer_bytes)]
        by_both = sorted(("pull", layer.size) for layer in image.layers)
        self.assertIn(fetched, (by_one, by_both))
        checks = fetched.count(("check", 0))
        self._assert_counted(server, pulls=2 - checks, checks=checks, fetched=image.layer_bytes)

    def test_another_image_of_the_same_layers_is_a_pull(self) -> None:
        self.pull(self.push("check/layers", 400_000))
        layers = sizes("check/layers", 400_000)
        again = self.lab.images.push("check/layers", "2.0", layers, entrypoint=("/other",))
        server, _, _ = self.start_all()

        self.pull(again)

        (end,) = self._ends(server, 1, "check/layers")
        self.assertEqual((end["kind"], end["cachedBytes"]), ("pull", end["totalBytes"]))
        self.assertEqual(end["bytesFetched"], 0)

    def _begun(self, server: Server, part: str) -> int:
        """How many layers of the image's pulls have come, at least in part."""
        rows = [row for row in self.pulls(server) if part in row["imageRef"]]
        return sum(layer["downloadedBytes"] > 0 for row in rows for layer in row["layers"])

    def _ends(self, server: Server, count: int, part: str) -> list[dict[str, Any]]:
        """The pulls of the image, in the order in which they began, once so many have ended."""

        def find() -> list[dict[str, Any]]:
            rows = [row for row in self.pulls(server) if part in row["imageRef"]]
            return rows if sum("completedAt" in row for row in rows) >= count else []

        wait_for(f"{count} pulls of {part} have ended", find, 20)
        self._pull_one_behind(server)  # one too many would have come before it
        rows: list[dict[str, Any]] = find()
        self.assertEqual(len(rows), count, rows)
        return sorted(rows, key=lambda row: str(row["startedAt"]))

    def _pull_one_behind(self, server: Server) -> None:
        name = f"behind/{self._testMethodName.replace('_', '-')}"  # of which containerd has nothing yet
        self._behind = self.push(name, 100_000)
        self.pull(self._behind)

        def has_ended() -> bool:
            return any(name in row["imageRef"] and "completedAt" in row for row in self.pulls(server))

        wait_for("what was pulled behind them has ended", has_ended, 20)

    def _assert_counted(self, server: Server, pulls: int, checks: int, fetched: int) -> None:
        """With the one behind them."""
        pulls, fetched = pulls + 1, fetched + self._behind.layer_bytes
        counted = {
            "checks": self.metric(server, "pulltrace_checks_total"),
            "pulls": self.metric(server, "pulltrace_pulls_total"),
            "durations": self.metric(server, "pulltrace_pull_duration_seconds_count"),
            "of registries": self.metric(server, "pulltrace_registry_pulls_total"),
            "bytes": self.metric(server, "pulltrace_pull_bytes_total"),
        }
        wanted = {
            "checks": checks,
            "pulls": pulls,
            "durations": pulls,
            "of registries": pulls,
            "bytes": fetched,
        }
        self.assertEqual(counted, wanted)

    def _assert_no_flapping(self, story: list[Event]) -> None:
        """A pull may turn out to be a check, as soon as its layers are known; never the other way."""
        kinds: dict[str, list[str]] = {}
        for event in story:
            seen = kinds.setdefault(event.pull["id"], [])
            if seen[-1:] != [event.pull["kind"]]:
                seen.append(event.pull["kind"])
        for seen in kinds.values():
            self.assertIn(seen, (["pull"], ["check"], ["pull", "check"]))
