# SPDX-License-Identifier: Apache-2.0
"""What code inside the agent may still do after its start, and that it is enough for the agent.

All of it with the agent as it is shipped: the sanitizers cannot live with its seccomp filter.
"""

from __future__ import annotations

import subprocess
import unittest
from pathlib import Path

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.case import BINARIES, RELEASE_AGENT, LabCase
from tests.integration.certificates import make_certificates
from tests.integration.name_server import NameServer
from tests.integration.test_terminal import WatchCase

PROBE = BINARIES / "release" / "tests" / "probe" / "confine_probe"
NEEDED = {
    "mmap", "mprotect", "pipe", "tgkill itself", "prlimit itself", "fcntl F_SETFL",
    "ioctl FIONBIO", "ioctl FIONREAD", "socket netlink route", "socket inet", "socket inet6",
    "socket unix", "open to read", "a thread", "getaddrinfo",
}  # fmt: skip
SERVER_NAME = "server.pulltrace.test"


class Probe(unittest.TestCase):
    def test_each_call_that_the_agent_does_not_need_is_refused(self) -> None:
        """Once any root process could be killed from within it, and its limits set."""
        with subprocess.Popen(["sleep", "60"]) as other:
            try:
                done = subprocess.run(
                    [PROBE, str(other.pid)],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=20,
                )
                self.assertIsNone(other.poll(), "the other process lives")
            finally:
                other.kill()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        results = dict(line.split("\t") for line in done.stdout.splitlines())
        self.assertGreater(len(results), 60)
        self.assertLessEqual(NEEDED, set(results))
        for name, result in results.items():
            with self.subTest(name):
                self.assertEqual(result, "done" if name in NEEDED else "EPERM")


class Afterwards(LabCase):
    def agent_with_names(self, names: NameServer) -> Path:
        """A script that starts the agent where names are asked of that server."""
        resolver = self.folder / "resolv.conf"
        resolver.write_text(f"nameserver {names.address}\noptions timeout:1\n")
        switch = self.folder / "nsswitch.conf"
        switch.write_text("hosts: files hesiod [!UNAVAIL=continue] no_such_module dns # last\n")
        script = self.folder / "agent-with-names"
        script.write_text(
            "#!/bin/sh\nexec unshare --mount --propagation private sh -c '"
            f"mount --bind {resolver} /etc/resolv.conf && "
            f"mount --bind {switch} /etc/nsswitch.conf && exec {RELEASE_AGENT}'\n"
        )
        script.chmod(0o755)
        return script

    def set_token(self, path: Path, token: str) -> None:
        new = path.with_suffix(".new")
        new.write_text(token)
        new.replace(path)

    def reports(self, server: Server) -> float:
        return self.metric(server, "pulltrace_agent_reports_total")

    def test_it_resolves_names_speaks_tls_and_reads_rotated_tokens(self) -> None:
        names = NameServer({SERVER_NAME: "127.0.0.1"})
        self.addCleanup(names.close)
        token = self.folder / "token"
        self.set_token(token, "first")
        certificates = make_certificates(self.folder / "tls", f"DNS:{SERVER_NAME}")
        server = self.start_server(
            PULLTRACE_AGENT_TOKEN_FILE=str(token),
            PULLTRACE_TLS_CERT_FILE=str(certificates.certificate),
            PULLTRACE_TLS_KEY_FILE=str(certificates.key),
        )
        agent = self.start_agent(
            f"https://{SERVER_NAME}:{server.port}",
            self.agent_with_names(names),
            PULLTRACE_AGENT_TOKEN_FILE=str(token),
            PULLTRACE_CA_FILE=str(certificates.authority),
            no_proxy="*",
        )
        self.wait_for_agent(server)
        self.assertIn("libnss_hesiod", Path(f"/proc/{agent.process.pid}/maps").read_text())
        self.assertGreater(names.questions, 0)

        self.set_token(token, "second")
        before = self.reports(server)
        image = self.push("confined/app", 1_500_000)
        self.pull(image)

        wait_for("reports go on", lambda: self.reports(server) > before + 2, 15)
        self.assertNotIn("401", agent.process.stdout_text())
        wait_for("the pull's end", lambda: "pull.completed" in server.process.stdout_text(), 15)


class Watching(WatchCase):
    agent = RELEASE_AGENT

    def test_bars_on_a_terminal(self) -> None:
        self.assertIn("\x1b[", self.watch("confined/bars", to_terminal=True))
