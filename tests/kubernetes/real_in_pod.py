# SPDX-License-Identifier: Apache-2.0
"""The server as it runs in a pod: it finds API server and service account by itself; both rotate."""

from __future__ import annotations

import os
from pathlib import Path

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.case import SERVER
from tests.kubernetes.cluster import pod, pull
from tests.kubernetes.real_case import RealCase

# In a mount namespace of its own, so that only the server sees the service account there.
IN_POD = """#!/bin/sh
exec unshare --mount --propagation private sh -ec '
    mount -t tmpfs none "$(readlink -f /var/run)"
    mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
    mount --bind "$0" /var/run/secrets/kubernetes.io/serviceaccount
    exec "$1"' '{account}' '{server}'
"""


class ServiceAccountFolder:
    """A folder that the kubelet keeps up to date: all files change at once, behind a link."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._generation = 0
        path.mkdir()

    def write(self, **files: str) -> None:
        self._generation += 1
        folder = self.path / f"..{self._generation}"
        folder.mkdir()
        for name, text in files.items():
            (folder / name.replace("_", ".")).write_text(text)
            link = self.path / name.replace("_", ".")
            if not link.is_symlink():
                link.symlink_to(f"..data/{link.name}")
        newest = self.path / "..data_tmp"
        newest.symlink_to(folder.name)
        os.replace(newest, self.path / "..data")


class InPod(RealCase):
    def setUp(self) -> None:
        super().setUp()
        self.account = ServiceAccountFolder(self.folder / "serviceaccount")

    def mount(self, token: str) -> None:
        authority = self.api.authority.read_text()
        self.account.write(token=token, ca_crt=authority, namespace="default")

    def start_in_pod(self) -> Server:
        wrapper = self.folder / "in-pod"
        wrapper.write_text(IN_POD.format(account=self.account.path, server=SERVER))
        wrapper.chmod(0o755)
        server = self.start_server(
            binary=wrapper,
            KUBERNETES_SERVICE_HOST="127.0.0.1",
            KUBERNETES_SERVICE_PORT=str(self.api.way.port),
        )
        self.wait_until_ready(server)
        return server

    def assert_follows(self, server: Server, name: str) -> None:
        self.create(pod(name, f"a.io/{name}:1", "in-pod"))
        self.report(server, "in-pod", pull(name, f"a.io/{name}"))
        self.wait_for_pull(server, "it is joined", 10, imageRef=f"a.io/{name}:1", pods=[name])

    def test_it_finds_the_cluster_by_itself(self) -> None:
        self.mount(self.api.token("pulltrace"))
        server = self.start_in_pod()
        self.assertEqual(self.log_lines(server, "kubernetes.started")[0]["from"], "in-cluster")
        self.wait_until_current(server)
        self.assert_follows(server, "found")

    def test_a_token_that_is_revoked_and_then_rotated(self) -> None:
        first = self.api.revocable_token("pulltrace", "first")
        self.mount(first)
        server = self.start_in_pod()
        self.wait_until_current(server)
        self.api.revoke("first")
        self.api.way.cut()
        wait_for("it is no token any more", lambda: self.api.status_for(first) == 401, 30)
        self.api.way.open()
        self.wait_for_complaint(server, "the token is not accepted: 401")
        self.mount(self.api.token("pulltrace"))
        self.wait_until_current(server)
        self.assert_follows(server, "renewed")

    def test_an_authority_that_is_replaced(self) -> None:
        self.mount(self.api.token("pulltrace"))
        server = self.start_in_pod()
        self.wait_until_current(server)
        self.api.kill()
        self.api.change_authority()
        self.api.start()
        self.wait_for_complaint(server, "certificate")
        self.mount(self.api.token("pulltrace"))
        self.wait_until_current(server)
        self.assert_follows(server, "trusted")
