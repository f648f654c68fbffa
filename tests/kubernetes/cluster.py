# SPDX-License-Identifier: Apache-2.0
"""Pods and events as the kubelet writes them, and reports as an agent sends them."""

from __future__ import annotations

import itertools
import json
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.integration.http_json import Answer, request

Object = dict[str, Any]

_numbers = itertools.count(1)


def stamp(offset_s: float = 0, whole: bool = True) -> str:
    """The time so many seconds from now, as Kubernetes writes it, or with a fraction as an agent does."""
    at = datetime.now(timezone.utc) + timedelta(seconds=offset_s)
    if whole:
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pod(
    name: str,
    image: str,
    node: str = "node-1",
    namespace: str = "default",
    waiting: str = "ContainerCreating",
    message: str = "",
    phase: str = "Pending",
    padding: int = 0,
) -> Object:
    """One pod with container `app`; `waiting` empty: the container runs."""
    state: Object = {"running": {"startedAt": stamp()}}
    if waiting:
        state = {"waiting": {"reason": waiting, "message": message}}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{namespace}-{name}",
            "creationTimestamp": stamp(),
            "annotations": {"padding": "x" * padding},
        },
        "spec": {"nodeName": node, "containers": [{"name": "app", "image": image}]},
        "status": {
            "phase": phase,
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp()}
            ],
            "containerStatuses": [{"name": "app", "image": image, "state": state}],
        },
    }


def running(of: Object) -> Object:
    """The same pod after its container has started."""
    spec = of["spec"]
    meta = of["metadata"]
    image = spec["containers"][0]["image"]
    return pod(meta["name"], image, spec["nodeName"], meta["namespace"], "", "", "Running")


def event(of: Object, reason: str, message: str, count: int = 1, name: str = "") -> Object:
    """An event of the kubelet about the pod's container; the same name is the same event."""
    meta = of["metadata"]
    name = name or f"{meta['name']}.{next(_numbers)}"
    return {
        "kind": "Event",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "uid": f"uid-{name}",
            "creationTimestamp": stamp(),
        },
        "involvedObject": {
            "kind": "Pod",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
            "fieldPath": "spec.containers{app}",
        },
        "reason": reason,
        "message": message,
        "source": {"component": "kubelet", "host": of["spec"]["nodeName"]},
        "firstTimestamp": stamp(),
        "lastTimestamp": stamp(),
        "count": count,
        "type": "Normal",
    }


def layer(number: int, downloaded: int, total: int = 1000) -> Object:
    digest = f"sha256:{number:064x}"
    return {
        "digest": digest,
        "totalBytes": total,
        "downloadedBytes": downloaded,
        "totalKnown": True,
        "phase": "done" if downloaded == total else "downloading",
    }


def pull(
    identity: str,
    repository: str,
    downloaded: int = 100,
    phase: str = "downloading",
    started_s: float = 0,
    **more: Any,
) -> Object:
    """A pull as our agent reports it; of 1,000 bytes."""
    reported: Object = {
        "id": identity,
        "imageRef": repository,
        "repository": repository,
        "startedAt": stamp(started_s, whole=False),
        "totalKnown": True,
        "layers": [layer(1, downloaded)],
        "phase": phase,
    }
    if phase in ("completed", "failed"):
        reported["completedAt"] = stamp(whole=False)
    return reported | more


def post_report(port: int, node: str, *pulls: Object) -> int:
    """Sends a report and returns the answer's status."""
    return answer_to_report(port, node, *pulls).status


def answer_to_report(port: int, node: str, *pulls: Object, token: str = "") -> Answer:
    """Sends a report, with that token."""
    body = {
        "nodeName": node,
        "timestamp": stamp(whole=False),
        "intervalMs": 1000,
        "pulls": list(pulls),
    }
    headers = {"Content_Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return request(port, "POST", "/api/v1/report", json.dumps(body).encode(), **headers)


def answer_in_turn(port: int, node: str, *pulls: Object, token: str = "") -> Answer:
    """The same, once more where the last report of the node is less than half a second old."""
    answer = answer_to_report(port, node, *pulls, token=token)
    if answer.status == 429:
        time.sleep(0.6)  # then it is older
        answer = answer_to_report(port, node, *pulls, token=token)
    return answer
