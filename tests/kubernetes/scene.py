# SPDX-License-Identifier: Apache-2.0
"""Stories of pods, each on a node of its own, that are played side by side against one server.

A story is a generator over a Scene. It changes what the API server has, yields how many seconds pass,
looks at the rows of its node and asserts. Stories wait more than they work, so all of them take as
long as the longest.
"""

from __future__ import annotations

import heapq
import itertools
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from tests.integration.http_json import get
from tests.kubernetes.cluster import Object, event, pod, post_report, running, stamp
from tests.kubernetes.fake_api import FakeApi

NOT_FOUND = (
    'rpc error: code = NotFound desc = failed to pull and unpack image "{0}": '
    'failed to resolve reference "{0}": {0}: not found'
)


class Scene:
    """One node with pods of two containers at most, as the API server has them."""

    def __init__(self, api: FakeApi, server_port: int, name: str) -> None:
        self.api = api
        self.port = server_port
        self.node = name
        self._pods: dict[str, Object] = {}
        self._numbers = itertools.count(1)

    # --- pods ---

    def pod(self, name: str, age_s: float = 0, **images: str) -> Object:
        """A Pending pod with a container for each image; none of them has been asked for."""
        containers = [{"name": key, "image": image} for key, image in images.items()]
        made = pod(name, "", self.node, namespace=self.node)
        made["metadata"]["creationTimestamp"] = stamp(-age_s)
        made["spec"]["containers"] = containers
        waiting = {"waiting": {"reason": "ContainerCreating"}}
        made["status"]["conditions"][0]["lastTransitionTime"] = stamp(-age_s)
        made["status"]["containerStatuses"] = [each | {"state": waiting} for each in containers]
        self._pods[name] = made
        return made

    def create(self, name: str, age_s: float = 0, **images: str) -> Object:
        made = self.pod(name, age_s, **images)
        self.api.put("pods", made)
        return made

    def put(self, made: Object) -> None:
        """The API server has it as it now is."""
        self.api.put("pods", made)

    def add(self, made: Object, kind: str, name: str, image: str, **more: Any) -> None:
        """A container of kind `init` or `ephemeral`, which waits."""
        container = {"name": name, "image": image}
        waiting = {"state": {"waiting": {"reason": "PodInitializing"}}}
        made["spec"].setdefault(f"{kind}Containers", []).append(container | more)
        made["status"].setdefault(f"{kind}ContainerStatuses", []).append(container | waiting)

    def wait_with(self, name: str, container: str, reason: str, message: str = "") -> None:
        """The kubelet writes why a container waits."""
        for status in self._statuses(name):
            if status["name"] == container:
                status["state"] = {"waiting": {"reason": reason, "message": message}}
        self.api.put("pods", self._pods[name])

    def _statuses(self, name: str) -> list[Object]:
        status = self._pods[name]["status"]
        return [*status["containerStatuses"], *status.get("initContainerStatuses", [])]

    def patch(self, name: str, container: str, image: str) -> None:
        """A user sets another image; the status still speaks of the old one."""
        for each in self._pods[name]["spec"]["containers"]:
            if each["name"] == container:
                each["image"] = image
        self.api.put("pods", self._pods[name])

    def create_anew(self, name: str, container: str, image: str) -> None:
        """The kubelet writes that the container waits for this image now."""
        for status in self._pods[name]["status"]["containerStatuses"]:
            if status["name"] == container:
                status["image"] = image
        self.wait_with(name, container, "ContainerCreating")

    def run(self, name: str) -> None:
        self.api.put("pods", running(self._pods[name]))

    def start(self, name: str, container: str) -> None:
        """One container of several runs."""
        for status in self._statuses(name):
            if status["name"] == container:
                status |= {"started": True, "state": {"running": {"startedAt": stamp()}}}
        self.api.put("pods", self._pods[name])

    def end(self, name: str, phase: str, reason: str) -> None:
        """It is over, without having run."""
        self._pods[name]["status"] |= {"phase": phase, "reason": reason}
        self.api.put("pods", self._pods[name])

    def delete(self, name: str) -> None:
        """At first it is marked, as one whose containers have to be ended."""
        self._pods[name]["metadata"]["deletionTimestamp"] = stamp()
        self.api.put("pods", self._pods[name])
        self.api.delete("pods", self.node, name)

    # --- the kubelet's events ---

    def say(
        self,
        name: str,
        container: str,
        reason: str,
        message: str,
        count: int = 1,
        event_name: str = "",
        first_s: float = 0,
        last_s: float = 0,
        send: bool = True,
    ) -> Object:
        """An event so many seconds from now; without a container it is about the pod, and one that is
        not a main container is named with its kind, as `init:setup`."""
        made = event(self._pods[name], reason, message, count, event_name)
        if not event_name:
            made["metadata"]["name"] = f"{name}.{next(self._numbers)}"
            made["metadata"]["uid"] = f"{self.node}-{made['metadata']['name']}"
        kind, _, short_name = container.rpartition(":")
        if container:
            field = f"{kind}Containers" if kind else "containers"
            made["involvedObject"]["fieldPath"] = f"spec.{field}{{{short_name}}}"
        else:
            del made["involvedObject"]["fieldPath"]
        made["firstTimestamp"], made["lastTimestamp"] = stamp(first_s), stamp(last_s)
        if send:
            self.api.put("events", made)
        return made

    def asks(self, name: str, container: str, image: str, **more: Any) -> None:
        self.say(name, container, "Pulling", f'Pulling image "{image}"', **more)

    def has_pulled(self, name: str, container: str, image: str, **more: Any) -> None:
        words = f'Successfully pulled image "{image}" in 1.1s (1.1s including waiting)'
        self.say(name, container, "Pulled", f"{words}. Image size: 5 bytes.", **more)

    def finds_present(self, name: str, container: str, image: str, **more: Any) -> None:
        words = f'Container image "{image}" already present on machine'
        self.say(name, container, "Pulled", words, **more)

    def fails(
        self, name: str, container: str, image: str, combined: bool = False, **more: Any
    ) -> None:
        """No such image, in the kubelet's long words and its short ones."""
        prefix = "(combined from similar events): " if combined else ""
        words = f'{prefix}Failed to pull image "{image}": {NOT_FOUND.format(image)}'
        self.say(name, container, "Failed", words, **more)
        if not combined:
            short = {"event_name": more["event_name"] + "-short"} if "event_name" in more else {}
            self.say(name, container, "Failed", "Error: ErrImagePull", **(more | short))

    def backs_off(self, name: str, container: str, image: str) -> None:
        """The kubelet writes both that it failed and that it waits."""
        words = NOT_FOUND.format(image)
        message = f'Back-off pulling image "{image}": ErrImagePull: {words}'
        self.wait_with(name, container, "ImagePullBackOff", message)

    # --- the agent, and what is shown ---

    def report(self, *pulls: Object) -> None:
        status = post_report(self.port, self.node, *pulls)
        assert status == 200, f"the report is answered with {status}"

    def rows(self, node: str = "") -> dict[str, Object]:
        """Of its node, or another one, by reference; fails when one has two rows."""
        path = f"/api/v1/pulls?layers=0&node={node or self.node}"
        rows = get(self.port, path).json()["pulls"]
        found: dict[str, Object] = {}
        for row in rows:
            assert row["imageRef"] not in found, f"two rows of {row['imageRef']}: {rows}"
            row["waitingPods"] = row.get("pods", [])
            row["pods"] = sorted(f"{p['podName']}/{p['container']}" for p in row.get("pods", []))
            found[row["imageRef"]] = row
        return found

    def expect(self, image: str, **wanted: Any) -> Object:
        """The row of the image; None for a field that must be absent."""
        rows = self.rows()
        assert image in rows, f"no row of {image}: {rows}"
        row = rows[image]
        shown = {name: row.get(name) for name in wanted}
        assert shown == wanted, f"{image} is {shown}, not {wanted}: {row}"
        return row


Story = Callable[[Scene], Iterator[float]]


def into(stories: dict[str, Story]) -> Callable[[Story], Story]:
    """A decorator: the story is one of these, by its function's name."""

    def add(story: Story) -> Story:
        stories[story.__name__] = story
        return story

    return add


def play(stories: dict[str, Story], api: FakeApi, server_port: int) -> dict[str, str]:
    """Plays all of them to their end; returns the traceback of each that failed."""
    failures: dict[str, str] = {}
    turns: list[tuple[float, int, str, Iterator[float]]] = []
    for number, (name, story) in enumerate(stories.items()):
        scene = Scene(api, server_port, name.replace("_", "-"))
        heapq.heappush(turns, (time.monotonic() + 0.02 * number, number, name, story(scene)))
    while turns:
        at, number, name, story_run = heapq.heappop(turns)
        time.sleep(max(0.0, at - time.monotonic()))
        try:
            pause = next(story_run)
        except StopIteration:
            continue
        except Exception:
            failures[name] = traceback.format_exc()
            continue
        heapq.heappush(turns, (time.monotonic() + pause, number, name, story_run))
    return failures
