# SPDX-License-Identifier: Apache-2.0
"""A wrong setting is one clear line on stderr and exit status 2; --help and --version work."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from lab.pulltrace import environment
from lab.waiting import free_port
from tests.integration.case import ADDRESS_SANITIZER, AGENT, SERVER

AGENT_SETTINGS = (
    "NODE_NAME SERVER_URL CONTAINERD_SOCKET CONTAINERD_SOCKET_DIRS CONTAINERD_NAMESPACE"
    " REPORT_INTERVAL AGENT_TOKEN AGENT_TOKEN_FILE CA_FILE LOG_LEVEL"
)
SERVER_SETTINGS = (
    "HTTP_ADDR METRICS_ADDR AGENT_TOKEN AGENT_TOKEN_FILE TLS_CERT_FILE TLS_KEY_FILE"
    " HISTORY_TTL STALE_TIMEOUT MAX_PULLS MAX_NODES MAX_SSE_CLIENTS LOG_LEVEL"
)


def run(binary: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end, which must come by itself."""
    return subprocess.run(
        [binary, *arguments],
        env=environment(ADDRESS_SANITIZER | settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
    )


class WrongSettings(unittest.TestCase):
    def assert_refused(self, binary: Path, naming: str, **settings: str) -> None:
        done = run(binary, **settings)
        self.assertEqual(done.returncode, 2, done.stderr)
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(naming, lines[0])

    def test_of_the_agent(self) -> None:
        for name, value in (
            ("PULLTRACE_REPORT_INTERVAL", "soon"),
            ("PULLTRACE_REPORT_INTERVAL", "-1s"),
            ("PULLTRACE_REPORT_INTERVAL", "5"),
            ("PULLTRACE_SERVER_URL", "not a url"),
            ("PULLTRACE_SERVER_URL", "ftp://127.0.0.1/"),
            ("PULLTRACE_CONTAINERD_SOCKET", "relative.sock"),
            ("PULLTRACE_CONTAINERD_SOCKET", "/etc/passwd"),
            ("PULLTRACE_NODE_NAME", "no spaces please"),
            ("PULLTRACE_AGENT_TOKEN_FILE", "/nonexistent/token"),
            ("PULLTRACE_LOG_LEVEL", "loud"),
        ):
            with self.subTest(f"{name}={value}"):
                self.assert_refused(AGENT, name, **{name: value})

    def test_of_the_server(self) -> None:
        for name, value in (
            ("PULLTRACE_HTTP_ADDR", "here"),
            ("PULLTRACE_HTTP_ADDR", "127.0.0.1:70000"),
            ("PULLTRACE_METRICS_ADDR", "127.0.0.1:"),
            ("PULLTRACE_HISTORY_TTL", "1 hour"),
            ("PULLTRACE_STALE_TIMEOUT", "10x"),
            ("PULLTRACE_MAX_PULLS", "many"),
            ("PULLTRACE_MAX_NODES", "0"),
            ("PULLTRACE_MAX_SSE_CLIENTS", "-1"),
            ("PULLTRACE_TLS_CERT_FILE", "/nonexistent/cert.pem"),
            ("PULLTRACE_LOG_LEVEL", "loud"),
        ):
            with self.subTest(f"{name}={value}"):
                ports = {
                    "PULLTRACE_HTTP_ADDR": f"127.0.0.1:{free_port()}",
                    "PULLTRACE_METRICS_ADDR": f"127.0.0.1:{free_port()}",
                }
                self.assert_refused(SERVER, name, **(ports | {name: value}))

    def test_a_taken_port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            free = f"127.0.0.1:{free_port()}"
            for settings in (
                {"PULLTRACE_HTTP_ADDR": address, "PULLTRACE_METRICS_ADDR": free},
                {"PULLTRACE_HTTP_ADDR": free, "PULLTRACE_METRICS_ADDR": address},
            ):
                with self.subTest(settings):
                    self.assert_refused(SERVER, address, **settings)

    def test_a_socket_outside_its_folders(self) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            outside = Path(folder) / "containerd.sock"
            listener.bind(str(outside))
            listener.listen()
            linked = Path(folder) / "allowed"
            linked.mkdir()
            (linked / "containerd.sock").symlink_to(outside)
            for path in (outside, linked / "containerd.sock"):
                with self.subTest(str(path)):
                    self.assert_refused(
                        AGENT,
                        "PULLTRACE_CONTAINERD_SOCKET",
                        PULLTRACE_CONTAINERD_SOCKET=str(path),
                        PULLTRACE_CONTAINERD_SOCKET_DIRS=str(linked),
                    )

    def test_arguments_that_do_not_exist(self) -> None:
        for binary in (AGENT, SERVER):
            with self.subTest(binary.name):
                done = run(binary, "--frobnicate")
                self.assertEqual(done.returncode, 2)
                self.assertIn("--help", done.stderr)


class HelpAndVersion(unittest.TestCase):
    def test_help_names_every_setting(self) -> None:
        for binary, names in ((AGENT, AGENT_SETTINGS), (SERVER, SERVER_SETTINGS)):
            with self.subTest(binary.name):
                done = run(binary, "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                missing = [name for name in names.split() if f"PULLTRACE_{name}" not in done.stdout]
                self.assertEqual(missing, [])

    def test_version(self) -> None:
        for binary in (AGENT, SERVER):
            with self.subTest(binary.name):
                done = run(binary, "--version")
                self.assertEqual(done.returncode, 0)
                self.assertRegex(done.stdout, r"\b\d+\.\d+\.\d+\b")
