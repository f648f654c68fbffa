# SPDX-License-Identifier: Apache-2.0
"""The checker of the rounds of faults finds each kind of lie: a good history is broken in one place at a time."""

from __future__ import annotations

import copy
import dataclasses
import random
import unittest
from collections.abc import Callable
from typing import Any

from tests.faults.checker import History, LogLine, broken_promises
from tests.faults.ledger import Attempt, Job, Span
from tests.faults.readers import Connection, Heard
from tests.faults.witness import Ack, server_id

PULLS = 8


def row(number: int, phase: str, **more: Any) -> dict[str, Any]:
    name = f"registry.example/fire/app-{number}"
    error = {"error": "it broke", "errorClass": "other"} if phase == "failed" else {}
    identity = server_id("node-a", f"lease-{number}")
    return {"id": identity, "repository": name, "imageRef": f"{name}:1.0", "phase": phase} | error | more


def heard(at: float, pull: dict[str, Any]) -> Heard:
    return Heard(at, f"pull.{pull['phase']}", pull, is_new=True)


def good_history() -> History:
    """Eight pulls, of which two failed; the server was killed in the middle, and restarted."""
    history = History(
        now=200,
        spans=[Span("server killed", 50, 55)],
        server_starts=[0, 54],
        server_ends={0: 50},
        totals={"completed": 3, "failed": 1, "stale": 0, "checks": 0},
    )
    runs = [Connection("first", 1, 50), Connection("second", 56)]
    for number in range(PULLS):
        phase = "failed" if number in (2, 6) else "completed"
        pull = row(number, phase)
        ended = 10.0 * number + (5 if number < PULLS // 2 else 30)
        succeeded = phase == "completed"
        attempt = Attempt(ended - 4, ended - 0.5, succeeded, "" if succeeded else "not found")
        history.jobs.append(Job(pull["repository"], pull["imageRef"], attempts=[attempt]))
        history.acks.append(Ack(ended, pull["id"], pull["repository"], phase, False))
        run = 0 if number < PULLS // 2 else 1
        runs[run].events.append(heard(ended - 0.01, pull))
        history.log.append(LogLine(run, f"pull.{phase}", pull))
        if run == 1:
            history.rows.append(pull)
        if succeeded:
            history.images.add(pull["imageRef"])
    history.readers = {"in step": runs, "comes and goes": copy.deepcopy(runs)}
    return history


def lose_a_row(history: History, source: random.Random) -> None:
    history.rows.pop(source.randrange(len(history.rows)))


def turn_a_row(history: History, source: random.Random) -> None:
    place = source.randrange(len(history.rows))
    other = "failed" if history.rows[place]["phase"] == "completed" else "completed"
    history.rows[place] = history.rows[place] | {"phase": other}


def double_a_row(history: History, source: random.Random) -> None:
    history.rows.append(source.choice(history.rows) | {"id": "another"})


def leave_a_row_under_way(history: History, source: random.Random) -> None:
    history.rows.append(row(0, "downloading"))


def lose_an_event(history: History, source: random.Random) -> None:
    events = source.choice(history.readers["in step"]).events
    events.pop(source.randrange(len(events)))


def double_an_event(history: History, source: random.Random) -> None:
    events = history.readers["comes and goes"][1].events
    events.append(next(event for event in events if event.type == "pull.completed"))


def fail_what_goes_on(history: History, source: random.Random) -> None:
    attempt = history.jobs[0].attempts[0]
    history.readers["in step"][0].events.insert(0, heard(attempt.started + 1, row(0, "failed")))


def change_an_end_after_the_kill(history: History, source: random.Random) -> None:
    history.readers["comes and goes"][1].events.append(heard(150, row(1, "failed")))


def change_a_log(history: History, source: random.Random) -> None:
    history.log.append(LogLine(1, "pull.failed", row(3, "failed")))


def lose_a_log_line(history: History, source: random.Random) -> None:
    lines = [line for line in history.log if line.run == 1]
    history.log.remove(source.choice(lines))


def double_a_log_line(history: History, source: random.Random) -> None:
    history.log.append(next(line for line in history.log if line.type == "pull.completed"))


def miscount(history: History, source: random.Random) -> None:
    history.totals[source.choice(("completed", "failed", "checks"))] += source.choice((-1, 1))


def show_what_is_not_there(history: History, source: random.Random) -> None:
    history.images.remove(next(r["imageRef"] for r in history.rows if r["phase"] == "completed"))


def mislead_a_reader(history: History, source: random.Random) -> None:
    history.readers["comes and goes"][1].events.append(heard(150, row(7, "downloading")))


def show_a_reader_what_goes_on_under_another_id(history: History, source: random.Random) -> None:
    history.readers["comes and goes"][1].events.append(heard(150, row(7, "downloading") | {"id": "another"}))


LIES: tuple[Callable[[History, random.Random], None], ...] = (
    lose_a_row, turn_a_row, double_a_row, leave_a_row_under_way, lose_an_event, double_an_event,
    fail_what_goes_on, change_an_end_after_the_kill, change_a_log, lose_a_log_line,
    double_a_log_line, miscount, show_what_is_not_there, mislead_a_reader, show_a_reader_what_goes_on_under_another_id,
)  # fmt: skip


class Checker(unittest.TestCase):
    def test_a_connection_on_which_nobody_has_spoken_yet_takes_nothing_away(self) -> None:
        """As of a reader that comes back while its history is gathered."""
        history = good_history()
        history.readers["comes and goes"].append(Connection())
        self.assertEqual(broken_promises(history), [])

    def test_a_good_history_breaks_no_promise(self) -> None:
        self.assertEqual(broken_promises(good_history()), [])

    def test_each_lie_is_found_wherever_it_stands(self) -> None:
        for lie in LIES:
            for seed in range(10):
                with self.subTest(lie.__name__, seed=seed):
                    history = good_history()
                    lie(history, random.Random(seed))
                    self.assertNotEqual(broken_promises(history), [])

    def test_a_killed_server_may_lack_its_last_line(self) -> None:
        history = good_history()
        history.log.remove([line for line in history.log if line.run == 0][-1])
        self.assertEqual(broken_promises(history), [])

    def test_what_ended_while_no_agent_ran_is_stale(self) -> None:
        history = good_history()
        history.spans.append(Span("agent killed", 120, 125))
        job = Job("registry.example/fire/app-9", "registry.example/fire/app-9:1.0")
        job.attempts.append(Attempt(118, 123, True))
        history.jobs.append(job)
        history.images.add(job.reference)
        stale = row(9, "failed", errorClass="stale")
        history.rows.append(stale)
        for connections in history.readers.values():
            connections[1].events.append(heard(190, stale))
        self.assertEqual(broken_promises(history), [])

        history.rows[-1] = stale | {"errorClass": "network"}
        self.assertNotEqual(broken_promises(history), [])

    def test_a_pod_has_one_row_for_all_attempts(self) -> None:
        history = good_history()
        job = history.jobs[6]
        job.has_pod = True
        job.attempts.append(Attempt(95, 99, True))
        history.images.add(job.reference)
        end = row(6, "completed", id="row-of-the-pod")
        history.rows = [end if each["id"] == row(6, "failed")["id"] else each for each in history.rows]
        history.acks.append(Ack(99.5, server_id("node-a", "lease-6b"), job.repository, "completed", False))
        history.totals["completed"] += 1
        history.log.append(LogLine(1, "pull.completed", end))
        for connections in history.readers.values():
            connections[1].events.append(heard(99.4, end))
        self.assertEqual(broken_promises(history), [])

        history.rows.append(row(6, "failed"))
        self.assertNotEqual(broken_promises(history), [])

    def test_histories_are_compared_and_not_changed(self) -> None:
        history = good_history()
        before = copy.deepcopy(dataclasses.asdict(history))
        broken_promises(history)
        self.assertEqual(dataclasses.asdict(history), before)
