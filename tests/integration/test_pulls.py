# SPDX-License-Identifier: Apache-2.0
"""The pull stories, on each generation of containerd and by each client."""

from __future__ import annotations

from typing import Any

from lab import tools
from lab.waiting import wait_for
from tests.integration import pull_stories
from tests.integration.case import MB, LabCase, sizes
from tests.integration.clients import Ctr
from tests.integration.events import FINAL
from tests.integration.receiver import ReportReceiver

MAX_FOLLOWED_LEASES = 1000  # PT_LIMIT_LEASES


class WithCtr(pull_stories.PullStories):
    pass


class ContainerdNamespaces(LabCase):
    """Which are watched; the same image in two of them is two pulls."""

    def test_all_of_them(self) -> None:
        self.assertEqual(self._reported("all/app", "*"), {"k8s.io", "team-a", "team-b"})

    def test_those_that_are_named(self) -> None:
        self.assertEqual(self._reported("some/app", "k8s.io,team-b"), {"k8s.io", "team-b"})

    def _reported(self, repository: str, namespaces: str) -> set[str]:
        """The namespaces of the pulls that an agent reports which watches these ones."""
        receiver = ReportReceiver()
        self.addCleanup(receiver.close)
        self.start_agent(receiver.url, PULLTRACE_CONTAINERD_NAMESPACES=namespaces)
        wait_for("a report", receiver.reports, 15)
        image = self.push(repository, MB, 20_000)
        pulls = [
            self.lab.containerd.start_pull(self.lab.reference(image), namespace=namespace)
            for namespace in ("team-a", "team-b", "k8s.io")
        ]
        self.assertEqual([pull.wait(60) for pull in pulls], [0, 0, 0])
        self.pull(self.push(f"marker/{repository}", 1_500_000))
        wait_for("the marker is reported", lambda: self._ends(receiver, f"marker/{repository}"), 20)
        ends = self._ends(receiver, f"registry.example/{repository}")
        for pull in ends:
            self.assertEqual(pull["phase"], "completed")
            total = sum(layer["totalBytes"] for layer in pull["layers"])
            self.assertEqual(total, image.layer_bytes)
        return {pull["namespace"] for pull in ends}

    def _ends(self, receiver: ReportReceiver, part: str) -> list[dict[str, Any]]:
        return [pull for pull in receiver.pulls_of(part) if pull["phase"] in FINAL]


class AmongManyLeases(LabCase):
    """Builds, imports and killed clients leave leases behind, and the agent follows so many only."""

    def test_a_pull_is_seen(self) -> None:
        for number in range(MAX_FOLLOWED_LEASES + 1):
            self.lab.containerd.ctr("leases", "create", "--id", f"idle-{number}")
        _, _, log = self.start_all()
        image = self.push("among/leases", 2 * MB, 20_000)

        self.pull(image)

        final = log.wait_for_end("among/leases")[-1]
        self.assert_true_from_the_start(log.of_image("among/leases"), image)
        self.assert_completed(final, image)


class AnotherPlatform(LabCase):
    """Than this machine's, pulled on purpose: the small image is there before its layer is seen.

    Until one is seen, the total is a guess; so the events are not held to a total that never moves."""

    def test_its_layers_count(self) -> None:
        server = self.start_server()
        self.start_agent(server.url)
        self.wait_for_agent(server)
        for size in (20_000, 2 * MB):
            with self.subTest(size):
                image = self.lab.images.push(
                    "other/platform",
                    str(size),
                    sizes("other/platform", size),
                    platforms=("linux/s390x", "linux/amd64", "linux/arm64"),
                )
                self.client = Ctr(self.lab.containerd, "--platform", "linux/s390x")

                self.pull(image)

                query = f"?image=:{size}&status=completed"
                row = wait_for("it is shown", lambda: self.pulls(server, query), 15)[0]
                shown = row["manifestDigest"], row["totalBytes"], row["layerCount"]
                self.assertEqual(shown, (image.manifest_digest, image.layer_bytes, 1))


class AnotherPlatformOnContainerd2(AnotherPlatform):
    binaries = tools.CONTAINERD_2


class WithCri(pull_stories.PullStories):
    uses_cri = True


class WithCtrOnContainerd2(pull_stories.PullStories):
    binaries = tools.CONTAINERD_2


class WithCriOnContainerd2(pull_stories.PullStories):
    binaries = tools.CONTAINERD_2
    uses_cri = True
