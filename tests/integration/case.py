# SPDX-License-Identifier: Apache-2.0
"""The ground of the integration tests: a laboratory for each class, agent and server for each test."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import unittest
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lab import tools
from lab.images import Image
from lab.laboratory import Laboratory
from lab.layers import LayerSpec
from lab.processes import Process
from lab.pulltrace import Agent, Server, environment
from lab.unpacking import Unpacking
from lab.valkey import Valkey
from lab.waiting import wait_for
from tests.integration.clients import Cri, Ctr, PullClient
from tests.integration.events import Event, EventLog, broken_rules
from tests.integration.http_json import get
from tests.integration.metrics import metric

BINARIES = Path(os.environ.get("PULLTRACE_BIN_DIR") or tools.REPOSITORY / "build-asan").resolve()
AGENT = BINARIES / "pulltrace-agent"
SERVER = BINARIES / "pulltrace-server"
RELEASE_AGENT = BINARIES / "release" / "pulltrace-agent"  # as it is shipped, without sanitizers

MB = 1_000_000
# How many times slower the programs run than as they are shipped: under Valgrind.
SLOWER = float(os.environ.get("PULLTRACE_TESTS_SLOWER") or 1)
SANITIZER_WORDS = ("Sanitizer", "runtime error:")
ADDRESS_SANITIZER = {
    "ASAN_OPTIONS": "detect_leaks=1:exitcode=66:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=66",
}

_numbers = itertools.count(1)


def sizes(name: str, *layer_bytes: int) -> list[LayerSpec]:
    """Gzipped layers of these sizes that no other name shares."""
    return [LayerSpec(size, f"{name} {number}") for number, size in enumerate(layer_bytes)]


class ProcessCase(unittest.TestCase):
    """Each test must leave every agent and server ending with status 0 and without a sanitizer's word."""

    folder: Path  # of the test, for what its processes write

    def start_server(
        self, port: int | None = None, binary: Path = SERVER, **settings: str
    ) -> Server:
        server = Server(binary, self.folder, port, ADDRESS_SANITIZER | settings)
        self.must_end_well(server)
        return server

    def start_valkey(self, options: Sequence[str | Path] = ()) -> Valkey:
        """Without one on this machine the test is skipped."""
        try:
            valkey = Valkey(self.folder / "valkey", options)
        except tools.ToolMissing as missing:
            raise unittest.SkipTest(str(missing)) from None
        self.addCleanup(valkey.kill)
        return valkey

    def metric(self, server: Server, series: str) -> float:
        return metric(server.metrics_port, series)

    def must_end_well(self, program: Server | Agent) -> None:
        """At the end of the test: the process that runs now, and that by which a restart has replaced it."""
        first = program.process
        self.addCleanup(self.end_well, first)
        self.addCleanup(lambda: program.process is first or self.end_well(program.process))

    def end_well(self, process: Process) -> None:
        """SIGTERM; it must end with status 0 in good time. One that was killed is not asked."""
        status = process.exit_status()
        if status == -9:
            return
        if status is None:
            status = process.stop(timeout_s=10)
        text = process.stderr_text()
        complaints = [line for line in text.splitlines() if any(w in line for w in SANITIZER_WORDS)]
        self.assertEqual((status, complaints), (0, []), f"{process.name}:\n{text[-4000:]}")


class LabCase(ProcessCase):
    """A laboratory for each class, agent and server for each test."""

    binaries: ClassVar[tools.ContainerdBinaries] = tools.CONTAINERD_DEBIAN
    uses_cri: ClassVar[bool] = False
    bytes_per_second: ClassVar[int] = 1 * MB
    by_repository: ClassVar[Mapping[str, int]] = {}
    lab: ClassVar[Laboratory]

    @classmethod
    def setUpClass(cls) -> None:
        if not cls.binaries.containerd.exists():
            raise unittest.SkipTest(f"no {cls.binaries.name} here (it needs Go to be built)")
        cls.lab = Laboratory(
            cls.bytes_per_second, cls.by_repository, cls.binaries, cls.uses_cri, cls.unpacking
        )
        cls.addClassCleanup(cls.lab.close)

    @classmethod
    def unpacking(cls, lab: Laboratory) -> Unpacking | None:
        """How this containerd unpacks; None: as it does by itself."""
        return None

    def setUp(self) -> None:
        self.folder = self.lab.path / f"test-{next(_numbers)}"
        self.folder.mkdir()
        self._event_logs: list[EventLog] = []
        self.client: PullClient = (
            Cri(self.lab.containerd) if self.uses_cri else Ctr(self.lab.containerd)
        )

    def start_agent(self, server_url: str, binary: Path = AGENT, **settings: str) -> Agent:
        given = ADDRESS_SANITIZER | settings
        agent = Agent(binary, self.folder, self.lab.containerd.socket, server_url, given)
        self.must_end_well(agent)
        return agent

    def answer_of(self, program: Path, option: str, **settings: str) -> tuple[int, str]:
        """Its status and what it prints; there is nothing to complain of."""
        done = subprocess.run(
            [program, option],
            env=environment(settings),
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def listen(self, server: Server, query: str = "") -> EventLog:
        """Records events until the test ends, which then fails if they make an impossible story."""
        log = EventLog(server.port, query)
        self._event_logs.append(log)

        def check() -> None:
            log.close()
            self.assertEqual(broken_rules(log.all()), [])

        self.addCleanup(check)
        return log

    def start_all(self, **agent_settings: str) -> tuple[Server, Agent, EventLog]:
        """Server, agent and event log; returns once the agent has reported."""
        server = self.start_server()
        log = self.listen(server)
        agent = self.start_agent(server.url, **agent_settings)
        self.wait_for_agent(server)
        return server, agent, log

    def wait_for_agent(self, server: Server) -> None:
        wait_for(
            "the agent reports", lambda: self.metric(server, "pulltrace_agent_reports_total"), 15
        )

    def pulls(self, server: Server, query: str = "") -> list[dict[str, Any]]:
        pulls: list[dict[str, Any]] = get(server.port, "/api/v1/pulls" + query).json()["pulls"]
        return pulls

    def push(self, repository: str, *layer_bytes: int, tag: str = "1.0") -> Image:
        return self.lab.images.push(repository, tag, sizes(repository, *layer_bytes))

    def pull(self, image: Image, timeout_s: float = 120) -> None:
        self.client.start(self.lab.reference(image)).finish(timeout_s)

    def assert_true_from_the_start(self, story: list[Event], image: Image) -> None:
        """From the first event on: the right repository, total and number of layers."""
        for event in story:
            if event.pull["phase"] == "resolving":
                continue
            shown = event.pull["repository"], event.pull["totalBytes"], event.pull["layerCount"]
            repository = f"registry.example/{image.repository}"
            self.assertEqual(shown, (repository, image.layer_bytes, len(image.layers)))
            self.assertTrue(event.pull["totalKnown"])

    def assert_completed(self, final: Event, image: Image) -> None:
        pull = final.pull
        self.assertEqual(pull["phase"], "completed", pull)
        self.assertEqual(final.type, "pull.completed")
        self.assertEqual(pull["imageRef"], self.lab.reference(image))
        self.assertTrue(pull["imageRefExact"])
        self.assertEqual(pull["rootDigest"], image.root_digest)
        self.assertEqual((pull["percent"], pull["totalBytes"]), (100, image.layer_bytes))
        shown = [(layer["digest"], layer["totalBytes"]) for layer in pull["layers"]]
        self.assertEqual(shown, [(layer.digest, layer.size) for layer in image.layers])

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        assert result is not None
        before = len(result.failures) + len(result.errors)
        returned = super().run(result)
        if len(result.failures) + len(result.errors) > before and hasattr(self, "folder"):
            self._show_logs()
        return returned

    def _show_logs(self) -> None:
        for path in sorted(path for path in self.folder.iterdir() if path.is_file()):
            text = path.read_text(errors="replace").splitlines()
            for line in text[-25:]:
                print(f"  {path.name}: {line[:600]}", file=sys.stderr)
        for log in self._event_logs:
            for event in log.all()[-12:]:
                pull = {name: value for name, value in event.pull.items() if name != "layers"}
                print(f"  event {event.received:.2f} {event.type}: {pull}", file=sys.stderr)
