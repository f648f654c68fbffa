# SPDX-License-Identifier: Apache-2.0
"""Installed, it shows a pull within a minute, survives what a cluster does, and is gone without a trace."""

from __future__ import annotations

import time
import unittest

from tests.chart.helm import objects
from tests.chart.manifest import PLAIN
from tests.installed.case import (
    MB,
    NAMESPACE,
    PREVIOUS,
    PREVIOUS_TAG,
    RELEASE,
    TAG,
    InstalledCase,
    Stopwatch,
    say,
)
from tests.kubernetes.real_api import Object


class Installing(InstalledCase):
    def test_a_pull_is_live_within_a_minute_of_the_install(self) -> None:
        image = self.node.push("shop/first:1.0", 10 * MB)
        watch = Stopwatch()
        self.install()
        installed = watch.seconds()
        self.node.wait_until_ready(NAMESPACE, "server")
        ready = watch.seconds()
        address = self.forward(RELEASE, 80)
        self.wait_until_reporting(address)
        self.node.create_pod("first", image)
        self.addCleanup(self.node.delete_everything)
        self.wait_for_row(address, image, phase="downloading")
        say(f"helm install {installed}, server ready {ready}, first live row {watch.seconds()}")
        self.assertLess(time.monotonic() - watch.started, 60)
        in_browser = Stopwatch()
        shown = self.seen_in_browser(f"{address}/", image)
        say(f"Chromium shows after {in_browser.seconds()}: {shown.strip()}")
        row = self.wait_for_row(address, image, phase="completed")
        self.assertEqual([pod["podName"] for pod in row["pods"]], ["first"])
        self.node.wait_until_ready(NAMESPACE, "agent")
        say(f"the agent is ready {watch.seconds()} after the install began: it is asked each minute")
        watch = Stopwatch()
        self.assertIn("Succeeded", self.helm("test", RELEASE))
        say(f"helm test {watch.seconds()}")

    def test_with_given_secrets_and_all_that_is_optional(self) -> None:
        monitoring = {"grafanaDashboard": {"enabled": True}}
        options = {
            "networkPolicy": {"enabled": True},
            "server": {"podDisruptionBudget": {"enabled": True}, "kubeNamespaces": ["default"]},
            "metrics": monitoring,
        }
        address = self.install_ready(**self.given_secrets(), **options)
        self.assert_pulls_are_seen(address, "given")

    def test_by_the_plain_manifest(self) -> None:
        manifest = self.node.path / "plain.yaml"
        text = PLAIN.read_text()
        for program in ("agent", "server"):
            image = f"ghcr.io/pulltrace/pulltrace-{program}"
            text = text.replace(f"{image}:0.1.0", f"{image}:{TAG}")
        manifest.write_text(text)
        self.kubectl("apply", "-f", manifest)
        self.addCleanup(self.kubectl, "delete", "--wait", "--ignore-not-found", "-f", manifest)
        self.node.wait_until_ready("pulltrace", "server")
        address = self.forward(RELEASE, 80, "pulltrace")
        self.wait_until_reporting(address)
        self.addCleanup(self.node.delete_everything)
        self.assert_pulls_are_seen(address, "plain")
        self.assertNotRegex(self.kubectl("apply", "-f", manifest), "created|configured")

    def test_kustomize_takes_the_plain_manifest_as_a_base(self) -> None:
        built = objects(self.kubectl("kustomize", PLAIN.parent))
        plain = objects(PLAIN.read_text())
        names = [[(o["kind"], o["metadata"]["name"]) for o in each] for each in (built, plain)]
        self.assertEqual(sorted(names[0]), sorted(names[1]))


class Running(InstalledCase):
    def test_upgraded_from_the_commit_before_and_rolled_back(self) -> None:
        chart = PREVIOUS / "deploy/helm/pulltrace"
        self.install("--wait", chart=chart, tag=PREVIOUS_TAG)
        address = self.api_way()
        self.wait_until_reporting(address)
        self.addCleanup(self.node.delete_everything)
        self.assert_pulls_are_seen(address, "before")
        for what, arguments in (
            ("helm upgrade", lambda: self.upgrade("--wait")),
            ("helm rollback", lambda: self.helm("rollback", RELEASE, "--wait")),
        ):
            image = self.node.push(f"shop/{what[5:]}:1.0", 60 * MB)
            self.node.create_pod(f"during-{what[5:]}", image)
            self.wait_for_row(address, image, phase="downloading")
            watch = Stopwatch()
            arguments()
            took = watch.seconds()
            row = self.wait_for_row(address, image, phase="completed")
            self.assertEqual([pod["podName"] for pod in row["pods"]], [f"during-{what[5:]}"])
            say(f"{what} --wait {took}; the pull that ran meanwhile is completed")
        images = {
            status["image"].rpartition(":")[2]
            for component in ("agent", "server")
            for pod in self.node.pods_of(NAMESPACE, component)
            for status in pod["spec"]["containers"]
        }
        self.assertEqual(images, {PREVIOUS_TAG})

    def test_containerd_is_restarted(self) -> None:
        self.install_ready()
        address = self.api_way()  # containerd carries a port-forward
        before = self.node.pods_of(NAMESPACE, "agent")[0]
        self.node.containerd.stop()
        self.node.containerd.start()
        watch = Stopwatch()
        self.assert_pulls_are_seen(address, "restarted")
        say(f"a pull after the restart of containerd was seen to its end within {watch.seconds()}")
        after = self.node.pods_of(NAMESPACE, "agent")[0]
        self.assertEqual(before["metadata"]["uid"], after["metadata"]["uid"])
        restarts = [pod["status"]["containerStatuses"][0]["restartCount"] for pod in (before, after)]
        self.assertEqual(restarts[0], restarts[1])


class Security(InstalledCase):
    def setUp(self) -> None:
        super().setUp()
        self.level("restricted", "warn", "audit")
        self.addCleanup(self.level, None, "warn", "audit", "enforce")

    def level(self, level: str | None, *modes: str) -> None:
        labels = {f"pod-security.kubernetes.io/{mode}": level for mode in modes}
        self.node.api.call(
            "PATCH",
            f"/api/v1/namespaces/{NAMESPACE}",
            {"metadata": {"labels": labels}},
            "merge-patch+json",
        )

    def warnings(self, kind: str, name: str) -> str:
        """What the API server's admission says of the object's pods, when it is made anew without effect."""
        found: Object = self.node.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind}/{name}")
        made = {"apiVersion": "apps/v1", "kind": found["kind"], "spec": found["spec"]}
        made["metadata"] = {"name": f"{name}-again", "namespace": NAMESPACE}
        return self.node.api.warning_of("POST", f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind}?dryRun=All", made)

    def test_the_server_is_restricted_and_the_agent_all_but_its_socket_and_user(self) -> None:
        self.install_ready()
        self.assertEqual(self.warnings("deployments", f"{RELEASE}-server"), "")
        words = self.warnings("daemonsets", f"{RELEASE}-agent")
        self.assertIn('would violate PodSecurity "restricted:latest"', words)
        complaints = words.partition('"restricted:latest": ')[2]
        for expected in (
            'restricted volume types (volume "runtime-socket" uses restricted volume type "hostPath")',
            'runAsNonRoot != true (pod or container "agent" must set securityContext.runAsNonRoot=true)',
            'runAsUser=0 (container "agent" must not set runAsUser=0)',
        ):
            self.assertIn(expected, complaints)
            complaints = complaints.replace(expected, "")
        self.assertEqual(complaints.strip(" ,"), "")

    def test_server_and_jobs_run_where_restricted_is_enforced(self) -> None:
        self.level("restricted", "enforce")
        self.install(agent={"enabled": False})
        self.node.wait_until_ready(NAMESPACE, "server")
        self.helm("test", RELEASE)

    def test_what_runs_is_confined(self) -> None:
        self.install_ready()
        for component, user in (("server", "65534"), ("agent", "0")):
            status = self.status_of(f"pulltrace-{component}")
            self.assertEqual(status["Uid"].split()[0], user)
            self.assertEqual(int(status["CapEff"], 16), 0)
            self.assertEqual(int(status["CapBnd"], 16), 0)
            self.assertEqual(status["NoNewPrivs"], "1")
            self.assertEqual(status["Seccomp"], "2")

    def status_of(self, program: str) -> dict[str, str]:
        """/proc/PID/status of the container's first process."""
        for task in self.node.containerd.ctr("tasks", "ls").splitlines()[1:]:
            with open(f"/proc/{task.split()[1]}/status") as file:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
            if program.startswith(status["Name"]):
                return status
        raise AssertionError(f"no container runs {program}")


if __name__ == "__main__":
    unittest.main()
