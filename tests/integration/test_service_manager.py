# SPDX-License-Identifier: Apache-2.0
"""Agent and server as services of systemd: they say when they serve, live and end, and what goes to the journal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from lab.pulltrace import environment
from lab.waiting import free_port
from tests.integration.case import ADDRESS_SANITIZER, AGENT, SERVER
from tests.integration.http_json import get


class ServiceManager(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(str(self.folder / "notify"))
        self.socket.settimeout(20)
        self.port = free_port()

    def settings(self) -> dict[str, str]:
        return {
            "NOTIFY_SOCKET": str(self.folder / "notify"),
            "WATCHDOG_USEC": "200000",
            "PULLTRACE_HTTP_ADDR": f"127.0.0.1:{self.port}",
            "PULLTRACE_METRICS_ADDR": f"127.0.0.1:{free_port()}",
        }

    def start(
        self,
        binary: Path,
        settings: Mapping[str, str],
        stdout: BinaryIO | int = subprocess.DEVNULL,
        stderr: BinaryIO | None = None,
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [binary],
            env=environment(ADDRESS_SANITIZER | self.settings() | dict(settings)),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def heard(self) -> str:
        return self.socket.recv(256).decode()

    def assert_notifies(self, binary: Path, settings: Mapping[str, str]) -> None:
        process = self.start(binary, settings)
        self.assertEqual(self.heard(), "READY=1")
        if binary == SERVER:
            self.assertEqual(get(self.port, "/healthz").text(), "ok")
        for _ in range(3):
            self.assertEqual(self.heard(), "WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        while (words := self.heard()) == "WATCHDOG=1":
            pass
        self.assertEqual(words, "STOPPING=1")
        self.assertEqual(process.wait(20), 0)

    def test_the_server_notifies(self) -> None:
        self.assert_notifies(SERVER, {})

    def test_the_agent_notifies(self) -> None:
        self.assert_notifies(AGENT, {"PULLTRACE_NODE_NAME": "node"})

    def test_the_journal_gets_priorities(self) -> None:
        """Where standard output, or error, is its stream, and nowhere else."""
        for stream, name in (("journal", "stdout"), ("file", "none")):
            with self.subTest(stream):
                out, err = self.folder / f"{stream}.out", self.folder / f"{stream}.err"
                with out.open("wb") as output, err.open("wb") as error:
                    place = os.fstat(output.fileno() if name == "stdout" else self.socket.fileno())
                    settings = {
                        "JOURNAL_STREAM": f"{place.st_dev}:{place.st_ino}",
                        "PULLTRACE_UNHEARD_OF": "1",
                    }
                    process = self.start(SERVER, settings, output, error)
                    while self.heard() != "READY=1":
                        pass
                    process.terminate()
                    self.assertEqual(process.wait(20), 0)
                lines = out.read_text().splitlines()
                self.assertGreater(len(lines), 2)
                levels = {"warn": "4", "info": "6"} if name == "stdout" else {}
                for line in lines:
                    found = re.match(r'(?:<(\d)>)?\{"time":"[^"]*","level":"(\w+)"', line)
                    assert found, line
                    self.assertEqual(found[1], levels.get(found[2]), line)

    def test_what_ends_it_is_an_error_in_the_journal(self) -> None:
        for binary in (AGENT, SERVER):
            with self.subTest(binary.name):
                path = self.folder / binary.name
                with path.open("wb") as error:
                    place = os.fstat(error.fileno())
                    status = subprocess.run(
                        [binary],
                        env=environment(
                            ADDRESS_SANITIZER
                            | {
                                "JOURNAL_STREAM": f"{place.st_dev}:{place.st_ino}",
                                "PULLTRACE_LOG_LEVEL": "loud",
                            }
                        ),
                        stdin=subprocess.DEVNULL,
                        stderr=error,
                        timeout=20,
                    ).returncode
                self.assertEqual(status, 2)
                self.assertRegex(path.read_text(), rf"^<3>{binary.name}: PULLTRACE_LOG_LEVEL=loud")
