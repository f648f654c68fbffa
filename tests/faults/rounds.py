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
from lab.waiting import Timeout, wait_for
from tests.faults import faults
from tests.faults.checker import FINAL, History, LogLine, broken_promises, story
from tests.faults.ground import Ground, open_files
from tests.faults.ledger import Job
from tests.integration.case import BINARIES, SANITIZER_WORDS
from tests.integration.http_json import get
from tests.integration.metrics import value_of

ROUNDS_A_GROUND = 5  # one server's list and one log hold so many rounds
STORY_S = 6  # in which pulls begin and faults too
GENERATIONS = (tools.CONTAINERD_DEBIAN, tools.CONTAINERD_2)
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
        self._plan: list[tuple[float, str, Callable[[], object]]] = []
        self.words: list[str] = []

    def run(self) -> list[str]:
        """Returns what was wrong."""
        self._plan_pulls()
        self._plan_faults()
        began = time.monotonic()
        for at, what, action in sorted(self._plan, key=lambda entry: entry[0]):
            time.sleep(max(0, began + at - time.monotonic()))
            action()
        try:
            self._come_to_rest()
        except Timeout as error:
            return [str(error)]
        return self._look()

    # --- the story ---

    def _plan_pulls(self) -> None:
        for _ in range(self._random.randint(3, 6)):
            job = self.ground.new_job(f"r{self.seed}", self._random)
            by_cri = self._random.random() < 0.5
            at = self._random.uniform(0, STORY_S)
            self._plan.append((at, "pull", lambda job=job, by_cri=by_cri: self.ground.begin(job, by_cri)))

    def _plan_faults(self) -> None:
        drawn: list[faults.Fault] = []
        for _ in range(self._random.choice((1, 1, 2, 2, 3))):
            fault = faults.draw(self.ground, self._random)
            if fault.what.split()[0] not in [other.what.split()[0] for other in drawn]:
                drawn.append(fault)
        for fault in drawn:
            begins = self._random.uniform(0.5, STORY_S)
            lasts = self._random.choice((0.1, 1, 2, 4, 6))
            self._plan.append((begins, fault.what, fault.begin))
            self._plan.append((begins + lasts, f"{fault.what} ends", fault.end))
            self.words.append(f"{fault.what} {begins:.1f}+{lasts}")

    # --- rest ---

    def _come_to_rest(self) -> None:
        """All clients have ended, what failed was tried once more, and a last pull goes through."""
        ground = self.ground
        for name in faults.KILLED:  # a fault may have killed what it only meant to limit
            faults.restart(ground, name)
        wait_for("all clients have ended", lambda: not any(j.is_running() for j in ground.jobs), 90)
        again = [job for job in ground.jobs if self._is_tried_again(job)]
        for job in again:
            ground.begin(job, by_cri=True)
        marker = self._pull_marker()
        wait_for("all clients have ended", lambda: not any(j.is_running() for j in ground.jobs), 90)
        wait_for(
            "a pull after the faults is shown as completed",
            lambda: any(
                row["phase"] == "completed" and row["imageRef"] == marker.reference
                for row in self._rows()
            ),
            40,
        )
        for name, reader in ground.readers.items():
            wait_for(f"reader {name} is in step", lambda r=reader: r.is_in_step(), 40)
        wait_for("nothing is under way", self._is_quiet, 25 if not self._agent_was_away() else 80)
        time.sleep(1.5)  # a reader's last event, a log line

    def _is_tried_again(self, job: Job) -> bool:
        last = job.attempts[-1]
        return job.has_pod and len(job.attempts) == 1 and not last.succeeded and job.repository.startswith(
            f"registry.example/fire/r{self.seed}-"
        )

    def _pull_marker(self) -> Job:
        source = random.Random(self.seed)
        while True:
            job = self.ground.new_job(f"m{self.seed}", source)
            job.has_pod = False
            self.ground.begin(job, by_cri=True)
            wait_for("the marker's client has ended", lambda: not job.is_running(), 60)
            if job.attempts[-1].succeeded:
                return job

    def _agent_was_away(self) -> bool:
        return any("agent" in span.what for span in self.ground.spans)

    def _is_quiet(self) -> bool:
        of_ours = {job.repository for job in self.ground.jobs}
        rows = [row for row in self._rows() if row.get("repository") in of_ours]
        return all(row["phase"] in FINAL for row in rows)

    def _rows(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = get(
            self.ground.server.port, "/api/v1/pulls?layers=0"
        ).json()["pulls"]
        return found

    # --- the look ---

    def _look(self) -> list[str]:
        ground = self.ground
        wrong = broken_promises(history_of(ground))
        for program in (ground.agent, ground.server):
            process = program.process
            text = process.stderr_text()
            wrong += [
                f"{process.name}: {line}"
                for line in text.splitlines()
                if any(word in line for word in SANITIZER_WORDS)
            ]
            if not process.is_running():
                wrong.append(f"{process.name} has ended: {process.exit_status()}\n{process.log_tail()}")
        return wrong + self._what_is_kept()

    def _what_is_kept(self) -> list[str]:
        """Descriptors and memory are back where they were at rest."""
        ground = self.ground
        wrong = []
        for name, program, most in (("agent", ground.agent, 40), ("server", ground.server, 40)):
            count = open_files(program.process)
            if count > most:
                wrong.append(f"{name} holds {count} descriptors at rest")
        metrics = get(ground.server.metrics_port, "/metrics").text()
        for part in ("answers", "streams"):
            used = value_of(metrics, f'pulltrace_memory_used_bytes{{part="{part}"}}')
            if used > 1_000_000:
                wrong.append(f"{used:.0f} bytes of {part} are used at rest")
        return wrong


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
    )


def read_log(text: str) -> list[LogLine]:
    """A killed server's last line may be cut off."""
    run = -1
    found = []
    for line in text.splitlines():
        if '"msg":"listening"' in line:
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
    ends = 0
    for number, some in itertools.groupby(seeds, lambda seed: seed // ROUNDS_A_GROUND):
        ground = Ground(GENERATIONS[number % len(GENERATIONS)], random.Random(number))
        try:
            for seed in some:
                wrong = play(ground, seed)
                failed += bool(wrong)
            ends += len(ground.witness.acks())
        finally:
            ground.close()
    print(f"{ends} acknowledged ends")
    return failed


def play(ground: Ground, seed: int) -> list[str]:
    one = Round(ground, seed)
    began = time.monotonic()
    try:
        wrong = one.run()
    except Exception:
        wrong = [traceback.format_exc()]
    seconds = time.monotonic() - began
    verdict = "ok" if not wrong else "FAILED"
    print(f"round FAULT_SEED={seed} {verdict} {seconds:.0f} s: {', '.join(one.words)}", flush=True)
    for words in wrong:
        print(f"    {words}", flush=True)
    if wrong:
        keep_story(ground, seed)
    return wrong


def keep_story(ground: Ground, seed: int) -> None:
    """What happened and what the programs logged, in a folder for the seed."""
    folder = BINARIES / "test-logs/faults" / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        (folder / "story").write_text("\n".join(story(history_of(ground))) + "\n")
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
