# SPDX-License-Identifier: Apache-2.0
"""Where the scenario is played: servers, Valkey behind a link that can be cut, an API server, a crowd."""

from __future__ import annotations

import json
import os
import random
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lab.processes import Process
from lab.pulltrace import Server
from lab.spread import start_spread
from lab.tools import REPOSITORY
from lab.valkey import Valkey
from lab.waiting import free_port, wait_for
from lab.workspace import Workspace
from tests.faults.link import Link
from tests.integration.http_json import get, is_in_step
from tests.kubernetes.fake_api import FakeApi

BINARIES = Path(os.environ.get("PULLTRACE_BIN_DIR", "build-asan/release")).resolve()
CROWD = BINARIES / "tests/replicas/crowd"
LATE_S = 5  # what Kubernetes says to the last server
USER, PASSWORD = "pulltrace", "a-password-of-the-share"
PREFIX = "scenario"
DOCUMENT = REPOSITORY / "docs/replicas.md"
SETTINGS = {
    "PULLTRACE_LOG_LEVEL": "warn",
    "PULLTRACE_HISTORY_TTL": "1h",
    "PULLTRACE_MAX_PULLS": "500000",
}
READY_S = 30


class Ground:
    def __init__(self, count: int) -> None:
        self._stack = ExitStack()
        self.valkey: Valkey | None = None
        self.link: Link | None = None
        self.servers: list[Server] = []
        try:
            self._start(count)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._stack.close()

    def _start(self, count: int) -> None:
        self.path = self._stack.enter_context(Workspace()).path
        self.api = FakeApi()
        self._stack.callback(self.api.close)
        settings = SETTINGS | (self._start_valkey() if count > 1 else {})
        for number in range(1, count + 1):
            self.servers.append(self._start_server(number, settings, number == count > 1))
        self.port = free_port()
        self.spread: Process = start_spread(self.path, self.port, self.ports())
        self._stack.callback(self.spread.stop)
        wait_for("all servers are ready", lambda: all(map(is_in_step, self.ports())), READY_S)

    def _start_valkey(self) -> dict[str, str]:
        """With a user who may do no more than docs/replicas.md says."""
        user = ["--user", USER, "on", f">{PASSWORD}", *rights()]
        self.valkey = Valkey(self.path / "valkey", user)
        self._stack.callback(self.valkey.stop)
        self.link = Link(0, self.valkey.port)
        self._stack.callback(self.link.close)
        password = self.path / "password"
        password.write_text(PASSWORD + "\n")
        return {
            "PULLTRACE_SHARE_URL": f"valkey://{USER}@127.0.0.1:{self.link.port}",
            "PULLTRACE_SHARE_PASSWORD_FILE": str(password),
            "PULLTRACE_SHARE_PREFIX": PREFIX,
        }

    def _start_server(self, number: int, settings: dict[str, str], is_late: bool) -> Server:
        api_port = self.api.port
        if is_late:
            late = Link(0, api_port, late_s=LATE_S)
            self._stack.callback(late.close)
            api_port = late.port
        kubernetes = {"PULLTRACE_KUBE_URL": f"http://127.0.0.1:{api_port}"}
        server = Server(
            BINARIES / "pulltrace-server", self.path, settings=settings | kubernetes, name=f"server-{number}"
        )
        self._stack.callback(server.stop)
        return server

    def ports(self) -> list[int]:
        return [server.port for server in self.servers]

    # --- what is done to it ---

    def cut(self) -> None:
        if self.link is not None:
            self.link.set("black hole", random.Random(0))

    def heal(self) -> None:
        if self.link is not None:
            self.link.heal()

    def restart_valkey(self, keeps: str) -> None:
        """`keeps`: `all` its data, `none`, or `some`: what it had when its save() was called last."""
        if self.valkey is None:
            return
        if keeps == "all":
            self.valkey.save()
        self.valkey.kill()
        if keeps == "none":
            self.valkey.forget()
        self.valkey.start()

    # --- what it shows ---

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        return {
            server.process.name: json.loads(get(server.port, "/api/v1/pulls").body)["pulls"]
            for server in self.servers
            if server.process.is_running()
        }


def rights() -> list[str]:
    """Of the servers' user, as docs/replicas.md gives them."""
    line = re.search(r"^user pulltrace on >PASSWORD (.*)$", DOCUMENT.read_text(), re.M)
    assert line is not None
    return line[1].replace("{pulltrace}", f"{{{PREFIX}}}").split()
