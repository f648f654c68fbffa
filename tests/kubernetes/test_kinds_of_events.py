# SPDX-License-Identifier: Apache-2.0
"""Stories of events that are lost, late, forgotten or put together, and of leases without a name."""

from __future__ import annotations

from collections.abc import Iterator

from tests.kubernetes.case import FakeCase
from tests.kubernetes.cluster import stamp
from tests.kubernetes.scene import NOT_FOUND, Scene, Story, into
from tests.kubernetes.test_kinds_of_pods import BAD, fail
from tests.kubernetes.test_stories import WEB, agent_pull

STORIES: dict[str, Story] = {}
story = into(STORIES)


@story
def no_event_comes_at_all(scene: Scene) -> Iterator[float]:
    """The event-spam filter, or who deletes events: the states say it as well."""
    scene.create("p", web=BAD)
    scene.wait_with("p", "web", "ErrImagePull", NOT_FOUND.format(BAD))
    yield 1
    scene.backs_off("p", "web", BAD)
    yield 1
    scene.wait_with("p", "web", "ErrImagePull", NOT_FOUND.format(BAD))
    yield 1
    scene.backs_off("p", "web", BAD)
    yield 1
    scene.expect(BAD, phase="failed", errorClass="not_found", attempts=2)


@story
def only_some_events_pass_the_spam_filter(scene: Scene) -> Iterator[float]:
    scene.create("p", web=BAD)
    fail(scene, "p", "web", BAD)
    yield 1
    scene.backs_off("p", "web", BAD)
    yield 1
    scene.wait_with("p", "web", "ErrImagePull", NOT_FOUND.format(BAD))
    yield 1.2
    scene.backs_off("p", "web", BAD)
    scene.say("p", "web", "BackOff", f'Back-off pulling image "{BAD}"', count=9)
    yield 1
    scene.expect(BAD, phase="failed", attempts=2)


@story
def attempts_that_a_series_counts(scene: Scene) -> Iterator[float]:
    """Events of events.k8s.io: the count and the last time stand in their series."""
    scene.create("p", age_s=200, web=BAD)
    words = f'Failed to pull image "{BAD}": {NOT_FOUND.format(BAD)}'
    for count in (3, 4):
        made = scene.say("p", "web", "Failed", words, event_name="p.series", send=False)
        del made["count"], made["firstTimestamp"], made["lastTimestamp"]
        made["eventTime"] = stamp(-120, whole=False)
        made["series"] = {"count": count, "lastObservedTime": stamp(-1, whole=False)}
        scene.api.put("events", made)
        yield 1.5
        scene.expect(BAD, phase="failed", attempts=count)


@story
def events_that_the_api_server_forgets(scene: Scene) -> Iterator[float]:
    scene.create("p", web=BAD)
    scene.asks("p", "web", BAD, event_name="p.asked")
    scene.fails("p", "web", BAD, event_name="p.failed")
    yield 1.5
    scene.expect(BAD, phase="failed", attempts=1)
    for name in ("p.asked", "p.failed"):
        scene.api.delete("events", scene.node, name)
    yield 1.5
    scene.expect(BAD, phase="failed", attempts=1, pods=["p/web"])


@story
def container_that_asks_again_on_a_node_whose_clock_is_behind(scene: Scene) -> Iterator[float]:
    """Its pod runs, so no list has it; the node's clock is a quarter of an hour late."""
    at = {"first_s": -900, "last_s": -900}
    scene.create("p", web=WEB)
    scene.run("p")
    yield 1
    scene.asks("p", "web", WEB, **at)
    yield 1.5
    scene.expect(WEB, phase="queued", pods=["p/web"])
    scene.fails("p", "web", WEB, **at)
    yield 1
    scene.expect(WEB, phase="failed", attempts=1, pods=["p/web"])


@story
def replicas_that_are_pulled_at_once_before_anything_is_known(scene: Scene) -> Iterator[float]:
    """serializeImagePulls: false, and a registry far away: three leases, of which nothing is known."""
    names = ("a", "b", "c")
    for name in names:
        scene.create(name, web=WEB)
        scene.asks(name, "web", WEB)
    yield 0.5
    unnamed = []
    for number, name in enumerate(names):
        made = agent_pull(WEB, id=name, phase="resolving", totalKnown=False, layers=[])
        made["imageRef"] = "sha256:" + str(number) * 64
        del made["repository"]
        unnamed.append(made)
    scene.report(*unnamed)
    yield 1
    assert set(scene.rows()) == {WEB}, scene.rows()
    first = scene.expect(WEB, phase="resolving", pods=["a/web", "b/web", "c/web"])
    known = {"rootDigest": "sha256:" + "9" * 64, "kind": "pull"}
    waits = known | {"bytesFetched": 0}
    scene.report(
        agent_pull(WEB, id="a", **known, bytesFetched=100),
        agent_pull(WEB, id="b", **waits),
        agent_pull(WEB, id="c", **waits),
    )
    yield 1
    scene.expect(WEB, phase="downloading", pods=["a/web", "b/web", "c/web"], id=first["id"])
    assert set(scene.rows()) == {WEB}, scene.rows()


class KindsOfEvents(FakeCase):
    def test_all_of_them(self) -> None:
        self.play(self.start(), STORIES)
