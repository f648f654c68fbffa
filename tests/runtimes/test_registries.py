# SPDX-License-Identifier: Apache-2.0
"""Registries that are slow or silent, and pulls that are broken off and made again."""

from __future__ import annotations

import time
from typing import Any

from lab import tools
from lab.containerd import PullFailed
from lab.images import Image
from lab.waiting import wait_for
from tests.integration.case import MB
from tests.integration.clients import Ctr, RunningPull
from tests.runtimes.case import HOST, RuntimeCase

KB = 1000


class Slow(RuntimeCase):
    """Containerd shows bytes by the MiB, which is ten seconds here."""

    def test_one_layer_of_several_at_100_kb(self) -> None:
        image = self.push("slow/one-layer", 48 * MB, 6 * MB, 4 * MB)
        self.meter.rates[image.layers[1].digest] = 100 * KB
        self.check_never_stalled(image)

    def check_never_stalled(self, image: Image) -> None:
        looks: list[dict[str, Any]] = []

        def start(image: Image) -> RunningPull:
            call = self.start(image)
            looks.extend(self.look_while(image, call))
            return call

        pulled = self.pull_and_count(image, start, 600)
        stalled = [row for row in looks if row.get("stalledSeconds")]
        self.note(image.repository, "looks stalled", 0, f"{len(stalled)} of {len(looks)}")
        self.check_percent(image, pulled)
        self.assertEqual(stalled, [])


class SlowAlone(Slow):
    """An image of one layer, nothing else on the node."""

    def test_one_layer_of_several_at_100_kb(self) -> None:
        image = self.push("slow/alone", 32 * MB)
        self.meter.rates[image.layers[0].digest] = 100 * KB
        self.check_never_stalled(image)


class Silent(RuntimeCase):
    bytes_per_second = MB

    def test_nothing_comes_at_all(self) -> None:
        self.check_stall(self.push("silent/all", 4 * MB), 0)

    def test_less_than_is_shown_and_then_nothing(self) -> None:
        self.check_stall(self.push("silent/first", 4 * MB), 700 * KB)

    def test_nothing_comes_any_more(self) -> None:
        self.check_stall(self.push("silent/middle", 6 * MB), 2_500 * KB)

    def check_stall(self, image: Image, sent_before: int) -> None:
        """It is shown as such while it lasts, and it is over when bytes come."""
        digest = image.layers[0].digest
        self.meter.silent_after[digest] = sent_before
        stalls: list[dict[str, Any]] = []

        def start(image: Image) -> RunningPull:
            call = self.start(image)

            def stalled() -> list[dict[str, Any]]:
                return [row for row in self.rows(image) if row.get("holdUp")]

            stalls.extend(wait_for(f"{image.repository} stalls", stalled, 45))
            self.assertEqual(self.meter.bytes_sent(image.repository, digest), sent_before)
            del self.meter.silent_after[digest]
            wait_for("bytes come", lambda: not stalled(), 15)
            return call

        pulled = self.pull_and_count(image, start)
        self.assertEqual(stalls[0]["holdUp"]["kind"], "no_bytes")
        self.assertGreaterEqual(stalls[0]["stalledSeconds"], 10)
        self.assertNotIn("stalledSeconds", pulled.row)


class SilentOnContainerd1(Silent):
    binaries = tools.CONTAINERD_DEBIAN


class Broken(RuntimeCase):
    bytes_per_second = MB

    def tearDown(self) -> None:
        """What a killed client has left would be a pull to the next test's agent, being so young."""
        for line in self.lab.containerd.ctr("leases", "ls", "-q").split():
            self.lab.containerd.ctr("leases", "rm", line)

    def begin(self, image: Image, call: RunningPull | None = None) -> RunningPull:
        """Pulls it until some of it is there."""
        call = call or self.start(image)
        wait_for(
            "a part is there",
            lambda: any(row["bytesFetched"] > 2 * MB for row in self.rows(image)),
            20,
        )
        return call

    def end(self, image: Image, *wanted: str) -> None:
        """The image's pulls have ended in these ways, the oldest first, with what was sent for them."""

        def ended() -> list[dict[str, Any]]:
            rows = self.rows(image)[::-1]
            phases = [row["phase"] for row in rows]
            return rows if phases == ["failed"] * (len(wanted) - 1) + ["completed"] else []

        rows = wait_for(f"{image.repository}: {len(wanted)} pulls have ended", ended, 30)
        for row, words in zip(rows, wanted, strict=True):
            self.assertIn(words, row.get("error", ""))
        shown = sum(row["bytesFetched"] for row in rows)
        sent = self.meter.bytes_sent(image.repository)
        self.check_count(image.repository, sent, shown, self.counted())

    def test_containerd_killed_and_the_download_resumed(self) -> None:
        image = self.push("broken/killed", 7 * MB)
        self.begin(image)
        self.lab.containerd.kill()
        sent_before = self.meter.bytes_sent(image.repository)
        self.lab.containerd.start()
        self.log.wait_for_phase(image.repository, "failed")
        self.start(image).finish()
        again = self.meter.bytes_sent(image.repository) - sent_before
        self.assertLess(again, 6 * MB, "the rest only")
        self.end(image, "containerd was restarted", "")
        row = self.rows(image)[0]
        self.note(f"{image.repository}, resumed", "bytes", again, row["bytesFetched"])
        self.assertAlmostEqual(row["bytesFetched"], again, delta=1 << 20)

    def test_containerd_restarted(self) -> None:
        image = self.push("broken/restarted", 7 * MB)
        self.begin(image)
        self.lab.containerd.stop()
        self.lab.containerd.start()
        self.start(image).finish()
        self.end(image, "", "")

    def test_the_kubelet_is_killed(self) -> None:
        image = self.push("broken/kubelet", 7 * MB)
        self.begin(image).process.kill()
        failed = self.log.wait_for_end(image.repository)[-1].pull
        self.assertEqual(failed["phase"], "failed", failed)
        self.start(image).finish()
        self.end(image, "", "")

    def test_the_kubelet_is_killed_with_three_layers_on_their_way(self) -> None:
        """containerd 2 writes what has come of each, and says that it gives up; 1 says nothing."""
        image = self.push("broken/three", 6 * MB, 6 * MB, 6 * MB)
        self.begin(image).process.kill()
        failed = self.log.wait_for_end(image.repository)[-1].pull
        sent = self.meter.bytes_sent(image.repository)
        self.note(image.repository, "bytes", sent, failed["bytesFetched"])
        unseen = 3 << 20 if self.binaries is tools.CONTAINERD_DEBIAN else 1 << 20
        self.assertAlmostEqual(failed["bytesFetched"], sent, delta=unseen)

    def test_the_agent_is_restarted(self) -> None:
        """What had come before it started counts once, and not as speed."""
        image = self.push("broken/agent", 9 * MB)
        call = self.begin(image)
        self.agent.process.kill()
        before = time.time()
        self.agent = self.start_agent(self.server.url)
        call.finish()
        self.log.wait_for_end(image.repository)
        shown = [event for event in self.log.of_image(image.repository) if event.received > before]
        fastest = max(event.pull["bytesPerSec"] for event in shown)
        self.note(image.repository, "fastest", self.bytes_per_second, f"{fastest:.0f}")
        self.assertLess(fastest, 2.5 * self.bytes_per_second)
        self.end(image, "")

    def test_ctr_is_killed(self) -> None:
        """Its lease stays; the pull is still until another fetches the same."""
        image = self.push("broken/ctr", 7 * MB)
        local = () if self.binaries is tools.CONTAINERD_DEBIAN else ("--local",)
        call = Ctr(self.lab.containerd, *local).start(image.reference(HOST))
        self.begin(image, call).process.kill()
        wait_for("it stalls", lambda: self.rows(image)[0].get("stalledSeconds", 0) > 3, 40)
        self.assertEqual(self.rows(image)[0]["phase"], "downloading")
        self.start(image).finish()
        self.end(image, "the client that pulled is gone", "")

    def test_the_server_is_restarted(self) -> None:
        """What comes while none runs the next one counts, and nothing else of what was there."""
        image = self.push("broken/server", 9 * MB)
        call = self.begin(image)
        before = self.counted()
        wait_for("a piece has just come", lambda: self.counted() > before, 20, every_s=0.02)
        counted = self.counted()
        self.server.stop()
        before = self.meter.bytes_sent(image.repository)
        wait_for(
            "more comes meanwhile", lambda: self.meter.bytes_sent(image.repository) > before + 3 * MB, 30
        )
        self.server.start()
        call.finish()
        self.log.wait_for_end(image.repository)
        self.assertGreater(self.counted(), 3 * MB)
        counted += self.counted()
        sent = self.meter.bytes_sent(image.repository)
        self.check_count(image.repository, sent, self.rows(image)[0]["bytesFetched"], counted)

    def test_a_layer_is_missing(self) -> None:
        image = self.push("broken/missing", 2 * MB, MB, MB)
        self.lab.images.remove_blob(image, image.layers[2])
        with self.assertRaises(PullFailed):
            self.start(image).finish()
        row = self.log.wait_for_end(image.repository)[-1].pull
        self.assertEqual(row["phase"], "failed")
        self.assertNotIn("layer 1 of 3", row["error"])


class BrokenOnContainerd1(Broken):
    binaries = tools.CONTAINERD_DEBIAN


class BrokenOnContainerd24(Broken):
    binaries = tools.CONTAINERD_24
