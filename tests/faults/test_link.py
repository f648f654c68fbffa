# SPDX-License-Identifier: Apache-2.0
"""A link passes all bytes, misbehaves as it is set to, and works again afterwards."""

from __future__ import annotations

import contextlib
import random
import socket
import unittest

from lab.waiting import wait_for
from tests.faults.link import Link
from tests.integration.listener import Listener

SENT = bytes(range(256)) * 40


def echo(connection: socket.socket) -> None:
    """Sends back what comes, and ends when the other side has."""
    while data := connection.recv(65536):
        connection.sendall(data)


class Links(unittest.TestCase):
    def setUp(self) -> None:
        far = Listener(echo)
        self.addCleanup(far.close)
        self.tapped: list[tuple[bool, bytes]] = []
        self.link = Link(0, far.port, lambda _, there, data: self.tapped.append((there, data)))
        self.addCleanup(self.link.close)
        self.source = random.Random(1)

    def connect(self, timeout_s: float = 10) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.link.port), timeout_s)
        self.addCleanup(connection.close)
        return connection

    def exchange(self, connection: socket.socket, data: bytes = SENT) -> bytes:
        """Sends it and returns what came back."""
        connection.sendall(data)
        received = b""
        while len(received) < len(data) and (piece := connection.recv(65536)):
            received += piece
        return received

    def test_all_passes_and_the_tap_has_it(self) -> None:
        self.assertEqual(self.exchange(self.connect()), SENT)
        for is_there in (True, False):
            self.assertEqual(b"".join(d for there, d in self.tapped if there == is_there), SENT)

    def test_what_is_slow_comes_whole(self) -> None:
        for fault in ("delay", "byte by byte"):
            with self.subTest(fault):
                self.link.set(fault, self.source)  # type: ignore[arg-type]
                self.assertEqual(self.exchange(self.connect()), SENT)
                self.link.heal()

    def test_a_black_hole_gives_back_what_it_held(self) -> None:
        connection = self.connect(0.3)
        self.link.set("black hole", self.source)
        connection.sendall(SENT)
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        self.link.heal()
        connection.settimeout(10)
        self.assertEqual(self.exchange(connection, b""), b"")
        received = b""
        while len(received) < len(SENT):
            received += connection.recv(65536)
        self.assertEqual(received, SENT)

    def test_a_forgotten_connection_stays_silent_and_new_ones_work(self) -> None:
        connection = self.connect(0.3)
        self.exchange(connection, b"x")
        self.link.set("forgotten", self.source)
        self.link.heal()
        connection.sendall(b"y")
        with self.assertRaises(TimeoutError):
            connection.recv(1)
        self.assertEqual(self.exchange(self.connect()), SENT)

    def test_connections_break_and_new_ones_work_afterwards(self) -> None:
        self.link.set("reset", self.source)
        connection = self.connect()
        with self.assertRaises(ConnectionError):
            while self.exchange(connection):
                pass
        self.link.heal()
        self.assertEqual(self.exchange(self.connect()), SENT)

    def test_half_a_request_is_followed_by_its_end(self) -> None:
        self.link.set("half close", self.source)
        connection = self.connect()
        with contextlib.suppress(ConnectionError):
            while len(self.exchange(connection)) == len(SENT):
                pass
        self.link.heal()
        wait_for("it is over", lambda: self._is_over(connection), 10)
        self.assertEqual(self.exchange(self.connect()), SENT)

    def _is_over(self, connection: socket.socket) -> bool:
        try:
            return connection.recv(65536) == b""
        except ConnectionError:
            return True
