# SPDX-License-Identifier: Apache-2.0
"""What the scenario says of a fault that nobody has noticed, and of a server that does not come back."""

from __future__ import annotations

import time
import unittest
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

from lab.pulltrace import Server
from tests.replicas import scenario
from tests.replicas.scenario import LONG, SHORT, Scenario, calms

OK = 200, "ok"
CUT_OFF = 200, "ok, but the log that several servers share cannot be reached"
NOT_YET = 503, "what the other servers know has not been read yet"


class Played:
    """A server as a process that says what the test wants."""

    def __init__(self, name: str) -> None:
        self.says = OK
        self.is_alive = True
        self.log = ""
        self.metrics_port = 1
        self.process = SimpleNamespace(
            name=name, is_running=lambda: self.is_alive, stdout_text=lambda: self.log, log_tail=lambda: self.log,
            kill=lambda: None, freeze=lambda: None, pid=1,
        )  # fmt: skip


class Faults(unittest.TestCase):
    def setUp(self) -> None:
        self.servers = [Played("server-1"), Played("server-2")]
        self.denials = 0
        ground = mock.Mock(servers=self.servers, valkey=None, denials=lambda: self.denials)
        self.crowd = mock.Mock()
        self.scenario = Scenario(cast(Any, ground), cast(Any, self.crowd), SHORT)
        self.scenario.say = lambda words: None  # type: ignore[method-assign]
        said = mock.patch.object(scenario, "_readiness", lambda server: server.says)
        said.start()
        self.addCleanup(said.stop)

    def was_started(self, server: Played, ago_s: float) -> None:
        """So long ago."""
        self.scenario._starting[cast(Server, server)] = time.monotonic() - ago_s
        self.scenario._advance_starts()

    def test_a_cut_that_a_server_does_not_notice_is_said(self) -> None:
        self.servers[0].says = CUT_OFF
        self.scenario._cut()
        self.scenario._heal()
        self.assertEqual(len(self.scenario.unnoticed), 1)
        self.assertIn("server-2", self.scenario.unnoticed[0])

    def test_in_a_cut_who_runs_says_so_and_who_starts_is_not_ready(self) -> None:
        self.servers[0].says = CUT_OFF
        self.scenario._cut()
        self.servers[1].says = NOT_YET
        self.was_started(self.servers[1], 2 * scenario.BACK_S)
        self.scenario._heal()
        self.assertEqual((self.scenario.unnoticed, self.scenario.unwell), ([], []))

    def test_who_is_killed_need_not_notice_a_cut(self) -> None:
        self.servers[0].says = CUT_OFF
        self.scenario._cut()
        self.servers[1].is_alive = False
        self.scenario._heal()
        self.assertEqual(self.scenario.unnoticed, [])

    def test_lost_data_of_which_no_server_speaks_is_said(self) -> None:
        self.servers[1].log = '{"msg":"share.lost"}\n'  # of a time before
        self.scenario._restart_valkey("none")
        self.scenario._look_for_loss()
        self.assertEqual(len(self.scenario.unnoticed), 1)

    def test_one_server_that_speaks_of_it_is_enough(self) -> None:
        self.scenario._restart_valkey("some")
        self.servers[1].log = '{"msg":"share.lost"}\n'
        self.scenario._look_for_loss()
        self.assertEqual(self.scenario.unnoticed, [])

    def test_a_server_that_does_not_get_ready_is_unwell_once(self) -> None:
        self.servers[0].says = NOT_YET
        self.was_started(self.servers[0], scenario.BACK_S - 1)
        self.assertEqual(self.scenario.unwell, [])
        self.was_started(self.servers[0], scenario.BACK_S + 1)
        self.scenario._advance_starts()
        self.assertEqual(len(self.scenario.unwell), 1)

    def test_after_a_cut_it_has_its_time_again(self) -> None:
        self.servers[0].says = self.servers[1].says = NOT_YET
        self.scenario._cut()
        self.was_started(self.servers[0], 2 * scenario.BACK_S)
        self.scenario._heal()
        self.scenario._advance_starts()
        self.assertEqual(self.scenario.unwell, [])
        self.scenario._healed_at -= scenario.BACK_S + 1
        self.scenario._advance_starts()
        self.assertEqual(len(self.scenario.unwell), 1)

    def test_a_server_that_ends_while_it_starts_is_unwell(self) -> None:
        self.servers[0].says = 0, "no answer"
        self.servers[0].is_alive = False
        self.was_started(self.servers[0], 1)
        self.assertEqual(len(self.scenario.unwell), 1)

    def test_a_server_that_ended_before_it_was_killed_is_unwell(self) -> None:
        self.servers[0].is_alive = False
        self.scenario._kill()
        self.assertEqual(len(self.scenario.unwell), 1)

    def test_a_right_that_the_servers_lack_is_said(self) -> None:
        self.denials = 1
        self.scenario._restart_valkey("all")
        self.assertEqual(len(self.scenario.unwell), 1)

    def test_who_is_replaced_ends_well_and_the_next_is_started(self) -> None:
        ground = cast(Any, self.scenario._ground)
        newer = ground.start_next.return_value = Played("server-3")
        self.scenario._update()
        for status, unwell in ((0, 0), (-9, 1)):
            ground.replace_oldest.return_value = (self.servers[0], status)
            self.was_started(newer, 1)
            self.assertEqual(len(self.scenario.unwell), unwell)
        self.assertEqual(ground.start_next.call_count, 3)

    def test_a_gap_in_the_update_is_said(self) -> None:
        self.assertEqual((list(scenario._gap(3000)), len(list(scenario._gap(3001)))), ([], 1))

    def test_order_counts_again_behind_each_fault_that_leaves_the_time(self) -> None:
        self.assertEqual(calms(SHORT), [76, 101, 121, 168])
        self.assertEqual(calms(LONG), [260, 330, 390, 510])

    def test_it_does_not_count_from_a_fault_on(self) -> None:
        faults = (self.scenario._freeze, self.scenario._cut, lambda: self.scenario._restart_valkey("all"))
        for number, fault in enumerate(faults, 1):
            fault()
            self.assertEqual(self.crowd.be_strict.mock_calls, [mock.call(False)] * number)
