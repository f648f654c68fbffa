# SPDX-License-Identifier: Apache-2.0
"""Holds what all servers show after quiet against what was acknowledged, and against each other.

It knows no server, only what was said: broken_promises() names in words what in it must not be. What each
reader was sent the crowd has checked by itself, and reports by kind (tests/replicas/readers.c).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.witness import server_id

IMAGE = "registry.example/crowd/p"
SHOWN = 5  # of each kind of broken promise
Row = dict[str, Any]

# These may differ from server to server, also after quiet.
LOCAL: dict[str, str] = {
    "version": "each server numbers the changes that it makes itself",
}


LOCAL_OF_FAILED: dict[str, str] = {
    "downloadSeconds": "goes to when a server heard that it failed, which who took it knew before Valkey was back",
}


@dataclass
class History:
    pulls: int = 1  # of a node at once
    generations: list[int] = field(default_factory=list)  # of each node, whose ends were acknowledged
    rows: dict[str, list[Row]] = field(default_factory=dict)  # /api/v1/pulls of each server
    problems: dict[str, int] = field(default_factory=dict)  # of readers, by kind
    samples: list[dict[str, Any]] = field(default_factory=list)


def fails(node: int, pull: int, generation: int) -> bool:
    """As crowd_fails() of tests/replicas/crowd.c."""
    return (node + 3 * pull + 5 * generation) % 8 == 0


def broken_promises(history: History) -> list[str]:
    """In words, some of each kind."""
    found = []
    for check in CHECKS:
        words = list(check(history))
        found += words[:SHOWN]
        if len(words) > SHOWN:
            found.append(f"and {len(words) - SHOWN} more of {check.__name__}")
    return found


def _acknowledged(history: History) -> Iterator[tuple[str, str, str]]:
    """Id, phase and words for each end."""
    for node, generations in enumerate(history.generations):
        name = f"crowd-{node:05d}"
        for generation in range(generations):
            for pull in range(history.pulls):
                identity = server_id(name, f"lease-{pull}-{generation}")
                phase = "failed" if fails(node, pull, generation) else "completed"
                yield identity, phase, f"{name} {IMAGE}{pull}:g{generation}"


def readers_have_each_end_once(history: History) -> Iterator[str]:
    for kind, count in history.problems.items():
        if count:
            samples = [each for each in history.samples if each["what"] == kind]
            words = ", ".join(_words_of(each) for each in samples)
            yield f"readers: {kind} {count} times: {words}"


def _words_of(sample: dict[str, Any]) -> str:
    where = f"of port {sample['port']}" if sample["port"] else "in front"
    return f"{sample['pull']} (reader {sample['reader']} {where}, after {sample['atS']} s)"


def acknowledged_ends_are_everywhere(history: History) -> Iterator[str]:
    for server, rows in history.rows.items():
        phases = {row["id"]: row["phase"] for row in rows}
        for identity, phase, words in _acknowledged(history):
            shown = phases.get(identity)
            if shown != phase:
                yield f"{words}: {phase} was acknowledged, {server} shows {shown or 'nothing'}"


def _shown(rows: list[Row]) -> list[Row]:
    """A page takes what was cancelled away, as an id that a server has left for the one that the log has."""
    return [row for row in rows if row["phase"] != "cancelled"]


def nothing_is_doubled(history: History) -> Iterator[str]:
    for server, rows in history.rows.items():
        counts = Counter((row["nodeName"], row["imageRef"]) for row in _shown(rows))
        for (node, image), count in counts.items():
            if count > 1:
                several = [row for row in rows if (row["nodeName"], row["imageRef"]) == (node, image)]
                words = ", ".join(f"{row['id']} {row['phase']} {row.get('startedAt')} to {row.get('completedAt')}" for row in several)
                yield f"{node} {image}: {server} shows it {count} times: {words}"


def servers_show_the_same(history: History) -> Iterator[str]:
    """Field by field, but for those of LOCAL."""
    servers = list(history.rows)
    known = {server: {row["id"]: row for row in _shown(rows)} for server, rows in history.rows.items()}
    for server in servers[1:]:
        first, other = known[servers[0]], known[server]
        for identity in first.keys() ^ other.keys():
            has, lacks = (servers[0], server) if identity in first else (server, servers[0])
            row = known[has][identity]
            yield f"{row['nodeName']} {row['imageRef']}: {has} shows it, {lacks} does not, {row['phase']}"
        for identity, row in first.items():
            if identity in other:
                yield from _differences(servers[0], row, server, other[identity])


def _differences(one: str, row: Row, two: str, other: Row) -> Iterator[str]:
    for name, value, different in _parts(row, other):
        yield f"{row['nodeName']} {row['imageRef']}: {name} is {value!r} on {one}, {different!r} on {two}"


def _parts(one: Row, two: Row, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """What differs, also in layers and pods, each by its name."""
    local = {*LOCAL, *(LOCAL_OF_FAILED if one.get("phase") == "failed" else ())}
    for name in sorted({*one, *two} - local):
        value, other = one.get(name), two.get(name)
        if isinstance(value, list) and isinstance(other, list) and len(value) == len(other):
            for number, (part, another) in enumerate(zip(value, other)):
                if isinstance(part, dict) and isinstance(another, dict):
                    yield from _parts(part, another, f"{prefix}{name}[{number}].")
                elif part != another:
                    yield f"{prefix}{name}[{number}]", part, another
        elif value != other:
            yield prefix + name, value, other


CHECKS = (
    readers_have_each_end_once,
    acknowledged_ends_are_everywhere,
    nothing_is_doubled,
    servers_show_the_same,
)


def count_broken(history: History) -> int:
    """How many of CHECKS find something."""
    return sum(next(iter(check(history)), None) is not None for check in CHECKS)
