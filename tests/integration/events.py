# SPDX-License-Identifier: Apache-2.0
"""Records a server's event stream, and checks what must hold for each pull in it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab.waiting import wait_for

FINAL = ("completed", "failed")
PHASE_ORDER = ("resolving", "downloading", "extracting", *FINAL)
# The server may flush only every 100 ms, and JSON's numbers are rounded.
PERCENT_SLACK = 0.01


@dataclass(frozen=True)
class Event:
    received: float  # time.time() of this process
    type: str
    pull: dict[str, Any]


class EventLog:
    """Reads /api/v1/events in a thread, reconnecting with Last-Event-ID, until close()."""

    def __init__(self, port: int, query: str = "") -> None:
        self._port = port
        self._path = "/api/v1/events" + query
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._last_id = ""
        self._closing = False
        self._socket: socket.socket | None = None
        self.connections = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_for("the event stream opens", lambda: self.connections > 0, 10)

    def close(self) -> None:
        self._closing = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def all(self) -> list[Event]:
        with self._lock:
            return list(self._events)

    def of_image(self, part: str) -> list[Event]:
        """Events of all pulls whose repository or reference contains `part`."""
        return [
            event
            for event in self.all()
            if part in event.pull.get("repository", "") or part in event.pull["imageRef"]
        ]

    def of_pull(self, pull_id: str) -> list[Event]:
        return [event for event in self.all() if event.pull["id"] == pull_id]

    def wait_for(self, what: str, wanted: Callable[[Event], bool], timeout_s: float = 20) -> Event:
        """The first event, also of those already received, that is wanted."""

        def find() -> Event | None:
            return next((event for event in self.all() if wanted(event)), None)

        return wait_for(what, find, timeout_s)  # type: ignore[return-value]

    def wait_for_end(self, part: str, count: int = 1, timeout_s: float = 20) -> list[Event]:
        """The final events of `count` pulls of the image."""

        def find() -> list[Event]:
            final = [event for event in self.of_image(part) if event.pull["phase"] in FINAL]
            return final if len({event.pull["id"] for event in final}) >= count else []

        return wait_for(f"{count} pulls of {part} are said to have ended", find, timeout_s)

    def wait_for_phase(self, part: str, phase: str, timeout_s: float = 20) -> Event:
        return self.wait_for(
            f"{part} is {phase}",
            lambda event: (
                event.pull["phase"] == phase
                and (part in event.pull.get("repository", "") or part in event.pull["imageRef"])
            ),
            timeout_s,
        )

    def _run(self) -> None:
        while not self._closing:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            try:
                connection.connect()
                self._socket = connection.sock
                self._read(connection)
            except (OSError, http.client.HTTPException):
                pass  # the server is away, or close() ended it
            finally:
                connection.close()
            time.sleep(0.05)

    def _read(self, connection: http.client.HTTPConnection) -> None:
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        connection.request("GET", self._path, headers=headers)
        stream = connection.getresponse()
        if stream.status != 200:
            raise OSError(f"event stream: {stream.status}")
        self.connections += 1
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                self._last_id = value
            elif name == "data":
                event = json.loads(value)
                if "pull" in event:
                    with self._lock:
                        self._events.append(Event(time.time(), event["type"], event["pull"]))


def broken_rules(events: list[Event]) -> list[str]:
    """What is wrong with the story that the events make, pull by pull."""
    wrong = []
    stories: dict[str, list[Event]] = {}
    for event in events:
        stories.setdefault(event.pull["id"], []).append(event)
    for pull_id, story in stories.items():
        wrong += [f"{pull_id}: {text}" for text in _broken_rules_of(story)]
    return wrong


def _broken_rules_of(story: list[Event]) -> list[str]:
    wrong = []
    before: dict[str, Any] | None = None
    for event in story:
        pull = event.pull
        phase = pull["phase"]
        if not 0 <= pull["percent"] <= 100:
            wrong.append(f"percent is {pull['percent']}")
        if pull["totalKnown"] and pull["downloadedBytes"] > pull["totalBytes"]:
            wrong.append(f"{pull['downloadedBytes']} bytes of {pull['totalBytes']}")
        if phase == "completed" and pull["percent"] != 100:
            wrong.append(f"completed at {pull['percent']} percent")
        if (phase == "failed") != ("error" in pull):
            wrong.append(f"phase {phase} with error {pull.get('error')!r}")
        if (phase in FINAL) != ("completedAt" in pull):
            wrong.append(f"phase {phase} with completedAt {pull.get('completedAt')!r}")
        if before is not None:
            wrong += _broken_steps(before, pull)
        before = pull
    return wrong


def _broken_steps(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    wrong = []
    if after["percent"] < before["percent"] - PERCENT_SLACK:
        wrong.append(f"percent fell from {before['percent']} to {after['percent']}")
    if before["totalKnown"] and after["totalBytes"] != before["totalBytes"]:
        wrong.append(f"total went from {before['totalBytes']} to {after['totalBytes']}")
    if before["startedAt"] != after["startedAt"]:
        wrong.append(f"start went from {before['startedAt']} to {after['startedAt']}")
    if PHASE_ORDER.index(after["phase"]) < PHASE_ORDER.index(before["phase"]):
        wrong.append(f"phase went from {before['phase']} to {after['phase']}")
    if before["phase"] in FINAL and after["phase"] != before["phase"]:
        wrong.append(f"ended twice: {before['phase']}, then {after['phase']}")
    return wrong
