# SPDX-License-Identifier: Apache-2.0
"""What an API server and the way to it can do wrong; pulls are tracked all the same."""

from __future__ import annotations

import time

from lab.pulltrace import Server
from lab.waiting import free_port, wait_for
from tests.integration.http_json import get, is_in_step
from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import event, pod, pull, running
from tests.kubernetes.fake_api import Faults

CURRENT_PODS = 'pulltrace_kubernetes_watches_current{resource="pods"}'
WATCH_FAILURES = 'pulltrace_kubernetes_watch_failures_total{resource="pods"}'


class FaultCase(FakeCase):
    def wait_for_attempts(self, server: Server, count: int) -> None:
        """So many more to follow the pods have failed."""
        before = self.metric(server, WATCH_FAILURES)
        wait_for("it has tried again", lambda: self.metric(server, WATCH_FAILURES) >= before + count, 60)


class Faulty(FaultCase):
    """Whatever went wrong: the pod that comes after it is joined."""

    def assert_follows(self, server: Server, name: str, timeout_s: float = 5) -> None:
        self.api.put("pods", pod(name, f"a.io/{name}:1", f"node-{name}"))
        self.report(server, f"node-{name}", pull("p", f"a.io/{name}"))
        self.wait_for_pull(
            server, "the pod is joined", timeout_s, imageRef=f"a.io/{name}:1", pods=[name]
        )

    def test_torn_and_slow_answers(self) -> None:
        self.api.put_all("pods", [pod(f"p{i}", "a.io/b:1", "other") for i in range(20)])
        self.api.faults.piece_bytes = 7
        self.api.faults.piece_delay_s = 0.0002
        server = self.start()
        self.assert_follows(server, "torn")

    def test_lists_in_pages(self) -> None:
        pods = [pod(f"p{i}", f"a.io/b{i}:1", f"n{i}") for i in range(1201)]
        self.api.put_all("pods", pods)
        server = self.start()
        self.report(server, "n1200", pull("p", "a.io/b1200"))
        self.wait_for_pull(server, "the last page counts", imageRef="a.io/b1200:1")
        lists = [asked for asked in self.api.asked if "limit" in asked.query]
        self.assertEqual(len([asked for asked in lists if asked.path.endswith("/pods")]), 3)

    def test_changes_twice_and_in_the_wrong_order(self) -> None:
        server = self.start()
        self.wait_for_watches()
        self.api.faults.duplicate = True
        self.api.faults.swap = True
        web = pod("web", "a.io/b:1")
        self.api.put_all("pods", [web, pod("two", "a.io/c:1")])
        self.api.put_all(
            "events",
            [
                event(web, "Pulling", 'Pulling image "a.io/b:1"'),
                event(web, "Failed", 'Failed to pull image "a.io/b:1": no such host'),
            ],
        )
        self.wait_for_pull(server, "one failed row", imageRef="a.io/b:1", attempts=1)
        behind = pod("behind", "a.io/behind:1")
        self.api.put("pods", behind)
        self.api.put("events", event(behind, "Failed", 'Failed to pull image "a.io/behind:1": no such host'))
        self.wait_for_pull(server, "what came behind has failed", imageRef="a.io/behind:1", attempts=1)
        failed = [line["event"]["pull"]["imageRef"] for line in self.log_lines(server, "pull.failed")]
        self.assertEqual(sorted(failed), ["a.io/b:1", "a.io/behind:1"])
        self.assert_follows(server, "after")

    def test_an_object_that_is_too_large(self) -> None:
        server = self.start()
        self.wait_for_watches()
        self.api.put("pods", pod("huge", "a.io/b:1", padding=2_000_000))
        self.assert_follows(server, "after")
        too_large = 'pulltrace_kubernetes_objects_too_large_total{resource="pods"}'
        self.assertEqual(self.metric(server, too_large), 1)
        self.assertEqual(len(self.log_lines(server, "kubernetes.object_skipped")), 1)

    def test_wrong_json(self) -> None:
        server = self.start()
        self.wait_for_watches()
        self.api.say(b'{"type":"ADDED","object":{oops}}\n')
        self.assert_follows(server, "after")
        self.api.say(b"this is no JSON at all\n")
        self.assert_follows(server, "later", timeout_s=10)
        invalid = 'pulltrace_kubernetes_objects_invalid_total{resource="pods"}'
        self.assertEqual(self.metric(server, invalid), 1)

    def test_410_in_the_stream_and_as_an_answer(self) -> None:
        server = self.start()
        self.wait_for_watches()
        gone = pod("gone", "a.io/gone:1", "node-gone")
        self.api.put("pods", gone)
        self.report(server, "node-gone", pull("p", "a.io/gone"))
        self.wait_for_pull(server, "it is joined", pods=["gone"])
        self.api.delete("pods", "default", "gone")  # what follows loses this change
        self.api.expire_streams()
        self.assert_follows(server, "after")
        self.wait_for_watches()
        self.api.reset()
        self.api.put("pods", pod("unseen", "a.io/unseen:1"))
        self.api.compact()
        self.assert_follows(server, "later", timeout_s=10)
        self.wait_for_pull(server, "the deleted pod has left", 15, imageRef="a.io/gone:1", pods=[])

    def test_killed_and_restarted_under_load(self) -> None:
        server = self.start()
        self.wait_for_watches()
        pods = [pod(f"p{i}", f"a.io/b{i}:1", f"n{i}") for i in range(100)]
        self.api.put_all("pods", pods)
        for i in range(100):
            self.report(server, f"n{i}", pull("p", f"a.io/b{i}"))

        def named() -> int:
            return len([p for p in self.pulls(server, "?layers=0") if p.get("pods")])

        wait_for("all are joined", lambda: named() == 100, 10)
        self.api.stop()
        wait_for("that is known", lambda: self.metric(server, CURRENT_PODS) == 0, 5)
        self.assertEqual(named(), 100)  # nothing is forgotten meanwhile
        self.report(server, "new", pull("p", "a.io/new"))
        self.assertTrue(is_in_step(server.port))
        self.wait_for_attempts(server, 3)
        self.assertEqual(named(), 100)
        for i in range(50):  # what happens while nobody listens
            self.api.put("pods", running(pods[i]))
        self.api.put("pods", pod("new", "a.io/new:1", "new"))
        restarted = time.monotonic()
        self.api.start()
        self.wait_for_pull(server, "all is right again", 30, imageRef="a.io/new:1", pods=["new"])
        self.assertLess(time.monotonic() - restarted, 30)
        wait_for("it says so", lambda: self.metric(server, CURRENT_PODS) == 1, 30)
        said = "kubernetes.reachable"
        wait_for("it is logged", lambda: len(self.log_lines(server, said)) == 3, 30)

    def test_connections_that_break_all_the_time(self) -> None:
        server = self.start()
        for i in range(5):
            self.wait_for_watches(timeout_s=20)
            self.api.put("pods", pod(f"p{i}", f"a.io/b{i}:1", f"n{i}"))
            self.api.reset()
        self.assert_follows(server, "after", timeout_s=30)
        for i in range(5):
            self.report(server, f"n{i}", pull("p", f"a.io/b{i}"))
            self.wait_for_pull(server, "nothing was lost", imageRef=f"a.io/b{i}:1", pods=[f"p{i}"])


class Refused(FaultCase):
    def start_unready(self, **settings: str) -> Server:
        server = self.start_server(PULLTRACE_KUBE_URL=self.api.url, **settings)
        wait_for("it has asked", lambda: len(self.api.asked) >= 2, 5)
        return server

    def assert_works_without(self, server: Server) -> None:
        self.assert_ready_but(server, "Kubernetes")
        self.assertEqual(get(server.port, "/healthz").status, 200)
        self.report(server, "node-1", pull("p1", "a.io/b"))
        self.wait_for_pull(server, "pulls are tracked", repository="a.io/b")
        self.assertEqual(self.metric(server, CURRENT_PODS), 0)

    def test_too_few_rights(self) -> None:
        self.api.faults.refuse_status = 403
        server = self.start_unready()
        self.assert_works_without(server)
        said = "kubernetes.unreachable"
        wait_for("it is logged", lambda: len(self.log_lines(server, said)) == 2, 10)
        self.wait_for_attempts(server, 2)
        lines = self.log_lines(server, said)
        self.assertEqual(len(lines), 2, "one line for each collection, however often it fails")
        self.assertIn("rights", lines[0]["error"])
        self.api.faults.refuse_status = 0
        self.api.put("pods", pod("web", "a.io/b:1"))
        self.wait_until_ready(server)
        self.wait_for_pull(server, "it recovers", imageRef="a.io/b:1", pods=["web"])

    def test_a_token_that_is_rotated(self) -> None:
        token = self.folder / "token"
        token.write_text("old")
        self.api.faults.token = "old"
        server = self.start_unready(PULLTRACE_KUBE_TOKEN_FILE=str(token))
        self.wait_until_ready(server)
        self.wait_for_watches()
        self.api.faults.token = "new"
        self.api.reset()
        wait_for("401 is seen", lambda: self.metric(server, CURRENT_PODS) == 0, 10)
        token.write_text("new-token\n")
        self.api.faults.token = "new-token"
        wait_for("it goes on", lambda: self.metric(server, CURRENT_PODS) == 1, 20)

    def test_retry_after_is_honoured(self) -> None:
        self.api.faults = Faults(
            refuse_status=429, refuse_headers={"Retry-After": "4"}, refusals=2
        )
        started = time.monotonic()
        server = self.start_unready()
        self.wait_until_ready(server)
        self.assertGreaterEqual(time.monotonic() - started, 3.9)

    def test_nobody_there(self) -> None:
        server = self.start_server(PULLTRACE_KUBE_URL=f"http://127.0.0.1:{free_port()}")
        self.assert_works_without(server)


class Configured(FakeCase):
    def test_without_kubernetes_it_is_ready_at_once(self) -> None:
        server = self.start_server()
        self.assertTrue(is_in_step(server.port))
        wanted = 'pulltrace_kubernetes_watches_wanted{resource="pods"}'
        self.assertEqual(self.metric(server, wanted), 0)
        self.report(server, "node-1", pull("p1", "a.io/b"))
        self.wait_for_pull(server, "pulls are tracked", repository="a.io/b")

    def test_one_watch_for_each_namespace(self) -> None:
        server = self.start(PULLTRACE_WATCH_NAMESPACES="team-a, team-b")
        self.wait_for_watches(4)
        self.assertEqual(
            {asked.path for asked in self.api.asked},
            {
                f"/api/v1/namespaces/{name}/{kind}"
                for name in ("team-a", "team-b")
                for kind in ("pods", "events")
            }
            | {"/api/v1/nodes"},
        )
        self.api.put("pods", pod("mine", "a.io/b:1", namespace="team-b"))
        self.api.put("pods", pod("theirs", "a.io/b:1", namespace="team-c"))
        self.report(server, "node-1", pull("p1", "a.io/b"))
        self.wait_for_pull(server, "it is joined", imageRef="a.io/b:1", pods=["mine"])

    def test_by_a_kubeconfig_file(self) -> None:
        config = self.folder / "config"
        config.write_text(
            f"""
current-context: test
contexts: [{{name: test, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "{self.api.url}"}}}}]
users: [{{name: u, user: {{token: sesame}}}}]
"""
        )
        self.api.faults.token = "sesame"
        server = self.start_server(PULLTRACE_KUBECONFIG=str(config))
        self.wait_until_ready(server)

    def test_asks_for_waiting_pods_only(self) -> None:
        self.start()
        self.wait_for_watches()
        for asked in self.api.asked:
            if asked.path.endswith("/nodes"):
                continue  # of which all are wanted
            selector = asked.query["fieldSelector"]
            if asked.path.endswith("/pods"):
                self.assertEqual(selector, "status.phase=Pending")
            else:
                self.assertIn("involvedObject.kind=Pod", selector)
            if asked.query.get("watch"):
                self.assertEqual(asked.query["allowWatchBookmarks"], "true")
                self.assertIn(int(asked.query["timeoutSeconds"]), range(60, 91))
