# SPDX-License-Identifier: Apache-2.0
"""A Valkey that pods reach by TLS, under a name of the cluster, as the user that docs/replicas.md gives."""

from __future__ import annotations

from lab.valkey import Valkey
from lab.waiting import free_port
from tests.cluster.node import ADDRESS
from tests.installed.pod_network import PodNetworkNode
from tests.integration.certificates import make_certificates
from tests.replicas.rights import USER, user_line

NAMESPACE = "data"
NAME = "valkey"
HOST = f"{NAME}.{NAMESPACE}.svc"
URL = f"valkeys://{USER}@{HOST}:6379"


class SharedValkey:
    """It outlives all that is installed; each test begins with it empty."""

    def __init__(self, node: PodNetworkNode) -> None:
        made = make_certificates(node.path / "valkey-certificates", f"DNS:{HOST}")
        self.authority = made.authority
        tls_port = free_port()
        self._valkey = Valkey(
            node.path / "valkey",
            [
                "--bind", "127.0.0.1", ADDRESS, "--protected-mode", "no", "--tls-port", str(tls_port),
                "--tls-cert-file", made.certificate, "--tls-key-file", made.key,
                "--tls-ca-cert-file", made.authority, "--tls-auth-clients", "no",
            ],
        )  # fmt: skip
        self.stop = self._valkey.stop
        node.api.namespace(NAMESPACE)
        node.make_service_of_the_machine(NAMESPACE, NAME, 6379, tls_port)

    def empty(self, password: str) -> None:
        self._valkey.ask("FLUSHALL")
        rights = user_line(password).removeprefix(f"user {USER} ")
        self._valkey.ask(f"ACL SETUSER {USER} reset {rights}")

    def take_also(self, password: str) -> None:
        self._valkey.ask(f"ACL SETUSER {USER} >{password}")

    def take_no_more(self, password: str) -> None:
        """Who came with it has to come again."""
        self._valkey.ask(f"ACL SETUSER {USER} <{password}")
        self._valkey.ask(f"CLIENT KILL USER {USER}")
