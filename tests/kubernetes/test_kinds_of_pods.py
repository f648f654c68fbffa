# SPDX-License-Identifier: Apache-2.0
"""Stories of each kind of pod and container, and of pods that end, move or are made anew."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import Object, stamp
from tests.kubernetes.scene import NOT_FOUND, Scene, Story, into
from tests.kubernetes.test_stories import QUIET_S, SIDE, WEB, agent_pull

BAD = "registry.example/bad:1"
NEW = "registry.example/web:2"
INIT = "registry.example/setup:3"

STORIES: dict[str, Story] = {}
NEW_LIST_STORIES: dict[str, Story] = {}  # events and pods are listed anew while they are played
story = into(STORIES)
with_a_new_list = into(NEW_LIST_STORIES)


def fail(scene: Scene, pod: str, container: str, image: str) -> None:
    """An attempt, as the kubelet writes it: asked for, failed, in the state."""
    scene.asks(pod, container, image)
    scene.fails(pod, container, image)
    scene.wait_with(pod, container, "ErrImagePull", NOT_FOUND.format(image))


def make_anew(scene: Scene, name: str, number: int, **images: str) -> None:
    """Another pod of that name."""
    made = scene.pod(name, **images)
    made["metadata"]["uid"] += f"-{number}"
    scene.put(made)


# --- pods that are made anew ---


@story
def pod_that_is_made_anew_while_its_image_fails(scene: Scene) -> Iterator[float]:
    """As a StatefulSet does, or who deletes a pod in the hope of better luck."""
    scene.create("p", web=BAD)
    fail(scene, "p", "web", BAD)
    yield 1.5
    first = scene.expect(BAD, phase="failed", attempts=1)
    for number in (2, 3):
        scene.delete("p")
        yield 1
        make_anew(scene, "p", number, web=BAD)
        yield 0.5
        fail(scene, "p", "web", BAD)
        yield 1.5
        scene.expect(BAD, phase="failed", attempts=number, id=first["id"], pods=["p/web"])
    scene.delete("p")
    yield 1
    make_anew(scene, "p", 4, web=BAD)
    scene.asks("p", "web", BAD)
    yield 1
    scene.expect(BAD, phase="queued", id=first["id"], error=None)
    scene.has_pulled("p", "web", BAD)
    scene.run("p")
    yield QUIET_S
    scene.expect(BAD, phase="completed", id=first["id"], error=None, attempts=3)


@story
def queued_pod_that_is_made_anew(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    scene.asks("p", "web", WEB)
    yield 1
    first = scene.expect(WEB, phase="queued")
    scene.delete("p")
    yield 1
    scene.expect(WEB, phase="cancelled")
    make_anew(scene, "p", 2, web=WEB)
    scene.asks("p", "web", WEB)
    yield 1
    scene.expect(WEB, phase="queued", id=first["id"], completedAt=None, pods=["p/web"])


@story
def pods_of_a_job_that_fail_one_after_the_other(scene: Scene) -> Iterator[float]:
    """A deadline ends each; the next has another name, the image is the same."""
    identity = None
    for number in (1, 2, 3):
        name = f"job-{number}"
        scene.create(name, main=BAD)
        fail(scene, name, "main", BAD)
        yield 1.5
        row = scene.expect(BAD, phase="failed", attempts=number, pods=[f"{name}/main"])
        identity = identity or row["id"]
        assert row["id"] == identity, row
        scene.end(name, "Failed", "DeadlineExceeded")
        yield QUIET_S  # the list merely lacks it then
    scene.expect(BAD, phase="failed", nextAttemptAt=None, waiting=False)


@story
def pod_that_is_made_anew_while_an_agents_pull_fails(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    scene.asks("p", "web", WEB)
    scene.report(agent_pull(WEB))
    yield 1.2
    scene.report(agent_pull(WEB, "failed"))
    words = f'failed to pull and unpack image "{WEB}": failed to copy: unexpected EOF'
    scene.say("p", "web", "Failed", f'Failed to pull image "{WEB}": {words}')
    scene.wait_with("p", "web", "ErrImagePull", words)
    yield 1
    first = scene.expect(WEB, phase="failed", errorClass="network", attempts=1)
    scene.delete("p")
    yield 12
    make_anew(scene, "q", 2, web=WEB)
    scene.asks("q", "web", WEB)
    yield 1
    scene.expect(WEB, id=first["id"], pods=["p/web", "q/web"], waiting=True)
    scene.report(agent_pull(WEB, id="the second"))
    yield 1
    scene.expect(WEB, phase="downloading", id=first["id"], pods=["q/web"])


# --- kinds of containers ---


@story
def init_container_whose_image_fails(scene: Scene) -> Iterator[float]:
    made = scene.pod("p", web=WEB)
    scene.add(made, "init", "setup", INIT)
    scene.put(made)
    scene.asks("p", "init:setup", INIT)
    scene.say("p", "init:setup", "Failed", f'Failed to pull image "{INIT}": {NOT_FOUND.format(INIT)}')
    scene.wait_with("p", "setup", "ErrImagePull", NOT_FOUND.format(INIT))
    yield 4
    scene.expect(INIT, phase="failed", attempts=1, pods=["p/setup"])
    assert WEB not in scene.rows(), scene.rows()


@story
def sidecar_before_its_main_container(scene: Scene) -> Iterator[float]:
    made = scene.pod("p", web=WEB)
    scene.add(made, "init", "proxy", SIDE, restartPolicy="Always")
    scene.put(made)
    yield 3
    scene.expect(SIDE, phase="queued", pods=["p/proxy"])
    assert WEB not in scene.rows(), scene.rows()
    scene.asks("p", "init:proxy", SIDE)
    words = f'Successfully pulled image "{SIDE}" in 1.1s (1.1s including waiting)'
    scene.say("p", "init:proxy", "Pulled", words)
    scene.start("p", "proxy")
    yield QUIET_S
    scene.expect(SIDE, phase="completed")
    scene.expect(WEB, phase="queued", pods=["p/web"])


@story
def debug_container_of_a_pod_that_runs(scene: Scene) -> Iterator[float]:
    debug = "registry.example/debug:1"
    scene.create("p", web=WEB)
    scene.run("p")
    yield 1
    scene.asks("p", "ephemeral:debugger", debug)
    yield 1
    scene.expect(debug, phase="queued", pods=["p/debugger"])
    scene.fails("p", "ephemeral:debugger", debug)
    yield 1
    scene.expect(debug, phase="failed", attempts=1, pods=["p/debugger"])


@story
def static_pod_and_its_mirror(scene: Scene) -> Iterator[float]:
    """The kubelet's events name the hash of the manifest, before and after the mirror is there."""
    made = scene.pod("etcd", etcd=WEB)
    digest = "0123456789abcdef" * 2
    own_uid = made["metadata"]["uid"]
    made["metadata"]["uid"] = digest
    scene.asks("etcd", "etcd", WEB)
    yield 0.5
    made["metadata"]["uid"] = own_uid
    made["metadata"]["annotations"] = {
        "kubernetes.io/config.mirror": digest,
        "kubernetes.io/config.source": "file",
    }
    scene.put(made)
    yield 1
    scene.expect(WEB, phase="queued", pods=["etcd/etcd"])
    made["metadata"]["uid"] = digest
    scene.has_pulled("etcd", "etcd", WEB)
    made["metadata"]["uid"] = own_uid
    scene.run("etcd")
    yield QUIET_S
    scene.expect(WEB, phase="completed", pods=["etcd/etcd"])


@story
def image_of_a_volume_beside_the_same_image(scene: Scene) -> Iterator[float]:
    made = scene.pod("p", web=WEB)
    made["spec"]["volumes"] = [{"name": "data", "image": {"reference": WEB}}]
    scene.put(made)
    scene.asks("p", "", WEB)
    scene.fails("p", "", WEB)
    yield 2.5
    scene.expect(WEB, phase="failed", attempts=1)


@story
def image_of_a_volume_that_one_of_two_containers_mounts(scene: Scene) -> Iterator[float]:
    """The kubelet starts the other one. What it says of the volume, the container says as its own."""
    data = "registry.example/data:1"
    made = scene.pod("p", web=WEB, side=SIDE)
    made["spec"]["volumes"] = [{"name": "data", "image": {"reference": data}}]
    made["spec"]["containers"][1]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    scene.put(made)
    scene.asks("p", "", data)
    scene.say("p", "", "Failed", f'Failed to pull image "{data}": pull QPS exceeded')
    scene.say("p", "side", "Failed", "Error: ErrImagePull")
    scene.finds_present("p", "web", WEB)
    made["status"]["containerStatuses"][0]["state"] = {"running": {"startedAt": stamp()}}
    scene.wait_with("p", "side", "ErrImagePull", "pull QPS exceeded")
    yield 1.5
    scene.expect(data, phase="failed", errorClass="rate_limited", pods=["p/data"], waiting=True)
    words = f'Back-off pulling image "{data}": ErrImagePull: pull QPS exceeded'
    scene.wait_with("p", "side", "ImagePullBackOff", words)
    yield QUIET_S
    scene.expect(data, phase="failed", attempts=1, pods=["p/data"], waiting=True)
    assert set(scene.rows()) == {data}, scene.rows()
    scene.has_pulled("p", "", data)
    scene.asks("p", "side", SIDE)
    yield QUIET_S
    scene.expect(data, phase="completed", error=None, waiting=False)
    scene.expect(SIDE, phase="queued", pods=["p/side"])


@story
def image_that_the_kubelet_cannot_note_that_it_pulls(scene: Scene) -> Iterator[float]:
    """Its disk is full; the reason of the state is the error itself."""
    scene.create("p", web=WEB)
    yield 3
    first = scene.expect(WEB, phase="queued")
    error = "failed to record image pull intent: write /var/lib/kubelet/x: no space left on device"
    scene.say("p", "web", "Failed", f"Error: {error}")
    words = f'Failed to record image pull intent for container image "{WEB}": {error}'
    scene.wait_with("p", "web", error, words)
    yield 1
    scene.expect(WEB, phase="failed", errorClass="disk_full", nextAttemptAt=None, id=first["id"])


@story
def sandbox_image_that_is_named_by_digest(scene: Scene) -> Iterator[float]:
    pause = "registry.k8s.io/pause:3.10.1@sha256:" + "2" * 64
    scene.create("p", web=WEB)
    words = (
        'Failed to create pod sandbox: rpc error: code = NotFound desc = failed to start sandbox "x": '
        f'failed to get sandbox image "{pause}": failed to get image "{pause}": not found'
    )
    scene.say("p", "", "FailedCreatePodSandBox", words)
    yield 4
    scene.expect(pause, phase="failed", errorClass="not_found", pods=["p/sandbox"])
    assert WEB not in scene.rows(), scene.rows()
    scene.asks("p", "web", WEB)
    yield 1
    scene.expect(WEB, phase="queued", pods=["p/web"])
    scene.expect(pause, phase="completed", error=None)


@story
def pods_of_one_name_in_two_namespaces(scene: Scene) -> Iterator[float]:
    scene.create("p", web=BAD)
    fail(scene, "p", "web", BAD)
    other = copy.deepcopy(scene.pod("q", web=SIDE))
    other["metadata"] |= {"name": "p", "namespace": f"{scene.node}-2", "uid": f"{scene.node}-2-p"}
    scene.api.put("pods", other)
    yield 3
    scene.expect(BAD, phase="failed", pods=["p/web"])
    row = scene.expect(SIDE, phase="queued", pods=["p/web"], error=None)
    assert [pod["namespace"] for pod in row["waitingPods"]] == [f"{scene.node}-2"], row


# --- pull policies, tags and digests ---


@story
def policies_that_differ(scene: Scene) -> Iterator[float]:
    """One pod may never pull, one finds its image, one asks each time."""
    missing = f'Container image "{BAD}" is not present with pull policy of Never'
    scene.create("never", web=BAD)
    scene.say("never", "web", "ErrImageNeverPull", missing)
    scene.say("never", "web", "Failed", "Error: ErrImageNeverPull")
    scene.wait_with("never", "web", "ErrImageNeverPull", missing)
    scene.create("there", web=WEB)
    scene.finds_present("there", "web", WEB)
    scene.create("always", web=SIDE)
    scene.asks("always", "web", SIDE)
    yield 1
    scene.run("there")
    yield 3
    scene.expect(BAD, phase="failed", errorClass="policy", nextAttemptAt=None)
    scene.expect(SIDE, phase="queued", pods=["always/web"])
    assert WEB not in scene.rows(), scene.rows()


@story
def one_image_by_tag_and_by_digest(scene: Scene) -> Iterator[float]:
    digest = "sha256:" + "6" * 64
    by_digest = f"registry.example/web@{digest}"
    scene.create("a", web=WEB)
    scene.create("b", web=by_digest)
    scene.asks("a", "web", WEB)
    scene.report(agent_pull(WEB, rootDigest="sha256:" + "8" * 64))
    yield 1
    scene.asks("b", "web", by_digest)
    second = agent_pull(WEB, id="second", startedAt=stamp(0.05, whole=False), rootDigest=digest)
    first = agent_pull(WEB, rootDigest="sha256:" + "8" * 64)
    scene.report(first, second)
    yield 1.5
    scene.expect(WEB, phase="downloading", pods=["a/web"])
    scene.expect(by_digest, phase="downloading", pods=["b/web"])


@story
def tag_that_moves_between_two_attempts(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    scene.asks("p", "web", WEB)
    scene.report(agent_pull(WEB, rootDigest="sha256:" + "a" * 64))
    yield 1
    scene.report(agent_pull(WEB, "failed", rootDigest="sha256:" + "a" * 64))
    scene.say("p", "web", "Failed", f'Failed to pull image "{WEB}": unexpected EOF')
    yield 1
    first = scene.expect(WEB, phase="failed", attempts=1)
    scene.asks("p", "web", WEB, count=2)
    scene.report(agent_pull(WEB, id="again", rootDigest="sha256:" + "b" * 64))
    yield 1
    scene.expect(WEB, phase="downloading", id=first["id"], rootDigest="sha256:" + "b" * 64)


# --- what happens to pods and nodes ---


@story
def pod_that_is_evicted_while_its_image_comes(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB, side=SIDE)
    scene.asks("p", "web", WEB)
    scene.report(agent_pull(WEB))
    yield 3
    scene.end("p", "Failed", "Evicted")
    yield QUIET_S
    scene.report(agent_pull(WEB))
    yield 1
    scene.expect(WEB, phase="downloading", pods=[])
    scene.report(agent_pull(WEB, "completed", imageRef=WEB, imageRefExact=True))
    yield 1
    scene.expect(WEB, phase="completed", error=None)


@story
def rollout_of_a_daemon_set(scene: Scene) -> Iterator[float]:
    scene.create("ds-old", web=WEB)
    scene.run("ds-old")
    yield 0.5
    scene.create("ds-new", web=NEW)
    scene.delete("ds-old")
    scene.asks("ds-new", "web", NEW)
    scene.report(agent_pull(NEW))
    yield 1
    scene.expect(NEW, phase="downloading", pods=["ds-new/web"])
    scene.report(agent_pull(NEW, "completed", imageRef=NEW, imageRefExact=True))
    scene.has_pulled("ds-new", "web", NEW)
    scene.run("ds-new")
    yield QUIET_S
    scene.expect(NEW, phase="completed", pods=["ds-new/web"])
    assert set(scene.rows()) == {NEW}, scene.rows()


@story
def pod_that_comes_to_another_node(scene: Scene) -> Iterator[float]:
    scene.create("p", web=BAD)
    fail(scene, "p", "web", BAD)
    yield 1.5
    scene.expect(BAD, phase="failed", waiting=True)
    scene.delete("p")
    made = scene.pod("p", web=BAD)
    made["metadata"]["uid"] += "-2"
    made["spec"]["nodeName"] = f"{scene.node}-2"
    scene.put(made)
    yield 3
    scene.expect(BAD, phase="failed", waiting=False, nextAttemptAt=None)
    there = scene.rows(f"{scene.node}-2")
    assert there[BAD]["phase"] == "queued" and there[BAD]["pods"] == ["p/web"], there


@story
def kubelet_that_is_restarted_while_it_pulls(scene: Scene) -> Iterator[float]:
    """The new one knows nothing of the attempt, and asks again with events of its own."""
    scene.create("p", web=WEB)
    scene.asks("p", "web", WEB)
    scene.report(agent_pull(WEB))
    yield 1.2
    first = scene.expect(WEB, phase="downloading")
    scene.report(agent_pull(WEB, "failed"))
    yield 1
    scene.asks("p", "web", WEB)
    scene.report(agent_pull(WEB, id="of the new one"))
    yield 1
    row = scene.expect(WEB, phase="downloading", id=first["id"], error=None)
    assert row["pods"] == ["p/web"], row
    done = agent_pull(WEB, "completed", id="of the new one", imageRef=WEB, imageRefExact=True)
    scene.report(done)
    scene.has_pulled("p", "web", WEB)
    scene.run("p")
    yield QUIET_S
    scene.expect(WEB, phase="completed", id=first["id"], error=None)


# --- new lists ---


@with_a_new_list
def pull_that_goes_on_over_a_new_list(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    scene.asks("p", "web", WEB)
    yield 2
    first = scene.expect(WEB, phase="queued")
    yield 3  # the new list comes meanwhile
    scene.expect(WEB, phase="queued", id=first["id"], pods=["p/web"])
    scene.report(agent_pull(WEB))
    yield 1
    scene.expect(WEB, phase="downloading", id=first["id"], pods=["p/web"])


@with_a_new_list
def pod_that_ends_while_nobody_watches(scene: Scene) -> Iterator[float]:
    scene.create("p", web=BAD)
    fail(scene, "p", "web", BAD)
    yield 3
    scene.expect(BAD, phase="failed", attempts=1)
    yield 2 + QUIET_S
    scene.expect(BAD, phase="failed", attempts=1, pods=["p/web"])


@with_a_new_list
def the_new_list(scene: Scene) -> Iterator[float]:
    yield 3.5
    scene.api.expire_streams()


class KindsOfPods(FakeCase):
    def test_all_of_them(self) -> None:
        self.play(self.start(), STORIES)

    def test_around_a_new_list(self) -> None:
        self.play(self.start(), NEW_LIST_STORIES)

    def test_a_server_that_starts_in_the_middle(self) -> None:
        """What has happened before is in pods and events; none of it is news."""
        scene = Scene(self.api, 0, "middle")
        scene.create("p", age_s=400, web=BAD)
        scene.fails("p", "web", BAD, count=4, first_s=-390, last_s=-20, event_name="p.failed")
        scene.backs_off("p", "web", BAD)
        scene.create("q", age_s=30, web=WEB)
        scene.asks("q", "web", WEB, first_s=-29, last_s=-29)
        server = self.start()
        scene.port = server.port
        self.play(server, {"middle": lambda _: self._look(scene)})

    def _look(self, scene: Scene) -> Iterator[float]:
        yield 2
        scene.expect(BAD, phase="failed", attempts=4, pods=["p/web"])
        row: Object = scene.expect(WEB, phase="queued", pods=["q/web"])
        self.assertGreaterEqual(row["queuedSeconds"], 20)
