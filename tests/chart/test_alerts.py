# SPDX-License-Identifier: Apache-2.0
"""The alerts by promtool, with series: each comes when it should, and stays away when it should."""

from __future__ import annotations

import re
import shutil
import tempfile
import unittest
from pathlib import Path

import yaml

from lab.tools import REPOSITORY
from tests.chart.helm import CHART, CONSENT, PROMTOOL, Object, find, objects, run, template

ALERTS = CHART / "files/alerts.yaml"
TESTS = Path(__file__).parent / "alerts_test.yaml"
SOURCES = (REPOSITORY / "src/server").rglob("*.c")
OF_OTHERS = {"kube_daemonset_status_desired_number_scheduled"}


def rules() -> list[Object]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


class Alerts(unittest.TestCase):
    def test_with_series(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(ALERTS, folder)
            shutil.copy(TESTS, folder)
            run(PROMTOOL, "check", "rules", "--lint-fatal", "alerts.yaml", cwd=folder)
            run(PROMTOOL, "test", "rules", TESTS.name, cwd=folder)

    def test_each_alert_is_seen_to_come_and_to_stay_away(self) -> None:
        seen: dict[str, set[bool]] = {rule["alert"]: set() for rule in rules()}
        for test in yaml.safe_load(TESTS.read_text())["tests"]:
            for case in test["alert_rule_test"]:
                seen[case["alertname"]].add(bool(case.get("exp_alerts")))
        self.assertEqual({name for name, cases in seen.items() if cases != {True, False}}, set())

    def test_each_metric_is_one_that_the_server_has(self) -> None:
        code = "\n".join(path.read_text() for path in SOURCES)
        for rule in rules():
            for name in re.findall(r"\b(pulltrace_\w+|kube_\w+)\b(?=[\[{ )<>]|$)", rule["expr"]):
                base = re.sub(r"_(sum|count|bucket)$", "", name)
                self.assertTrue(base in OF_OTHERS or f'{base}' in code, f"{rule['alert']}: {name}")

    def test_the_operators_object_holds_them_unchanged(self) -> None:
        values = CONSENT | {"metrics": {"prometheusRule": {"enabled": True}}}
        rule = find(objects(template(values)), "PrometheusRule", "pulltrace-server")
        self.assertEqual(rule["spec"]["groups"][0]["rules"], rules())


if __name__ == "__main__":
    unittest.main()
