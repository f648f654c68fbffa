# SPDX-License-Identifier: Apache-2.0
"""Pods on a real kubelet: each image is one row from the first wait to the last word."""

from __future__ import annotations

import json
import time

from lab import tools
from lab.waiting import wait_for
from tests.cluster.case import RULES_S, NodeCase
from tests.cluster.node import FAR, HOST, NODE
from tests.integration.case import MB
from tests.kubernetes.real_api import Object


class Waiting(NodeCase):
    def test_one_pod(self) -> None:
        image = self.node.push("shop/web:1.0", 4 * MB, 2 * MB)
        self.node.create_pod("web", image)
        self.wait_for_row("it runs", 20, imageRef=image, phase="downloading", pods=["web"])
        self.node.wait_until_running("web")
        self.wait_for_row("it is done", 10, imageRef=image, phase="completed")
        row = self.assert_one_row(image, pods=["web"], imageRefExact=True)
        self.assertNotIn("error", row)

    def test_three_replicas_are_one_pull(self) -> None:
        image = self.node.push("shop/api:1.0", 6 * MB)
        self.node.create_deployment("api", image, 3)
        self.node.wait_until_running("api-", 3)
        names = sorted(pod["metadata"]["name"] for pod in self.node.pods("api-"))
        self.wait_for_row("all three", 10, imageRef=image, phase="completed", pods=names)
        self.assert_one_row(image)

    def test_images_behind_the_kubelets_queue(self) -> None:
        images = [self.node.push(f"queue/app{n}:1.0", 3 * MB) for n in range(4)]
        for number, image in enumerate(images):
            self.node.create_pod(f"queue-{number}", image)
        self.node.wait_until_running("queue-", len(images))
        for number, image in enumerate(images):
            self.wait_for_row("it is done", 10, imageRef=image, phase="completed")
            self.assert_one_row(image, pods=[f"queue-{number}"])

    def test_images_of_a_far_registry(self) -> None:
        """The agent sees a lease long before it knows what is pulled."""
        images = [self.node.push(f"far/app{n}:1.0", 2 * MB, host=FAR) for n in range(6)]
        for number, image in enumerate(images):
            self.node.create_pod(f"far-{number}a", image)
            self.node.create_pod(f"far-{number}b", image)
        self.node.wait_until_running("far-", 2 * len(images), 120)
        for number, image in enumerate(images):
            pods = [f"far-{number}a", f"far-{number}b"]
            self.wait_for_row("it is done", 10, imageRef=image, phase="completed", pods=pods)
            self.assert_one_row(image)

    def test_eight_tags_of_two_repositories_at_once(self) -> None:
        for host in (HOST, FAR):
            with self.subTest(host):
                self._pull_eight_tags(host, host.partition(".")[0])

    def _pull_eight_tags(self, host: str, prefix: str) -> None:
        truth: dict[str, str] = {}  # the reference of each root digest
        pods: dict[str, str] = {}
        for number in range(8):
            name = f"{prefix}/mix{number % 2}:v{number // 2}"
            digest = self.node.push_image(name, 2 * MB).root_digest
            truth[digest] = f"{host}/{name}"
            pods[f"{host}/{name}"] = f"{prefix}-mix-{number}"
        for image, pod in pods.items():
            self.node.create_pod(pod, image)
        self.node.wait_until_running(f"{prefix}-mix-", 8, 120)
        wait_for("all have ended", lambda: self._completed() >= truth.keys(), 20)
        wrong = [
            (event.pull["imageRef"], truth[event.pull["rootDigest"]])
            for event in self.log.all()
            if event.pull.get("rootDigest") in truth
            and ":v" in event.pull["imageRef"]
            and event.pull["imageRef"] != truth[event.pull["rootDigest"]]
        ]
        self.assertEqual(set(wrong), set(), "\n" + self._asked_and_pulled(pods))
        for image, pod in pods.items():
            self.wait_for_row("it is done", 5, imageRef=image, phase="completed", pods=[pod])

    def _completed(self) -> set[str]:
        """The root digests of pulls that are said to have completed."""
        ends = [event.pull for event in self.log.all() if event.pull["phase"] == "completed"]
        return {pull["rootDigest"] for pull in ends if "rootDigest" in pull}

    def _asked_and_pulled(self, pods: dict[str, str]) -> str:
        """When the kubelet asked for each image, by its events' names, and what was pulled when."""
        lines = []
        for image, pod in pods.items():
            for event in self.node.events(pod):
                if event["reason"] == "Pulling":
                    nanoseconds = int(event["metadata"]["name"].rpartition(".")[2], 16)
                    lines.append(f"{nanoseconds / 1e9:.4f} asked for {image}")
            lines += [f"{row['startedAt']} pulled {image}" for row in self.rows(image)]
        return "\n".join(sorted(lines)) + "\n" + self.story("mix")

    def test_the_name_of_forty_layers(self) -> None:
        image = self.node.push("shop/forty:1.0", *[MB // 4] * 40)
        created = time.time()
        self.node.create_pod("forty", image)
        first = self.log.wait_for("it begins", lambda event: "shop/forty" in str(event.pull), 20)
        named = self.log.wait_for(
            "its name",
            lambda event: event.pull["imageRef"] == image and bool(event.pull.get("rootDigest")),
            20,
        )
        self.assertGreater(first.received, created)
        began = self.log.wait_for("the pull", lambda event: bool(event.pull.get("rootDigest")), 20)
        self.assertLess(named.received - began.received, 0.3)
        self.node.wait_until_running("forty")
        self.assert_one_row(image, pods=["forty"])

    def test_a_pod_that_is_deleted_in_mid_pull_and_made_anew(self) -> None:
        image = self.node.push("shop/again:1.0", 8 * MB)
        self.node.create_pod("again", image)
        self.wait_for_row("it runs", 20, imageRef=image, phase="downloading")
        self.node.delete_pod("again")
        self.wait_for_row("nobody waits", 20, imageRef=image, pods=[])
        self.node.create_pod("again-2", image)
        self.node.wait_until_running("again-2")
        self.wait_for_row("it is done", 20, imageRef=image, phase="completed", pods=["again-2"])
        self.assert_one_row(image)

    def test_a_queued_pod_that_is_deleted(self) -> None:
        slow = self.node.push("shop/slow:1.0", 8 * MB)
        late = self.node.push("shop/late:1.0", 2 * MB)
        self.node.create_pod("slow", slow)
        self.wait_for_row("it runs", 20, imageRef=slow, phase="downloading")
        self.node.create_pod("late", late)
        self.wait_for_row("it is queued", 20, imageRef=late, phase="queued", pods=["late"])
        self.node.delete_pod("late")
        self.node.wait_until_running("slow")
        self.wait_for_row("it is over", 20, imageRef=slow, phase="completed")
        self.assertNotIn("failed", {event.pull["phase"] for event in self.log.of_image("shop/late")})


class Containers(NodeCase):
    def test_init_sidecar_and_main(self) -> None:
        images = {name: self.node.push(f"multi/{name}:1.0", 2 * MB) for name in ("side", "one", "two")}
        init = self.node.push("multi/init:1.0", 2 * MB, entrypoint=("/bin/busybox", "true"))
        self.node.create_pod(
            "multi",
            "",
            initContainers=[
                {"name": "init", "image": init},
                {"name": "side", "image": images["side"], "restartPolicy": "Always"},
            ],
            containers=[{"name": name, "image": images[name]} for name in ("one", "two")],
        )
        self.node.wait_until_running("multi")
        for image in (init, *images.values()):
            self.wait_for_row("it is done", 10, imageRef=image, phase="completed")
            self.assert_one_row(image, pods=["multi"])

    def test_two_containers_of_one_image(self) -> None:
        image = self.node.push("multi/same:1.0", 3 * MB)
        both = [{"name": name, "image": image} for name in ("one", "two")]
        self.node.create_pod("twice", "", containers=both)
        self.node.wait_until_running("twice")
        self.wait_for_row("it is done", 10, imageRef=image, phase="completed")
        self.assert_one_row(image)

    def test_a_debug_container_of_a_young_pod(self) -> None:
        alive = self.node.push("multi/alive:1.0", 1000)
        debug = self.node.push("multi/debug:1.0", 6 * MB)
        self.node.create_pod("alive", alive)
        self.node.wait_until_running("alive")
        path = "/api/v1/namespaces/default/pods/alive/ephemeralcontainers"
        body = {"spec": {"ephemeralContainers": [{"name": "debug", "image": debug}]}}
        self.node.api.call("PATCH", path, body, "strategic-merge-patch+json")
        self.wait_for_row("it runs", 20, imageRef=debug, phase="downloading", pods=["alive"])
        self.wait_for_row("it is done", 30, imageRef=debug, phase="completed", pods=["alive"])
        self.assert_one_row(debug)
        of_pull = [e for e in self.log.of_image("multi/debug") if e.pull["phase"] == "downloading"]
        first = next(n for n, event in enumerate(of_pull) if event.pull.get("pods"))
        self.assertTrue(all(event.pull.get("pods") for event in of_pull[first:]))

    def test_a_static_pod(self) -> None:
        image = self.node.push("multi/static:1.0", 3 * MB)
        spec = {
            "hostNetwork": True,
            "containers": [{"name": "app", "image": image}],
        }
        manifest: Object = {"apiVersion": "v1", "kind": "Pod", "spec": spec}
        manifest["metadata"] = {"name": "static", "namespace": "default"}
        path = self.node.manifests / "static.json"
        self.addCleanup(path.unlink)
        path.write_text(json.dumps(manifest))
        self.node.wait_until_running(f"static-{NODE}")
        self.wait_for_row("it is done", 10, imageRef=image, phase="completed")
        self.assert_one_row(image, pods=[f"static-{NODE}"])

    def test_an_image_volume(self) -> None:
        image = self.node.push("multi/main:1.0", 2 * MB)
        volume = self.node.push("multi/model:1.0", 4 * MB)
        self._create_with_volume("vol", image, volume)
        self.node.wait_until_running("vol")
        for reference in (image, volume):
            self.wait_for_row("it is done", 10, imageRef=reference, phase="completed")
            self.assert_one_row(reference, pods=["vol"])

    def test_an_image_volume_that_fails_does_not_fail_the_containers_image(self) -> None:
        image = self.node.push("multi/present:1.0", 1000)
        missing = f"{HOST}/multi/missing:1.0"
        self._create_with_volume("badvol", image, missing)
        self.wait_for_row("it fails", 40, imageRef=missing, phase="failed", errorClass="not_found")
        # The kubelet's short words have come again.
        self.wait_for_row("it fails again", 60, imageRef=missing, phase="failed", attempts=2)
        self.assertNotIn("failed", {e.pull["phase"] for e in self.log.of_image("multi/present")})
        self.assert_one_row(missing, pods=["badvol"])

    def _create_with_volume(self, name: str, image: str, volume: str) -> None:
        mounts = [{"name": "model", "mountPath": "/model"}]
        self.node.create_pod(
            name,
            "",
            containers=[{"name": "app", "image": image, "volumeMounts": mounts}],
            volumes=[{"name": "model", "image": {"reference": volume}}],
        )

    def test_pods_that_wait_for_something_else(self) -> None:
        image = self.node.push("multi/stuck:1.0", 1000)
        config = {"name": "config", "configMap": {"name": "missing"}}
        mounts = [{"name": "config", "mountPath": "/config"}]
        self.node.create_pod(
            "stuck",
            "",
            containers=[{"name": "app", "image": image, "volumeMounts": mounts}],
            volumes=[config],
        )
        time.sleep(2 * RULES_S)
        self.assertEqual(self.log.of_image("multi/stuck"), [], self.story("multi/stuck"))


class References(NodeCase):
    def test_digest_tag_and_both(self) -> None:
        image = self.node.push_image("ref/d:v1", 3 * MB)
        by_digest = f"{HOST}/ref/d@{image.root_digest}"
        self.node.create_pod("by-digest", by_digest)
        self.node.wait_until_running("by-digest")
        self.wait_for_row("it is done", 10, imageRef=by_digest, phase="completed", pods=["by-digest"])
        other = self.node.push_image("ref/both:v1", 3 * MB)
        both = f"{HOST}/ref/both:v1@{other.root_digest}"
        self.node.create_pod("both", both)
        self.node.wait_until_running("both")
        self.wait_for_row("the tag stays", 10, imageRef=both, phase="completed", pods=["both"])

    def test_a_wrong_tag_that_a_new_template_mends(self) -> None:
        bad = f"{HOST}/ref/app:bad"
        good = self.node.push("ref/app:good", 4 * MB)
        self.node.create_deployment("ref", bad, 2)
        self.wait_for_row("it fails", 40, imageRef=bad, phase="failed")
        containers = [{"name": "ref-main", "image": good}]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        path = "/apis/apps/v1/namespaces/default/deployments/ref"
        self.node.api.call("PATCH", path, patch, "strategic-merge-patch+json")
        self.wait_for_row("it is done", 60, imageRef=good, phase="completed")
        digest = next(row["rootDigest"] for row in self.rows() if row["imageRef"] == good)
        names = {e.pull["imageRef"] for e in self.log.all() if e.pull.get("rootDigest") == digest}
        self.assertNotIn(bad, names, f"\n{self.story('ref/app')}")

    def test_a_pod_whose_image_is_changed_in_place(self) -> None:
        bad = f"{HOST}/ref/nosuch:1.0"
        good = self.node.push("ref/fixed:1.0", 3 * MB)
        self.node.create_pod("inplace", bad)
        self.wait_for_row("it fails", 40, imageRef=bad, phase="failed")
        patch = {"spec": {"containers": [{"name": "app", "image": good}]}}
        path = "/api/v1/namespaces/default/pods/inplace"
        self.node.api.call("PATCH", path, patch, "strategic-merge-patch+json")
        self.wait_for_row("it is done", 60, imageRef=good, phase="completed", pods=["inplace"])
        row = self.assert_one_row(good)
        self.assertNotIn("error", row)
        self.assertIn(row.get("attempts", 1), (0, 1))
        self.assertNotIn("failed", {e.pull["phase"] for e in self.log.of_image("ref/fixed")})


class Sandboxes(NodeCase):
    """A node that has no sandbox image yet, whose first pods come together."""

    def test_three_sandboxes_are_one_pull_of_their_image(self) -> None:
        image = self.node.push("box/app:1.0", MB)
        for number in range(3):
            self.node.create_pod(f"box-{number}", image)
        self.node.wait_until_running("box-", 3)
        self.log.wait_for_end("box/app")
        self.assertEqual(len(self.rows("/pause")), 1, self.story("/pause"))
        self.assert_one_row(image, pods=["box-0", "box-1", "box-2"])


class Parallel(NodeCase):
    kubelet_settings = {"serializeImagePulls": False}

    def test_three_replicas_are_one_pull(self) -> None:
        for host in (HOST, FAR):
            with self.subTest(host):
                prefix = host.partition(".")[0]
                image = self.node.push(f"{prefix}/rep:1.0", 3 * MB, 2 * MB, host=host)
                self.node.create_deployment(f"rep-{prefix}", image, 3)
                self.node.wait_until_running(f"rep-{prefix}-", 3, 120)
                names = sorted(pod["metadata"]["name"] for pod in self.node.pods(f"rep-{prefix}-"))
                self.wait_for_row("all", 10, imageRef=image, phase="completed", pods=names)
                self.assert_one_row(image)

    def test_images_of_a_far_registry_at_once(self) -> None:
        images = [self.node.push(f"par/app{n}:1.0", 3 * MB, host=FAR) for n in range(6)]
        for number, image in enumerate(images):
            self.node.create_pod(f"par-{number}", image)
        self.node.wait_until_running("par-", len(images), 120)
        for number, image in enumerate(images):
            self.wait_for_row(
                "it is done", 10, imageRef=image, phase="completed", pods=[f"par-{number}"]
            )
            self.assert_one_row(image)


class WaitingOnContainerd16(Waiting):
    binaries = tools.CONTAINERD_DEBIAN


class ParallelOnContainerd16(Parallel):
    binaries = tools.CONTAINERD_DEBIAN
