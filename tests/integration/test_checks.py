# SPDX-License-Identifier: Apache-2.0
"""The stories of checks, on each generation of containerd and by each client."""

from __future__ import annotations

from lab import tools
from tests.integration import check_stories
from tests.integration.clients import Ctr


class WithCtr(check_stories.CheckStories):
    pass


class WithCri(check_stories.CheckStories):
    uses_cri = True


class WithCtrOnContainerd2(check_stories.CheckStories):
    binaries = tools.CONTAINERD_2


class WithCriOnContainerd2(check_stories.CheckStories):
    binaries = tools.CONTAINERD_2
    uses_cri = True


class WithCtrBesideTheKubelet(check_stories.CheckStories):
    """containerd 2's CRI plugin gives ctr's records its labels, each time, and so writes them once more."""

    binaries = tools.CONTAINERD_2
    uses_cri = True

    def setUp(self) -> None:
        super().setUp()
        self.client = Ctr(self.lab.containerd)
