# SPDX-License-Identifier: Apache-2.0
"""What a real API server does to lists and watches, and what it was asked for by its own account."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from lab.waiting import wait_for
from tests.kubernetes.cluster import Object, pod, pull, running
from tests.kubernetes.real_api import RBAC
from tests.kubernetes.real_case import CURRENT_EVENTS, CURRENT_PODS, TROUBLE, RealCase

BOOKMARK_S = 100  # the API server sends one each minute


class Watching(RealCase):
    def versions_watched_from(self) -> list[str]:
        """The resourceVersions of the watches of all pods, in the order in which they began."""
        addresses = [
            urlsplit(entry["requestURI"])
            for entry in self.api.asked("pulltrace")
            if entry["verb"] == "watch" and entry["stage"] == "ResponseStarted"
        ]
        return [
            parse_qs(address.query)["resourceVersion"][0]
            for address in addresses
            if address.path.endswith("/pods")
        ]

    def test_a_watch_goes_on_from_a_bookmark(self) -> None:
        alive = self.create(pod("alive", "a.io/alive:1", "real-8"))
        self.api.set_status(running(alive))
        server = self.start_ready()
        self.wait_until_current(server)
        before = wait_for("the watch is in the audit log", self.versions_watched_from, 10)

        def change() -> None:
            path = "/api/v1/namespaces/default/pods/alive"
            note = {"metadata": {"annotations": {"note": "it is not Pending any more"}}}
            self.api.call("PATCH", path, note, "merge-patch+json")

        # The server's watch began before this one: its bookmark does not come later.
        bookmark = self.api.bookmarked_version(before[-1], change, BOOKMARK_S)
        self.assertNotEqual(bookmark, before[-1])
        self.api.way.cut()
        wait_for("that is known", lambda: self.metric(server, CURRENT_PODS) == 0, 10)
        self.api.way.open()
        self.wait_until_current(server)

        def later() -> list[str]:
            return self.versions_watched_from()[len(before) :]

        again = wait_for("it watches again", later, 10)
        self.assertEqual(again[0], bookmark)
        self.assertEqual(self.metric(server, 'pulltrace_kubernetes_lists_total{resource="pods"}'), 1)

    def test_too_many_requests(self) -> None:
        for number in range(40):  # 10 MB, more than fits into the buffers of a connection
            self.create(pod(f"large-{number}", "a.io/large:1", "real-13", padding=250_000))
        self.api.bind_documented_role(self.api.service_account("crowd"))
        self.api.allow_one_request_at_a_time("crowd")
        token = self.api.token("crowd")
        with self.api.unread_list(token):
            self.assertEqual(self.api.status_for(token), 429)
            server = self.start("crowd")
            self.wait_for_complaint(server, "429")
            self.assert_ready_but(server, "Kubernetes")
        self.wait_until_ready(server, 60)
        self.wait_until_current(server, 60)
        row = self.wait_for_pull(server, "they are known", 10, imageRef="a.io/large:1")
        self.assertEqual(len(row["pods"]), 40)


class Rights(RealCase):
    def test_with_the_documented_rights_all_it_asks_for_is_granted(self) -> None:
        server = self.start_ready()
        self.wait_until_current(server)

        def asked() -> list[Object]:
            return self.api.asked("pulltrace")

        wait_for("the watches are in the audit log", lambda: len(asked()) >= 6, 10)
        done = {
            (entry["verb"], entry["objectRef"]["resource"], entry["responseStatus"]["code"])
            for entry in asked()
        }
        kinds = ("pods", "events", "nodes")
        self.assertEqual(done, {(verb, kind, 200) for verb in ("list", "watch") for kind in kinds})

    def test_rights_for_pods_but_not_for_events(self) -> None:
        subject = self.api.service_account("halved")
        rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]
        role = {"metadata": {"name": "pods-only"}, "rules": rules}
        self.api.call("POST", f"{RBAC}/clusterroles", role)
        self.api.bind("", "ClusterRole", "pods-only", subject)
        server = self.start("halved")
        self.wait_for_complaint(server, "events is forbidden")
        wait_for("pods are watched", lambda: self.metric(server, CURRENT_PODS) == 1, 10)
        self.assertEqual(self.metric(server, CURRENT_EVENTS), 0)
        self.create(pod("web", "a.io/b:1", "real-9"))
        self.report(server, "real-9", pull("p1", "a.io/b"))
        self.wait_for_pull(server, "it is joined", imageRef="a.io/b:1", pods=["web"])
        failures = 'pulltrace_kubernetes_watch_failures_total{resource="events"}'
        wait_for("it has tried again", lambda: self.metric(server, failures) >= 3, 15)
        self.assertEqual(len(self.log_lines(server, TROUBLE)), 1, "one line, however often it fails")
        self.assert_ready_but(server, "events")
        self.api.bind_documented_role(subject)
        self.wait_until_ready(server, 30)
        self.wait_until_current(server)

    def test_rights_in_two_namespaces_only(self) -> None:
        subject = self.api.service_account("team")
        for name in ("team-a", "team-b", "team-c"):
            self.api.namespace(name)
        for name in ("team-a", "team-b"):
            self.api.bind_in_namespace(name, subject)
        server = self.start("team", PULLTRACE_KUBE_NAMESPACES="team-a,team-b")
        self.wait_until_ready(server)
        for series in (CURRENT_PODS, CURRENT_EVENTS):
            wait_for("the watches stand", lambda: self.metric(server, series) == 2, 10)
        for name in ("team-c", "team-a", "team-b"):
            self.create(pod(f"of-{name}", "a.io/b:1", "real-5", namespace=name))
        self.report(server, "real-5", pull("p1", "a.io/b"))
        self.wait_for_pull(
            server, "they are joined", imageRef="a.io/b:1", pods=["of-team-a", "of-team-b"]
        )
        asked = {
            (entry["objectRef"].get("namespace"), entry["objectRef"]["resource"])
            for entry in self.api.asked("team")
        }
        teams = ("team-a", "team-b")
        wanted = {(team, kind) for team in teams for kind in ("pods", "events")}
        self.assertEqual(asked, wanted | {(None, "nodes")}, "nodes are asked for, and refused")
