# SPDX-License-Identifier: Apache-2.0
"""Servers that share a log, under load, while their parts go: python3 -m tests.replicas.scenario [--long]

By scripts/test-replicas. REPLICAS=1 plays it on one server, which is never killed: what is acknowledged is lost
with it. NODES and READERS are for a machine on which the load of the form that is played is too much. Prints what
is done when, what it cost, and each promise that was broken. The last line is `N passed, N failed`, of the promises.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from lab.processes import Process
from lab.pulltrace import Server
from tests.integration.http_json import get, is_in_step
from tests.replicas.checker import CHECKS, LOCAL, LOCAL_OF_FAILED, History, broken_promises, count_broken
from tests.replicas.crowd import Crowd
from tests.replicas.figures import ServerMeter, ValkeyMeter
from tests.replicas.ground import CROWD, LATE_S, Ground
from tests.replicas.pods import PodStories

KILL_EVERY_S, AWAY_S = 20, 2
CALM_S = 15  # behind a fault, until all servers have read what they missed
LOOK_S = 5
QUIET_S = LATE_S + 10  # for what is worked out once a second, and for the late watch
UPDATE_S = 60  # at most, but on a busy machine
BACK_S = 30  # until a server that was away is ready
CUT_OFF = "cannot be reached"  # in /readyz
GAP_S = 3  # a reader's without a stream while servers are replaced by newer ones
PROMISES = len(CHECKS) + 4  # faults are noticed, the servers are well, all comes to rest, an update leaves no gap


@dataclass(frozen=True)
class Length:
    seconds: int
    nodes: int
    readers: int
    pull_seconds: int
    frozen: tuple[int, int]
    with_data: int  # Valkey is restarted
    without_data: int
    lost_tail: int
    cut: tuple[int, int]
    password: int  # is another one


SHORT = Length(190, 300, 30, 8, (20, 60), 85, 105, 125, (132, 152), 168)
LONG = Length(600, 5000, 300, 120, (60, 180), 220, 290, 350, (410, 470), 490)


def calms(length: Length) -> list[float]:
    """When all servers have read what they missed by a fault, where the next one leaves the time."""
    ends = [length.frozen[1], length.with_data, length.without_data, length.lost_tail, length.cut[1]]
    next_begins = [length.with_data, length.without_data, length.lost_tail, length.cut[0], length.seconds]
    # What had ended is given back to a Valkey that lost it, and the more nodes, the more that is.
    calm_s = CALM_S + length.nodes // 200
    return [end + calm_s for end, begin in zip(ends, next_begins) if end + calm_s < begin]


class Scenario:
    def __init__(self, ground: Ground, crowd: Crowd, length: Length) -> None:
        self._ground = ground
        self._crowd = crowd
        self._length = length
        self._began = time.monotonic()
        self._pods = PodStories(ground.api)
        self._meters = [ServerMeter(server) for server in ground.servers]
        self._valkey = ValkeyMeter(ground.valkey) if ground.valkey else None
        self._frozen: Process | None = None
        self._killed = 0
        self._is_cut = False
        self._healed_at = 0.0
        self._starting: dict[Server, float] = {}  # and since when
        self._to_replace = 0  # servers by newer ones
        self._newer: Server | None = None
        self._losses_before = 0
        self.ready_s: list[float] = []  # of each server that was started anew
        self.unnoticed: list[str] = []  # faults
        self.unwell: list[str] = []  # what befell servers by themselves

    def say(self, words: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f}  {words}", flush=True)

    def play(self) -> None:
        steps = self._steps() if len(self._ground.servers) > 1 else []
        for at, action in sorted([*steps, *self._looks()], key=lambda step: step[0]):
            while time.monotonic() < self._began + at:
                self._advance(may_begin=at < self._length.seconds - LATE_S)
            action()
        self._await_starts()
        if steps:
            self._update()
        self._await_starts()
        self._await_kubernetes()

    def _await_starts(self) -> None:
        while self._starting or not self._pods.are_over():
            self._advance(may_begin=False)

    def _await_kubernetes(self) -> None:
        """Who is late at that is ready before. Who still does not know it after a while is unwell in the end."""
        until = time.monotonic() + BACK_S
        running = [server.port for server in self._ground.servers if server.process.is_running()]
        while time.monotonic() < until and not all(map(is_in_step, running)):
            self._advance(may_begin=False)

    def _advance(self, may_begin: bool) -> None:
        """What goes on between the steps."""
        self._pods.advance(may_begin)
        self._advance_starts()
        time.sleep(0.1)

    def _advance_starts(self) -> None:
        for server, began in list(self._starting.items()):
            self._look_at_start(server, began)

    def _look_at_start(self, server: Server, began: float) -> None:
        """While the network is cut none can be ready, and waits for nothing else."""
        now, name = time.monotonic(), server.process.name
        status, words = _readiness(server)
        if status == 200:
            if not self._is_cut and began > self._healed_at:
                self.ready_s.append(now - began)
            self.say(f"{name} is ready after {now - began:.1f} s")
            if server is self._newer:
                self._replace(server)
        elif not server.process.is_running():
            self._note(self.unwell, f"{name} ended by itself\n{server.process.log_tail()}")
        elif not self._is_cut and now - max(began, self._healed_at) > BACK_S:
            self._note(self.unwell, f"{name} is not ready {now - began:.1f} s after its start: {words}")
        else:
            return
        del self._starting[server]

    def _note(self, of_a_kind: list[str], words: str) -> None:
        of_a_kind.append(words)
        self.say(words)

    def _looks(self) -> list[tuple[float, Callable[[], object]]]:
        return [(at, self._look) for at in (*range(1, self._length.seconds, LOOK_S), self._length.seconds)]

    def _look(self) -> None:
        for meter in (*self._meters, *([self._valkey] if self._valkey else [])):
            is_frozen = isinstance(meter, ServerMeter) and meter.server.process is self._frozen
            if not is_frozen:
                meter.look()

    def _steps(self) -> list[tuple[float, Callable[[], object]]]:
        length, ground = self._length, self._ground
        steps: list[tuple[float, Callable[[], object]]] = [
            (length.frozen[0], self._freeze),
            (length.frozen[1], self._resume),
            (length.with_data, lambda: self._restart_valkey("all")),
            (length.without_data, lambda: self._restart_valkey("none")),
            (length.without_data + CALM_S, self._look_for_loss),
            (length.lost_tail - 4, lambda: ground.valkey and ground.valkey.save()),
            (length.lost_tail, lambda: self._restart_valkey("some")),
            (length.lost_tail + CALM_S, self._look_for_loss),
            (length.cut[0], self._cut),
            (length.cut[1], self._heal),
            (length.password, self._renew_password),
            *((at, lambda: self._crowd.be_strict(True)) for at in calms(length)),
        ]
        for at in range(KILL_EVERY_S // 2, length.seconds - KILL_EVERY_S, KILL_EVERY_S):
            steps += [(at, self._kill), (at + AWAY_S, self._start_again)]
        return steps

    def _freeze(self) -> None:
        self._crowd.be_strict(False)
        self._frozen = self._ground.servers[-1].process
        self._frozen.freeze()
        self.say(f"{self._frozen.name} is stopped")

    def _resume(self) -> None:
        assert self._frozen is not None
        self._frozen.resume()
        self.say(f"{self._frozen.name} goes on")
        self._frozen = None

    def _restart_valkey(self, keeps: str) -> None:
        self._crowd.be_strict(False)
        self._losses_before = self._losses()
        self.look_for_denials()
        self._ground.restart_valkey(keeps)
        self.say(f"Valkey was killed and started again with {keeps} of its data")

    def look_for_denials(self) -> None:
        """What docs/replicas.md gives the servers' user is all that he needs."""
        if count := self._ground.denials():
            self._note(self.unwell, f"Valkey has refused the servers' user {count} kinds of things (ACL LOG)")

    def _losses(self) -> int:
        """How often servers have said that the log lacks what they had read of it."""
        return sum(server.process.stdout_text().count('"share.lost"') for server in self._ground.servers)

    def _look_for_loss(self) -> None:
        if self._losses() == self._losses_before:
            self._note(self.unnoticed, f"no server says within {CALM_S} s that Valkey has lost data")

    def _cut(self) -> None:
        self._crowd.be_strict(False)
        self._ground.cut()
        self._is_cut = True
        self.say("the network to Valkey is cut")

    def _look_for_cut(self) -> None:
        """Who has not been ready since its start is not now; the others say why they may lack something."""
        for server in self._ground.servers:
            status, words = _readiness(server)
            is_noticed = status == 503 if server in self._starting else status == 200 and CUT_OFF in words
            if server.process.is_running() and not is_noticed:
                self._note(self.unnoticed, f"{server.process.name} is cut off, and ready with {status}: {words}")

    def _heal(self) -> None:
        self._look_for_cut()
        self._ground.heal()
        self._is_cut = False
        self._healed_at = time.monotonic()
        self.say("the network to Valkey is back")

    def _kill(self) -> None:
        """One after the other, but for the one that is stopped: two of three are never away at once by us."""
        servers = [server for server in self._ground.servers if server.process is not self._frozen]
        self._victim = servers[self._killed % len(servers)]
        self._killed += 1
        self._starting.pop(self._victim, None)
        if not self._victim.process.is_running():
            self._note(self.unwell, f"{self._victim.process.name} ended by itself\n{self._victim.process.log_tail()}")
        self._victim.process.kill()
        self.say(f"{self._victim.process.name} is killed")

    def _start_again(self) -> None:
        self._victim.start()
        self._starting[self._victim] = time.monotonic()

    def _renew_password(self) -> None:
        self._ground.renew_password()
        self.say("the servers' password at Valkey is another one")

    def _update(self) -> None:
        """Each server is replaced by a newer one, and one of those too, so that all are where servers were before."""
        self._crowd.begin_update()
        self.say("the servers are replaced one by one")
        self._to_replace = len(self._ground.servers) + 1
        self._start_newer()

    def _start_newer(self) -> None:
        self._newer = self._ground.start_next()
        self._meters.append(ServerMeter(self._newer))
        self._starting[self._newer] = time.monotonic()

    def _replace(self, newer: Server) -> None:
        self._look()
        oldest, status = self._ground.replace_oldest(newer)
        self.say(f"{newer.process.name} has replaced {oldest.process.name}")
        if status != 0:
            self._note(self.unwell, f"{oldest.process.name} ended with {status}\n{oldest.process.log_tail()}")
        self._newer = None
        self._to_replace -= 1
        if self._to_replace > 0:
            self._start_newer()

    def figures(self, found: dict[str, Any]) -> None:
        reports = found["acknowledged"]
        self.say(
            f"{len(found['generations'])} nodes: {reports} reports acknowledged, POST p50 {found['postMsP50']} ms, "
            f"p99 {found['postMsP99']} ms ({found['postMsP99OutOfCalm']} ms in faults), "
            f"refused {found['refused'] or 'none'}, {found['broken']} broken off, {found['unanswered']} unanswered, {found['skipped']} not sent, as the one before was under way, "
            f"{found['skippedInCalm']} of them outside faults and the calm behind each"
        )
        (away, away_in_update), (behind, behind_in_update) = found["awayMs"], found["behindMs"]
        self.say(
            f"{found['readers']} readers on {found['connections']} connections, {found['events']} events, "
            f"without a stream for {away} ms at most, {away_in_update} in the update, and not in step for {behind} and "
            f"{behind_in_update}"
        )
        for meter in self._meters:
            self.say(f"{meter.server.process.name}: {meter.words()}")
        for line in self._valkey.lines() if self._valkey else []:
            self.say(line)
        if self.ready_s:
            self.say(f"a server that was started was ready after {max(self.ready_s):.1f} s at most")


def _readiness(server: Server) -> tuple[int, str]:
    """Status and words of /readyz; 0 where there is no answer."""
    try:
        answer = get(server.port, "/readyz")
    except OSError as error:
        return 0, str(error)
    return answer.status, answer.text()


def play(length: Length, count: int) -> int:
    """How many promises were broken."""
    ground = Ground(count)
    try:
        crowd = Crowd(
            CROWD, [ground.port], ground.ports(), nodes=length.nodes, readers=length.readers,
            pull_seconds=length.pull_seconds, generations=(length.seconds + UPDATE_S) // length.pull_seconds + 3,
        )  # fmt: skip
        try:
            return _judge(ground, crowd, Scenario(ground, crowd, length))
        finally:
            crowd.stop()
    finally:
        ground.close()


def _judge(ground: Ground, crowd: Crowd, scenario: Scenario) -> int:
    scenario.play()
    is_at_rest = crowd.rest()
    scenario.say("all pulls have ended; quiet" if is_at_rest else "no rest comes")
    time.sleep(QUIET_S)
    rows = ground.rows()
    found = crowd.report()
    scenario.figures(found)
    shown = {len(each) for each in rows.values()}
    scenario.say(f"compares {shown} rows of {len(rows)} servers; may differ: {LOCAL | LOCAL_OF_FAILED}")
    scenario.look_for_denials()
    history = History(found["pulls"], found["generations"], rows, found["problems"], found["samples"])
    unwell = [*scenario.unwell, *_unwell(ground)]
    rest = [] if is_at_rest else ["ends were not acknowledged, or readers not in step, for a minute"]
    gap = list(_gap(found["awayMs"][1]))
    for words in [*broken_promises(history), *scenario.unnoticed, *unwell, *rest, *gap]:
        print(f"BROKEN {words}")
    return count_broken(history) + sum(map(bool, (scenario.unnoticed, unwell, rest, gap)))


def _gap(away_ms: int) -> Iterator[str]:
    if away_ms > GAP_S * 1000:
        yield f"a reader was without a stream for {away_ms} ms while servers were replaced"


def _unwell(ground: Ground) -> Iterator[str]:
    for server in ground.servers:
        if not server.process.is_running():
            yield f"{server.process.name} ended by itself\n{server.process.log_tail()}"
            continue
        said = get(server.port, "/readyz")
        if said.status != 200 or said.text() != "ok":
            yield f"{server.process.name} is not ready after the quiet: {said.text()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--long", action="store_true", help="the ten-minute form")
    arguments = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = int(os.environ.get("REPLICAS") or 3)
    length = LONG if arguments.long else SHORT
    nodes, readers = (int(os.environ.get(name) or most) for name, most in (("NODES", length.nodes), ("READERS", length.readers)))
    failed = play(replace(length, nodes=nodes, readers=readers), count)
    print(f"{PROMISES - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
