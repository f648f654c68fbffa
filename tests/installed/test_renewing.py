# SPDX-License-Identifier: Apache-2.0
"""Token, certificate and CA are replaced under way: nothing restarts, and no report is refused."""

from __future__ import annotations

import base64
import ssl
import unittest
import urllib.request
from urllib.parse import urlsplit

from lab.waiting import wait_for
from tests.installed.case import NAMESPACE, RELEASE, InstalledCase, Stopwatch, say

SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
SHORT = {"PULLTRACE_SECRETS_SETTLE": "1s"}
CA_LIFE_S = 120  # a next one is made after a third
SYNC_S = 150  # a kubelet brings what a Secret holds to the pods about once a minute


class Renewing(InstalledCase):
    def setUp(self) -> None:
        super().setUp()
        self.address = self.install_ready()
        self.figures = self.forward(f"{RELEASE}-metrics", 9090)
        at = urlsplit(self.forward(f"{RELEASE}-agents", 8443))
        self.way = (str(at.hostname), int(at.port or 0))
        self.before = self.state()
        self.runs = 0

    def state(self) -> tuple[list[str], list[int], float]:
        """What must be the same afterwards: the pods, their restarts, and the refused reports."""
        pods = [self.node.pods_of(NAMESPACE, component)[0] for component in ("agent", "server")]
        restarts = [pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods]
        with urllib.request.urlopen(f"{self.figures}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        refused = [line for line in lines if line.startswith("pulltrace_agent_reports_rejected_total")]
        return [pod["metadata"]["uid"] for pod in pods], restarts, sum(float(r.split()[-1]) for r in refused)

    def content(self, name: str, key: str) -> bytes:
        data = self.node.get(f"{SECRETS}/{RELEASE}-{name}").get("data", {})
        return base64.b64decode(data.get(key, ""))

    def mounted(self, component: str, volume: str, key: str) -> bytes:
        """What the component's pod reads, once the kubelet has brought it there."""
        uid = self.node.pods_of(NAMESPACE, component)[0]["metadata"]["uid"]
        volumes = self.node.path / f"kubelet/root/pods/{uid}/volumes/kubernetes.io~secret"
        return (volumes / volume / key).read_bytes()

    def wait_until_mounted(self, name: str, key: str, *places: tuple[str, str]) -> None:
        for component, volume in places:
            wait_for(
                f"{component} has the new {key}",
                lambda c=component, v=volume: self.mounted(c, v, key) == self.content(name, key),
                SYNC_S,
            )

    def run_job(self, **settings: str) -> None:
        """The CronJob's next run, with shorter lives."""
        self.runs += 1
        cron = self.node.get(f"/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs/{RELEASE}-secrets")
        spec = cron["spec"]["jobTemplate"]["spec"]
        container = spec["template"]["spec"]["containers"][0]
        kept = [each for each in container["env"] if each["name"] not in settings]
        container["env"] = kept + [{"name": k, "value": v} for k, v in settings.items()]
        name = f"by-hand-{self.runs}"
        self.node.api.call("POST", JOBS, {"metadata": {"name": name}, "spec": spec})
        path = f"{JOBS}/{name}"
        wait_for(f"{name} is done", lambda: self.node.get(path)["status"].get("succeeded") == 1, 60)
        self.node.api.call("DELETE", f"{path}?propagationPolicy=Foreground")

    def assert_nothing_else_happened(self, name: str) -> None:
        self.assert_pulls_are_seen(self.address, name)
        self.assertEqual(self.state(), self.before)

    def test_the_token(self) -> None:
        first = self.content("token", "token").split()[0]
        watch = Stopwatch()
        while first in self.content("token", "token").split():
            self.run_job(PULLTRACE_SECRETS_TOKEN_LIFE="3s", **SHORT)
            self.wait_until_mounted("token", "token", ("server", "token"), ("agent", "token"))
            self.assertLess(self.runs, 8)
        say(f"token replaced in {self.runs} runs, {watch.seconds()}")
        self.assert_nothing_else_happened("token")

    def test_the_certificate(self) -> None:
        before = self.served()
        removal = '[{"op":"remove","path":"/data/tls.crt"}]'
        self.kubectl("-n", NAMESPACE, "patch", "secret", f"{RELEASE}-tls", "--type=json", "-p", removal)
        watch = Stopwatch()
        self.run_job()
        wait_for("the new one is served", lambda: self.served() != before, SYNC_S)
        say(f"certificate replaced and served after {watch.seconds()}")
        self.assert_nothing_else_happened("certificate")

    def test_the_authority(self) -> None:
        first = self.content("ca-bundle", "ca.crt").decode().strip()
        before = self.served()
        lives = SHORT | {"PULLTRACE_SECRETS_CA_LIFE": f"{CA_LIFE_S}s"}
        watch = Stopwatch()

        def next_one() -> str:
            self.run_job(**lives)
            return self.content("ca-bundle", "ca.crt").decode().replace(first, "").strip()

        new: str = wait_for("the next CA is made", next_one, CA_LIFE_S, every_s=5)  # type: ignore[assignment]
        self.assertIn(first, self.content("ca-bundle", "ca.crt").decode(), "the former is trusted still")
        self.wait_until_mounted("ca-bundle", "ca.crt", ("agent", "ca"))
        self.assertEqual(self.served(), before, "it does not sign yet")
        self.run_job(**lives, PULLTRACE_SECRETS_CERT_LIFE=f"{CA_LIFE_S}s")
        wait_for("the certificate is another", lambda: self.served() != before, SYNC_S)
        authority = self.node.path / "authority.pem"
        authority.write_text(new)
        ssl.get_server_certificate(self.way, ca_certs=str(authority))
        say(f"a next CA made, known to the agent, and signing after {watch.seconds()}")
        self.assert_nothing_else_happened("authority")

    def served(self) -> str:
        """The certificate that agents are shown."""
        return ssl.get_server_certificate(self.way)


if __name__ == "__main__":
    unittest.main()
