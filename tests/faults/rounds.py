# SPDX-License-Identifier: Apache-2.0
"""Rounds of faults under load of real pulls: python3 -m tests.faults.rounds [--rounds N] [--first SEED]

Each round draws from its seed which pulls there are, what breaks and when; when all of it works
again, the checker looks at what is shown. FAULT_SEED=SEED repeats one round. Run it by
scripts/test-faults, which gives it namespaces of its own. The last line is `N passed, N failed`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable

from lab import tools
from lab.processes import Process
from lab.waiting import Timeout, wait_for
from tests.faults import faults
from tests.faults.checker import FINAL, SOON_S, UNNAMED_S, History, LogLine, broken_promises, story
from tests.faults.ground import Ground, LabGround, open_files
from tests.faults.ledger import Job
from tests.faults.node_ground import NodeGround, wait_for_pods
from tests.faults.readers import SILENCE_S
from tests.integration.case import BINARIES, SANITIZER_WORDS
from tests.integration.http_json import get
from tests.integration.metrics import value_of

ROUNDS_A_GROUND = 5  # one server's list and one log hold so many rounds
# The kept connections of a reader or two, and what these hold.
MAY_GROW = {"descriptors": 12, "bytes": 500_000}
STORY_S = 6  # in which pulls begin and faults too
KINDS: tuple[Callable[[random.Random], Ground], ...] = (
    lambda source: LabGround(tools.CONTAINERD_DEBIAN, False, source),
    lambda source: LabGround(tools.CONTAINERD_2, True, source),
    lambda source: NodeGround(source),
    lambda source: LabGround(tools.CONTAINERD_DEBIAN, True, source),
    lambda source: LabGround(tools.CONTAINERD_2, False, source),
)
SERIES = {
    "completed": 'pulltrace_pulls_total{result="completed"}',
    "failed": 'pulltrace_pulls_total{result="failed"}',
    "stale": 'pulltrace_pulls_total{result="stale"}',
    "checks": "pulltrace_checks_total",
}


class Round:
    def __init__(self, ground: Ground, seed: int) -> None:
        self.ground = ground
        self.seed = seed
        self._random = random.Random(seed)
        self._plan: list[tuple[float, Callable[[], object]]] = []
        self.jobs: list[Job] = []
        self.words: list[str] = []

    def run(self) -> list[str]:
        """Returns what was wrong."""
        self._plan_pulls()
        self._plan_faults()
        began = time.monotonic()
        for at, action in sorted(self._plan, key=lambda entry: entry[0]):
            time.sleep(max(0, began + at - time.monotonic()))
            action()
        try:
            self._come_to_rest()
        except Timeout as error:
            return [str(error)]
        return self.look()

    # --- the story ---

    def _plan_pulls(self) -> None:
        self.ground.has_pods = self._random.random() < 0.5
        for _ in range(self._random.randint(4, 8)):
            job = self.ground.new_job(f"r{self.seed}", self._random)
            self.jobs.append(job)
            by_cri = self._random.random() < 0.5
            at = self._random.uniform(0, STORY_S)
            self._plan.append((at, lambda job=job, by_cri=by_cri: self.ground.begin(job, by_cri)))

    def _plan_faults(self) -> None:
        drawn: list[faults.Fault] = []
        for _ in range(self._random.choice((1, 1, 2, 2, 3))):
            fault = faults.draw(self.ground, self._random)
            if fault.name not in [other.name for other in drawn]:
                drawn.append(fault)
        for fault in drawn:
            begins = self._random.uniform(0.5, STORY_S - 1)
            lasts = self._random.choice((0.2, 1, 2, 4, 6))
            self._plan.append((begins, fault.begin))
            self._plan.append((begins + lasts, fault.end))
            self.words.append(f"{fault.what} {begins:.1f}+{lasts}")

    # --- rest ---

    def _come_to_rest(self) -> None:
        """All clients have ended, what failed was tried once more, and a last pull goes through."""
        ground = self.ground
        faults.restart_all(ground)
        wait_for_clients(ground)
        ground.try_again(self.jobs)
        marker = ground.new_job(f"m{self.seed}", random.Random(self.seed), may_lack=False)
        ground.begin(marker, by_cri=True)
        wait_for_clients(ground)
        wait_for(
            "a pull after the faults is shown as completed",
            lambda: any(
                row["phase"] == "completed" and row["imageRef"] == marker.reference
                for row in rows_of(ground)
            ),
            40,
        )
        for name, reader in ground.readers.items():
            wait_for(f"reader {name} is in step", lambda r=reader: r.is_in_step(), 40)
        if any("reader forgotten" in fault for fault in self.words):
            time.sleep(SILENCE_S + 1)  # so long a reader waits for a word
        # What ended while no agent ran is given up a minute later: wait_for_the_last looks at it.
        if not any("agent" in fault for fault in self.words):
            wait_for("nothing is under way", lambda: is_quiet(ground, self.jobs), SOON_S)
        time.sleep(1.5)  # a reader's last event, a log line

    # --- the look ---

    def look(self) -> list[str]:
        ground = self.ground
        wrong = broken_promises(history_of(ground))
        if wrong:  # what was gathered may have changed meanwhile
            time.sleep(2)
            wrong = broken_promises(history_of(ground))
        for process in (ground.agent.process, ground.server.process):
            wrong += complaints_of(process)
            if not process.is_running():
                wrong.append(f"{process.name} has ended: {process.exit_status()}\n{process.log_tail()}")
        return wrong + self._what_is_kept()

    def _what_is_kept(self) -> list[str]:
        """Descriptors and memory are back where they were before the first round."""
        held = what_is_held(self.ground)
        return [
            f"{name}: {count:.0f} at rest, {self.ground.at_rest[name]:.0f} before the first round"
            for name, count in held.items()
            if count > self.ground.at_rest[name] + MAY_GROW[name.split()[-1]]
        ]


def what_is_held(ground: Ground) -> dict[str, float]:
    metrics = get(ground.server.metrics_port, "/metrics").text()
    held: dict[str, float] = {
        "agent's descriptors": open_files(ground.agent.process),
        "server's descriptors": open_files(ground.server.process),
    }
    for part in ("connections", "streams", "answers"):
        series = f'pulltrace_memory_used_bytes{{part="{part}"}}'
        held[f"{part} bytes"] = value_of(metrics, series)
    return held


def wait_for_clients(ground: Ground) -> None:
    if isinstance(ground, NodeGround):
        wait_for_pods(ground)
    else:
        wait_for("all clients have ended", lambda: not any(j.is_running() for j in ground.jobs), 90)


def rows_of(ground: Ground) -> list[dict[str, object]]:
    found: list[dict[str, object]] = get(ground.server.port, "/api/v1/pulls?layers=0").json()["pulls"]
    return found


def is_quiet(ground: Ground, jobs: list[Job]) -> bool:
    """Nothing of them is shown as under way that has ended."""
    of_ours = {job.repository for job in jobs if not job.is_running()}
    rows = [row for row in rows_of(ground) if row.get("repository") in of_ours]
    return all(row["phase"] in FINAL for row in rows)


def complaints_of(process: Process) -> list[str]:
    lines = process.stderr_text().splitlines()
    return [f"{process.name}: {x}" for x in lines if any(word in x for word in SANITIZER_WORDS)]


def history_of(ground: Ground) -> History:
    rows = get(ground.server.port, "/api/v1/pulls").json()["pulls"]
    metrics = get(ground.server.metrics_port, "/metrics").text()
    return History(
        now=time.monotonic(),
        jobs=ground.jobs,
        spans=ground.spans,
        acks=ground.witness.acks(),
        server_starts=ground.server_starts,
        server_ends={i: at for i, at in enumerate(ground.server_starts[1:])},
        readers={name: reader.connections() for name, reader in ground.readers.items()},
        rows=rows,
        totals={name: value_of(metrics, series) for name, series in SERIES.items()},
        log=read_log(ground.server.process.stdout_text()),
        images=ground.images(),
        kubelet_is_real=ground.is_real,
    )


def read_log(text: str) -> list[LogLine]:
    """A killed server's last line may be cut off."""
    run = -1
    found = []
    for line in text.splitlines():
        if '"msg":"server.listening"' in line:
            run += 1
        if '"msg":"pull.completed"' in line or '"msg":"pull.failed"' in line:
            try:
                event = json.loads(line)["event"]
            except ValueError:
                continue
            found.append(LogLine(run, event["type"], event["pull"]))
    return found


def run_rounds(seeds: list[int]) -> int:
    """Returns how many failed."""
    failed = 0
    pulls = ends = 0
    for number, some in itertools.groupby(seeds, lambda seed: seed // ROUNDS_A_GROUND):
        ground = KINDS[number % len(KINDS)](random.Random(number))
        ground.at_rest = what_is_held(ground)
        try:
            played = [(seed, play(ground, seed)) for seed in some]
            last, has_failed = played[-1]
            ends_badly = end_well(ground, last)
            failed += sum(bad for _, bad in played[:-1]) + (has_failed or ends_badly)
            pulls += sum(len(job.attempts) for job in ground.jobs)
            ends += len(ground.witness.acks())
        finally:
            ground.close()
    print(f"{pulls} pulls, {ends} acknowledged ends")
    return failed


def play(ground: Ground, seed: int) -> bool:
    """Returns whether it failed."""
    one = Round(ground, seed)
    began = time.monotonic()
    wrong = [words for words in without_exceptions(one.run) if words not in ground.reported]
    ground.reported.update(wrong)
    tried = [job.attempts[0] for job in one.jobs if job.attempts]
    pulls = f"{len(tried)} pulls, {sum(not attempt.succeeded for attempt in tried)} failed"
    return report(ground, seed, began, f"{pulls}: {', '.join(one.words)}", wrong)


def end_well(ground: Ground, seed: int) -> bool:
    """The last word on what ended while no agent ran, and on how the programs end. Returns whether it is bad."""
    began = time.monotonic()

    def look() -> list[str]:
        wait_for("nothing is under way", lambda: is_quiet(ground, ground.jobs), UNNAMED_S)
        time.sleep(1.5)
        wrong = Round(ground, seed).look()
        for program in (ground.agent, ground.server):
            status = program.stop()
            if status != 0:
                wrong.append(f"{program.process.name} ended with {status}")
            wrong += complaints_of(program.process)
        return wrong

    wrong = [words for words in without_exceptions(look) if words not in ground.reported]
    return bool(wrong) and report(ground, seed, began, "the end", wrong)


def without_exceptions(look: Callable[[], list[str]]) -> list[str]:
    try:
        return look()
    except Exception:
        return [traceback.format_exc()]


def report(ground: Ground, seed: int, began: float, what: str, wrong: list[str]) -> bool:
    verdict = "FAILED" if wrong else "ok"
    print(f"FAULT_SEED={seed} {verdict} {time.monotonic() - began:.0f} s, {what}", flush=True)
    for words in wrong:
        print(f"    {words}", flush=True)
    if wrong:
        keep_story(ground, seed)
    return bool(wrong)


def keep_story(ground: Ground, seed: int) -> None:
    """What happened and what the programs logged, in a folder for the seed."""
    folder = BINARIES / "test-logs/faults" / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        (folder / "story").write_text("\n".join(story(history_of(ground))) + "\n")
    if isinstance(ground, NodeGround):
        (folder / "events").write_text(json.dumps(ground.kubelets_words(), indent=1))
    for process in (ground.agent.process, ground.server.process, ground.containerd.process):
        for path in (process.stdout_path, process.stderr_path):
            (folder / path.name).write_bytes(path.read_bytes())
    print(f"    {folder}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/test-faults")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--first", type=int, default=1, metavar="SEED")
    given = parser.parse_args()
    one = os.environ.get("FAULT_SEED")
    seeds = [int(one)] if one else list(range(given.first, given.first + given.rounds))
    failed = run_rounds(seeds)
    print(f"{len(seeds) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
