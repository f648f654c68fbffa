# SPDX-License-Identifier: Apache-2.0
"""What the agents' identity costs, and how soon 20,000 agents are known again: python3 -m tests.bench.identity [AGENTS]

Prints what a token costs (build/tests/bench/identity), then restarts build/pulltrace-server with that many agents, each of
which comes back at some moment of the next ten seconds and does what the server says: once where it has the cluster's
keys, once where it has to ask the API server, which takes 5 ms for a review, about each token.
"""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import random
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
    def __init__(self, port: int, tokens: list[str]) -> None:
        self.port = port
        self.tokens = tokens
        self.put_off = 0
        self.failures = 0
        # All come from one address, which may have half of the server's connections.
        self.turns = asyncio.Semaphore(1000)
        self.known_at: list[float] = []

    async def report(self, index: int) -> int:
        """0: it is known; else the seconds after which it is to come back."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        body = json.dumps({"nodeName": f"node-{index:05}", "timestamp": stamp, "intervalMs": 10000, "pulls": []})
        head = (
            f"POST /api/v1/report HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.tokens[index]}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write((head + body).encode())
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        finally:
            writer.close()
        if answer.split()[1] == "200":
            return 0
        self.put_off += 1
        return int(answer.split("retry-after:")[1].split()[0])

    async def run(self, index: int) -> None:
        await asyncio.sleep(random.random() * HEARTBEAT_S)
        wait_s = 1
        while wait_s:
            try:
                async with self.turns:
                    wait_s = await self.report(index)
            except (OSError, asyncio.IncompleteReadError):
                self.failures += 1
                wait_s = 1
            await asyncio.sleep(wait_s)
        self.known_at.append(time.monotonic())

    async def run_all(self) -> None:
        await asyncio.gather(*(self.run(index) for index in range(len(self.tokens))))


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
        asyncio.run(agents.run_all())
        by = f'pulltrace_agent_identity{{by="{source}"}}'
        wait_for("it is known by what", lambda: metric(server.metrics_port, by) == 1, 5)
        known = metric(server.metrics_port, "pulltrace_agent_tokens_known")
        figures = [source, int(known), f"{agents.known_at[-1] - began:.1f}", agents.put_off, agents.failures]
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
