# SPDX-License-Identifier: Apache-2.0
"""Several servers of the chart, on a Valkey with TLS and a password: they show the same, and change without a gap."""

from __future__ import annotations

import json
import time
import unittest
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, ClassVar

from lab.processes import Process
from lab.tools import REPOSITORY
from lab.waiting import Timeout, wait_for
from tests.chart.helm import CHART, Refused
from tests.chart.prometheus import Prometheus
from tests.cluster.node import HOST
from tests.faults.readers import Connection, Reader, state_of
from tests.installed.case import KUBECTL, MB, NAMESPACE, RELEASE, InstalledCase, Stopwatch, say
from tests.installed.shared_valkey import URL, SharedValkey
from tests.integration.test_share import without_local
from tests.kubernetes.real_api import ApiError, Object

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
BUDGET = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/{RELEASE}-server"
DEPLOYMENT = f"deployment/{RELEASE}-server"
SECRETS = ("valkey", "valkey-ca")
ROLLED_OUT_S = 180
ROLLOUT_STATUS = ("-n", NAMESPACE, "rollout", "status", DEPLOYMENT, f"--timeout={ROLLED_OUT_S}s")
GAP_S = 5.0  # a page comes back after half a second; a machine that does all of this at once is slow
SYNC_S = 150  # a kubelet brings what a Secret holds to the pods about once a minute


def without_own(pull: Object) -> Object:
    """But for the queue's time, which the kubelet's word on the success corrects where it is heard, and for when a layer
    that was there was first reported to this server."""
    kept = {name: value for name, value in pull.items() if name != "queuedSeconds"}
    undated = [{n: v for n, v in one.items() if n != "startedAt" or not one.get("cached")} for one in pull["layers"]]
    return kept | {"layers": undated}


def is_shown(pull: Object) -> bool:
    """A page takes away what was cancelled: nobody pulls that, or in another row."""
    return bool(pull["phase"] != "cancelled")


class ReplicasCase(InstalledCase):
    valkey: ClassVar[SharedValkey]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.valkey = SharedValkey(cls.node)
        cls.addClassCleanup(cls.valkey.stop)

    def setUp(self) -> None:
        super().setUp()
        self.valkey.empty("first")
        self.make_secret("valkey", "--from-literal=password=first")
        self.make_secret("valkey-ca", f"--from-file=ca.crt={self.valkey.authority}")
        self.given = {f"secret/{name}" for name in SECRETS}
        self.addCleanup(self.kubectl, "-n", NAMESPACE, "delete", "--ignore-not-found", "secret", *SECRETS)
        self.addCleanup(self.node.delete_everything)
        self.images: list[str] = []

    def make_secret(self, name: str, *content: str) -> None:
        self.kubectl("-n", NAMESPACE, "create", "secret", "generic", name, *content)

    def several(self, count: int, **server: Any) -> Object:
        share = {"url": URL, "existingSecret": "valkey", "caSecret": "valkey-ca"}
        return {"server": {"replicas": count, **server}, "share": share, "networkPolicy": {"enabled": True}}

    # --- servers ---

    def wait_until_rolled_out(self, count: int) -> list[Object]:
        """So many are ready, all as they should be now; who was to go has gone."""
        self.kubectl(*ROLLOUT_STATUS)
        wait_for("no other one is left", lambda: len(self.node.pods_of(NAMESPACE, "server")) == count, 60)
        pods = self.node.pods_of(NAMESPACE, "server")
        self.assertEqual([self.is_ready(pod) for pod in pods], [True] * count)
        return pods

    def is_ready(self, pod: Object) -> bool:
        conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
        return conditions.get("Ready") == "True"

    def shown(self, pod: Object) -> dict[str, Object]:
        """What this server shows, by its own address, but for what each works out by itself."""
        pulls = self.asked(f"http://{pod['status']['podIP']}:8080", "/api/v1/pulls?limit=1000")["pulls"]
        return {pull["id"]: without_own(without_local(pull)) for pull in pulls if is_shown(pull)}

    def assert_all_show_the_same(self) -> dict[str, Object]:
        pods = self.node.pods_of(NAMESPACE, "server")

        def are_equal() -> bool:
            first, *others = [self.shown(pod) for pod in pods]
            return all(other == first for other in others)

        try:
            wait_for("all servers show the same", are_equal, 10, every_s=0.5)
        except Timeout:
            self.maxDiff = None
            for pod in pods[1:]:
                self.assertEqual(self.shown(pods[0]), self.shown(pod))
        return self.shown(pods[0])

    def service_address(self) -> str:
        service = self.node.get(f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}")
        return str(service["spec"]["clusterIP"])

    # --- pulls ---

    def begin_pull(self, size: int = 2 * MB) -> str:
        return self.begin_pulls(1, size)[0]

    def begin_pulls(self, count: int, size: int) -> list[str]:
        """All of them at once."""
        new = range(len(self.images), len(self.images) + count)
        part = self._testMethodName[-20:].strip("_")
        images = [self.node.push(f"several/{part}-{number}:1.0", size) for number in new]
        for number, image in zip(new, images, strict=True):
            self.node.create_pod(f"app-{number}", image)
        self.images += images
        return images

    def pull_while_rolling_out(self) -> None:
        """Begins one pull after the other until kubectl says that the newest servers are there."""
        command = [KUBECTL, *ROLLOUT_STATUS]
        process = Process(f"kubectl-{time.monotonic_ns()}", command, self.node.path, self.environment)
        self.addCleanup(process.stop)
        while process.is_running():
            self.begin_pull()
            time.sleep(2)
        self.assertEqual(process.wait(1), 0, process.stderr_text())

    def assert_all_have_completed(self, rows: Callable[[], dict[str, Object]], who: str) -> None:
        """Each image has one row, which is completed."""

        def phases() -> dict[str, list[str]]:
            found: dict[str, list[str]] = {image: [] for image in self.images}
            for row in rows().values():
                if row["imageRef"] in found and row.get("kind") != "check":
                    found[row["imageRef"]].append(row["phase"])
            return found

        wanted = {image: ["completed"] for image in self.images}
        try:
            wait_for(f"{who} has all ends", lambda: phases() == wanted, 90, every_s=0.5)
        except Timeout:
            self.assertEqual(phases(), wanted, who)


class SeveralServers(ReplicasCase):
    def test_three_are_replaced_and_no_reader_misses_a_thing(self) -> None:
        watch = Stopwatch()
        self.install(**self.several(3))
        before = self.wait_until_rolled_out(3)
        say(f"three servers ready {watch.seconds()} after the install began")
        address = self.service_address()
        self.wait_until_reporting(f"http://{address}")
        first = self.begin_pull(8 * MB)
        self.wait_for_row(f"http://{address}", first, phase="downloading")
        readers = [Reader(80, host=address) for _ in range(6)]
        for reader in readers:
            self.addCleanup(reader.close)
        wait_for("all readers are in step", lambda: all(r.is_in_step() for r in readers), 20)
        page = self.stay(f"http://{address}/", first)

        watch = Stopwatch()
        self.kubectl("-n", NAMESPACE, "rollout", "restart", DEPLOYMENT)
        self.pull_while_rolling_out()
        say(f"rollout restart of three took {watch.seconds()}")
        watch = Stopwatch()
        self.upgrade(**self.several(3, historyTtl="31m"))
        self.pull_while_rolling_out()
        say(f"helm upgrade of three took {watch.seconds()}, {len(self.images)} pulls began meanwhile")

        after = self.wait_until_rolled_out(3)
        self.assertFalse({p["metadata"]["uid"] for p in before} & {p["metadata"]["uid"] for p in after})
        for pod in after:
            self.assert_all_have_completed(lambda p=pod: self.shown(p), pod["metadata"]["name"])  # type: ignore[misc]
        self.assert_all_show_the_same()
        for number, reader in enumerate(readers):
            self.assert_all_have_completed(lambda r=reader: state_of(r.connections()), f"reader {number}")  # type: ignore[misc]
        self.assert_no_gap([reader.connections() for reader in readers])
        self.assert_page_stayed(page)

    def assert_no_gap(self, readers: list[list[Connection]]) -> None:
        gaps, lost = [0.0], []
        for connections in readers:
            whole = [each for each in connections if each.synced_at]
            gaps += [after.synced_at - before.ended_at for before, after in zip(whole, whole[1:], strict=False)]
            known: dict[str, Object] = {}
            run = ""
            for connection in whole:
                sent = {event.pull["id"] for event in connection.events if not event.is_new}
                if connection.run != run:
                    lost += [pull for identity, pull in known.items() if identity not in sent and is_shown(pull)]
                known |= {event.pull["id"]: event.pull for event in connection.events}
                run = connection.run
        say(
            f"{len(readers)} readers changed servers {len(gaps) - 1} times; "
            f"longest without a stream {max(gaps):.2f} s"
        )
        self.assertGreaterEqual(len(gaps) - 1, len(readers), "each has changed")
        self.assertLess(max(gaps), GAP_S)
        self.maxDiff = None
        self.assertEqual(lost, [])

    def stay(self, address: str, image: str) -> Process:
        command = ["node", REPOSITORY / "tests/installed/stays.mjs", address, image]
        page = Process("page", command, self.node.path)
        self.addCleanup(page.stop)
        page.wait_until_ready("shows the pull", lambda: "stays" in page.stdout_text(), 60)
        return page

    def assert_page_stayed(self, page: Process) -> None:
        page.stop()
        seen = json.loads(page.stdout_text().splitlines()[-1])
        say(
            f"Chromium had {seen['rows']} rows, none away in any frame; without a stream {seen['away']} times, "
            f"{seen['longestAwayMs'] / 1000:.2f} s at most"
        )
        self.assertGreaterEqual(seen["rows"], len(self.images))
        self.assertEqual((seen["missing"], seen["framesWithoutARow"]), ([], 0))
        self.assertLess(seen["longestAwayMs"], 1000 * GAP_S)

    def test_one_becomes_three_which_are_drained_one_at_a_time_and_three_become_one(self) -> None:
        self.install(**self.several(1))
        self.wait_until_rolled_out(1)
        address = self.service_address()
        self.wait_until_reporting(f"http://{address}")
        for _ in range(3):
            self.begin_pull()
        rows = self.assert_these_are_kept({})
        self.upgrade(**self.several(3))
        self.wait_until_rolled_out(3)
        rows = self.assert_these_are_kept(rows)
        self.assert_are_drained_one_at_a_time()
        rows = self.assert_these_are_kept(rows)
        self.upgrade(**self.several(1))
        self.wait_until_rolled_out(1)
        self.begin_pull()
        self.assert_these_are_kept(rows)

    def assert_these_are_kept(self, before: dict[str, Object]) -> dict[str, Object]:
        """Every server has all pulls that were begun, and shows as before what had ended."""
        for pod in self.node.pods_of(NAMESPACE, "server"):
            self.assert_all_have_completed(lambda p=pod: self.shown(p), pod["metadata"]["name"])  # type: ignore[misc]
        rows = self.assert_all_show_the_same()
        self.assertEqual({identity: rows.get(identity) for identity in before}, before)
        return rows

    def assert_are_drained_one_at_a_time(self) -> None:
        wait_for("the budget allows one", lambda: self.allowed() == 1, 30)
        first, second, _ = self.node.pods_of(NAMESPACE, "server")
        self.evict(first)
        with self.assertRaisesRegex(ApiError, ": 429 .*disruption budget"):
            self.evict(second)
        self.wait_until_rolled_out(3)
        wait_for("the budget allows one again", lambda: self.allowed() == 1, 30)
        self.evict(second)
        self.wait_until_rolled_out(3)

    def allowed(self) -> int:
        return int(self.node.get(BUDGET)["status"].get("disruptionsAllowed", 0))

    def evict(self, pod: Object) -> None:
        """As kubectl drain does."""
        name = pod["metadata"]["name"]
        made = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
        self.node.api.call("POST", f"{PODS}/{name}/eviction", made)


class Figures(ReplicasCase):
    def test_of_three_the_sums_and_maxima_are_those_of_one(self) -> None:
        """As dashboard and alerts take them, in a real Prometheus that scrapes each pod."""
        self.install(**self.several(3))
        pods = self.wait_until_rolled_out(3)
        self.wait_until_reporting(f"http://{self.service_address()}")
        targets = [f"{pod['status']['podIP']}:9090" for pod in pods]
        prometheus = Prometheus(self.node.path / "prometheus-of-three", targets, CHART / "files/alerts.yaml")
        self.addCleanup(prometheus.stop)

        def value(query: str) -> float | None:
            found = prometheus.query(query)
            return float(found[0]["value"][1]) if len(found) == 1 else None

        def wait_for_values(wanted: dict[str, float]) -> None:
            try:
                wait_for("the figures", lambda: {q: value(q) for q in wanted} == wanted, 60, every_s=0.5)
            except Timeout:
                self.assertEqual({query: value(query) for query in wanted}, wanted)

        wait_for_values({"count(pulltrace_build_info)": 3, "sum(pulltrace_pulls_total)": 0})
        self.begin_pulls(2, 40 * MB)
        gauge = "sum(max by (job, namespace) ({}))".format
        # The kubelet pulls one at a time.
        wait_for_values({gauge("pulltrace_pulls_active"): 1, gauge("pulltrace_pulls_queued"): 1})
        self.node.create_pod("nosuch", f"{HOST}/several/nosuch:1.0")
        for _ in range(3):
            self.begin_pull()
        self.assert_all_have_completed(lambda: self.shown(pods[0]), "the first server")
        count = len(self.images)
        wait_for_values(
            {
                'sum(pulltrace_pulls_total{result="completed"})': count,
                "sum(pulltrace_pull_duration_seconds_count)": count,
                "sum(increase(pulltrace_pull_errors_total[1h])) > bool 0": 1,
                gauge("pulltrace_pulls_active"): 0,
                gauge("pulltrace_agents_connected"): 1,
                gauge("pulltrace_agents_silent"): 0,
                "min by (job, namespace) (pulltrace_share_up)": 1,
            }
        )
        taken = [value(f'pulltrace_agent_reports_total{{instance="{target}"}}') for target in targets]
        say(f"{count} pulls counted once; reports came to the three servers: {taken}")
        rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
        self.assertEqual({rule["health"] for rule in rules}, {"ok"})


class WhatIsWrong(ReplicasCase):
    """Of the Secrets; each is said where one looks, nothing restarts, and it goes on when it is put right."""

    def test_a_secret_that_is_not_there_and_one_without_the_key(self) -> None:
        self.kubectl("-n", NAMESPACE, "delete", "secret", "valkey")
        self.install(**self.several(3))
        self.wait_for_event('secret "valkey" not found')
        self.make_secret("valkey", "--from-literal=passwort=first")
        self.wait_for_event("references non-existent secret key: password")
        self.kubectl("-n", NAMESPACE, "delete", "secret", "valkey")
        self.make_secret("valkey", "--from-literal=password=first")
        self.wait_until_rolled_out(3)

    def wait_for_event(self, words: str) -> None:
        def is_there() -> bool:
            events = self.node.get(f"/api/v1/namespaces/{NAMESPACE}/events?limit=500")["items"]
            return any(words in event.get("message", "") for event in events)

        wait_for(words, is_there, 90, every_s=0.5)

    def test_a_wrong_password_is_said_and_a_renewed_one_is_taken(self) -> None:
        self.set_password("another")
        self.install(**self.several(2))
        pod = self.running_server()
        wait_for("it says why", lambda: "WRONGPASS" in self.log_of(pod), 30)
        self.assertIn("PULLTRACE_SHARE_PASSWORD_FILE", self.log_of(pod))
        status, words = self.answer(pod, "/readyz")
        self.assertEqual(status, 503)
        self.assertIn("their log cannot be reached, or refuses this server", words)
        self.assertEqual(self.answer(pod, "/healthz")[0], 200, "so that it is left to wait")
        self.assertEqual(self.endpoints(), [], "neither pages nor agents are sent to it")
        self.set_password("first")
        wait_for("they are ready", lambda: len(self.endpoints()) == 2, SYNC_S, every_s=1)
        pods = self.wait_until_rolled_out(2)

        self.valkey.take_also("second")
        self.set_password("second")
        watch = Stopwatch()
        for pod in pods:
            wait_for("it is mounted", lambda p=pod: self.mounted(p) == b"second", SYNC_S)  # type: ignore[misc]
        self.valkey.take_no_more("first")
        self.begin_pull()
        for pod in pods:
            self.assert_all_have_completed(lambda p=pod: self.shown(p), pod["metadata"]["name"])  # type: ignore[misc]
            # Its own pulls it shows at once; Valkey it tries again within two seconds.
            wait_for("it shares again", lambda p=pod: self.answer(p, "/readyz") == (200, "ok"), 10)  # type: ignore[misc]
        say(f"the password was replaced in {watch.seconds()}")
        self.assertEqual([self.restarts(p) for p in self.node.pods_of(NAMESPACE, "server")], [0, 0])

    def set_password(self, password: str) -> None:
        patch = json.dumps({"stringData": {"password": password}})
        self.kubectl("-n", NAMESPACE, "patch", "secret", "valkey", "-p", patch)

    def running_server(self) -> Object:
        def one() -> Object | None:
            pods = self.node.pods_of(NAMESPACE, "server")
            return next((p for p in pods if p["status"].get("podIP") and "running" in str(p["status"])), None)

        found: Object = wait_for("a server runs", one, 60)  # type: ignore[assignment]
        return found

    def log_of(self, pod: Object) -> str:
        return self.kubectl("-n", NAMESPACE, "logs", pod["metadata"]["name"])

    def answer(self, pod: Object, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080{path}", timeout=10) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def endpoints(self) -> list[str]:
        """To whom the Service of the agents leads."""
        path = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
        slices = self.node.get(f"{path}?labelSelector=kubernetes.io/service-name%3D{RELEASE}-agents")["items"]
        return [
            each["addresses"][0]
            for one in slices
            for each in one.get("endpoints") or []
            if each["conditions"].get("ready")
        ]

    def mounted(self, pod: Object) -> bytes:
        volumes = self.node.path / f"kubelet/root/pods/{pod['metadata']['uid']}/volumes/kubernetes.io~secret"
        return (volumes / "share/password").read_bytes()

    def restarts(self, pod: Object) -> int:
        return int(pod["status"]["containerStatuses"][0]["restartCount"])

    def test_several_without_a_valkey_are_refused(self) -> None:
        with self.assertRaisesRegex(Refused, "several servers need share.url, a Valkey or Redis that they share"):
            self.helm("install", RELEASE, CHART, values=self.values(server={"replicas": 3}))


if __name__ == "__main__":
    unittest.main()
