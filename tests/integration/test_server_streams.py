# SPDX-License-Identifier: Apache-2.0
"""Slow, dead and flapping readers while reports pour in: each ends with the truth, or costs little."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from pathlib import Path

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.integration.server_case import LAYER_BYTES, ServerCase, layer, pull

NODES = 30
PULLS_OF_A_NODE = 4
ROUNDS = 8
DEAD_READERS = 20
MEMORY_FOR_ALL_KB = 120_000  # with sanitizers


class Reader(threading.Thread):
    """Keeps the last phase of every pull that its stream names."""

    def __init__(self, port: int, bytes_per_read: int, pause_s: float, flaps: bool = False) -> None:
        super().__init__(daemon=True)
        self.phases: dict[str, str] = {}
        self.percents: dict[str, float] = {}
        self.falls: list[str] = []
        self.connections = 0
        self.closing = False
        self._port = port
        self._bytes = bytes_per_read
        self._pause_s = pause_s
        self._flaps = flaps
        self._last_id = ""

    def run(self) -> None:
        while not self.closing:
            with contextlib.suppress(OSError):
                self._read_once()

    def _read_once(self) -> None:
        with socket.socket() as connection:
            if self._pause_s:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            connection.settimeout(1)
            connection.connect(("127.0.0.1", self._port))
            header = f"Last-Event-ID: {self._last_id}\r\n" if self._last_id else ""
            connection.sendall(
                f"GET /api/v1/events HTTP/1.0\r\n{header}\r\n".encode()
            )  # 1.0: no chunks
            self.connections += 1
            leave_at = time.monotonic() + random.uniform(0.1, 1) if self._flaps else None
            text = b""
            while not self.closing and (leave_at is None or time.monotonic() < leave_at):
                try:
                    chunk = connection.recv(self._bytes)
                except TimeoutError:
                    continue
                if not chunk:
                    return
                text += chunk
                *messages, text = text.split(b"\n\n")
                for message in messages:
                    self._take(message)
                time.sleep(self._pause_s)

    def _take(self, message: bytes) -> None:
        lines = message.decode().splitlines()
        data = [line[6:] for line in lines if line.startswith("data: ")]
        if not data:
            return
        sent = json.loads(data[0])["pull"]
        if sent["percent"] < self.percents.get(sent["id"], 0):
            self.falls.append(sent["id"])
        self.phases[sent["id"]] = sent["phase"]
        self.percents[sent["id"]] = sent["percent"]
        self._last_id = next(line[4:] for line in lines if line.startswith("id: "))


class Readers(ServerCase):
    def play_node(self, server: Server, number: int, failures: list[str]) -> None:
        chance = random.Random(number)
        for step in range(ROUNDS + 1):
            got = LAYER_BYTES * step // ROUNDS
            phase = "downloading"
            if step == ROUNDS:
                phase = chance.choice(("completed", "failed"))
            layers = [layer(i, got) for i in range(12)]
            pulls = [pull(f"lease-{i}", f"app-{i}", *layers) for i in range(PULLS_OF_A_NODE)]
            for one in pulls:
                one["phase"] = phase
                if phase == "failed":
                    one["error"] = "manifest unknown"
            try:
                self.deliver(server, f"node-{number}", *pulls)
            except (AssertionError, OSError) as error:
                failures.append(f"node-{number}: {error}")
            time.sleep(0.5)

    def resident_kb(self, server: Server) -> int:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def test_each_reader_ends_with_the_true_state_of_every_pull(self) -> None:
        server = self.start_server()
        readers = [Reader(server.port, 1 << 20, 0) for _ in range(5)]
        readers += [Reader(server.port, 1 << 20, 0, flaps=True) for _ in range(5)]
        readers += [Reader(server.port, 16384, 0.02) for _ in range(5)]
        dead = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(DEAD_READERS)]
        for connection in dead:
            self.addCleanup(connection.close)
            connection.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        for reader in readers:
            reader.start()
        failures: list[str] = []
        nodes = [
            threading.Thread(target=self.play_node, args=(server, number, failures))
            for number in range(NODES)
        ]
        for node in nodes:
            node.start()
        for node in nodes:
            node.join()
        self.assertEqual(failures, [])
        truth = {p["id"]: p["phase"] for p in self.all_pulls(server)}
        self.assertEqual(len(truth), NODES * PULLS_OF_A_NODE)
        self.assertEqual(set(truth.values()), {"completed", "failed"})
        for reader in readers:
            wait_for("the reader knows all", lambda r=reader: r.phases == truth, 60)
            reader.closing = True
            self.assertEqual(reader.falls, [])
        self.assertGreater(sum(reader.connections for reader in readers), 20)
        self.assertLess(self.resident_kb(server), MEMORY_FOR_ALL_KB)

    def all_pulls(self, server: Server) -> list[dict[str, str]]:
        pulls: list[dict[str, str]] = get(server.port, "/api/v1/pulls?layers=0").json()["pulls"]
        return pulls
