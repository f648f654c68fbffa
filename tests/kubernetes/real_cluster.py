# SPDX-License-Identifier: Apache-2.0
"""The server against a real kube-apiserver; run by `make test-kubernetes`."""

from __future__ import annotations

import shutil
import time

from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.kubernetes.cluster import event, pod, pull, running, stamp
from tests.kubernetes.real_case import CURRENT_PODS, RealCase

LISTS = {
    kind: f'pulltrace_kubernetes_lists_total{{resource="{kind}"}}' for kind in ("pods", "events")
}


class Joining(RealCase):
    def test_a_pull_from_queue_to_end(self) -> None:
        server = self.start_ready()
        web = self.create(pod("web", "nginx:1.29", "real-1"))
        self.api.write_event(event(web, "Pulling", 'Pulling image "nginx:1.29"'))
        row = self.wait_for_pull(server, "it is queued", phase="queued", pods=["web"])
        started = pull("p1", "docker.io/library/nginx", 1000)
        self.report(server, "real-1", started)
        self.wait_for_pull(
            server,
            "name and pod within a second",
            timeout_s=1,
            id=row["id"],
            phase="downloading",
            imageRef="docker.io/library/nginx:1.29",
            imageRefExact=True,
            pods=["web"],
        )
        words = 'Successfully pulled image "nginx:1.29" in 2s (3s including waiting)'
        self.api.write_event(event(web, "Pulled", words))
        self.api.set_status(running(web))
        done = started | {"phase": "completed", "completedAt": stamp(whole=False)}
        done |= {"imageRef": "docker.io/library/nginx:1.29", "imageRefExact": True}
        self.report(server, "real-1", done)
        self.wait_for_pull(server, "it is done", phase="completed", pods=["web"], queuedSeconds=1)

    def test_init_sidecar_ephemeral_and_image_volume(self) -> None:
        server = self.start_ready()
        many = pod("many", "a.io/main:1", "real-2")
        many["spec"]["initContainers"] = [
            {"name": "init", "image": "a.io/init:1"},
            {"name": "sidecar", "image": "a.io/sidecar:1", "restartPolicy": "Always"},
        ]
        many["spec"]["volumes"] = [{"name": "model", "image": {"reference": "a.io/model:1"}}]
        self.create(many)
        alive = self.create(pod("alive", "a.io/alive:1", "real-2"))
        self.api.set_status(running(alive))
        names = ("main", "init", "sidecar", "model")
        self.report(server, "real-2", *[pull(name, f"a.io/{name}") for name in names])
        for name in names:
            self.wait_for_pull(server, name, imageRef=f"a.io/{name}:1", pods=["many"])
        debug = {"name": "debug", "image": "a.io/debug:1", "targetContainerName": "app"}
        path = "/api/v1/namespaces/default/pods/alive/ephemeralcontainers"
        body = {"spec": {"ephemeralContainers": [debug]}}
        self.api.call("PATCH", path, body, "strategic-merge-patch+json")
        asked = event(alive, "Pulling", 'Pulling image "a.io/debug:1"')
        asked["involvedObject"]["fieldPath"] = "spec.ephemeralContainers{debug}"
        self.api.write_event(asked)
        running_pulls = [pull(name, f"a.io/{name}") for name in (*names, "debug")]
        self.report(server, "real-2", *running_pulls)
        self.wait_for_pull(server, "of a running pod", imageRef="a.io/debug:1", pods=["alive"])

    def test_each_failed_attempt_is_logged_once_and_a_success_closes_the_row(self) -> None:
        server = self.start_ready()
        image, error = "a.io/b:nope", "a.io/b:nope: not found"
        words = f'Failed to pull image "{image}": {error}'
        bad = self.create(pod("bad", image, "real-3"))
        for count in (1, 2):
            self.api.write_event(event(bad, "Failed", words, count, name="bad-failed"))
            self.api.set_status(pod("bad", image, "real-3", waiting="ErrImagePull", message=error))
            self.wait_for_pull(
                server, "it is shown", phase="failed", errorClass="not_found", attempts=count
            )
            backs_off = f'Back-off pulling image "{image}": ErrImagePull: {error}'
            self.api.write_event(event(bad, "BackOff", backs_off, count, name="bad-back-off"))
            waits = pod("bad", image, "real-3", waiting="ImagePullBackOff", message=backs_off)
            self.api.set_status(waits)
        row = self.wait_for_pull(server, "its words", error=error, attempts=2, pods=["bad"])
        self.assertIn("nextAttemptAt", row)
        self.report(server, "real-3", pull("p1", "a.io/b"))
        self.wait_for_pull(server, "the next attempt", phase="downloading", id=row["id"])
        self.api.set_status(running(bad))
        done = pull("p1", "a.io/b", 1000, "completed", imageRef=image, imageRefExact=True)
        self.report(server, "real-3", done)
        closed = self.wait_for_pull(server, "a success", phase="completed", id=row["id"])
        self.assertNotIn("error", closed)
        self.assertEqual(len(self.pulls(server, "?node=real-3")), 1)
        nodes = [line["event"]["nodeName"] for line in self.log_lines(server, "pull.failed")]
        self.assertEqual(nodes.count("real-3"), 2)
        self.assertEqual(
            self.metric(server, 'pulltrace_pull_errors_total{class="not_found"}'), 2
        )

    def test_a_static_pod(self) -> None:
        server = self.start_ready()
        uid = "5c5d1a0b7d2e4f60918273645546372a"
        mirror = pod("static", "a.io/static:nope", "real-14")
        mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": uid}
        mirror = self.create(mirror)
        failure = event(mirror, "Failed", 'Failed to pull image "a.io/static:nope": no such host')
        failure["involvedObject"]["uid"] = uid
        self.api.write_event(failure)
        failing = pod("static", "a.io/static:nope", "real-14", waiting="ErrImagePull")
        self.api.set_status(failing)
        wanted = {"imageRef": "a.io/static:nope", "phase": "failed", "pods": ["static"]}
        self.wait_for_pull(server, "event and status are of one pod", attempts=1, **wanted)

    def test_fifty_pods_of_one_image_on_one_node(self) -> None:
        server = self.start_ready()
        names = [f"fifty-{i:02}" for i in range(50)]
        made = [self.create(pod(name, "a.io/fifty:1", "real-10")) for name in names]
        self.report(server, "real-10", pull("p1", "a.io/fifty"))
        self.wait_for_pull(server, "all are there", imageRef="a.io/fifty:1", pods=names)
        for each in made:
            self.api.set_status(running(each))
        done = pull("p1", "a.io/fifty", 1000, "completed", imageRef="a.io/fifty:1", imageRefExact=True)
        self.report(server, "real-10", done)
        self.wait_for_pull(server, "they stay with it", phase="completed", pods=names)

    def test_pods_that_leave_in_mid_pull(self) -> None:
        server = self.start_ready()
        names = ("deleted", "evicted", "rescheduled", "stays")
        made = {name: self.create(pod(name, "a.io/leave:1", "real-11")) for name in names}
        self.report(server, "real-11", pull("p1", "a.io/leave"))
        of_node = {"nodeName": "real-11", "imageRef": "a.io/leave:1", "phase": "downloading"}
        self.wait_for_pull(server, "all are there", **of_node, pods=list(names))
        self.api.delete_pod(made["deleted"])
        self.api.set_status(made["evicted"] | {"status": {"phase": "Failed", "reason": "Evicted"}})
        self.api.delete_pod(made["rescheduled"])
        self.create(pod("rescheduled", "a.io/leave:1", "real-12"))
        self.wait_for_pull(server, "the others go on without them", 10, **of_node, pods=["stays"])
        self.report(server, "real-12", pull("p1", "a.io/leave"))
        self.wait_for_pull(server, "on the other node", nodeName="real-12", pods=["rescheduled"])

    def test_more_pods_than_one_page_holds(self) -> None:
        many = [
            pod(f"page-{i}", f"a.io/page{i}:1", f"page-{i}", padding=6000)  # as large as real ones
            for i in range(520)
        ]
        for each in many:
            self.create(each)
        server = self.start_ready()
        summary = get(server.port, "/api/v1/summary").json()
        self.assertGreaterEqual(summary["waitingPods"], len(many))


class Rights(RealCase):
    def test_without_rights_then_with_them(self) -> None:
        subject = self.api.service_account("late")
        server = self.start("late")
        self.wait_for_complaint(server, "forbidden", 10)
        self.assert_ready_but(server, "Kubernetes")
        self.report(server, "real-4", pull("p1", "a.io/b"))
        self.create(pod("web", "a.io/b:1", "real-4"))
        self.api.bind_documented_role(subject)
        self.wait_until_ready(server, 30)
        self.wait_for_pull(server, "it recovers", imageRef="a.io/b:1", pods=["web"])

    def test_a_client_certificate_in_a_kubeconfig(self) -> None:
        user = {"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
        self.api.bind_documented_role(user)
        config = self.folder / "config"
        self.api.kubeconfig(config, "reader")
        server = self.start_server(PULLTRACE_KUBECONFIG=str(config))
        self.wait_until_ready(server)

    def test_an_authority_that_is_not_known(self) -> None:
        other = self.folder / "other.pem"
        shutil.copy("/etc/ssl/certs/ca-certificates.crt", other)
        server = self.start_server(
            PULLTRACE_KUBE_URL=self.api.url,
            PULLTRACE_KUBE_TOKEN_FILE=str(self.token_file("pulltrace")),
            PULLTRACE_KUBE_CA_FILE=str(other),
        )
        self.wait_for_complaint(server, "certificate", 10)

    def test_a_certificate_of_another_host(self) -> None:
        server = self.start_server(
            PULLTRACE_KUBE_URL=f"https://localhost:{self.api.way.port}",
            PULLTRACE_KUBE_TOKEN_FILE=str(self.token_file("pulltrace")),
            PULLTRACE_KUBE_CA_FILE=str(self.api.authority),
        )
        self.wait_for_complaint(server, "localhost", 10)
        self.assert_ready_but(server, "Kubernetes")


class Outages(RealCase):
    def test_versions_that_are_compacted_away(self) -> None:
        server = self.start_ready()
        gone = self.create(pod("gone", "a.io/gone:1", "real-6"))
        self.report(server, "real-6", pull("p1", "a.io/gone"))
        self.wait_for_pull(server, "it is joined", imageRef="a.io/gone:1", pods=["gone"])
        before = {kind: self.metric(server, name) for kind, name in LISTS.items()}
        self.api.way.cut()
        wait_for("that is known", lambda: self.metric(server, CURRENT_PODS) == 0, 10)
        self.api.delete_pod(gone)
        late = self.create(pod("late", "a.io/late:1", "real-6"))
        self.api.write_event(event(late, "Pulling", 'Pulling image "a.io/late:1"'))
        self.api.kill()
        self.api.compact()
        self.api.start()
        self.api.way.open()
        self.wait_for_pull(server, "what came meanwhile", 30, imageRef="a.io/late:1", phase="queued")
        self.wait_for_pull(server, "what left meanwhile", 15, imageRef="a.io/gone:1", pods=[])
        for kind, name in LISTS.items():
            wait_for(f"{kind} were listed again", lambda: self.metric(server, name) > before[kind], 30)

    def test_killed_and_restarted_under_load(self) -> None:
        server = self.start_ready()
        pods = [self.create(pod(f"p{i}", f"a.io/l{i}:1", "real-7")) for i in range(30)]
        pulls = [pull(f"p{i}", f"a.io/l{i}") for i in range(30)]
        self.report(server, "real-7", *pulls)

        def named() -> int:
            return len([p for p in self.pulls(server, "?layers=0&node=real-7") if p.get("pods")])

        wait_for("all are joined", lambda: named() == 30, 10)
        self.api.kill()
        wait_for("that is known", lambda: self.metric(server, CURRENT_PODS) == 0, 10)
        for _ in range(5):
            self.report(server, "real-7", *pulls)
            self.assertEqual(named(), 30)
        self.api.start()
        restarted = time.monotonic()
        self.api.set_status(running(pods[0]))
        self.create(pod("new", "a.io/new:1", "real-7"))
        self.report(server, "real-7", *pulls, pull("new", "a.io/new"))
        self.wait_for_pull(server, "all is right again", 30, imageRef="a.io/new:1", pods=["new"])
        self.wait_until_current(server)
        self.assertLess(time.monotonic() - restarted, 30)
