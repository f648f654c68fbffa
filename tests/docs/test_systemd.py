# SPDX-License-Identifier: Apache-2.0
"""The units under a real systemd: what the documents say of them, and that each line of their sandbox holds."""

from __future__ import annotations

import json
import re
import unittest
from pathlib import Path

from lab.systemd import PROGRAM, Systemd
from lab.tools import REPOSITORY
from lab.valkey import program
from lab.waiting import wait_for
from tests.docs.commands import all_commands
from tests.docs.test_commands import with_proof
from tests.integration.case import BINARIES, LabCase
from tests.integration.certificates import make_certificates
from tests.replicas.rights import user_line

RELEASED = BINARIES / "release"
PROBE = "/usr/local/lib/sandbox_probe.py"
# Lines of the units, and what each alone makes of an attempt that succeeds without it, or of what is found: patterns.
LINES: dict[str, dict[str, str]] = {
    "CapabilityBoundingSet=": {"capabilities that can be had": "none", "make a device": "EPERM"},
    "NoNewPrivileges=yes": {"new privileges": "never"},
    "ProtectSystem=strict": {"write to /usr": "EROFS", "write to /etc": "EROFS", "write to /var": "EROFS"},
    "ProtectHome=yes": {"files in /root": "ENOENT", "files in /home": "ENOENT"},
    "PrivateTmp=yes": {"others' files in /tmp": "ENOENT"},
    "PrivateDevices=yes": {"open a disk or kmsg": "ENOENT", "make a device": "EPERM"},
    "ProtectClock=yes": {"set the clock": "EPERM"},
    "ProtectControlGroups=yes": {"make a control group": "EROFS"},
    "ProtectHostname=yes": {"name the machine": "EPERM"},
    "ProtectKernelLogs=yes": {"read the kernel's log": "EPERM"},
    "ProtectKernelModules=yes": {"load a module": "EPERM"},
    "ProtectKernelTunables=yes": {"write a kernel's setting": "EROFS"},
    "ProtectProc=invisible": {"see process 1": "ENOENT"},
    "RestrictNamespaces=yes": {"a user namespace": "EPERM", "a mount namespace": "EPERM"},
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6": {
        "a netlink socket": "EAFNOSUPPORT",
        "a packet socket": "EAFNOSUPPORT",
    },
    "RestrictRealtime=yes": {"real-time scheduling": "EPERM"},
    "RestrictSUIDSGID=yes": {"a file that runs as its owner": "EPERM"},
    "LockPersonality=yes": {"another personality": "EPERM"},
    "MemoryDenyWriteExecute=yes": {"memory that is writable and executable": "EPERM|EACCES"},  # until systemd 252, since
    "SystemCallFilter=@system-service": {"ptrace": "SIGSYS"},
    "DynamicUser=yes": {"user": "dynamic"},
    "LimitNOFILE=65536": {"files at once": "65536"},
}
# It hides processes of other users only, and root sees all.
NEEDS_A_USER = {"ProtectProc=invisible": "DynamicUser=yes"}
NEEDED = {"an inet socket", "an inet6 socket", "a unix socket", "resolve localhost"}
# What is proven by what the program does, in the tests below, or says nothing of what it may.
NO_SANDBOX = {
    "Type", "WatchdogSec", "ExecStart", "EnvironmentFile", "Environment", "Restart", "RestartSec",
    "RestartPreventExitStatus", "MemoryMax", "Description", "Documentation", "After", "Wants", "WantedBy",
}  # fmt: skip


def lines_of(unit: Path) -> list[str]:
    return [line for line in unit.read_text().splitlines() if line and line[0] not in "#["]


def documented_lines(document: str) -> list[str]:
    """Of the first drop-in that it has."""
    text = (REPOSITORY / "docs" / document).read_text()
    block = re.search(r"^```ini\n\[Service\]\n(.*?)^```$", text, re.M | re.S)
    assert block
    return block[1].splitlines()


class Table(unittest.TestCase):
    def test_no_line_of_the_table_is_of_no_unit(self) -> None:
        units = [RELEASED / f"pulltrace-{name}.service" for name in ("agent", "server")]
        self.assertEqual(set(LINES) - {line for unit in units for line in lines_of(unit)}, set())


class UnitsCase(LabCase):
    """Installed as the documents say, below the /usr/local of a copy of this machine."""

    def setUp(self) -> None:
        super().setUp()
        folder = self.folder / "systemd"
        folder.mkdir()
        self.systemd = Systemd(folder, [REPOSITORY, BINARIES, self.lab.path])
        self.addCleanup(self.systemd.stop)
        install = with_proof("test_installed")[0].text.removeprefix("sudo ").replace("-C build", f"-C {RELEASED}")
        self.systemd.must(install)
        self.systemd.must(f"cp {REPOSITORY}/tests/docs/sandbox_probe.py {PROBE}")
        self.systemd.must("touch /tmp/of-another /root/of-another /home/of-another")

    def drop_in(self, unit: str, *lines: str) -> None:
        """As `systemctl edit` makes it."""
        text = "\n".join(["[Service]", *lines])
        folder = f"/etc/systemd/system/{unit}.service.d"
        self.systemd.must(f"mkdir -p {folder}; cat >{folder}/override.conf <<'E'\n{text}\nE")
        self.systemd.must("systemctl daemon-reload")

    def probe(self, *lines: str) -> dict[str, str]:
        """What a service with these lines may do."""
        text = "\n".join(["[Service]", "Type=oneshot", f"ExecStart=/usr/bin/python3 -I {PROBE}", *lines])
        text += "\nStandardOutput=truncate:/run/probe.json"
        self.systemd.must(f"cat >/run/systemd/system/probe.service <<'E'\n{text}\nE\nsystemctl daemon-reload; systemctl start probe")
        found: dict[str, str] = json.loads(self.systemd.must("cat /run/probe.json"))
        return found


@unittest.skipUnless(PROGRAM.exists(), "no systemd is installed here")
class Sandbox(UnitsCase):
    def test_each_line_of_the_sandbox(self) -> None:
        usual = self.probe()
        most = usual["files at most"]
        for line, changes in LINES.items():
            needed = NEEDS_A_USER.get(line)
            before = self.probe(needed) if needed else usual
            after = self.probe(line, *([needed] if needed else []))
            for attempt, wanted in changes.items():
                with self.subTest(line, attempt=attempt):
                    if attempt == "real-time scheduling" and before[attempt] != "done":
                        self.skipTest("this cgroup has no real-time scheduling, whatever the unit says")
                    self.assertNotEqual(before[attempt], after[attempt], "without it, and with it")
                    if attempt == "files at once" and int(most) < 65536:
                        wanted = most  # all that there is here
                    self.assertRegex(after[attempt], f"^({wanted})$")

    def test_all_lines_together(self) -> None:
        for program in ("pulltrace-agent", "pulltrace-server"):
            with self.subTest(program):
                lines = lines_of(RELEASED / f"{program}.service")
                sandbox = [line for line in lines if line.partition("=")[0] not in NO_SANDBOX]
                self.assertEqual([line for line in sandbox if line not in LINES], [], "a line without a proof")
                found = self.probe(*sandbox)
                for line in sandbox:
                    for attempt, wanted in LINES[line].items():
                        with self.subTest(program, attempt=attempt):
                            self.assertRegex(found[attempt], f"^({wanted}|EPERM|EACCES|SIGSYS|{found['files at most']})$")
                for attempt in NEEDED:
                    self.assertEqual(found[attempt], "done", attempt)


@unittest.skipUnless(PROGRAM.exists(), "no systemd is installed here")
class AsDocumented(UnitsCase):
    def setUp(self) -> None:
        super().setUp()
        self.run_documented("systemctl daemon-reload", "systemctl enable")

    def run_documented(self, *begins: str) -> None:
        """Those of the documents' commands, in their order."""
        texts = [c.text.removeprefix("sudo ") for c in all_commands() if c.document == "docs/installation.md"]
        for begin in begins:
            self.systemd.must(next(text for text in texts if text.startswith(begin)))

    def get(self, path: str, port: int = 8080) -> str:
        question = f"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:{port}{path}').read().decode())"
        return self.systemd.run(f'/usr/bin/python3 -I -c "{question}"').stdout

    def wait_for_node(self) -> None:
        wait_for("the agent reports", lambda: '"nodeName"' in self.get("/api/v1/nodes"), 20)

    def configure_agent(self) -> None:
        """As the document writes the settings; containerd is the laboratory's."""
        write = next(c.text for c in with_proof("test_a_single_machine") if c.text.startswith("printf"))
        socket = self.lab.containerd.socket
        self.systemd.must(f"mkdir -p /etc/default; sudo() {{ \"$@\"; }}; {write}")
        more = f"PULLTRACE_CONTAINERD_SOCKET={socket}\nPULLTRACE_CONTAINERD_SOCKET_DIRS={socket.parent}"
        self.systemd.must(f"printf '{more}\nPULLTRACE_NODE_NAME=here\n' >>/etc/default/pulltrace-agent")
        self.run_documented("systemctl restart pulltrace-agent")

    def test_both_run_and_the_agent_reports(self) -> None:
        self.configure_agent()
        self.wait_for_node()
        for unit in ("pulltrace-server", "pulltrace-agent"):
            with self.subTest(unit):
                self.assertEqual(self.systemd.show(unit, "ActiveState"), "active")
                self.assertEqual(self.systemd.show(unit, "NRestarts"), "0")
                self.assertEqual(self.systemd.show(unit, "UnitFileState"), "enabled")
                most = {"pulltrace-agent": 64, "pulltrace-server": 512}[unit]
                self.assertEqual(self.systemd.show(unit, "MemoryMax"), str(most << 20))
                if "memory" in self.systemd.must("cat /sys/fs/cgroup/cgroup.controllers").split():
                    group = self.systemd.show(unit, "ControlGroup")
                    self.assertEqual(self.systemd.must(f"cat /sys/fs/cgroup{group}/memory.max").strip(), str(most << 20))
        self.assertIn("pulltrace_build_info", self.get("/metrics", 9090))
        sockets = [line.split() for line in self.systemd.must("cat /proc/net/tcp /proc/net/tcp6").splitlines()]
        listening = sorted(socket[1] for socket in sockets if socket[3] == "0A")
        self.assertEqual(listening, [f"0100007F:{port:04X}" for port in (8080, 9090)], "on this machine only")

    def test_one_that_is_killed_or_hangs_is_started_anew(self) -> None:
        self.configure_agent()
        self.wait_for_node()
        for unit in ("pulltrace-server", "pulltrace-agent"):
            self.drop_in(unit, "WatchdogSec=2s", "RestartSec=100ms")
            self.systemd.must(f"systemctl restart {unit}")
            for signal in ("KILL", "STOP"):
                with self.subTest(unit, signal=signal):
                    before = self.systemd.show(unit, "MainPID")
                    self.systemd.must(f"systemctl kill --signal={signal} {unit}")
                    wait_for("another process", lambda before=before: self.is_new(unit, before), 20)
        self.wait_for_node()

    def is_new(self, unit: str, before: str) -> bool:
        return self.systemd.show(unit, "ActiveState") == "active" and self.systemd.show(unit, "MainPID") not in (before, "0")

    def test_a_wrong_setting_is_not_tried_again(self) -> None:
        for unit in ("pulltrace-server", "pulltrace-agent"):
            with self.subTest(unit):
                self.drop_in(unit, "RestartSec=100ms", "Environment=PULLTRACE_LOG_LEVEL=loud")
                self.systemd.run(f"systemctl restart {unit}")
                wait_for("it has failed", lambda unit=unit: self.systemd.show(unit, "ActiveState") == "failed", 10)
                self.assertEqual(self.systemd.show(unit, "ExecMainStatus"), "2")
                self.assertEqual(self.systemd.show(unit, "NRestarts"), "0")

    def start_valkey(self) -> None:
        """At the name that the document has, by TLS, and with the user that it has."""
        host, own = "valkey.example.org", self.lab.path / "valkey"
        make_certificates(own, f"DNS:{host}")
        (own / "users.acl").write_text(user_line("a-password-of-valkey") + "\n")
        server = program(own)
        self.systemd.must(f"echo 127.0.0.1 {host} >>/etc/hosts; mkdir -p -m 700 /etc/pulltrace")
        self.systemd.must(f"cp {own}/ca.pem /etc/pulltrace/share-ca.crt; echo a-password-of-valkey >/etc/pulltrace/share-password")
        options = f"--port 0 --tls-port 6379 --tls-cert-file {own}/server.pem --tls-key-file {own}/server.key"
        options += f" --tls-ca-cert-file {own}/ca.pem --tls-auth-clients no --aclfile {own}/users.acl"
        self.systemd.must(f"systemd-run --quiet --unit=valkey bash -c 'exec -a {server.name} {server.resolve()} {options}'")

    def test_several_servers_share_as_documented(self) -> None:
        """Within the unit's sandbox: a name to be looked up, TLS, and a password that the user may not read."""
        self.start_valkey()
        self.drop_in("pulltrace-server", *documented_lines("replicas.md"))
        self.systemd.must("systemctl restart pulltrace-server")
        wait_for("it shares", lambda: self.get("/readyz") == "ok\n", 20)
        self.assertIn("pulltrace_share_up 1", self.get("/metrics", 9090))

    def test_tls_and_token_are_handed_to_the_server(self) -> None:
        """`systemctl edit`, as the document has it: the server's own user may read none of the files."""
        for command in with_proof("test_agents_of_other_machines"):
            self.systemd.must(f"sudo() {{ \"$@\"; }}; hostname() {{ echo localhost; }}; {command.text}")
        self.drop_in("pulltrace-server", *documented_lines("installation.md"))
        self.systemd.must("systemctl restart pulltrace-server")
        self.assertEqual(self.systemd.must("stat --format=%U%a /etc/pulltrace").strip(), "root700")
        said = self.systemd.must(
            "PULLTRACE_SERVER_URL=https://localhost:8443 PULLTRACE_CA_FILE=/etc/pulltrace/tls.crt"
            " PULLTRACE_AGENT_TOKEN_FILE=/etc/pulltrace/token PULLTRACE_CONTAINERD_NAMESPACES='*'"
            f" PULLTRACE_CONTAINERD_SOCKET={self.lab.containerd.socket}"
            f" PULLTRACE_CONTAINERD_SOCKET_DIRS={self.lab.containerd.socket.parent} pulltrace-agent --check"
        )
        self.assertIn("token: it is the right one", said)
