# SPDX-License-Identifier: Apache-2.0
"""Each query of the dashboard and each alert, by a real Prometheus that scrapes the installed server."""

from __future__ import annotations

import contextlib
import json
import unittest
from urllib.parse import urlsplit

from lab.waiting import Timeout, wait_for
from tests.chart.helm import CHART
from tests.chart.prometheus import Prometheus
from tests.chart.test_alerts import rules
from tests.cluster.node import HOST
from tests.installed.case import NAMESPACE, RELEASE, InstalledCase, say

DASHBOARD = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{RELEASE}-dashboard"


class Monitoring(InstalledCase):
    def test_every_panel_shows_something_and_no_alert_fails(self) -> None:
        options = {"grafanaDashboard": {"enabled": True}}
        address = self.install_ready(metrics=options)
        target = urlsplit(self.forward(f"{RELEASE}-metrics", 9090)).netloc
        prometheus = Prometheus(self.node.path / "prometheus", [target], CHART / "files/alerts.yaml")
        self.addCleanup(prometheus.stop)
        wait_for("it is scraped", lambda: prometheus.query("pulltrace_build_info"), 30)
        for number in range(3):
            self.assert_pulls_are_seen(address, f"panel-{number}")
        self.node.create_pod("nosuch", f"{HOST}/shop/nosuch:1.0")
        self.wait_for_row(address, f"{HOST}/shop/nosuch:1.0", phase="failed")
        dashboard = json.loads(self.node.get(DASHBOARD)["data"]["pulltrace.json"])
        queries = [
            (panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]
        ]
        wait_for("the failure is scraped", lambda: prometheus.query("pulltrace_pull_errors_total > 0"), 30)

        def empty() -> list[tuple[str, str]]:
            return [each for each in queries if not prometheus.query(in_range(each[1]))]

        with contextlib.suppress(Timeout):  # what is empty then is named below
            wait_for("all have values", lambda: not empty(), 30, every_s=1)
        self.assertEqual(empty(), [])
        say(f"{len(queries)} queries of {len(dashboard['panels'])} panels have values")
        names = [rule["name"] for rule in self.alerts(prometheus)]
        self.assertEqual(names, [rule["alert"] for rule in rules()])
        wait_for(
            "all are evaluated",
            lambda: all(rule["health"] == "ok" for rule in self.alerts(prometheus)),
            30,
        )

    def alerts(self, prometheus: Prometheus) -> list[dict[str, str]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]


def in_range(expression: str) -> str:
    """The query as Grafana sends it."""
    return expression.replace("$__rate_interval", "1m").replace("$job", ".*")


if __name__ == "__main__":
    unittest.main()
