# SPDX-License-Identifier: Apache-2.0
"""Writes pods to an API server as the kubelet of a node does while it pulls for them."""

from __future__ import annotations

from tests.kubernetes.cluster import Object, event, pod, running
from tests.kubernetes.fake_api import FakeApi


class Pods:
    """Pods that wait for one image: of `host/space/name:tag`, `name-0`, `name-1` … in namespace `space`."""

    def __init__(self, api: FakeApi, node: str, reference: str, count: int) -> None:
        self._api = api
        self._node = node
        self._reference = reference
        self._namespace, name = reference.rsplit(":", 1)[0].split("/")[-2:]
        self._names = [f"{name}-{number}" for number in range(count)]
        self._failures = 0

    def wait(self) -> None:
        """They are on the node, and the kubelet has begun to pull."""
        for waiting in self._pods():
            self._api.put("pods", waiting)
        self.begin()

    def begin(self) -> None:
        """The next attempt."""
        for waiting in self._pods():
            self._write(waiting, "Pulling", f'Pulling image "{self._reference}"', self._failures + 1)

    def pulled(self) -> None:
        """The attempt has brought the image."""
        words = f'Successfully pulled image "{self._reference}" in 1.1s (1.1s including waiting).'
        for waiting in self._pods():
            self._write(waiting, "Pulled", words, 1)

    def run(self) -> None:
        self._api.put_all("pods", [running(waiting) for waiting in self._pods()])

    def delete(self) -> None:
        for gone in self._names:
            self._api.delete("pods", self._namespace, gone)

    def refuse(self, error: str) -> None:
        """Another attempt has failed; the kubelet backs off."""
        self._failures += 1
        message = f'Back-off pulling image "{self._reference}": ErrImagePull: {error}'
        for waiting in self._pods("ImagePullBackOff", message):
            words = f'Failed to pull image "{self._reference}": {error}'
            self._write(waiting, "Failed", words, self._failures)
            self._api.put("pods", waiting)

    def _pods(self, waiting: str = "ContainerCreating", message: str = "") -> list[Object]:
        return [
            pod(name, self._reference, self._node, self._namespace, waiting, message)
            for name in self._names
        ]

    def _write(self, of: Object, reason: str, message: str, count: int) -> None:
        name = f"{of['metadata']['name']}.{reason.lower()}"
        self._api.put("events", event(of, reason, message, count, name))
