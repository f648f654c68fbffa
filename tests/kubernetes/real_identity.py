# SPDX-License-Identifier: Apache-2.0
"""Who speaks for which node: tokens of the real kube-apiserver, bound to pods on nodes."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

from lab.pulltrace import Agent, Server
from lab.waiting import wait_for
from tests.integration.case import ADDRESS_SANITIZER, AGENT
from tests.integration.http_json import Answer, get
from tests.kubernetes.cluster import answer_in_turn
from tests.kubernetes.real_api import RBAC, ApiError
from tests.kubernetes.real_case import RealCase
from tests.kubernetes.tokens import BY, REFUSED, Object, Signer, claims

EVERYBODYS = "system:service-account-issuer-discovery"  # the binding that lets each account read the keys
READ_KEYS = {"nonResourceURLs": ["/.well-known/openid-configuration", "/openid/v1/jwks"], "verbs": ["get"]}
REVIEW = {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
GET_PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}

_names = itertools.count(1)


class RealIdentity(RealCase):
    def setUp(self) -> None:
        super().setUp()
        self.name = f"agents-{next(_names)}"
        self.api.service_account(self.name)

    # --- what the cluster has ---

    def pod_on(self, node: str) -> Object:
        """A pod of the agents' account that a scheduler has put on that node."""
        name = f"{self.name}-{node}"
        container = {"name": "agent", "image": "a.io/agent:1"}
        spec = {"serviceAccountName": self.name, "nodeName": node, "containers": [container]}
        path = "/api/v1/namespaces/default/pods"
        made = self.api.call("POST", path, {"metadata": {"name": name}, "spec": spec})
        self.addCleanup(self.delete, f"{path}/{name}?gracePeriodSeconds=0")
        return made

    def delete(self, path: str) -> None:
        with contextlib.suppress(ApiError):
            self.api.call("DELETE", path)

    def token_of(self, pod: Object, audience: str = "pulltrace") -> str:
        """As the kubelet asks for it."""
        bound = {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
        return self.api.token(self.name, audiences=[audience], boundObjectRef=bound)

    def allow(self, *rules: Object) -> None:
        name = f"identity-{self.name}"
        self.api.call("POST", f"{RBAC}/clusterroles", {"metadata": {"name": name}, "rules": list(rules)})
        self.api.bind("", "ClusterRole", name, {"kind": "ServiceAccount", "name": "pulltrace", "namespace": "default"})
        self.addCleanup(self.delete, f"{RBAC}/clusterroles/{name}")
        self.addCleanup(self.delete, f"{RBAC}/clusterrolebindings/{name}-pulltrace")

    @contextlib.contextmanager
    def without_the_keys(self) -> Iterator[None]:
        """As in a cluster that was made strict: no account may read them."""
        path = f"{RBAC}/clusterrolebindings/{EVERYBODYS}"
        binding = self.api.call("GET", path)
        self.api.call("DELETE", path)
        try:
            yield
        finally:
            kept = {"metadata": {"name": EVERYBODYS}}
            self.api.call("POST", f"{RBAC}/clusterrolebindings", binding | kept)

    # --- the server ---

    def start_by(self, source: str, **settings: str) -> Server:
        accounts = {"PULLTRACE_AGENT_SERVICE_ACCOUNTS": f"default/{self.name}"}
        server = self.start(PULLTRACE_AGENT_IDENTITY="kubernetes", **accounts | settings)
        self.wait_for_source(server, source)
        return server

    def wait_for_source(self, server: Server, source: str, timeout_s: float = 30) -> None:
        wait_for(
            f"it knows agents by {source}", lambda: self.metric(server, BY.format(source)) == 1, timeout_s
        )

    def send(self, server: Server, token: str, node: str) -> Answer:
        return answer_in_turn(server.port, node, token=token)

    def code(self, server: Server, token: str, node: str) -> tuple[int, str]:
        answer = self.send(server, token, node)
        return answer.status, answer.json().get("code", "")

    def wait_until_taken(self, server: Server, token: str, node: str) -> None:
        wait_for("the report is taken", lambda: self.send(server, token, node).status == 200, 30)

    # --- tests ---

    def test_a_token_speaks_for_the_node_of_its_pod_and_for_no_other(self) -> None:
        server = self.start_by("keys")
        token = self.token_of(self.pod_on("node-a"))
        self.assertEqual(self.code(server, token, "node-a"), (200, ""))
        self.assertEqual(self.code(server, token, "node-b"), (403, "report_node"))
        self.assertEqual(self.metric(server, REFUSED.format("node")), 1)
        self.assertEqual(self.metric(server, "pulltrace_agent_tokens_known"), 1)

    def test_tokens_of_others_are_refused(self) -> None:
        server = self.start_by("keys")
        pod = self.pod_on("node-a")
        forged = Signer(self.folder / "forger.key").sign(claims("node-a"))
        rows = {
            "for the API server": self.token_of(pod, "https://kubernetes.default.svc"),
            "of another account": self.api.token("pulltrace", audiences=["pulltrace"]),
            "bound to nothing": self.api.token(self.name, audiences=["pulltrace"]),
            "with a key of its own": forged,
        }
        for name, token in rows.items():
            with self.subTest(name):
                wait_for("it is refused", lambda: self.send(server, token, "node-a").status == 401, 20)

    def test_before_kubernetes_1_30_the_pod_is_asked_for(self) -> None:
        """A token that this cluster's key signs, without the node that this cluster would write into it."""
        self.allow(GET_PODS)
        server = self.start_by("keys")
        pod = self.pod_on("node-old")
        signer = Signer(self.api.folder / "accounts.key")
        old = claims(None, sub=f"system:serviceaccount:default:{self.name}")
        old["kubernetes.io"] = {
            "namespace": "default",
            "pod": {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
        }
        token = signer.sign(old)
        self.wait_until_taken(server, token, "node-old")
        self.assertEqual(self.code(server, token, "node-a"), (403, "report_node"))

    def test_rotation_without_a_refused_report(self) -> None:
        """The kubelet renews the file; a token that has expired, since it did not, is refused until it has."""
        server = self.start_by("keys")
        pod = self.pod_on("node-a")
        file = self.folder / "kubelet" / "token"
        file.parent.mkdir()
        self.write(file, self.token_of(pod))
        agent = Agent(
            AGENT, self.folder, self.folder / "no-containerd.sock", server.url,
            ADDRESS_SANITIZER
            | {"PULLTRACE_AGENT_IDENTITY": "kubernetes", "PULLTRACE_AGENT_IDENTITY_FILE": str(file)},
            name="node-a",
        )  # fmt: skip
        self.must_end_well(agent)
        wait_for("it reports", lambda: self.reports(server) >= 1, 20)
        for _ in range(2):
            before = self.checked(server)
            self.write(file, self.token_of(pod))
            wait_for("the new one is seen", lambda: self.checked(server) > before, 30)
        self.assertEqual(self.metric(server, REFUSED.format("token")), 0)
        self.write(file, self.signed_by_the_cluster("node-a", life_s=-60))
        wait_for("it is refused", lambda: self.metric(server, REFUSED.format("token")) > 0, 30)
        taken = self.reports(server)
        self.write(file, self.token_of(pod))
        wait_for("it reports again", lambda: self.reports(server) > taken, 60)

    def write(self, file: Path, token: str) -> None:
        newer = file.with_suffix(".new")
        newer.write_text(token)
        os.replace(newer, file)

    def reports(self, server: Server) -> float:
        return self.metric(server, "pulltrace_agent_reports_total")

    def checked(self, server: Server) -> float:
        return self.metric(server, 'pulltrace_agent_tokens_checked_total{result="good"}')

    def signed_by_the_cluster(self, node: str, life_s: float) -> str:
        """TokenRequest gives none for less than ten minutes."""
        account = {"sub": f"system:serviceaccount:default:{self.name}"}
        short = claims(node, life_s, **account)
        short["kubernetes.io"]["namespace"] = "default"
        return Signer(self.api.folder / "accounts.key").sign(short)

    def test_a_token_expires_while_the_api_server_is_away(self) -> None:
        server = self.start_by("keys")
        long, short = self.token_of(self.pod_on("node-a")), self.signed_by_the_cluster("node-b", life_s=-20)
        self.assertEqual(self.code(server, long, "node-a"), (200, ""))
        self.assertEqual(self.code(server, short, "node-b"), (200, ""), "within the leeway of 30 s")
        self.api.kill()
        try:
            time.sleep(11)  # the rest of the leeway
            self.assertEqual(self.code(server, long, "node-a"), (200, ""))
            self.assertEqual(self.code(server, short, "node-b"), (401, "report_token"))
            server.stop()
            server.start()
            answer = self.send(server, long, "node-a")
            self.assertEqual((answer.status, answer.json()["code"]), (503, "report_token_unchecked"))
            self.assertIsNotNone(answer.headers["Retry-After"])
        finally:
            self.api.start()
        self.wait_until_taken(server, long, "node-a")

    def test_reviews_where_nobody_may_read_the_keys(self) -> None:
        self.allow(REVIEW)
        with self.without_the_keys():
            server = self.start_by("reviews")
            pod = self.pod_on("node-a")
            token = self.token_of(pod)
            self.assertEqual(self.code(server, token, "node-a"), (503, "report_token_unchecked"))
            self.wait_until_taken(server, token, "node-a")
            self.assertEqual(self.code(server, token, "node-b"), (403, "report_node"))
            gone = self.pod_on("node-c")
            stolen = self.token_of(gone)
            self.delete(f"/api/v1/namespaces/default/pods/{gone['metadata']['name']}?gracePeriodSeconds=0")
            wait_for("its pod is gone", lambda: self.send(server, stolen, "node-c").status == 401, 30)

    def test_the_shared_token_stands_in_until_there_are_rights(self) -> None:
        with self.without_the_keys():
            server = self.start_by("none", PULLTRACE_AGENT_TOKEN="shared")
            token = self.token_of(self.pod_on("node-a"))
            self.assertEqual(self.code(server, "shared", "node-x"), (200, ""))
            self.assertEqual(self.code(server, token, "node-a"), (401, "report_token"))
            wait_for("it is said", lambda: "shared token only" in get(server.port, "/readyz").text(), 20)
            self.assertEqual(len(self.log_lines(server, "identity.no_rights")), 1)
            self.allow(READ_KEYS)
            self.wait_for_source(server, "keys", 90)
        self.assertEqual(self.code(server, token, "node-a"), (200, ""))
        self.assertEqual(self.code(server, "shared", "node-x"), (401, "report_token"))

    def test_the_clusters_key_is_changed(self) -> None:
        server = self.start_by("keys")
        pod = self.pod_on("node-a")
        old = self.token_of(pod)
        self.assertEqual(self.code(server, old, "node-a"), (200, ""))
        time.sleep(10)  # keys are fetched that often at most
        self.api.kill()
        (self.api.folder / "accounts.key").unlink()
        Signer(self.api.folder / "accounts.key")
        self.api.start()
        (self.folder / "token").write_text(self.api.token("pulltrace"))  # the server's own, by the kubelet
        new = self.token_of(pod)
        self.wait_until_taken(server, new, "node-a")
        self.assertEqual(self.code(server, old, "node-a")[0], 401)
