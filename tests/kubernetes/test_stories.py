# SPDX-License-Identifier: Apache-2.0
"""What is shown for stories that kubelets are known to write; see tests/kubernetes/scene.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import Object, layer, stamp
from tests.kubernetes.scene import Scene, Story, into

WEB = "registry.example/web:1"
SIDE = "registry.example/side:9"
PAUSE = "registry.k8s.io/pause:3.9"
QUIET_S = 7.0  # after that nothing lingers any more

STORIES: dict[str, Story] = {}
NEW_LIST_STORIES: dict[str, Story] = {}  # events and pods are listed anew while they are played
story = into(STORIES)
with_a_new_list = into(NEW_LIST_STORIES)


def agent_pull(image: str, phase: str = "downloading", **more: Any) -> Object:
    repository = image.rpartition(":")[0].partition("@")[0]
    made: Object = {
        "id": f"pull-of-{repository}",
        "imageRef": repository,
        "repository": repository,
        "startedAt": stamp(-0.1, whole=False),
        "totalKnown": True,
        "layers": [layer(1, 1000 if phase == "completed" else 100)],
        "phase": phase,
    }
    if phase in ("completed", "failed"):
        made["completedAt"] = stamp(whole=False)
    return made | more


# --- an event counts for the image that its words name ---


@story
def combined_event_of_another_container(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB, side=SIDE)
    scene.asks("p", "web", WEB)
    yield 1.2
    scene.has_pulled("p", "web", WEB)
    scene.asks("p", "side", SIDE)
    scene.fails("p", "side", SIDE)
    scene.wait_with("p", "side", "ErrImagePull", f'"{SIDE}": not found')
    yield 1.2
    scene.fails("p", "web", SIDE, combined=True, count=4)
    yield 6.5
    scene.expect(WEB, phase="completed", error=None, nextAttemptAt=None)
    scene.expect(SIDE, phase="failed", errorClass="not_found", pods=["p/side"])


@story
def combined_event_beside_an_agents_pull(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB, side=SIDE)
    scene.asks("p", "web", WEB)
    yield 1
    scene.report(agent_pull(WEB))
    yield 1
    scene.fails("p", "web", SIDE, combined=True, count=3)
    yield 2.5
    scene.expect(WEB, phase="downloading", attempts=None, error=None)
    scene.expect(SIDE, phase="failed", errorClass="not_found")


@story
def combined_back_off(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB, side=SIDE)
    scene.asks("p", "web", WEB)
    yield 1.2
    words = f'(combined from similar events): Back-off pulling image "{SIDE}"'
    scene.say("p", "web", "BackOff", words, count=2)
    scene.backs_off("p", "side", SIDE)
    yield 3
    scene.expect(WEB, phase="queued", error=None)
    scene.expect(SIDE, phase="failed", errorClass="not_found")


@story
def combined_pulling(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB, side=SIDE)
    scene.start("p", "web")
    yield 0.5
    scene.asks("p", "web", SIDE, count=2)
    yield 1
    scene.expect(SIDE, phase="queued", pods=["p/side"])


@story
def image_patched_while_it_backs_off(scene: Scene) -> Iterator[float]:
    bad, good = "registry.example/patched:oops", "registry.example/patched:1.29"
    scene.create("p", web=bad)
    scene.asks("p", "web", bad)
    scene.fails("p", "web", bad)
    scene.wait_with("p", "web", "ErrImagePull", f'"{bad}": not found')
    yield 2
    scene.backs_off("p", "web", bad)
    yield 1
    scene.patch("p", "web", good)
    yield 1.5
    scene.expect(bad, phase="failed")
    assert scene.rows().get(good, {}).get("phase") != "failed"
    scene.asks("p", "web", good)
    yield 2.5
    scene.expect(good, phase="queued", error=None, attempts=None)
    scene.has_pulled("p", "web", good)
    scene.create_anew("p", "web", good)
    scene.run("p")
    yield QUIET_S
    scene.expect(good, phase="completed", error=None, attempts=None)


@story
def image_patched_before_the_server_heard_of_it(scene: Scene) -> Iterator[float]:
    bad, good = "registry.example/before:oops", "registry.example/before:1.29"
    scene.create("p", age_s=130, web=good)
    yield 0.5
    scene.asks("p", "web", bad, count=4, first_s=-120, last_s=-40)
    scene.fails("p", "web", bad, count=4, first_s=-120, last_s=-39)
    scene.say("p", "web", "BackOff", f'Back-off pulling image "{bad}"', count=6, last_s=-20)
    scene.asks("p", "web", good, first_s=-1, last_s=-1)
    yield 3
    scene.expect(good, phase="queued", error=None, attempts=None)
    assert scene.rows().get(bad, {"phase": "failed"})["phase"] == "failed"


@story
def invalid_name_that_is_patched(scene: Scene) -> Iterator[float]:
    bad, good = "registry.example/My-App:1", "registry.example/my-app:1"
    reason = f"couldn't parse image name \"{bad}\": invalid reference format"
    words = f'Failed to apply default image tag "{bad}": {reason}'
    scene.create("p", web=bad)
    scene.say("p", "web", "InspectFailed", words)
    scene.say("p", "web", "Failed", "Error: InvalidImageName")
    scene.wait_with("p", "web", "InvalidImageName", words)
    yield 3
    scene.expect(bad, phase="failed", errorClass="invalid_reference")
    scene.patch("p", "web", good)
    yield 2
    scene.asks("p", "web", good)
    scene.create_anew("p", "web", good)
    yield 2
    scene.expect(good, phase="queued", error=None)
    scene.has_pulled("p", "web", good)
    scene.run("p")
    yield QUIET_S
    scene.expect(good, phase="completed", error=None)


# --- attempts and the next attempt ---


@story
def fails_four_times_and_succeeds(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    for count in range(1, 5):
        scene.asks("p", "web", WEB, count=count, event_name="p.a")
        scene.fails("p", "web", WEB, count=count, event_name="p.b")
        scene.wait_with("p", "web", "ErrImagePull", f'"{WEB}": not found')
        yield 1.1
        scene.backs_off("p", "web", WEB)
        yield 1.1
    scene.expect(WEB, phase="failed", attempts=4)
    scene.asks("p", "web", WEB, count=5, event_name="p.a")
    scene.has_pulled("p", "web", WEB)
    scene.run("p")
    yield QUIET_S
    row = scene.expect(WEB, phase="completed", error=None, errorClass=None, nextAttemptAt=None)
    assert row["attempts"] in (4, 5), row


@story
def next_attempt_of_two_pods(scene: Scene) -> Iterator[float]:
    scene.create("a", age_s=320, web=WEB)
    scene.fails("a", "web", WEB, count=5, first_s=-320, last_s=-100)
    scene.create("b", web=WEB)
    yield 1
    scene.fails("b", "web", WEB)
    failed_at = time.time()
    yield 2
    row = scene.expect(WEB, phase="failed", pods=["a/web", "b/web"])
    planned = datetime.fromisoformat(row["nextAttemptAt"].replace("Z", "+00:00")).timestamp()
    assert abs(planned - (failed_at + 10)) < 2, row["nextAttemptAt"]


@story
def image_volume_whose_event_comes_first(scene: Scene) -> Iterator[float]:
    model = "quay.io/models/one:v1"
    made = scene.pod("p", web=WEB)
    made["spec"]["volumes"] = [{"name": "model", "image": {"reference": model}}]
    scene.asks("p", "", model)
    scene.fails("p", "", model)
    yield 0.5
    scene.wait_with("p", "web", "ErrImagePull", f'failed to resolve reference "{model}": not found')
    yield QUIET_S
    scene.expect(model, phase="failed", attempts=1)
    assert WEB not in scene.rows() or scene.rows()[WEB]["phase"] != "failed"


# --- two clocks ---


def _fails_once_on_a_node_that_is_behind(scene: Scene, behind_s: float) -> Iterator[float]:
    at = {"first_s": -behind_s, "last_s": -behind_s}
    scene.create("p", web=WEB)
    yield 0.5
    scene.asks("p", "web", WEB, **at)
    scene.fails("p", "web", WEB, **at)
    scene.wait_with("p", "web", "ErrImagePull", f'"{WEB}": not found')
    yield 2
    scene.backs_off("p", "web", WEB)
    yield 8
    scene.asks("p", "web", WEB, **at)
    yield 2
    scene.has_pulled("p", "web", WEB, **at)
    scene.run("p")
    yield QUIET_S + 1
    scene.expect(WEB, phase="completed", error=None)


@story
def node_clock_15_s_behind(scene: Scene) -> Iterator[float]:
    yield from _fails_once_on_a_node_that_is_behind(scene, 15)


@story
def node_clock_60_s_behind(scene: Scene) -> Iterator[float]:
    yield from _fails_once_on_a_node_that_is_behind(scene, 60)


@story
def node_clock_60_s_ahead(scene: Scene) -> Iterator[float]:
    yield from _fails_once_on_a_node_that_is_behind(scene, -60)


# --- who waits ---


@story
def image_that_turns_out_to_be_present(scene: Scene) -> Iterator[float]:
    scene.create("p", app=WEB)
    yield 3
    scene.finds_present("p", "app", WEB)
    yield 1
    scene.run("p")
    yield QUIET_S + 1
    scene.expect(WEB, phase="cancelled", pods=["p/app"])


@story
def present_image_beside_a_slow_one(scene: Scene) -> Iterator[float]:
    huge = "registry.example/huge:1"
    scene.create("p", proxy=WEB, huge=huge)
    yield 3.5
    scene.finds_present("p", "proxy", WEB)
    scene.asks("p", "huge", huge)
    yield QUIET_S
    scene.expect(WEB, phase="cancelled", pods=["p/proxy"])
    scene.expect(huge, phase="queued", pods=["p/huge"])


@story
def serial_pulls_without_an_agent(scene: Scene) -> Iterator[float]:
    big, small = "registry.example/big:1", "registry.example/small:1"
    scene.create("a", x=big)
    scene.create("b", x=small)
    scene.asks("a", "x", big)
    scene.asks("b", "x", small)
    yield 4
    scene.has_pulled("a", "x", big)
    scene.run("a")
    yield 2
    words = f'Successfully pulled image "{small}" in 2s (1h2m3.4s including waiting)'
    scene.say("b", "x", "Pulled", words)
    scene.run("b")
    yield QUIET_S
    scene.expect(big, phase="completed", pods=["a/x"])
    scene.expect(small, phase="completed", pods=["b/x"], queuedSeconds=3721.4)


@story
def side_loaded_after_a_failure(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    yield 0.5
    scene.asks("p", "web", WEB)
    scene.fails("p", "web", WEB)
    scene.backs_off("p", "web", WEB)
    yield 3
    scene.expect(WEB, phase="failed")
    scene.finds_present("p", "web", WEB)
    yield 0.3
    scene.run("p")
    yield QUIET_S + 1
    row = scene.expect(WEB, error=None, nextAttemptAt=None)
    assert row["phase"] in ("completed", "cancelled"), row


@story
def sandbox_image_that_fails(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    words = (
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "
        f'"{PAUSE}": failed to pull image "{PAUSE}": failed to pull and unpack image "{PAUSE}": '
        f'failed to resolve reference "{PAUSE}": failed to do request: Head '
        '"https://registry.k8s.io/v2/pause/manifests/3.9": dial tcp 10.0.0.1:443: i/o timeout'
    )
    scene.say("p", "", "FailedCreatePodSandBox", words)
    yield 5
    row = scene.expect(PAUSE, phase="failed", errorClass="timeout")
    assert [each.split("/")[0] for each in row["pods"]] == ["p"], row
    assert WEB not in scene.rows()


@story
def volume_that_cannot_be_mounted(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    yield 0.5
    scene.say("p", "", "FailedMount", 'MountVolume.SetUp failed for volume "c": not found')
    yield 4
    assert WEB not in scene.rows(), scene.rows()
    scene.asks("p", "web", WEB)
    yield 1
    scene.expect(WEB, phase="queued", pods=["p/web"])


# --- names ---


@story
def tag_and_digest(scene: Scene) -> Iterator[float]:
    digest = "sha256:" + "5" * 64
    image = f"ghcr.io/owner/app:1.1.3@{digest}"
    scene.create("p", web=image)
    scene.asks("p", "web", image)
    yield 0.5
    scene.report(agent_pull("ghcr.io/owner/app:1.1.3", rootDigest=digest))
    yield 1.5
    scene.expect(image, phase="downloading", pods=["p/web"])
    exact = {"imageRef": f"ghcr.io/owner/app@{digest}", "imageRefExact": True}
    done = agent_pull("ghcr.io/owner/app:1.1.3", "completed", rootDigest=digest, **exact)
    scene.report(done)
    yield 2
    scene.expect(image, phase="completed", pods=["p/web"])


@story
def queued_row_goes_on_when_the_pull_has_no_name_yet(scene: Scene) -> Iterator[float]:
    """A registry far away: the agent sees a lease long before it knows what is pulled."""
    scene.create("p", web=WEB)
    scene.asks("p", "web", WEB)
    yield 2.5
    row = scene.expect(WEB, phase="queued")
    unnamed = {"imageRef": "sha256:" + "7" * 64, "phase": "resolving", "totalKnown": False}
    first = agent_pull(WEB) | unnamed | {"layers": []}
    del first["repository"]
    scene.report(first)
    yield 1
    scene.expect(WEB, phase="resolving", pods=["p/web"], id=row["id"])
    scene.report(agent_pull(WEB))
    yield 1
    scene.expect(WEB, phase="downloading", pods=["p/web"], id=row["id"])
    done = {"imageRef": WEB, "imageRefExact": True}
    scene.report(agent_pull(WEB, "completed", **done))
    scene.run("p")
    yield QUIET_S
    assert set(scene.rows()) == {WEB}, scene.rows()
    scene.expect(WEB, phase="completed", pods=["p/web"], id=row["id"])


# --- what holds it up ---


@story
def queued_behind_a_pull(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    scene.create("q", side=SIDE)
    scene.asks("p", "web", WEB)
    scene.report(agent_pull(WEB))
    scene.asks("q", "side", SIDE)
    yield 2.5
    running = scene.expect(WEB, phase="downloading", holdUp=None)
    row = scene.expect(SIDE, phase="queued")
    assert row["holdUp"] == {
        "kind": "queue",
        "since": row["startedAt"],
        "pullId": running["id"],
    }, row


# --- new lists ---


@with_a_new_list
def failed_pod_that_was_deleted(scene: Scene) -> Iterator[float]:
    scene.create("p", web=WEB)
    scene.asks("p", "web", WEB)
    scene.fails("p", "web", WEB)
    scene.backs_off("p", "web", WEB)
    yield 3
    scene.expect(WEB, phase="failed", waiting=True, pods=["p/web"])
    scene.delete("p")
    yield QUIET_S
    scene.expect(WEB, phase="failed", nextAttemptAt=None, waiting=False, pods=["p/web"])
    yield QUIET_S  # the new list comes meanwhile
    scene.expect(WEB, phase="failed", nextAttemptAt=None, attempts=1)


@with_a_new_list
def queued_pod_that_was_deleted(scene: Scene) -> Iterator[float]:
    scene.create("p", web=SIDE)
    scene.asks("p", "web", SIDE)
    yield 3
    scene.delete("p")
    yield QUIET_S
    scene.expect(SIDE, phase="cancelled")
    yield QUIET_S
    scene.expect(SIDE, phase="cancelled")


@with_a_new_list
def the_new_list(scene: Scene) -> Iterator[float]:
    yield 3 + QUIET_S + 1
    scene.api.expire_streams()


class Stories(FakeCase):
    def test_all_of_them(self) -> None:
        self.play(self.start(), STORIES)

    def test_around_a_new_list(self) -> None:
        self.play(self.start(), NEW_LIST_STORIES)
