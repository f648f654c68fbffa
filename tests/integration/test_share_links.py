# SPDX-License-Identifier: Apache-2.0
"""Servers behind bad links to the Valkey that they share, and one that stands still, is full or cannot save."""

from __future__ import annotations

import random
import resource
import threading
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from lab.pulltrace import Server
from lab.waiting import free_port, wait_for
from tests.faults.link import FAULTS, Fault, Link
from tests.integration.case import ADDRESS_SANITIZER
from tests.integration.http_json import get, is_in_step
from tests.integration.server_case import now, pull
from tests.integration.test_share import DONE, ShareCase, fetched, pulls

FAULT_S = 2
REPORT_S = 8  # the longest that an agent waits: 5 s for the log, and what a busy machine takes
READER_S = 2
NODES = 4  # that report to each server
BACK_S = 30
MAY_GROW_BYTES = 64_000_000
MAY_GROW_DESCRIPTORS = 6


class Node(threading.Thread):
    """An agent: a pull that goes on, and then its end, again and again until that is acknowledged."""

    def __init__(self, case: ShareCase, server: Server, name: str, lasts_s: float) -> None:
        super().__init__(daemon=True)
        self._case, self._server, self._name = case, server, name
        self._ends = time.monotonic() + lasts_s
        self.longest_s = 0.0
        self.statuses: list[int] = []
        self.is_over = False

    def run(self) -> None:
        sequence = 0
        new = {"startedAt": now(), "bytesFetched": 1000, "kind": "pull"}
        while not self.is_over:
            sequence += 1
            is_done = time.monotonic() > self._ends
            one = pull("p", f"{self._name}:1", fetched(1, 1000 if is_done else 10), **(new | (DONE if is_done else {})))
            began = time.monotonic()
            answer = self._case.report(self._server, self._name, one, run="0ab1", sequence=sequence)
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            self.statuses.append(answer.status)
            self.is_over = is_done and answer.status == 200
            time.sleep(0.6)


class Readers(threading.Thread):
    """They ask all servers, and note how long each answer took, and what was none."""

    def __init__(self, servers: list[Server]) -> None:
        super().__init__(daemon=True)
        self._servers = servers
        self._has_ended = threading.Event()
        self.longest_s = 0.0
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self._has_ended.wait(0.2):
            for server in self._servers:
                for path in ("/healthz", "/api/v1/summary"):
                    self.ask(server, path)

    def ask(self, server: Server, path: str) -> None:
        began = time.monotonic()
        try:
            status: object = get(server.port, path).status
        except OSError as error:
            status = error
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        if status != 200:
            self.wrong.append(f"{path}: {status}")

    def end(self) -> None:
        self._has_ended.set()
        self.join()


class WhoReads(unittest.TestCase):
    def test_no_answer_at_all_is_noted(self) -> None:
        readers = Readers([cast(Any, SimpleNamespace(port=free_port()))])
        readers.start()
        wait_for("noted", lambda: len(readers.wrong) > 2, 5)
        readers.end()
        self.assertIn("/healthz", readers.wrong[0])


def held(server: Server) -> tuple[int, int]:
    """Bytes and descriptors."""
    folder = Path(f"/proc/{server.process.pid}")
    pages = int((folder / "statm").read_text().split()[1])
    return pages * resource.getpagesize(), len(list((folder / "fd").iterdir()))


class FaultCase(ShareCase):
    def setUp(self) -> None:
        super().setUp()
        self.links = [Link(0, self.valkey.port) for _ in range(2)]
        for link in self.links:
            self.addCleanup(link.close)
        options = ADDRESS_SANITIZER["ASAN_OPTIONS"] + ":quarantine_size_mb=8"
        self.servers = [
            self.start_server(PULLTRACE_SHARE_URL=f"valkey://127.0.0.1:{link.port}", ASAN_OPTIONS=options)
            for link in self.links
        ]
        self._count = 0
        self.await_step()
        self.at_rest = [held(server) for server in self.servers]

    def await_step(self) -> None:
        for server in self.servers:
            wait_for("is in step", lambda: is_in_step(server.port), BACK_S)

    def play(self, name: str, begin: Callable[[], object], end: Callable[[], object], refuses: bool = False) -> None:
        """Pulls begin before the fault and end within; who `refuses` lets no end be acknowledged."""
        with self.subTest(name):
            readers = Readers(self.servers)
            readers.start()
            nodes = [
                Node(self, server, f"{name.replace(' ', '-')}-{place}-{number}", FAULT_S / 2)
                for place, server in enumerate(self.servers)
                for number in range(NODES)
            ]
            for node in nodes:
                node.start()
            try:
                time.sleep(FAULT_S / 4)
                begin()
                time.sleep(FAULT_S)
            finally:
                end()
            wait_for("all ends are acknowledged", lambda: all(node.is_over for node in nodes), BACK_S)
            self.await_step()
            readers.end()
            self._count += len(nodes)
            self.look(nodes, readers)
            if refuses:
                self.assertEqual([503 in node.statuses for node in nodes], [True] * len(nodes))

    def look(self, nodes: list[Node], readers: Readers) -> None:
        shown = self.assert_equal_everywhere(self.servers, self._count)
        self.assertEqual({row["phase"] for row in shown.values()}, {"completed"})
        self.assertEqual(len({row["nodeName"] for row in shown.values()}), self._count)
        counted = [self.metric(server, 'pulltrace_pulls_total{result="completed"}') for server in self.servers]
        self.assertEqual(sum(counted), self._count)
        self.assertLessEqual(max(node.longest_s for node in nodes), REPORT_S)
        self.assertLessEqual({status for node in nodes for status in node.statuses}, {200, 503})
        self.assertEqual(readers.wrong, [])
        self.assertLessEqual(readers.longest_s, READER_S)
        for server, before in zip(self.servers, self.at_rest):
            self.assertLessEqual(held(server)[0], before[0] + MAY_GROW_BYTES)
            self.assertLessEqual(held(server)[1], before[1] + MAY_GROW_DESCRIPTORS)


class LinkCase(FaultCase):
    def break_links(self, fault: Fault, links: list[Link]) -> None:
        for number, link in enumerate(links):
            link.set(fault, random.Random(number))

    def heal(self) -> None:
        for link in self.links:
            link.heal()

    def play_all(self, links: list[Link]) -> None:
        for fault in FAULTS:
            self.play(fault, lambda: self.break_links(fault, links), self.heal)


class BadLinks(LinkCase):
    def test_of_all_servers(self) -> None:
        self.play_all(self.links)


class OneBadLink(LinkCase):
    def test_the_other_server_goes_on(self) -> None:
        self.play_all(self.links[:1])


class BadValkey(FaultCase):
    def ask(self, *commands: str) -> Callable[[], None]:
        return lambda: [self.valkey.ask(command) for command in commands] and None

    def cannot_save(self) -> None:
        """As with a full disk: the process that saves ends in the middle."""
        self.valkey.ask("SETRANGE filler 3000000 x")
        resource.prlimit(self.valkey.process.pid, resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
        self.save("err")

    def can_save(self) -> None:
        resource.prlimit(self.valkey.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        self.save("ok")

    def save(self, result: str) -> None:
        self.valkey.ask("BGSAVE")
        wait_for("saved", lambda: self.valkey.info()["rdb_last_bgsave_status"] == result, 10)

    def restart(self) -> None:
        self.valkey.kill()
        self.valkey.start()

    def test_it_stands_still_is_full_cannot_save_and_forgets(self) -> None:
        self.play("frozen", self.valkey.process.freeze, self.valkey.process.resume)
        self.play("full", self.ask("CONFIG SET maxmemory 1"), self.ask("CONFIG SET maxmemory 0"), refuses=True)
        self.ask("CONFIG SET rdbcompression no", 'CONFIG SET save "3600 1000000"')()
        self.play("cannot save", self.cannot_save, self.can_save, refuses=True)
        self.play("emptied", self.ask("FLUSHALL"), lambda: None)
        self.play("forgetful", self.restart, lambda: None)
