# SPDX-License-Identifier: Apache-2.0
"""The ground of the tests on a real node: one Kubernetes for each class, agent and server for each test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from lab import tools
from lab.pulltrace import Agent
from lab.waiting import wait_for
from tests.cluster.node import NODE, Node, have_programs
from tests.integration.case import ADDRESS_SANITIZER, AGENT, MB, ProcessCase
from tests.integration.events import EventLog
from tests.integration.http_json import get, is_in_step
from tests.kubernetes.case import fits
from tests.kubernetes.real_api import Object

NAMED_WITHIN_S = 1.0  # of the first that is known of it

# No rule of the server waits longer for what else may be heard (src/server/correlate/model.h): what has not come by then
# does not come.
RULES_S = 10


class NodeCase(ProcessCase):
    binaries: ClassVar[tools.ContainerdBinaries] = tools.CONTAINERD_2
    bytes_per_second: ClassVar[int] = 2 * MB
    by_repository: ClassVar[Mapping[str, int]] = {}
    kubelet_settings: ClassVar[Mapping[str, Any]] = {}
    node: ClassVar[Node]

    @classmethod
    def setUpClass(cls) -> None:
        if not have_programs():
            raise AssertionError("Kubernetes is missing: run scripts/fetch-kubernetes node")
        cls.node = Node(
            cls.binaries, cls.bytes_per_second, cls.by_repository, cls.kubelet_settings
        )
        cls.addClassCleanup(cls.node.close)
        cls.node.api.bind_documented_role(cls.node.api.service_account("pulltrace"))

    def setUp(self) -> None:
        self.make_folder()
        self.start_both()
        self.log = EventLog(self.server.port, "?layers=0")
        self.addCleanup(self.log.close)
        self.addCleanup(self.node.delete_everything)

    def make_folder(self) -> None:
        self.folder = self.node.path / self._testMethodName
        self.folder.mkdir()

    def start_both(
        self,
        server: Mapping[str, str] | None = None,
        agent: Mapping[str, str] | None = None,
        reports_within_s: float = 15,
    ) -> None:
        """Server and agent, with these settings besides those that name the node and its API server."""
        token = self.folder / "token"
        token.write_text(self.node.api.token("pulltrace"))
        self.server = self.start_server(
            PULLTRACE_KUBE_URL=self.node.api.url,
            PULLTRACE_KUBE_TOKEN_FILE=str(token),
            PULLTRACE_KUBE_CA_FILE=str(self.node.api.authority),
            **(server or {}),
        )
        self._wait_until_ready()
        self.agent = Agent(
            AGENT,
            self.folder,
            self.node.containerd.socket,
            self.server.url,
            ADDRESS_SANITIZER | {"PULLTRACE_NODE_NAME": NODE} | dict(agent or {}),
        )
        self.must_end_well(self.agent)
        wait_for(
            "the agent reports", lambda: self.summary()["nodesReporting"] == 1, reports_within_s
        )

    def _wait_until_ready(self) -> None:
        """Says what it waits for, and what the server has logged, if it does not come to be."""
        try:
            wait_for("it is in step", lambda: is_in_step(self.server.port), 30)
        except Exception as error:
            answer = get(self.server.port, "/readyz")
            log = self.server.process.stdout_path.read_text()[-4000:]
            raise AssertionError(f"{error}: {answer.status} {answer.text()}\n{log}") from error

    def summary(self) -> Object:
        found: Object = get(self.server.port, "/api/v1/summary").json()
        return found

    def rows(self, part: str = "") -> list[Object]:
        """The pulls whose reference contains `part`, without those that only checked an image."""
        found: list[Object] = get(self.server.port, "/api/v1/pulls?layers=0").json()["pulls"]
        return [row for row in found if part in row["imageRef"] and is_pull(row)]

    def wait_for_row(self, what: str, timeout_s: float = 30, **wanted: Any) -> Object:
        """The first row whose fields are as wanted; `pods` is compared by the pods' names."""

        def find() -> Object | None:
            return next((row for row in self.rows() if fits(row, wanted)), None)

        found: Object = wait_for(what, find, timeout_s)  # type: ignore[assignment]
        return found

    def assert_one_row(self, reference: str, **wanted: Any) -> Object:
        """From the first wait to the end, the image had this one row, which now is as wanted."""
        repository = reference.rpartition(":")[0].partition("@")[0]
        events = [event for event in self.log.of_image(repository) if is_pull(event.pull)]
        identities = {event.pull["id"] for event in events}
        rows = self.rows(repository)
        self.assertEqual((len(identities), len(rows)), (1, 1), f"\n{self.story(repository)}\n{rows}")
        named = next((e.received for e in events if e.pull["imageRef"] == reference), float("inf"))
        self.assertLess(named - events[0].received, NAMED_WITHIN_S, f"\n{self.story(repository)}")
        self.assertTrue(fits(rows[0], {"imageRef": reference} | wanted), rows[0])
        return rows[0]

    def story(self, part: str) -> str:
        """What the stream has said of an image, a line for each change of what is shown."""
        lines: list[str] = []
        names = ("id", "phase", "imageRef", "imageRefExact", "pods", "attempts", "errorClass")
        for event in self.log.of_image(part):
            shown = {name: event.pull.get(name) for name in names}
            shown["pods"] = [pod["podName"] for pod in event.pull.get("pods", [])]
            line = " ".join(f"{name}={value}" for name, value in shown.items() if value)
            if not lines or not lines[-1].endswith(line):
                lines.append(f"  {event.received:.2f} {event.type} {line}")
        return "\n".join(lines)


def is_pull(row: Object) -> bool:
    """It is no check: those fetch nothing, since the image is there."""
    return row.get("kind") != "check"
