# SPDX-License-Identifier: Apache-2.0
"""What the chart renders with each of the values in its ci/ folder: valid, strict, and the same each time."""

from __future__ import annotations

import re
import tempfile
import unittest
from pathlib import Path

from tests.chart.helm import (
    CHART,
    CONSENT,
    HELM,
    PROGRAMS,
    VARIANTS,
    Object,
    Refused,
    find,
    objects,
    run,
    template,
)

SCHEMAS = str(PROGRAMS / "schemas/{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json")
# At render time these give something else each time, or ask the cluster, which Argo CD does not let them.
UNSTEADY = r"\b(lookup|now|rand\w+|gen\w+(Cert|CA|Key)\w*|genPrivateKey|uuidv4|htpasswd|getHostByName)\b"


def kubeconform(text: str) -> str:
    return run(PROGRAMS / "kubeconform", "-strict", "-summary", "-schema-location", SCHEMAS, given=text)


class EachVariant(unittest.TestCase):
    def test_there_are_enough(self) -> None:
        self.assertGreaterEqual(len(VARIANTS), 20)

    def test_helm_finds_no_fault(self) -> None:
        for file in VARIANTS:
            with self.subTest(file.name):
                run(HELM, "lint", "--strict", "--quiet", CHART, "--values", file)

    def test_each_object_is_of_its_schema(self) -> None:
        for file in VARIANTS:
            with self.subTest(file.name):
                summary = kubeconform(template(files=[file])).splitlines()[-1]
                self.assertRegex(summary, r"Valid: [1-9]\d*, Invalid: 0, Errors: 0, Skipped: 0$")

    def test_a_field_that_kubernetes_does_not_know_is_found(self) -> None:
        text = template(CONSENT | {"server": {"securityContext": {"runAsNobody": True}}})
        with self.assertRaisesRegex(Refused, "runAsNobody"):
            kubeconform(text)

    def test_rendered_twice_it_is_the_same(self) -> None:
        for file in VARIANTS:
            with self.subTest(file.name):
                self.assertEqual(template(files=[file]), template(files=[file]))

    def test_no_template_asks_for_chance_time_or_the_cluster(self) -> None:
        for path in (CHART / "templates").rglob("*.*"):
            for action in re.findall(r"\{\{.*?\}\}", path.read_text(), re.S):
                without_texts = re.sub(r'".*?"|/\*.*?\*/', "", action, flags=re.S)
                self.assertIsNone(re.search(UNSTEADY, without_texts), f"{path.name}: {action}")

    def test_no_object_is_without_labels_or_in_another_namespace(self) -> None:
        for file in VARIANTS:
            for each in objects(template(files=[file])):
                with self.subTest(file.name, kind=each["kind"]):
                    if each["metadata"]["name"] in ("pulltrace-more", "pulltrace-as-text"):
                        continue  # the user's own
                    labels = each["metadata"]["labels"]
                    wanted = ("name", "instance", "version", "component", "part-of", "managed-by")
                    self.assertLessEqual({f"app.kubernetes.io/{name}" for name in wanted}, set(labels))
                    self.assertIn("helm.sh/chart", labels)
                    self.assertNotEqual(each["kind"], "Namespace")


class Rendered(unittest.TestCase):
    def render(self, **values: Object) -> list[Object]:
        return objects(template(CONSENT | values))

    def test_a_new_version_of_the_chart_alone_restarts_no_pod(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            next_chart = Path(folder) / "pulltrace"
            run("cp", "-r", CHART, next_chart)
            description = next_chart / "Chart.yaml"
            description.write_text(re.sub(r"(?m)^version: .*", "version: 9.9.9", description.read_text()))
            before, after = self.render(), objects(template(CONSENT, chart=next_chart))
        for kind, name in (("DaemonSet", "pulltrace-agent"), ("Deployment", "pulltrace-server")):
            self.assertEqual(find(before, kind, name)["spec"], find(after, kind, name)["spec"])
        jobs = [[o["metadata"]["name"] for o in each if o["kind"] == "Job"] for each in (before, after)]
        self.assertEqual(jobs[0], jobs[1])

    def test_a_job_that_runs_something_else_has_another_name(self) -> None:
        names = {
            each["metadata"]["name"]
            for values in ({}, {"server": {"image": {"tag": "9"}}}, {"secretsJob": {"settle": "1h"}})
            for each in self.render(**values)
            if each["kind"] == "Job"
        }
        self.assertEqual(len(names), 3)

    def test_secrets_are_rendered_without_content(self) -> None:
        secrets = [each for each in self.render() if each["kind"] == "Secret"]
        self.assertEqual(len(secrets), 4)
        for secret in secrets:
            self.assertEqual(set(secret), {"apiVersion", "kind", "metadata", "type"})

    def test_two_releases_share_no_name_in_the_cluster(self) -> None:
        def of_cluster(namespace: str) -> set[str]:
            text = run(HELM, "template", "p", CHART, "-n", namespace, "--set", CONSENT_OPTION)
            return {each["metadata"]["name"] for each in objects(text) if "namespace" not in each["metadata"]}

        self.assertTrue(of_cluster("a"))
        self.assertFalse(of_cluster("a") & of_cluster("b"))


CONSENT_OPTION = "agent.runtimeSocket.risksAcknowledged=true"

if __name__ == "__main__":
    unittest.main()
