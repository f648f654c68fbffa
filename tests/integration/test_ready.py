# SPDX-License-Identifier: Apache-2.0
"""`pulltrace-agent --ready` beside the agent as it is shipped: as a kubelet's probe runs it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from lab.pulltrace import Agent
from lab.waiting import wait_for
from tests.integration.case import RELEASE_AGENT, LabCase

# User 0 without any capability, as both are in the pod.
POWERLESS = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"]


class Ready(LabCase):
    def setUp(self) -> None:
        super().setUp()
        # Every agent of this machine is in the same /proc.
        self.node = f"ready-{os.getpid()}-{self.folder.name}"
        self.program = self.folder / "powerless-agent"
        self.program.write_text(f'#!/bin/sh\nexec {" ".join(POWERLESS)} {RELEASE_AGENT} "$@"\n')
        self.program.chmod(0o755)

    def start_node(self, server_url: str, **settings: str) -> Agent:
        return self.start_agent(
            server_url, self.program, PULLTRACE_NODE_NAME=self.node, **settings
        )

    def probe(self, program: Path | None = None) -> tuple[int, str]:
        return self.answer_of(program or self.program, "--ready", PULLTRACE_NODE_NAME=self.node)

    def wait_for_probe(self, status: int, words: str) -> None:
        def fits() -> bool:
            got, said = self.probe()
            return got == status and words in said

        wait_for(f"the probe says {words!r}", fits, 30, every_s=0.2)

    def test_both_peers_come_and_go(self) -> None:
        self.assertEqual(
            self.probe(), (1, f"no pulltrace-agent of node {self.node} runs here\n")
        )
        server = self.start_server()
        server.stop()
        agent = self.start_node(server.url)
        self.wait_for_probe(1, "containerd reached, server NOT reached (")
        server.start()
        self.wait_for_probe(0, "containerd reached, server reached")
        self.lab.containerd.stop()
        self.wait_for_probe(1, "containerd NOT reached (")
        self.lab.containerd.start()
        self.wait_for_probe(0, "containerd reached, server reached")
        agent.stop()
        self.wait_for_probe(1, "no pulltrace-agent")

    def test_a_token_that_is_refused(self) -> None:
        token = self.folder / "token"
        token.write_text("old")
        server = self.start_server(PULLTRACE_AGENT_TOKEN="new")
        self.start_node(server.url, PULLTRACE_AGENT_TOKEN_FILE=str(token))
        self.wait_for_probe(1, "server NOT reached (HTTP status 401)")
        token.write_text("new\nold\n")
        self.wait_for_probe(0, "server reached")

    def test_without_a_server(self) -> None:
        self.start_node("")
        self.wait_for_probe(0, "containerd reached, server none")

    def test_another_user_finds_none(self) -> None:
        """It needs no right over the agent's process but that of its own user."""
        self.start_node("")
        self.wait_for_probe(0, "containerd reached")
        # Where another user may execute it.
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            copy = Path(folder) / "agent"
            shutil.copy(RELEASE_AGENT, copy)
            stranger = Path(folder) / "stranger"
            to_stranger = "setpriv --reuid 65534 --regid 65534 --clear-groups"
            stranger.write_text(f'#!/bin/sh\nexec {to_stranger} {copy} "$@"\n')
            stranger.chmod(0o755)
            self.assertEqual(self.probe(stranger)[0], 1)
