# SPDX-License-Identifier: Apache-2.0
"""Where the scenario is played: servers, Valkey behind a link that can be cut, an API server.

The way to Valkey is as docs/replicas.md wants it: TLS, and a user with a password.
"""

from __future__ import annotations

import json
import os
import random
import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from lab.pulltrace import Server
from lab.spread import start_spread
from lab.valkey import Valkey
from lab.waiting import free_port, wait_for
from lab.workspace import Workspace
from tests.faults.link import Link
from tests.integration.certificates import make_certificates
from tests.integration.http_json import get, is_in_step
from tests.kubernetes.fake_api import FakeApi
from tests.replicas.rights import USER, user_line

BINARIES = Path(os.environ.get("PULLTRACE_BIN_DIR", "build-asan/release")).resolve()
CROWD = BINARIES / "tests/replicas/crowd"
LATE_S = 5  # what Kubernetes says to the last server
PREFIX = "scenario"
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
        self._settings = SETTINGS | (self._start_valkey() if count > 1 else {})
        self._started = 0
        for number in range(1, count + 1):
            self.servers.append(self._start_server(free_port(), number == count > 1))
        self._late = self.servers[-1]
        self._spare_port = free_port()  # of the server that an update starts next
        self.port = free_port()
        spread = start_spread(self.path, self.port, [*self.ports(), self._spare_port])
        self._stack.callback(spread.stop)
        wait_for("all servers are ready", lambda: all(map(is_in_step, self.ports())), READY_S)

    def _start_valkey(self) -> dict[str, str]:
        made = make_certificates(self.path / "certificates")
        self._users, self._password = self.path / "users.acl", self.path / "password"
        self._write_password()
        port = free_port()
        options: list[str | Path] = [
            "--tls-port", str(port), "--tls-cert-file", made.certificate, "--tls-key-file", made.key,
            "--tls-ca-cert-file", made.authority, "--tls-auth-clients", "no", "--aclfile", self._users,
        ]  # fmt: skip
        self.valkey = Valkey(self.path / "valkey", options)
        self._stack.callback(self.valkey.stop)
        self.link = Link(0, port)
        self._stack.callback(self.link.close)
        return {
            "PULLTRACE_SHARE_URL": f"valkeys://{USER}@127.0.0.1:{self.link.port}",
            "PULLTRACE_SHARE_PASSWORD_FILE": str(self._password),
            "PULLTRACE_SHARE_CA_FILE": str(made.authority),
            "PULLTRACE_SHARE_PREFIX": PREFIX,
        }

    def _write_password(self) -> None:
        password = secrets.token_hex(16)
        self._users.write_text(user_line(password, PREFIX) + "\n")
        new = self._password.with_suffix(".new")
        new.write_text(password + "\n")
        new.replace(self._password)

    def _start_server(self, port: int, is_late: bool) -> Server:
        api_port = self.api.port
        if is_late:
            late = Link(0, api_port, late_s=LATE_S)
            self._stack.callback(late.close)
            api_port = late.port
        self._started += 1
        settings = self._settings | {"PULLTRACE_KUBE_URL": f"http://127.0.0.1:{api_port}"}
        server = Server(BINARIES / "pulltrace-server", self.path, port, settings, f"server-{self._started}")
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

    def renew_password(self) -> None:
        """Valkey takes the new one only, and closes the connections that came by the old one."""
        if self.valkey is not None:
            self._write_password()
            self.valkey.ask("ACL LOAD")

    def start_next(self) -> Server:
        """The server that takes the place of the oldest one, beside it: of a Deployment's update, maxSurge 1."""
        return self._start_server(self._spare_port, self.servers[0] is self._late)

    def replace_oldest(self, new: Server) -> tuple[Server, int]:
        """Ends it by SIGTERM; returns it with its exit status."""
        oldest = self.servers.pop(0)
        self.servers.append(new)
        self._late = new if oldest is self._late else self._late
        self._spare_port = oldest.port
        return oldest, oldest.stop()

    # --- what it shows ---

    def denials(self) -> int:
        """How often Valkey, since its start, has refused a user for lack of a right or by his password."""
        return int(self.valkey.ask("ACL LOG")) if self.valkey else 0

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        return {
            server.process.name: json.loads(get(server.port, "/api/v1/pulls").body)["pulls"]
            for server in self.servers
            if server.process.is_running()
        }
