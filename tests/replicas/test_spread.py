# SPDX-License-Identifier: Apache-2.0
"""The port in front of several servers spreads connections over those that are ready."""

from __future__ import annotations

import tempfile
import threading
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from lab.spread import start_spread
from lab.waiting import free_port, wait_for
from tests.integration.http_json import get, request

LARGE = 3_000_000
NAMES = ["one", "two", "three"]


class Backend:
    """A server that says who it is, and whether it is ready."""

    def __init__(self, name: str) -> None:
        self.is_ready = True
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                ready = self.path == "/readyz"
                self.send_response(200 if backend.is_ready or not ready else 503)
                self.end_headers()
                self.wfile.write(name.encode())

            def do_POST(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Also of one that is closed."""
        self._server.shutdown()
        self._server.server_close()


class Spread(unittest.TestCase):
    @contextmanager
    def spread(self) -> Iterator[tuple[int, list[Backend]]]:
        backends = list(map(Backend, NAMES))
        port = free_port()
        with tempfile.TemporaryDirectory() as folder:
            process = start_spread(Path(folder), port, [backend.port for backend in backends])
            try:
                wait_for("all are used", lambda: self.answers(port) == set(NAMES), 10)
                yield port, backends
            finally:
                process.stop()
                for backend in backends:
                    backend.close()

    def order(self, port: int, count: int) -> list[str]:
        """Who answers, one connection after the other."""
        found = []
        for _ in range(count):
            try:
                found.append(get(port, "/").text())
            except OSError:
                found.append("none")
        return found

    def answers(self, port: int) -> set[str]:
        return set(self.order(port, 9))

    def test_connections_go_round(self) -> None:
        """By turns, thirty times; once more where one answered too late whether it is ready, and was left out."""

        def go_round() -> bool:
            found = self.order(port, 30)
            return found == found[:3] * 10 and set(found) == set(NAMES)

        with self.spread() as (port, _):
            wait_for("connections go round", go_round, 10)

    def test_one_that_is_not_ready_gets_none_until_it_is(self) -> None:
        with self.spread() as (port, backends):
            backends[1].is_ready = False
            wait_for("it gets none", lambda: self.answers(port) == {"one", "three"}, 10)
            backends[1].is_ready = True
            wait_for("it gets some", lambda: self.answers(port) == set(NAMES), 10)

    def test_one_that_is_gone_is_passed_over_at_once(self) -> None:
        with self.spread() as (port, backends):
            backends[2].close()
            self.assertLessEqual(self.answers(port), {"one", "two"})
            wait_for("both others are used", lambda: self.answers(port) == {"one", "two"}, 10)

    def test_much_passes_unchanged_both_ways(self) -> None:
        with self.spread() as (port, _):
            body = bytes(range(256)) * (LARGE // 256)
            self.assertEqual(request(port, "POST", "/", body).body, body)
