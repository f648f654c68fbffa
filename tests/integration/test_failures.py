# SPDX-License-Identifier: Apache-2.0
"""The failure stories, on each generation of containerd and by each client."""

from __future__ import annotations

from lab import tools
from tests.integration import failure_stories


class WithCtr(failure_stories.FailureStories):
    pass


class WithCri(failure_stories.FailureStories):
    uses_cri = True


class WithCtrOnContainerd2(failure_stories.FailureStories):
    binaries = tools.CONTAINERD_2


class WithCriOnContainerd2(failure_stories.FailureStories):
    binaries = tools.CONTAINERD_2
    uses_cri = True
