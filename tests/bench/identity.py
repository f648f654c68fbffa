# SPDX-License-Identifier: Apache-2.0
"""What the agents' identity costs, and how soon 20,000 agents are known again: python3 -m tests.bench.identity [AGENTS]

Prints what a token costs (build/tests/bench/identity), then restarts build/pulltrace-server with that many agents, each of
which comes back at some moment of the next ten seconds and does what the server says: once where it has the cluster's
keys, once where it has to ask the API server, which takes 5 ms for a review, about each token.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import heapq
import json
import multiprocessing
import random
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lab.pulltrace import Server
from lab.tools import REPOSITORY
from lab.waiting import free_port, wait_for
from tests.integration.metrics import metric

SERVER = REPOSITORY / "build/pulltrace-server"
PROGRAM = REPOSITORY / "build/tests/bench/identity"
HEARTBEAT_S = 10
CONNECTIONS = 200
REVIEW_S = 0.005
ISSUER = "https://kubernetes.default.svc"


# --- an API server that knows nothing but tokens ---


def review_of(request: bytes) -> bytes:
    review = json.loads(request)
    payload = review["spec"]["token"].split(".")
    if len(payload) != 3:
        return json.dumps(review | {"status": {"authenticated": False}}).encode()
    said = json.loads(base64.urlsafe_b64decode(payload[1] + "=="))
    extra = {"authentication.kubernetes.io/node-name": [said["kubernetes.io"]["node"]["name"]]}
    user = {"username": said["sub"], "extra": extra}
    status = {"authenticated": True, "audiences": said["aud"], "user": user}
    return json.dumps(review | {"status": status}).encode()


async def serve(port: int, keys: bytes | None) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((int(line[15:]) for line in head.splitlines() if line.startswith("Content-Length:")), 0)
                path, body, status = head.split(" ")[1], b"{}", "403 Forbidden"
                request = await reader.readexactly(length)
                if keys and path == "/openid/v1/jwks":
                    status, body = "200 OK", keys
                elif keys and path == "/.well-known/openid-configuration":
                    status, body = "200 OK", json.dumps({"issuer": ISSUER}).encode()
                elif path.endswith("/tokenreviews"):
                    await asyncio.sleep(REVIEW_S)
                    status, body = "201 Created", review_of(request)
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port)
    await server.serve_forever()


def run_api(port: int, keys: bytes | None) -> None:
    asyncio.run(serve(port, keys))


# --- agents ---


class Agents:
    """Each comes back when the server says so. They share connections that are kept, from as many addresses, so that
    what is measured is the server and not who asks it."""

    def __init__(self, port: int, tokens: list[str]) -> None:
        self.port = port
        self.tokens = tokens
        self.put_off = 0
        self.failures = 0
        now = time.monotonic()
        self.due = [(now + random.random() * HEARTBEAT_S, index) for index in range(len(tokens))]
        heapq.heapify(self.due)
        self.idle = [self.connect(number) for number in range(CONNECTIONS)]
        self.asking: dict[socket.socket, int] = {}  # and who asks on it
        self.selector = selectors.DefaultSelector()

    def connect(self, number: int) -> socket.socket:
        connection = socket.socket()
        connection.bind((f"127.0.{number // 100 + 1}.{number % 100 + 1}", 0))
        connection.connect(("127.0.0.1", self.port))
        return connection

    def again(self, connection: socket.socket) -> socket.socket:
        """A new one from the same address."""
        _, _, high, low = map(int, connection.getsockname()[0].split("."))
        connection.close()
        return self.connect((high - 1) * 100 + low - 1)

    def report(self, index: int) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        body = json.dumps({"nodeName": f"node-{index:05}", "timestamp": stamp, "intervalMs": 10000, "pulls": []})
        head = (
            f"POST /api/v1/report HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.tokens[index]}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection = self.idle.pop()
        self.asking[connection] = index
        self.selector.register(connection, selectors.EVENT_READ)
        with contextlib.suppress(OSError):  # its answer says so
            connection.sendall((head + body).encode())

    def take_answer(self, connection: socket.socket) -> bool:
        """Whether that agent is known now."""
        index = self.asking.pop(connection)
        self.selector.unregister(connection)
        try:
            answer = read_answer(connection)
        except OSError:
            self.failures += 1
            heapq.heappush(self.due, (time.monotonic() + 1, index))
            self.idle.append(self.again(connection))
            return False
        self.idle.append(self.again(connection) if "connection: close" in answer else connection)
        if answer.split()[1] == "200":
            return True
        self.put_off += 1
        wait_s = int(answer.split("retry-after:")[1].split()[0])
        heapq.heappush(self.due, (time.monotonic() + wait_s, index))
        return False

    def run_all(self) -> float:
        """When the last of them was known."""
        known = 0
        while known < len(self.tokens):
            while self.idle and self.due and self.due[0][0] <= time.monotonic():
                self.report(heapq.heappop(self.due)[1])
            for key, _ in self.selector.select(0.01):
                assert isinstance(key.fileobj, socket.socket)
                known += self.take_answer(key.fileobj)
        return time.monotonic()


def read_answer(connection: socket.socket) -> str:
    """Its head, when all of it has come."""
    text = ""
    while True:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("the connection was closed before the answer")
        text += piece.decode().lower()
        head, end, body = text.partition("\r\n\r\n")
        length = next((int(line[15:]) for line in head.splitlines() if line.startswith("content-length:")), 0)
        if end and len(body.encode()) >= length:
            return head


def cpu_seconds(server: Server) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def restart(source: str, folder: Path, tokens: list[str]) -> None:
    keys = (folder / "jwks.json").read_bytes() if source == "keys" else None
    port = free_port()
    api = multiprocessing.Process(target=run_api, args=(port, keys), daemon=True)
    api.start()
    settings = {
        "PULLTRACE_KUBE_URL": f"http://127.0.0.1:{port}",
        "PULLTRACE_AGENT_IDENTITY": "kubernetes",
        "PULLTRACE_LOG_LEVEL": "error",
        "PULLTRACE_MAX_NODES": str(len(tokens)),
    }
    began = time.monotonic()
    server = Server(SERVER, folder, None, settings, name=f"server-{source}")
    try:
        agents = Agents(server.port, tokens)
        last = agents.run_all()
        by = f'pulltrace_agent_identity{{by="{source}"}}'
        wait_for("it is known by what", lambda: metric(server.metrics_port, by) == 1, 5)
        known = metric(server.metrics_port, "pulltrace_agent_tokens_known")
        figures = [source, int(known), f"{last - began:.1f}", agents.put_off, agents.failures]
        left_out = metric(server.metrics_port, 'pulltrace_agent_tokens_checked_total{result="left_out"}')
        failed = metric(server.metrics_port, 'pulltrace_agent_tokens_checked_total{result="failed"}')
        print("| " + " | ".join(map(str, [*figures, int(left_out), int(failed), f"{cpu_seconds(server):.1f}"])) + " |", flush=True)
    finally:
        server.stop()
        api.kill()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    print(subprocess.run([PROGRAM], check=True, capture_output=True, text=True).stdout)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([PROGRAM, "--tokens", str(count), name], check=True)
        tokens = (folder / "tokens").read_text().splitlines()
        print("| by | known | after s | answers 503 | failures | left out | not answered | CPU s of the server |\n|---|---|---|---|---|---|---|---|", flush=True)
        for source in ("keys", "reviews"):
            restart(source, folder, tokens)


if __name__ == "__main__":
    main()
