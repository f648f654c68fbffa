# SPDX-License-Identifier: Apache-2.0
"""The failure stories, on each generation of containerd and by each client."""

from __future__ import annotations

from lab import tools
from lab.containerd import PullFailed
from tests.integration import failure_stories


class WithCtr(failure_stories.FailureStories):
    pass


class WithCri(failure_stories.FailureStories):
    uses_cri = True


class WithCtrOnContainerd2(failure_stories.FailureStories):
    binaries = tools.CONTAINERD_2

    def test_a_layer_missing_in_the_registry_fails_the_pull(self) -> None:
        # This client asks for all layers at once, and is over before the agent can look.
        image = self.push("broken/app", 1_300_000, 50_000)
        self.lab.images.remove_blob(image, image.layers[-1])
        server, _, log = self.start_all()

        with self.assertRaises(PullFailed):
            self.pull(image)

        self.pull(self.push("broken/marker", 1_500_000))
        log.wait_for_end("broken/marker")
        told = {row["phase"] for row in self.pulls(server) if "broken/app" in row["imageRef"]}
        self.assertLessEqual(told, {"failed"})


class WithCriOnContainerd2(failure_stories.FailureStories):
    binaries = tools.CONTAINERD_2
    uses_cri = True
