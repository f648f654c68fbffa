# SPDX-License-Identifier: Apache-2.0
"""A wrong setting is one clear line on stderr and exit status 2, what may be tried again 1; --help and --version work."""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from lab.pulltrace import environment
from lab.tools import REPOSITORY
from lab.waiting import free_port
from tests.integration.case import ADDRESS_SANITIZER, AGENT, SERVER

DOCUMENT = REPOSITORY / "docs/configuration.md"


def documented(program: str) -> dict[str, tuple[str, str]]:
    """The program's settings in the document, each with the default and the range that its row gives."""
    section = DOCUMENT.read_text().split(f"## {program}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(PULLTRACE_\w+)` \|([^|]*)\|([^|]*)\|", section, re.M)
    # A default in code is the very text; one in words comes about at run time.
    return {
        name: (default.strip(" `") if default.startswith(" `") else "", bounds.strip())
        for name, default, bounds in rows
    }


def offered(help_text: str) -> dict[str, tuple[str, str]]:
    """The settings in --help, each with its default and its range."""
    entries = re.findall(
        r"^  (PULLTRACE_\w+)\n      .*?(?: \(default: ([^)]*)\))?(?: \[(.*)\])?$", help_text, re.M
    )
    return {name: (default, bounds) for name, default, bounds in entries}


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
    def assert_refused(self, binary: Path, naming: str, status: int = 2, **settings: str) -> None:
        done = run(binary, **settings)
        self.assertEqual(done.returncode, status, done.stderr)
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertIn(naming, lines[0])

    def file(self, content: bytes) -> Path:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "file"
        path.write_bytes(content)
        return path

    def test_of_the_agent(self) -> None:
        for name, value in (
            ("PULLTRACE_REPORT_INTERVAL", "soon"),
            ("PULLTRACE_REPORT_INTERVAL", "-1s"),
            ("PULLTRACE_REPORT_INTERVAL", "5"),
            ("PULLTRACE_SERVER_URL", "not a url"),
            ("PULLTRACE_SERVER_URL", "ftp://127.0.0.1/"),
            ("PULLTRACE_CONTAINERD_SOCKET", "relative.sock"),
            ("PULLTRACE_CONTAINERD_SOCKET", "/etc/passwd"),
            ("PULLTRACE_CONTAINERD_SOCKET_DIRS", "run/containerd"),
            ("PULLTRACE_SERVER_URL", "http://127.0.0.1/path?x"),
            ("PULLTRACE_SERVER_URL", "http://user:word@127.0.0.1/"),
            ("PULLTRACE_CONTAINERD_NAMESPACES", ","),
            ("PULLTRACE_CONTAINERD_NAMESPACES", "a b"),
            ("PULLTRACE_CA_FILE", "/nonexistent/ca.pem"),
            ("PULLTRACE_NODE_NAME", "no spaces please"),
            ("PULLTRACE_NODE_NAME", "-node"),
            ("PULLTRACE_AGENT_TOKEN_FILE", "/nonexistent/token"),
            ("PULLTRACE_AGENT_TOKEN_FILE", str(self.file(b"\n\0\n"))),
            ("PULLTRACE_AGENT_TOKEN", "  "),
            ("PULLTRACE_LOG_LEVEL", "loud"),
        ):
            with self.subTest(f"{name}={value}"):
                self.assert_refused(AGENT, name, **{name: value})

    def test_of_the_server(self) -> None:
        for name, value in (
            ("PULLTRACE_HTTP_ADDR", "here"),
            ("PULLTRACE_HTTP_ADDR", "127.0.0.1:70000"),
            ("PULLTRACE_METRICS_ADDR", "127.0.0.1:"),
            ("PULLTRACE_AGENT_ADDR", "127.0.0.1"),
            ("PULLTRACE_AGENT_ADDR", f"127.0.0.1:{free_port()}"),  # without a certificate
            ("PULLTRACE_HISTORY_TTL", "1 hour"),
            ("PULLTRACE_STALE_TIMEOUT", "10x"),
            ("PULLTRACE_MAX_PULLS", "many"),
            ("PULLTRACE_MAX_MEMORY", "1Mi"),
            ("PULLTRACE_MAX_MEMORY", "half"),
            ("PULLTRACE_MAX_NODES", "0"),
            ("PULLTRACE_MAX_SSE_CLIENTS", "-1"),
            ("PULLTRACE_AGENT_TOKEN_FILE", "/nonexistent/token"),
            ("PULLTRACE_AGENT_TOKEN_FILE", str(self.file(b"\n\0\n"))),
            ("PULLTRACE_AGENT_TOKEN", "  "),
            ("PULLTRACE_TLS_CERT_FILE", "/nonexistent/cert.pem"),
            ("PULLTRACE_LOG_LEVEL", "loud"),
            ("PULLTRACE_KUBE_NAMESPACES", "a b"),
            ("PULLTRACE_WATCH_NAMESPACES", "Team"),
            ("PULLTRACE_KUBE_URL", "http://127.0.0.1/path?x"),
            ("PULLTRACE_ALLOWED_HOSTS", "pulls.example.org:8080"),
            ("PULLTRACE_AGENT_SERVICE_ACCOUNTS", "pulltrace-agent"),  # without agents that are known by it, too
        ):
            with self.subTest(f"{name}={value}"):
                ports = {
                    "PULLTRACE_HTTP_ADDR": f"127.0.0.1:{free_port()}",
                    "PULLTRACE_METRICS_ADDR": f"127.0.0.1:{free_port()}",
                }
                self.assert_refused(SERVER, name, **(ports | {name: value}))

    def test_one_address_for_two(self) -> None:
        """No supervisor shall try that again: it stays so."""
        port = free_port()
        for settings in (
            {"PULLTRACE_HTTP_ADDR": f"127.0.0.1:{port}", "PULLTRACE_METRICS_ADDR": f"127.0.0.1:{port}"},
            {"PULLTRACE_HTTP_ADDR": f":{port}", "PULLTRACE_METRICS_ADDR": f"127.0.0.1:{port}"},
            {
                "PULLTRACE_HTTP_ADDR": f"127.0.0.1:{free_port()}",
                "PULLTRACE_AGENT_ADDR": f"127.0.0.1:{port}",
                "PULLTRACE_METRICS_ADDR": f":{port}",
            },
        ):
            with self.subTest(settings):
                self.assert_refused(SERVER, "PULLTRACE_METRICS_ADDR are one address", **settings)

    def test_of_making_secrets(self) -> None:
        for name, value in (
            ("PULLTRACE_SECRETS_NAMESPACE", "a b"),
            ("PULLTRACE_SECRETS_TOKEN", "Token_1"),
            ("PULLTRACE_SECRETS_TOKEN", "a,b"),
            ("PULLTRACE_SECRETS_TOKEN_LIFE", "soon"),
        ):
            with self.subTest(f"{name}={value}"):
                settings = {"PULLTRACE_SECRETS_NAMESPACE": "pulltrace", "PULLTRACE_SECRETS_TOKEN": "token"}
                done = run(SERVER, "--make-secrets", **(settings | {"PULLTRACE_KUBE_URL": "http://127.0.0.1:1", name: value}))
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(f"{name}={value}", done.stderr)

    def test_a_taken_port(self) -> None:
        """A supervisor shall try again: its former holder may be about to go."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            free = f"127.0.0.1:{free_port()}"
            for settings in (
                {"PULLTRACE_HTTP_ADDR": address, "PULLTRACE_METRICS_ADDR": free},
                {"PULLTRACE_HTTP_ADDR": free, "PULLTRACE_METRICS_ADDR": address},
            ):
                with self.subTest(settings):
                    self.assert_refused(SERVER, address, 1, **settings)

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
    def test_help_and_the_document_agree(self) -> None:
        for binary in (AGENT, SERVER):
            with self.subTest(binary.name):
                done = run(binary, "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(offered(done.stdout), documented(binary.name))

    def test_version(self) -> None:
        for binary in (AGENT, SERVER):
            with self.subTest(binary.name):
                done = run(binary, "--version")
                self.assertEqual(done.returncode, 0)
                self.assertRegex(done.stdout, r"\b\d+\.\d+\.\d+\b")
