# SPDX-License-Identifier: Apache-2.0
"""Who speaks for which node: the tokens that the real kubelet puts into a pod, and renews."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from lab.waiting import wait_for
from tests.cluster.case import NodeCase
from tests.cluster.node import ALWAYS_RUNS, NODE
from tests.integration.case import MB
from tests.kubernetes.cluster import answer_to_report
from tests.kubernetes.real_api import Object
from tests.kubernetes.tokens import REFUSED

ACCOUNT = "pulltrace-agent"
CHECKED = 'pulltrace_agent_tokens_checked_total{result="good"}'
TOKEN = {"serviceAccountToken": {"audience": "pulltrace", "expirationSeconds": 600, "path": "token"}}
SYNC_S = 150  # a kubelet looks at a pod's volumes about once a minute


def payload(token: str) -> Object:
    part = token.split(".")[1]
    found: Object = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


class Identity(NodeCase):
    def setUp(self) -> None:
        """The agent does not run in the pod, but with the file that the kubelet keeps there."""
        self.make_folder()
        self.addCleanup(self.node.delete_everything)
        if not any(a["metadata"]["name"] == ACCOUNT for a in self.accounts()):
            self.node.api.service_account(ACCOUNT)
        self.node.push("agent:1", 1000)
        self.pod = self.make_pod()
        by_tokens = {"PULLTRACE_AGENT_IDENTITY": "kubernetes"}
        self.start_both(
            by_tokens | {"PULLTRACE_AGENT_SERVICE_ACCOUNTS": f"default/{ACCOUNT}"},
            by_tokens | {"PULLTRACE_AGENT_IDENTITY_FILE": str(self.file())},
            reports_within_s=30,
        )

    def accounts(self) -> list[Object]:
        found: list[Object] = self.node.api.call("GET", "/api/v1/namespaces/default/serviceaccounts")["items"]
        return found

    def make_pod(self) -> Object:
        mount = {"name": "identity", "mountPath": "/var/run/secrets/pulltrace"}
        container = {
            "name": "agent",
            "image": "registry.example/agent:1",
            "command": list(ALWAYS_RUNS),
            "volumeMounts": [mount],
        }
        volume = {"name": "identity", "projected": {"sources": [TOKEN]}}
        made = self.node.create_pod(
            "agent", "", containers=[container], volumes=[volume], serviceAccountName=ACCOUNT
        )
        self.node.wait_until_running("agent")
        return made

    def file(self) -> Path:
        volumes = self.node.path / f"kubelet/root/pods/{self.pod['metadata']['uid']}/volumes"
        return volumes / "kubernetes.io~projected/identity/token"

    def reports(self) -> float:
        return self.metric(self.server, "pulltrace_agent_reports_total")

    def test_the_kubelets_token_speaks_for_this_node_only(self) -> None:
        token = self.file().read_text()
        self.assertEqual(payload(token)["kubernetes.io"]["node"]["name"], NODE)
        self.assertEqual(payload(token)["aud"], ["pulltrace"])
        answer = answer_to_report(self.server.port, "node-b", token=token)
        self.assertEqual((answer.status, answer.json()["code"]), (403, "report_node"))
        self.assertEqual(self.metric(self.server, REFUSED.format("node")), 1)
        self.assertEqual(self.node.api.status_for(token), 401, "no API server takes it")
        image = self.node.push("shop/web:1", 2 * MB)
        self.node.create_pod("web", image)
        self.wait_for_row("the pull is seen", imageRef=image, phase="completed", pods=["web"], timeout_s=60)

    def test_the_kubelet_renews_it_and_no_report_is_refused(self) -> None:
        """A kubelet that was restarted has forgotten its token, and asks for another at its next look."""
        first = self.file().read_text()
        checked = self.metric(self.server, CHECKED)
        unchecked = self.metric(self.server, REFUSED.format("token_unchecked"))  # before there were keys
        self.node.kubelet.stop()
        self.node.start_kubelet()
        wait_for("the kubelet has renewed it", lambda: self.file().read_text() != first, SYNC_S)
        wait_for("the server knows the new one", lambda: self.metric(self.server, CHECKED) > checked, 30)
        self.assertEqual(self.metric(self.server, REFUSED.format("token")), 0)
        self.assertEqual(self.metric(self.server, REFUSED.format("token_unchecked")), unchecked)

    def test_known_tokens_go_on_while_the_api_server_is_away(self) -> None:
        self.node.api.kill()
        try:
            before = self.reports()
            wait_for("the agent reports on", lambda: self.reports() > before + 1, 40)
            self.assertEqual(self.metric(self.server, REFUSED.format("token")), 0)
        finally:
            self.node.api.start()
