# SPDX-License-Identifier: Apache-2.0
"""Every command of the documents is run by a test, or says why not; these are run here."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from lab.processes import Process
from lab.pulltrace import environment
from lab.tools import REPOSITORY
from lab.waiting import free_port, wait_for
from tests.docs.commands import Command, all_commands, commands_of, documents, indented_code
from tests.docs.proofs import PROOFS, Here, Job, Nowhere, Rendered, Test, Text
from tests.integration.case import ADDRESS_SANITIZER, BINARIES, LabCase
from tests.integration.http_json import get
from tests.scripts.test_workflows import TARGETS, run_by_a_job


def with_proof(test: str) -> list[Command]:
    """The commands that a test here runs."""
    patterns = [pattern for pattern, proof in PROOFS if proof == Here(test)]
    return [c for c in all_commands() if any(re.fullmatch(pattern, c.text) for pattern in patterns)]


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for that signal (proc_pid_status(5))."""
    mask = Path(f"/proc/{pid}/status").read_text().split("SigCgt:")[1].split()[0]
    return bool(int(mask, 16) >> (number - 1) & 1)


class EveryCommand(unittest.TestCase):
    def test_has_one_proof(self) -> None:
        commands = all_commands()
        self.assertGreater(len(commands), 50)
        for command in commands:
            with self.subTest(str(command)):
                fitting = [pattern for pattern, _ in PROOFS if re.fullmatch(pattern, command.text)]
                self.assertEqual(len(fitting), 1, "tests/docs/proofs.py: one row must fit")

    def test_each_proof_is_there_and_needed(self) -> None:
        commands = all_commands()
        for pattern, proof in PROOFS:
            with self.subTest(pattern):
                fitting = [c.text for c in commands if re.fullmatch(pattern, c.text)]
                self.assertTrue(fitting, "no command fits any more")
                if isinstance(proof, Here):
                    self.assertTrue(hasattr(CommandsInALaboratory, proof.test) or hasattr(CommandsAlone, proof.test))
                if isinstance(proof, Job):
                    self.assertLessEqual({text.split()[1] for text in fitting}, run_by_a_job())
                if isinstance(proof, Text):
                    self.assertIn(proof.words, (REPOSITORY / proof.file).read_text())
                if isinstance(proof, Test):
                    self.assertRegex((REPOSITORY / proof.file).read_text(), rf"(def|class) {proof.name}\b")
                if isinstance(proof, Rendered):
                    self.assertTrue((REPOSITORY / "tests/chart/test_documented.py").exists())
                if isinstance(proof, Nowhere):
                    self.assertGreater(len(proof.reason.split()), 4)

    def test_no_command_hides_in_an_indented_block(self) -> None:
        found = [f"{name}: {line}" for name, text in documents().items() for line in indented_code(text)]
        self.assertEqual(found, [])

    def test_what_is_named_in_prose_is_there(self) -> None:
        """Targets of make, and scripts with the options that they have."""
        for document, text in documents().items():
            for command in re.findall(r"`((?:make |scripts/)[^`]*)`", text):
                with self.subTest(f"{document}: {command}"):
                    program, *words = command.split()
                    if program == "make":
                        self.assertLessEqual({word for word in words if re.fullmatch(r"[a-z][a-z0-9-]*", word)}, TARGETS)
                    elif (REPOSITORY / program).is_file():
                        source = (REPOSITORY / program).read_text()
                        self.assertEqual([word for word in words if word.startswith("--") and word not in source], [])
                    else:
                        self.assertTrue((REPOSITORY / program).is_dir() or list(REPOSITORY.glob(program)))

    def test_commands_are_found(self) -> None:
        text = "# A\n\n```sh\nmake  # all\ncurl -s \\\n  'http://x/#y' | cat\n```\n\n    hidden\n\n- entry\n\n    more of it\n\nThen `helm test\n pulltrace`, or `helm test`.\n"
        wanted = ["make", "curl -s 'http://x/#y' | cat", "helm test pulltrace"]
        self.assertEqual([c.text for c in commands_of("a.md", text)], wanted)
        self.assertEqual(indented_code(text), ["hidden"])


class CommandsInALaboratory(LabCase):
    """With a server, an agent or both, on ports and sockets of the laboratory."""

    def environment(self, **settings: str) -> dict[str, str]:
        given = {
            "PATH": f"{BINARIES}:{os.environ['PATH']}",
            "PULLTRACE_CONTAINERD_SOCKET": str(self.lab.containerd.socket),
            "PULLTRACE_CONTAINERD_SOCKET_DIRS": str(self.lab.containerd.socket.parent),
            "PULLTRACE_NODE_NAME": "here",
        }
        return environment(ADDRESS_SANITIZER | given | settings)

    def shell(self, text: str, **settings: str) -> str:
        """Runs it as the document says, but for root and paths."""
        done = subprocess.run(
            ["bash", "-ec", f"sudo() {{ \"$@\"; }}; hostname() {{ echo localhost; }}; {text}"],
            cwd=self.folder,
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertIn(done.returncode, (0, 28) if "curl" in text else (0,), f"{text}\n{done.stdout}{done.stderr}")
        return done.stdout

    def until_asked_to_end(self, text: str, **settings: str) -> str:
        """The same for one that does not end by itself: once it runs, it is asked to."""
        script = f"exec env {text.removeprefix('sudo ')}"
        process = Process("command", ["bash", "-ec", script], self.folder, self.environment(**settings))
        self.addCleanup(process.stop)
        process.wait_until_ready("it can be asked to end", lambda: catches(process.pid, signal.SIGTERM), 60)
        self.assertEqual(process.stop(), 0, process.log_tail())
        return process.stdout_text()

    def test_questions(self) -> None:
        server = self.start_server()
        for command in with_proof("test_questions"):
            with self.subTest(str(command)):
                text = command.text.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
                text = text.replace("127.0.0.1:9090", f"127.0.0.1:{server.metrics_port}").replace("curl ", "curl --max-time 2 ")
                said = self.shell(text)
                if "/events" in text:
                    self.assertTrue(said.startswith(":") or "data:" in said or "retry:" in said, said)
                elif "/metrics" in text:
                    self.assertIn("pulltrace_build_info", said)
                else:
                    self.assertEqual(json.loads(said)["pulls"], [])

    def test_the_agent_alone(self) -> None:
        for command in with_proof("test_the_agent_alone"):
            with self.subTest(str(command)):
                said = self.until_asked_to_end(command.text.replace("build/", f"{BINARIES}/"))
                if "--watch" not in command.text:
                    self.assertIn('"agent.', said)

    def test_by_hand(self) -> None:
        port = free_port()
        script = "\n".join(command.text for command in with_proof("test_by_hand"))
        script = script.replace("build/", f"{BINARIES}/").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        settings = {
            "PULLTRACE_HTTP_ADDR": f"127.0.0.1:{port}",
            "PULLTRACE_METRICS_ADDR": f"127.0.0.1:{free_port()}",
            "PULLTRACE_CONTAINERD_SOCKET": str(self.lab.containerd.socket),
            "PULLTRACE_CONTAINERD_SOCKET_DIRS": str(self.lab.containerd.socket.parent),
        }
        with subprocess.Popen(
            ["bash", "-c", script],
            env=environment(ADDRESS_SANITIZER | settings),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ) as process:
            try:
                wait_for("a node", lambda: self.nodes(port), 30)
            finally:
                os.killpg(process.pid, signal.SIGTERM)

    def nodes(self, port: int) -> list[object]:
        try:
            return get(port, "/api/v1/nodes").json()["nodes"]
        except OSError:
            return []

    def test_a_single_machine(self) -> None:
        server = self.start_server()
        settings_file = self.folder / "pulltrace-agent"
        commands = with_proof("test_a_single_machine")
        self.assertEqual([c.text.split()[0] for c in commands], ["printf", "sudo"])
        write = commands[0].text.replace("/etc/default", str(self.folder)).replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
        self.shell(write)
        settings = dict(line.split("=", 1) for line in settings_file.read_text().splitlines())
        self.assertEqual(settings["PULLTRACE_CONTAINERD_NAMESPACES"], "*")
        self.assertIn("server", self.shell(commands[1].text, **settings))

    def test_agents_of_other_machines(self) -> None:
        """Certificate and token as the document makes them; the agent finds that all is well."""
        kept = self.folder / "etc"
        for command in with_proof("test_agents_of_other_machines"):
            self.shell(command.text.replace("/etc/pulltrace", str(kept)))
        self.assertEqual(kept.stat().st_mode & 0o777, 0o700)
        address = f"127.0.0.1:{free_port()}"
        self.start_server(
            PULLTRACE_AGENT_ADDR=address,
            PULLTRACE_TLS_CERT_FILE=str(kept / "tls.crt"),
            PULLTRACE_TLS_KEY_FILE=str(kept / "tls.key"),
            PULLTRACE_AGENT_TOKEN_FILE=str(kept / "token"),
        )
        said = self.shell(
            "pulltrace-agent --check",
            PULLTRACE_CONTAINERD_NAMESPACES="*",
            PULLTRACE_SERVER_URL=f"https://localhost:{address.partition(':')[2]}",
            PULLTRACE_CA_FILE=str(kept / "tls.crt"),
            PULLTRACE_AGENT_TOKEN_FILE=str(kept / "token"),
        )
        self.assertIn("token", said)


class CommandsAlone(unittest.TestCase):
    def test_installed(self) -> None:
        """Programs, manual pages without a warning, and units that systemd takes."""
        self.assertTrue(with_proof("test_installed"))
        for command in with_proof("test_installed"):
            folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
            text = command.text.removeprefix("sudo ").replace("-C build", f"-C {BINARIES}")
            subprocess.run(text.split(), env=os.environ | {"DESTDIR": str(folder)}, check=True, capture_output=True)
            local = folder / "usr/local"
            for program in ("pulltrace-agent", "pulltrace-server"):
                with self.subTest(program):
                    self.assertTrue((local / "bin" / program).exists())
                    self.check_manual(local / f"share/man/man8/{program}.8")
                    self.check_unit(local / f"lib/systemd/system/{program}.service", folder)

    def check_manual(self, page: Path) -> None:
        if shutil.which("man") is None:
            self.skipTest("no man here")
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(page)],
            env=os.environ | {"LC_ALL": "C.UTF-8", "MANROFFSEQ": ""},
            capture_output=True,
            text=True,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for section in ("SYNOPSIS", "ENVIRONMENT", "OPTIONS", "EXIT STATUS"):
            self.assertIn(section, re.sub(r".\x08", "", done.stdout))

    def check_unit(self, unit: Path, folder: Path) -> None:
        text = unit.read_text()
        program = re.search(r"^ExecStart=(\S+)$", text, re.M)
        assert program
        self.assertTrue((folder / program[1].lstrip("/")).exists())
        if shutil.which("systemd-analyze") is None:
            return
        copy = folder / unit.name
        copy.write_text(text.replace(program[1], str(folder / program[1].lstrip("/"))))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True)
        complaints = [line for line in done.stderr.splitlines() if unit.name in line]
        self.assertEqual(complaints, [])

    def test_the_manifest_of_another_folder(self) -> None:
        for command in with_proof("test_the_manifest_of_another_folder"):
            edit, apply = command.text.split(" | ")
            self.assertEqual(apply, "kubectl apply -f -")
            wanted = re.search(r"\|/run/containerd\|(\S+)\|'", edit)
            assert wanted
            said = subprocess.check_output(["bash", "-ec", edit], cwd=REPOSITORY, text=True)
            self.assertIn(f"path: {wanted[1]}\n", said)
            self.assertNotIn("/run/containerd\n", said.replace(wanted[1], ""))

    def test_describing_the_repository(self) -> None:
        for command in with_proof("test_describing_the_repository"):
            said = subprocess.check_output([REPOSITORY / command.text, "--print"], text=True)
            self.assertRegex(said, r"^gh repo edit pulltrace/pulltrace --description Every")


class MadeOfThePrograms(unittest.TestCase):
    def test_manual_pages_and_metrics_are_as_the_programs_are(self) -> None:
        done = subprocess.run(
            [REPOSITORY / "site/generate.py", "--check"],
            env=environment(ADDRESS_SANITIZER | {"PULLTRACE_BIN_DIR": str(BINARIES)}),
            capture_output=True,
            text=True,
        )
        self.assertEqual((done.returncode, done.stdout), (0, ""), f"scripts/docs --write mends it\n{done.stderr}")
