# SPDX-License-Identifier: Apache-2.0
"""As the chart has it by default, agents are known by the tokens that the kubelet puts into their pods."""

from __future__ import annotations

import json
import ssl
import unittest
import urllib.error
import urllib.request

from lab.waiting import wait_for
from tests.installed.case import NAMESPACE, RELEASE, InstalledCase
from tests.kubernetes.cluster import stamp


class Identity(InstalledCase):
    def figure(self, series: str) -> float:
        with urllib.request.urlopen(f"{self.figures}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line.split()[-1] for line in lines if line.startswith(f"{series} ")))

    def report_as(self, node: str, token: str) -> tuple[int, str]:
        """By the agents' Service, as somebody who has that token."""
        body = {"nodeName": node, "timestamp": stamp(whole=False), "intervalMs": 1000, "pulls": []}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"{self.agents}/api/v1/report", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10, context=ssl._create_unverified_context()) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["code"]

    def test_a_captured_nodes_token_speaks_for_no_other_node(self) -> None:
        address = self.install_ready()
        self.figures = self.forward(f"{RELEASE}-metrics", 9090)
        service = self.node.get(f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}-agents")["spec"]
        self.agents = f"https://{service['clusterIP']}:{service['ports'][0]['port']}"
        self.assertEqual(self.figure('pulltrace_agent_identity{by="keys"}'), 1)
        wait_for("one token is known", lambda: self.figure("pulltrace_agent_tokens_known") >= 1, 30)
        pod = self.node.pods_of(NAMESPACE, "agent")[0]
        volumes = self.node.path / f"kubelet/root/pods/{pod['metadata']['uid']}/volumes"
        stolen = (volumes / "kubernetes.io~projected/identity/token").read_text()
        self.assertEqual(self.report_as("elsewhere", stolen), (403, "report_node"))
        self.assertEqual(self.figure('pulltrace_agent_reports_rejected_total{reason="node"}'), 1)
        self.assertEqual(self.report_as("elsewhere", "shared"), (401, "report_token"))
        self.assert_pulls_are_seen(address, "known")


if __name__ == "__main__":
    unittest.main()
