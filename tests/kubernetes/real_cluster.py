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

    def test_failures_and_deletion(self) -> None:
        server = self.start_ready()
        bad = self.create(pod("bad", "a.io/b:nope", "real-3"))
        words = 'Failed to pull image "a.io/b:nope": a.io/b:nope: not found'
        for count in (1, 2):
            self.api.write_event(event(bad, "Failed", words, count, name="bad-failed"))
            self.wait_for_pull(
                server, "it is told", phase="failed", errorClass="not_found", attempts=count
            )
        self.assertEqual(len(self.log_lines(server, "pull.failed")), 2)
        self.report(server, "real-3", pull("p1", "a.io/gone"))
        gone = self.create(pod("gone", "a.io/gone:1", "real-3"))
        self.wait_for_pull(server, "it is joined", imageRef="a.io/gone:1", pods=["gone"])
        self.api.delete_pod(gone)
        self.wait_for_pull(server, "its pod has left", 10, imageRef="a.io/gone:1", pods=[])


    def test_more_pods_than_one_page_holds(self) -> None:
        many = [pod(f"page-{i}", f"a.io/page{i}:1", f"page-{i}") for i in range(520)]
        for each in many:
            padding = {"name": "PADDING", "value": "x" * 6000}  # real pods are about so large
            each["spec"]["containers"][0]["env"] = [padding]
            self.create(each)
        server = self.start_ready()
        summary = get(server.port, "/api/v1/summary").json()
        self.assertGreaterEqual(summary["waitingPods"], len(many))


class Rights(RealCase):
    def test_without_rights_then_with_them(self) -> None:
        subject = self.api.service_account("late")
        server = self.start("late")
        self.wait_for_complaint(server, "forbidden", 10)
        self.assertEqual(get(server.port, "/readyz").status, 503)
        self.report(server, "real-4", pull("p1", "a.io/b"))
        self.create(pod("web", "a.io/b:1", "real-4"))
        self.api.bind_documented_role(subject)
        self.wait_until_ready(server, 30)
        self.wait_for_pull(server, "it recovers", imageRef="a.io/b:1", pods=["web"])

    def test_rights_in_one_namespace_only(self) -> None:
        self.api.namespace("team-a")
        self.api.bind_in_namespace("team-a", self.api.service_account("team"))
        server = self.start("team", PULLTRACE_WATCH_NAMESPACES="team-a")
        self.wait_until_ready(server)
        self.create(pod("web", "a.io/b:1", "real-5", namespace="team-a"))
        self.report(server, "real-5", pull("p1", "a.io/b"))
        self.wait_for_pull(server, "it is joined", imageRef="a.io/b:1", pods=["web"])

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
        self.assertEqual(get(server.port, "/readyz").status, 503)


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
