# SPDX-License-Identifier: Apache-2.0
"""What the scenario of several servers would find: each kind of lie, in a stream and in what servers show."""

from __future__ import annotations

import copy
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.pulltrace import Server
from tests.faults.witness import server_id
from tests.integration.case import ADDRESS_SANITIZER, BINARIES, SERVER
from tests.replicas.checker import IMAGE, History, broken_promises, fails
from tests.replicas.crowd import Crowd
from tests.replicas.liar import Liar, double, drop, falsify, reorder, say_again, turn_back

NODES, GENERATIONS = 5, 3


def row(node: int, generation: int) -> dict[str, Any]:
    name = f"crowd-{node:05d}"
    return {
        "id": server_id(name, f"lease-0-{generation}"),
        "nodeName": name,
        "imageRef": f"{IMAGE}0:g{generation}",
        "phase": "failed" if fails(node, 0, generation) else "completed",
        "version": 1,
        "percent": 100,
        "mirrors": ["one", "two"],
    }


def good_history() -> History:
    rows = [row(node, generation) for node in range(NODES) for generation in range(GENERATIONS)]
    servers = {f"server-{number}": copy.deepcopy(rows) for number in range(1, 4)}
    servers["server-2"][3]["version"] = 7
    return History(1, [GENERATIONS] * NODES, servers, {"missed": 0, "doubled": 0})


def lose_a_row(rows: list[dict[str, Any]]) -> None:
    rows.pop(4)


def add_a_row_that_was_not_acknowledged(rows: list[dict[str, Any]]) -> None:
    rows.append(row(1, GENERATIONS))


def double_a_row(rows: list[dict[str, Any]]) -> None:
    rows.append(rows[2] | {"id": "another"})


def turn_a_row(rows: list[dict[str, Any]]) -> None:
    rows[5]["phase"] = "failed" if rows[5]["phase"] == "completed" else "completed"


def change_a_field(rows: list[dict[str, Any]]) -> None:
    rows[6]["percent"] = 99


def add_a_field(rows: list[dict[str, Any]]) -> None:
    rows[6]["errorClass"] = "stale"


def change_a_word_of_a_list(rows: list[dict[str, Any]]) -> None:
    rows[6]["mirrors"][1] = "three"


def put_an_object_for_a_word(rows: list[dict[str, Any]]) -> None:
    rows[6]["mirrors"][1] = {"name": "two"}


LIES: tuple[Callable[[list[dict[str, Any]]], None], ...] = (
    lose_a_row, add_a_row_that_was_not_acknowledged, double_a_row, turn_a_row, change_a_field, add_a_field,
    change_a_word_of_a_list, put_an_object_for_a_word,
)  # fmt: skip


class Checker(unittest.TestCase):
    def test_what_all_show_alike_breaks_no_promise(self) -> None:
        self.assertEqual(broken_promises(good_history()), [])

    def test_each_lie_is_found_on_whichever_server(self) -> None:
        for lie in LIES:
            for server in ("server-1", "server-2", "server-3"):
                with self.subTest(lie.__name__, server=server):
                    history = good_history()
                    lie(history.rows[server])
                    self.assertNotEqual(broken_promises(history), [])

    def test_what_was_cancelled_is_shown_by_no_page(self) -> None:
        history = good_history()
        history.rows["server-1"].append(row(0, 0) | {"id": "another", "phase": "cancelled"})
        self.assertEqual(broken_promises(history), [])
        history.rows["server-1"][0]["phase"] = "cancelled"
        self.assertNotEqual(broken_promises(history), [])

    def test_what_a_reader_has_missed_is_said(self) -> None:
        history = good_history()
        history.problems["missed"] = 1
        history.samples.append({"what": "missed", "atS": 7.5, "reader": 3, "port": 0, "pull": "crowd-00001 x:g1"})
        self.assertIn("crowd-00001", broken_promises(history)[0])


class Readers(unittest.TestCase):
    """A real server's streams, of which relays falsify one message each."""

    def test_the_crowd_finds_each_lie_in_a_stream_and_none_in_a_true_one(self) -> None:
        lies = {
            drop: "missed", double: "doubled", say_again: "doubled",
            reorder: "reordered", turn_back: "turnedBack", falsify: "wrong",
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            server = Server(SERVER, Path(folder), settings=ADDRESS_SANITIZER)
            liars = {lie: Liar(server.port, lie) for lie in lies}
            ports = [server.port, *(liar.port for liar in liars.values())]
            crowd = Crowd(
                BINARIES / "tests/replicas/crowd", [server.port], ports, nodes=20, pull_seconds=2, readers=3
            )
            try:
                time.sleep(10)
                self.assertTrue(crowd.rest())
                found = crowd.report()
            finally:
                crowd.stop()
                for liar in liars.values():
                    liar.close()
                self.assertEqual(server.stop(), 0)
        by_port = {liar.port: lie for lie, liar in liars.items()}
        said = {(by_port.get(each["port"]), each["what"]) for each in found["samples"]}
        for lie, problem in lies.items():
            self.assertIn((lie, problem), said)
        self.assertEqual([each for each in found["samples"] if each["port"] not in by_port], [])
