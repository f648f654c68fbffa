# SPDX-License-Identifier: Apache-2.0
"""Holds what is shown against what was so. It knows neither agent nor server, only what both have said.

History is all that it sees; broken_promises() says in words what in it must not be. The tests of
this file break good histories in each way and see that it is found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.faults.ledger import Job, Span
from tests.faults.readers import Connection, state_of
from tests.faults.witness import Ack

FINAL = ("completed", "failed", "cancelled")
# A pull that ended while no agent ran is given up a minute after the agent has come back.
UNNAMED_S = 75
# All others end soon after everything works again.
SOON_S = 40
# A killed containerd leaves leases behind, which an agent that starts then gives up when nothing has moved for 20 s.


@dataclass
class LogLine:
    """A line of the server's log on the end of a pull."""

    run: int  # of the server, from 0
    type: str
    pull: dict[str, Any]


@dataclass
class History:
    now: float = 0  # time.monotonic()
    jobs: list[Job] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    acks: list[Ack] = field(default_factory=list)
    unnamed: list[Ack] = field(default_factory=list)  # of which nothing is promised
    server_starts: list[float] = field(default_factory=list)
    server_ends: dict[int, float] = field(default_factory=dict)  # of the runs that are over
    readers: dict[str, list[Connection]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)  # /api/v1/pulls now
    totals: dict[str, float] = field(default_factory=dict)  # pulltrace_pulls_total by result, checks
    log: list[LogLine] = field(default_factory=list)
    images: set[str] = field(default_factory=set)  # that containerd has
    kubelet_is_real: bool = False  # it alone knows of each attempt, and may forget

    def run_at(self, at: float) -> int:
        """Which run of the server there was."""
        return max(i for i, started in enumerate(self.server_starts) if started <= at)

    def last_run(self) -> int:
        return len(self.server_starts) - 1

    def jobs_by_repository(self) -> dict[str, Job]:
        return {job.repository: job for job in self.jobs}


def _without_held_back(history: History) -> History:
    """A pull that ends without a name, while pods wait for images, ends in their rows by the kubelet's words."""
    if not any(job.has_pod for job in history.jobs):
        return history
    named = [ack for ack in history.acks if "/" in ack.repository]
    unnamed = [ack for ack in history.acks if "/" not in ack.repository]
    return replace(history, acks=named, unnamed=unnamed)


def broken_promises(history: History) -> list[str]:
    checks = (
        acknowledged_ends_are_shown,
        acknowledged_ends_never_change,
        shown_ends_are_true,
        what_goes_on_has_not_failed,
        nothing_is_doubled,
        readers_in_step_have_each_end,
        readers_know_what_is_shown,
        counters_are_right,
        the_log_is_right,
        nothing_lingers,
    )
    seen = _without_held_back(history)
    return [words for check in checks for words in check(seen)]


def _of_run(history: History, run: int) -> list[Ack]:
    return [ack for ack in history.acks if history.run_at(ack.at) == run]


def _is_stale(pull: dict[str, Any]) -> bool:
    return pull.get("errorClass") == "stale"


def _rows_of(history: History, repository: str) -> list[dict[str, Any]]:
    return [row for row in history.rows if row.get("repository") == repository]


def _last_acks(acks: list[Ack]) -> dict[str, Ack]:
    """Of each pull's name the last end that was acknowledged."""
    return {ack.pull_id: ack for ack in acks}


def acknowledged_ends_are_shown(history: History) -> Iterator[str]:
    """What this run of the server has acknowledged, its list has, as it was."""
    shown = {row["id"]: row for row in history.rows}
    jobs = history.jobs_by_repository()
    for ack in _last_acks(_of_run(history, history.last_run())).values():
        job = jobs.get(ack.repository)
        row = shown.get(ack.pull_id)
        if row is None or (job is not None and job.has_pod):
            of_image = _rows_of(history, ack.repository)
            if job is not None and job.is_running() and of_image:
                continue  # the row has gone on with the next attempt
            wanted = [row for row in of_image if row["phase"] == ack.phase]
            if not wanted and not _went_on(history, ack):
                phases = [row["phase"] for row in of_image]
                yield f"{ack.repository}: {ack.phase} was acknowledged, shown are {phases}"
        elif row["phase"] != ack.phase:
            yield f"{ack.repository}: {ack.phase} was acknowledged, {row['phase']} is shown"


def _went_on(history: History, ack: Ack) -> bool:
    """It is the end of an attempt whose row the next one has taken over since."""
    job = history.jobs_by_repository().get(ack.repository)
    if job is None or not job.has_pod or ack.phase != "failed":
        return False
    last = job.attempts[-1]
    is_known = len(job.attempts) > 1 or history.kubelet_is_real
    return is_known and (last.ended == 0 or ack.at < last.ended)


def acknowledged_ends_never_change(history: History) -> Iterator[str]:
    """Neither in a log nor for a reader, also when the server that had acknowledged it is gone."""
    last = _last_acks(history.acks)
    for where, pull in _all_that_was_said(history):
        ack = last.get(pull["id"])
        if ack and pull["phase"] in FINAL and pull["phase"] != ack.phase and not _went_on(history, ack):
            yield f"{ack.repository}: {ack.phase} was acknowledged, {where} has {pull['phase']}"


def _all_that_was_said(history: History) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in history.log:
        yield f"the log of run {line.run}", line.pull
    for name, connections in history.readers.items():
        for connection in connections:
            for event in connection.events:
                yield f"reader {name}", event.pull


def shown_ends_are_true(history: History) -> Iterator[str]:
    """Completed is what containerd has; failed, unless given up, what no client has had."""
    for row in history.rows:
        job = history.jobs_by_repository().get(row.get("repository", ""))
        if job is None or job.is_running():
            continue
        has_it = job.reference in history.images
        if row["phase"] == "completed" and not has_it:
            yield f"{job.repository}: completed is shown, and containerd has no such image"
        if row["phase"] == "cancelled" and has_it:
            yield f"{job.repository}: cancelled is shown, and containerd has the image"
        succeeded = [attempt.succeeded for attempt in job.attempts]
        if row["phase"] == "failed" and not _is_stale(row) and all(succeeded):
            yield f"{job.repository}: failed is shown ({row.get('error')}), its client had it"


def what_goes_on_has_not_failed(history: History) -> Iterator[str]:
    """No reader heard that a pull had failed which then succeeded."""
    jobs = history.jobs_by_repository()
    for name, connections in history.readers.items():
        for event in (event for connection in connections for event in connection.events):
            job = jobs.get(event.pull.get("repository", ""))
            if event.type != "pull.failed" or job is None or not event.is_new:
                continue
            for attempt in job.attempts:
                if attempt.succeeded and attempt.started < event.at < attempt.ended:
                    words = f"{event.pull.get('errorClass')} {event.pull.get('error')}"
                    earlier = [a for a in job.attempts if not a.succeeded and a.started < event.at]
                    broken = history.kubelet_is_real and any(
                        span.what.startswith(("containerd", "kubelet", "registry"))
                        for span in history.spans
                        if span.begun < event.at and span.ended > attempt.started
                    )
                    if not earlier and not broken:
                        yield f"{job.repository}: reader {name} heard of a failure ({words}), it went on"


def nothing_is_doubled(history: History) -> Iterator[str]:
    """An image has one row for each attempt at most, one in all where pods wait; each end is sent once."""
    rows = Counter(row.get("repository", "") for row in history.rows)
    for job in history.jobs:
        most = 1 if job.has_pod else len(job.attempts)
        if rows[job.repository] > most:
            shown = [(row["id"], row["phase"]) for row in _rows_of(history, job.repository)]
            yield f"{job.repository}: {len(job.attempts)} attempts, rows {shown}"
        completed = [
            row for row in _rows_of(history, job.repository) if row["phase"] == "completed"
        ]
        if len(completed) > 1 and sum(a.succeeded for a in job.attempts) < 2:
            yield f"{job.repository}: completed twice"
    for name, connections in history.readers.items():
        for connection in connections:
            sent = Counter(
                (event.pull["id"], event.type)
                for event in connection.events
                if event.is_new and event.type == "pull.completed"
            )
            for (identity, kind), count in sent.items():
                if count > 1:
                    yield f"{identity}: reader {name} had {kind} {count} times"


def readers_in_step_have_each_end(history: History) -> Iterator[str]:
    """A reader that had all there was when the server acknowledged an end has had that end."""
    for ack in history.acks:
        if ack.is_check:
            continue
        for connection in history.readers.get("in step", []):
            stood = connection.synced_at and connection.synced_at < ack.at
            if not stood or (connection.ended_at and connection.ended_at < ack.at):
                continue
            if _went_on(history, ack):
                continue  # the row may have been under way again before it was sent
            if not any(_says(event.pull, ack) for event in connection.events):
                yield f"{ack.repository}: {ack.phase} was acknowledged, a reader in step has not heard of it"


def _says(pull: dict[str, Any], ack: Ack) -> bool:
    is_it = pull["id"] == ack.pull_id or pull.get("repository") == ack.repository
    return is_it and pull["phase"] == ack.phase


def readers_know_what_is_shown(history: History) -> Iterator[str]:
    """At rest each reader that stands has each row as the list has it, and none that goes on elsewhere."""
    listed = {row["id"] for row in history.rows}
    for name, connections in history.readers.items():
        known = state_of(connections)
        for identity in known.keys() - listed:
            pull = known[identity]
            if pull["phase"] not in FINAL:  # what has ended may be forgotten
                yield f"{pull['imageRef']}: reader {name} has it as {pull['phase']}, it is not shown"
        for row in history.rows:
            pull = known.get(row["id"])
            if pull is None or pull["phase"] != row["phase"]:
                phase = pull and pull["phase"]
                yield f"{row['imageRef']}: {row['phase']} is shown, reader {name} has {phase}"


def counters_are_right(history: History) -> Iterator[str]:
    """Each acknowledged end of this run counts once. What was given up is apart."""
    ends = _last_acks(_of_run(history, history.last_run())).values()
    completed = {ack.repository for ack in ends if ack.phase == "completed" and not ack.is_check}
    # The kubelet says of an image that it has come, which its agent may not have seen.
    by_kubelet = sum(
        job.has_pod and job.repository not in completed and job.attempts[-1].succeeded
        for job in history.jobs
    )
    counted = history.totals["completed"]
    if not len(completed) <= counted <= len(completed) + by_kubelet:
        yield f"completed: {len(completed)} ends were acknowledged, {counted} are counted"
    checks = sum(ack.phase == "completed" and ack.is_check for ack in ends)
    if history.totals["checks"] != checks and not history.kubelet_is_real:
        yield f"checks: {checks} ends were acknowledged, {history.totals['checks']} are counted"
    least, most = _failures(history)
    if not least <= history.totals["failed"] <= most and not history.kubelet_is_real:
        yield f"failed: {least} to {most} have failed, {history.totals['failed']} are counted"


def _failures(history: History) -> tuple[int, int]:
    """Of what pods wait for the kubelet reports failures too, and then each attempt counts once. Of
    those it may report late, or never, when the way to it is bad or there is no server."""
    run = history.last_run()
    with_pods = [job for job in history.jobs if job.has_pod]
    names = {job.repository for job in with_pods}
    ends = _last_acks(_of_run(history, run)).values()
    by_agent = sum(ack.phase == "failed" and ack.repository not in names for ack in ends)
    reported = [attempt for job in with_pods for attempt in job.attempts if not attempt.succeeded]
    most = by_agent + len(reported) + len(history.unnamed)
    if any(span.what.startswith(("agent", "api", "server")) for span in history.spans):
        return by_agent, most
    return by_agent + len(reported), most


def the_log_is_right(history: History) -> Iterator[str]:
    """Each acknowledged end stands in the log of its run, once; in that of a killed one at most once."""
    lines = Counter((line.run, line.pull["id"], line.pull["phase"]) for line in history.log)
    by_image = Counter(
        (line.run, line.pull.get("repository", ""), line.pull["phase"]) for line in history.log
    )
    for (run, identity, phase), count in lines.items():
        if count > 1 and phase == "completed":
            yield f"{identity}: {phase} stands {count} times in the log of run {run}"
    for ack in history.acks:
        run = history.run_at(ack.at)
        if run in history.server_ends:
            continue
        if not lines[run, ack.pull_id, ack.phase] and not by_image[run, ack.repository, ack.phase]:
            yield f"{ack.repository}: {ack.phase} was acknowledged, the log has no word of it"


def nothing_lingers(history: History) -> Iterator[str]:
    """What has ended for its clients is not under way for long, whoever was away when it ended."""
    for row in history.rows:
        job = history.jobs_by_repository().get(row.get("repository", ""))
        if row["phase"] in FINAL or job is None or job.is_running():
            continue
        since = max([job.ended_at(), *(span.ended for span in history.spans)])
        agent_was_away = any("agent" in span.what for span in history.spans)
        if history.now - since > (UNNAMED_S if agent_was_away else SOON_S):
            words = [attempt.words for attempt in job.attempts]
            yield f"{job.repository}: {row['phase']} is shown, its clients have ended: {words}"


def story(history: History) -> Iterator[str]:
    """All of it in the order in which it happened, a line each, for who looks for the cause of a broken promise."""
    lines: list[tuple[float, str]] = []
    for span in history.spans:
        lines += [(span.begun, f"FAULT {span.what}"), (span.ended, f"ENDED {span.what}")]
    for run, started in enumerate(history.server_starts):
        lines.append((started, f"server, run {run}"))
    for job in history.jobs:
        pod = " with pods" if job.has_pod else ""
        for attempt in job.attempts:
            result = attempt.words or "succeeded"
            lines.append((attempt.started, f"pull {job.repository}{pod}"))
            lines.append((attempt.ended, f"pull {job.repository} has ended: {result}"))
    for ack in history.acks:
        lines.append((ack.at, f"acknowledged {ack.repository} {ack.phase} {ack.pull_id}"))
    for name, connections in history.readers.items():
        for connection in connections:
            lines.append((connection.ended_at or history.now, f"reader {name} leaves {connection.run}"))
            lines += [
                (event.at, f"reader {name}: {event.type} {_shown(event.pull)}")
                for event in connection.events
                if event.is_new and event.type != "pull.progress"
            ]
    begun = min(at for at, _ in lines)
    yield from (f"{at - begun:8.3f} {words}" for at, words in sorted(lines))
    yield from (f"row {_shown(row)}" for row in history.rows)
    yield from (f"log {line.run} {line.type} {_shown(line.pull)}" for line in history.log)
    yield f"counted: {history.totals}"


def _shown(pull: dict[str, Any]) -> str:
    names = ("imageRef", "phase", "id", "attempts", "errorClass", "staleReason", "error")
    return " ".join(f"{name}={pull[name]}" for name in names if name in pull)
