# SPDX-License-Identifier: Apache-2.0
"""The agent as a tool by itself: the log has the story, and --watch draws it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from pathlib import Path
from typing import Any, ClassVar

from lab.containerd import PullFailed
from lab.pulltrace import Agent, environment
from lab.waiting import wait_for
from tests.integration.case import ADDRESS_SANITIZER, AGENT, LabCase
from tests.integration.clients import Ctr
from tests.integration.receiver import ReportReceiver


class LogOnly(LabCase):
    def test_each_pull_s_start_and_end_is_a_json_line(self) -> None:
        agent = self.start_agent("")
        image = self.push("log/good", 2_500_000)
        broken = self.push("log/broken", 1_200_000, 30_000)
        self.lab.images.remove_blob(broken, broken.layers[-1])
        self.client = Ctr(self.lab.containerd, "--max-concurrent-downloads", "1")
        wait_for("the agent runs", agent.process.stdout_text, 10)

        self.pull(image)
        with self.assertRaises(PullFailed):
            self.pull(broken)

        wait_for("all four lines", lambda: len(self._events(agent)) >= 4, 15)
        lines = [(event["type"], self._repository(event["pull"])) for event in self._events(agent)]
        ids = [event["pull"]["id"] for event in self._events(agent)]
        good, bad = "registry.example/log/good", "registry.example/log/broken"
        # A start may be seen before there is a manifest whose labels name the repository.
        self.assertIn(lines[0], [("pull.started", good), ("pull.started", "resolving")])
        self.assertEqual(lines[1], ("pull.completed", good))
        self.assertIn(lines[2], [("pull.started", bad), ("pull.started", "resolving")])
        self.assertEqual(lines[3:], [("pull.failed", bad)])
        self.assertEqual([ids[0], ids[2]], [ids[1], ids[3]], "a start and an end of each")

    def test_progress_is_logged_at_debug(self) -> None:
        agent = self.start_agent("", PULLTRACE_LOG_LEVEL="debug")
        wait_for("the agent runs", agent.process.stdout_text, 10)

        self.pull(self.push("log/progress", 2_500_000))

        wait_for("its end", lambda: "pull.completed" in agent.process.stdout_text(), 15)
        events = self._events(agent)
        self.assertEqual(events[0]["type"], "pull.started")
        self.assertEqual(events[-1]["type"], "pull.completed")
        between = [event for event in events[1:-1] if event["type"] == "pull.progress"]
        self.assertEqual(len(between), len(events) - 2)
        bytes_logged = [event["pull"]["downloadedBytes"] for event in between]
        self.assertEqual(bytes_logged, sorted(bytes_logged))
        self.assertGreater(len(set(bytes_logged)), 2, "it moves")

    @staticmethod
    def _repository(pull: dict[str, Any]) -> str:
        """As it is reported; "resolving" of a pull that is still in that phase and has none."""
        is_unknown = pull["phase"] == "resolving" and "repository" not in pull
        return "resolving" if is_unknown else pull["repository"]

    def _events(self, agent: Agent) -> list[dict[str, Any]]:
        """Those in the log's lines so far; each line is whole and has what every line has."""
        text = agent.process.stdout_text()
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]
        for line in lines:
            self.assertLessEqual({"time", "level", "msg"}, set(line))
            self.assertEqual(line["msg"], line.get("event", {}).get("type", line["msg"]))
        return [line["event"] for line in lines if "event" in line]


class WatchCase(LabCase):
    agent: ClassVar[Path] = AGENT

    def watch(
        self, repository: str, to_terminal: bool, is_there: bool = False, **more_settings: str
    ) -> str:
        """What `pulltrace-agent --watch` writes while an image is pulled."""
        image = self.push(repository, 3_500_000)
        if is_there:
            self.pull(image)
        reading, writing = pty.openpty() if to_terminal else os.pipe()
        settings = {
            "PULLTRACE_CONTAINERD_SOCKET": str(self.lab.containerd.socket),
            "PULLTRACE_CONTAINERD_SOCKET_DIRS": str(self.lab.containerd.folder),
            "TERM": "xterm",
        }
        agent = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", self.agent, "--watch"],
            env=environment(ADDRESS_SANITIZER | settings | more_settings),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
        )
        os.close(writing)
        received = bytearray()

        def read() -> None:
            try:
                while chunk := os.read(reading, 65536):
                    received.extend(chunk)
            except OSError:
                pass  # a terminal's other end has closed

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            if to_terminal:  # a check is over in a moment: the agent has to look by then
                wait_for("it looks", lambda: b"no image is being pulled" in received, 15)
            self.pull(image)
            ends = (b"completed", b"100", b"checked")
            wait_for("the end is shown", lambda: any(end in received for end in ends), 15)
        finally:
            agent.terminate()
            _, complaints = agent.communicate(timeout=10)
            reader.join(5)
            os.close(reading)
        self.assertEqual((agent.returncode, complaints.decode()), (0, ""))
        return received.decode()


class Watch(WatchCase):
    def test_plain_lines_when_stdout_is_no_terminal(self) -> None:
        text = self.watch("watch/plain", to_terminal=False)
        self.assertNotIn("\x1b", text)
        self.assertIn("registry.example/watch/plain", text)
        self.assertIn("completed", text)

    def test_bars_on_a_terminal(self) -> None:
        text = self.watch("watch/bars", to_terminal=True)
        self.assertIn("\x1b[", text)
        self.assertIn("watch/bars", text)
        self.assertIn("%", text)

    def test_no_bar_for_an_image_that_is_there(self) -> None:
        text = self.watch("watch/there", to_terminal=True, is_there=True)
        self.assertIn("registry.example/watch/there:1.0 checked: nothing to fetch", text)
        self.assertNotIn("%", text)

    def test_beside_the_agent_it_is_no_second_one(self) -> None:
        """In an agent's pod it has the agent's settings, and needs none of its tokens."""
        receiver = ReportReceiver()
        self.addCleanup(receiver.close)
        agents = {
            "PULLTRACE_SERVER_URL": receiver.url,
            "PULLTRACE_NODE_NAME": "worker",
            "PULLTRACE_AGENT_IDENTITY": "kubernetes",
            "PULLTRACE_AGENT_IDENTITY_FILE": str(self.folder / "absent"),
        }
        self.assertIn("completed", self.watch("watch/beside", to_terminal=False, **agents))
        self.assertEqual(receiver.reports(), [])
