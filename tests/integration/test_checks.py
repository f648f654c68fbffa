# SPDX-License-Identifier: Apache-2.0
"""The stories of checks, on each generation of containerd and by each client."""

from __future__ import annotations

from lab import tools
from tests.integration import check_stories


class WithCtr(check_stories.CheckStories):
    pass


class WithCri(check_stories.CheckStories):
    uses_cri = True


class WithCtrOnContainerd2(check_stories.CheckStories):
    binaries = tools.CONTAINERD_2


class WithCriOnContainerd2(check_stories.CheckStories):
    binaries = tools.CONTAINERD_2
    uses_cri = True
