# SPDX-License-Identifier: Apache-2.0
"""The pull stories, on each generation of containerd and by each client."""

from __future__ import annotations

from lab import tools
from tests.integration import pull_stories


class WithCtr(pull_stories.PullStories):
    pass


class WithCri(pull_stories.PullStories):
    uses_cri = True


class WithCtrOnContainerd2(pull_stories.PullStories):
    binaries = tools.CONTAINERD_2


class WithCriOnContainerd2(pull_stories.PullStories):
    binaries = tools.CONTAINERD_2
    uses_cri = True
