# SPDX-License-Identifier: Apache-2.0
"""The ground of the tests with a real kube-apiserver: one for each class, and a server for each test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import ClassVar

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.kubernetes.case import ServerCase
from tests.kubernetes.cluster import Object
from tests.kubernetes.real_api import ApiError, RealApi, have_programs

CURRENT_PODS = 'pulltrace_kubernetes_watches_current{resource="pods"}'
CURRENT_EVENTS = 'pulltrace_kubernetes_watches_current{resource="events"}'
TROUBLE = "kubernetes.unreachable"


class RealCase(ServerCase):
    api: ClassVar[RealApi]

    @classmethod
    def setUpClass(cls) -> None:
        if not have_programs():
            raise AssertionError("kube-apiserver or etcd is missing: run scripts/fetch-kubernetes")
        folder = Path(tempfile.mkdtemp(prefix="pt-real-"))
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.api = RealApi(folder)
        cls.addClassCleanup(cls.api.close)
        cls.api.bind_documented_role(cls.api.service_account("pulltrace"))

    def token_file(self, account: str) -> Path:
        path = self.folder / "token"
        path.write_text(self.api.token(account))
        return path

    def start(self, account: str = "pulltrace", **settings: str) -> Server:
        server = self.start_server(
            PULLTRACE_KUBE_URL=self.api.url,
            PULLTRACE_KUBE_TOKEN_FILE=str(self.token_file(account)),
            PULLTRACE_KUBE_CA_FILE=str(self.api.authority),
            **settings,
        )
        return server

    def start_ready(self, **settings: str) -> Server:
        server = self.start(**settings)
        self.wait_until_ready(server)
        return server

    def create(self, wanted: Object) -> Object:
        made = self.api.create_pod(wanted)

        def delete() -> None:
            try:
                self.api.delete_pod(made)
            except ApiError:
                pass  # the test has deleted it

        self.addCleanup(delete)
        return made

    def wait_for_complaint(self, server: Server, words: str, timeout_s: float = 30) -> None:
        def complaints() -> list[Object]:
            return [line for line in self.log_lines(server, TROUBLE) if words in line["error"]]

        wait_for(f"it says: {words}", complaints, timeout_s)

    def wait_until_current(self, server: Server, timeout_s: float = 30) -> None:
        for series in (CURRENT_PODS, CURRENT_EVENTS):
            wait_for("the watches stand", lambda: self.metric(server, series) == 1, timeout_s)
