# SPDX-License-Identifier: Apache-2.0
"""With 100,000 pulls no turn of the server's loop takes more than 5 ms of CPU, whatever is read or reported."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.http_json import get, request
from tests.integration.server_case import LAYER_BYTES, ServerCase, layer, now, pull
from tests.integration.test_siege import RELEASE_SERVER
from tests.integration.turns_case import TRIES, TurnsCase, check_story, long_turns
from tests.kubernetes.cluster import event, pod
from tests.kubernetes.fake_api import FakeApi

NODES = 100
PULLS_PER_NODE = 1000
SILENT_NODES = 2000
MANY_NODES = 20_000
SENDERS = 8
POD_NODES = 200
LISTED_PODS = 2000
WATCHED_PODS = 20_000
HOSTILE_PULLS = 4000
ROOM = {"PULLTRACE_MAX_PULLS": "1000000"}  # memory does not refuse what shall be measured
MAX_BODY = 1024 * 1024
SORTS = (
    "startedAt", "-completedAt", "percent", "bytesPerSec", "-totalBytes", "nodeName", "-imageRef",
)  # fmt: skip
FILTERS = (
    "limit=1", "limit=1000", "limit=10&image=APP-7", "limit=10&image=zz", "node=node-5",
    "limit=5&status=active", "limit=5&status=completed&layers=0", "limit=5&namespace=x&pod=y",
)  # fmt: skip
STREAMS = (
    "", "layers=0", "types=pull,layer", "image=zz", "image=aPP-77", "status=failed", "node=node-7",
)  # fmt: skip


class Reader:
    """An event stream that is read as fast as it comes."""

    def __init__(self, port: int, query: str) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.connection.sendall(
            f"GET /api/v1/events?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        self.thread = threading.Thread(target=self.read, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def read(self) -> None:
        with contextlib.suppress(OSError):
            while self.connection.recv(1 << 20):
                pass

    def __exit__(self, *_: object) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.connection.close()


def hostile_bodies() -> dict[str, bytes]:
    """As large as a body may be, and made of what costs most to read or to keep."""
    head = '{"nodeName":"hostile","timestamp":"2026-01-01T00:00:00Z","pulls":['
    shortest = [
        '{"id":"%d","imageRef":"a/b","layers":[%s]}'
        % (number, ",".join('{"digest":"s:%x"}' % (number * 512 + each) for each in range(512)))
        for number in range(78)
    ]
    return {
        "arrays within arrays": b"[" * MAX_BODY,
        "shortest values": b"[" + b"0," * (MAX_BODY // 2 - 2) + b"0]",
        "shortest members": b"{" + b'"":0,' * (MAX_BODY // 5 - 2) + b'"":0}',
        "long numbers": b"[" + b"1.2345678901234567890123e-300," * (MAX_BODY // 30 - 1) + b"0]",
        "quotes in a text": b'["' + b'\\"' * (MAX_BODY // 2 - 4) + b'"]',
        "shortest layers": (head + ",".join(shortest) + "]}").encode(),
        "pulls of nothing": (head + ",".join(["{}"] * 2000) + "]}").encode(),
    }


class Turns(TurnsCase):
    long_while_filling: int

    def setUp(self) -> None:
        super().setUp()
        for node in range(NODES):
            self.send(f"node-{node}", [self.one(node, number) for number in range(PULLS_PER_NODE)])
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda node: self.send(f"quiet-{node}", []), range(SILENT_NODES)))
        self.long_while_filling = self.long_turns()

    def one(self, node: int, number: int) -> dict[str, object]:
        end = {"phase": "completed", "completedAt": "2026-01-01T00:01:00Z"} if node % 2 else {}
        image = f"registry-{number % 40}.example/team/app-{number}:{node}"
        return pull(f"p{number}", image, layer(number, 900), layer(number + 5000, 900), **end)

    def send(self, node: str, pulls: list[dict[str, object]]) -> None:
        self.assertEqual(self.report(self.server, node, *pulls).status, 200, node)

    def read_stream(self, query: str) -> None:
        """Up to the end of the snapshot."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as connection:
            connection.sendall(
                f"GET /api/v1/events?hello=1&{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            )
            end = b""
            while b"event: synced" not in end:
                received = connection.recv(1 << 20)
                self.assertTrue(received, query)
                end = end[-64:] + received

    def abandon(self, path: str) -> None:
        """Closes when the answer has begun."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=20) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            connection.recv(1000)

    def test_no_turn_is_long_whatever_is_read(self) -> None:
        for path in ("/healthz", "/", "/api/v1/summary", "/api/v1/nodes", "/api/v1/registries"):
            self.check(path, lambda path=path: self.ask(path))
        self.check("/metrics", lambda: get(self.server.metrics_port, "/metrics"))
        for wanted in (*FILTERS, *(f"limit=1000&image=app&sort={sort}" for sort in SORTS)):
            path = f"/api/v1/pulls?{wanted}"
            self.check(path, lambda path=path: self.ask(path))
        for sort in ("startedAt", "imageRef"):
            path = f"/api/v1/pulls?layers=0&sort={sort}"
            self.check(path, lambda path=path: self.ask(path))
            self.check(f"{path}, abandoned", lambda path=path: self.abandon(path))
        for query in STREAMS:
            self.check(f"stream {query}", lambda query=query: self.read_stream(query))
        with contextlib.ExitStack() as held:
            for _ in range(3000):
                held.enter_context(socket.create_connection(("127.0.0.1", self.server.port)))
            self.check("/metrics", lambda: get(self.server.metrics_port, "/metrics"))

    # --- what is reported ---

    def fill(self, name: str) -> None:
        """The store holds its maximum: each new pull takes the place of an old one."""
        for node in range(1, 2 * NODES, 2):
            self.send(f"{name}-{node}", [self.one(node, number) for number in range(PULLS_PER_NODE)])

    def change_all(self, got: int, **end: str) -> None:
        """A node of 4,000 pulls, in two reports."""
        for half in range(2):
            pulls = (
                pull(f"p{number}", f"r.example/a/b:{number}", layer(number, got), **end)
                for number in range(half * 2000, half * 2000 + 2000)
            )
            self.deliver(self.server, "large", *pulls)

    def send_bytes(self, body: bytes) -> None:
        answer = request(
            self.server.port, "POST", "/api/v1/report", body, Content_Type="application/json"
        )
        self.assertIn(answer.status, (200, 400, 429), answer.text())

    def test_no_turn_is_long_whatever_is_reported(self) -> None:
        self.assertLess(self.long_while_filling, TRIES, "while the store was filled")
        with contextlib.ExitStack() as readers:
            for query in ("", "layers=0", "image=app-7"):
                readers.enter_context(Reader(self.server.port, query))
            names = iter("abc")
            self.check("new pulls in place of old ones", lambda: self.fill(next(names)))
            got = iter(range(100, LAYER_BYTES, 100))
            self.check("a large node changes", lambda: self.change_all(next(got)))
            done = {"phase": "completed", "completedAt": "2026-01-01T00:01:00Z"}
            self.check("a large node ends", lambda: self.change_all(LAYER_BYTES, **done))
            for name, body in hostile_bodies().items():
                self.check(name, lambda body=body: self.send_bytes(body))


class Ends(TurnsCase):
    """Half of 100,000 pulls has ended and is forgotten, of the others no agent reports any more."""

    settings: ClassVar[dict[str, str]] = {
        "PULLTRACE_HISTORY_TTL": "5s",
        "PULLTRACE_STALE_TIMEOUT": "5s",
    }

    def report_node(self, node: int) -> None:
        end = {"phase": "completed", "completedAt": now()} if node % 2 else {}
        pulls = [
            pull(f"p{number}", f"r-{number % 40}.example/a:{number}", layer(number, 900), **end)
            for number in range(PULLS_PER_NODE)
        ]
        self.deliver(self.server, f"node-{node}", *pulls, intervalMs=1000)

    def has_pulls(self) -> bool:
        return bool(get(self.server.port, "/api/v1/pulls?limit=1&layers=0").json()["pulls"])

    def forget_all(self) -> int:
        self.begin_anew()
        with contextlib.ExitStack() as readers:
            for query in ("", "layers=0", "image=a:7"):
                readers.enter_context(Reader(self.server.port, query))
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(self.report_node, range(NODES)))
            self.assertTrue(self.has_pulls())
            wait_for("all are forgotten", lambda: not self.has_pulls(), 120)
        return self.long_turns()

    def test_no_turn_is_long_when_pulls_are_given_up_and_forgotten(self) -> None:
        check_story(self, self.forget_all)


class ManyNodes(TurnsCase):
    """As many nodes as are allowed, each of which pulls something."""

    def setUp(self) -> None:
        super().setUp()
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(self.report_share, range(SENDERS)))

    def report_share(self, share: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        with contextlib.closing(connection):
            for node in range(share, MANY_NODES, SENDERS):
                pulls = [pull("p", f"registry-{node % 40}.example/a:1", layer(node, 1))]
                body = {"nodeName": f"n{node}", "timestamp": now(), "pulls": pulls}
                headers = {"Content-Type": "application/json"}
                connection.request("POST", "/api/v1/report", json.dumps(body), headers)
                answer = connection.getresponse()
                self.assertEqual(answer.status, 200, answer.read())
                answer.read()

    def silent_nodes(self) -> int:
        return int(self.metric(self.server, "pulltrace_agents_silent"))

    def test_no_turn_is_long_whatever_is_read_or_falls_silent(self) -> None:
        began = self.long_turns()
        for path in ("/api/v1/summary", "/api/v1/nodes", "/api/v1/registries"):
            self.check(path, lambda path=path: self.ask(path))
        self.check("/metrics", lambda: get(self.server.metrics_port, "/metrics"))
        wait_for("all are silent", lambda: self.silent_nodes() == MANY_NODES, 90)
        self.check("/api/v1/nodes", lambda: self.ask("/api/v1/nodes"))
        self.assertLess(self.long_turns() - began, TRIES, "of all turns meanwhile")


class ClusterCase(ServerCase):
    """A released server that follows a made-up cluster."""

    api: FakeApi
    server: Server

    def begin_cluster(self) -> None:
        self.api = FakeApi()
        self.addCleanup(self.api.close)

    def start(self, **settings: str) -> None:
        self.server = self.start_server(
            binary=RELEASE_SERVER,
            PULLTRACE_LOG_LEVEL="warn",
            PULLTRACE_KUBE_URL=self.api.url,
            **settings,
        )

    def waiting_pods(self) -> int:
        return int(get(self.server.port, "/api/v1/summary").json()["waitingPods"])

    def is_queued(self, image: str) -> bool:
        rows = get(self.server.port, f"/api/v1/pulls?image={image}").json()["pulls"]
        return [row["phase"] for row in rows] == ["queued"]

    def read_stream(self) -> None:
        with Reader(self.server.port, ""):
            time.sleep(1)  # so long it reads


class ManyPods(ClusterCase):
    """Pods that wait, listed and watched, and one node with as many as a node may have."""

    def pods(self, first: int, count: int) -> list[dict[str, Any]]:
        return [
            pod(f"pod-{number}", f"a.io/image-{number % 50}:1", f"n{number % POD_NODES}")
            for number in range(first, first + count)
        ]

    def play_cluster(self) -> int:
        self.begin_cluster()
        self.api.put_all("pods", self.pods(0, LISTED_PODS))
        self.start()
        wait_for("the list is known", lambda: self.waiting_pods() == LISTED_PODS, 60)
        self.api.put_all("pods", self.pods(LISTED_PODS, WATCHED_PODS))
        full = [pod(f"full-{number}", f"a.io/full-{number}:1", "full") for number in range(2000)]
        self.api.put_all("pods", full)
        every = LISTED_PODS + WATCHED_PODS + len(full)
        wait_for("all are known", lambda: self.waiting_pods() == every, 60)
        pulls = [pull(f"p{number}", f"a.io/full-{number}:1") for number in range(2000)]
        self.deliver(self.server, "full", *pulls)
        for path in ("/api/v1/pods?limit=1000", "/api/v1/pods?waiting=1", "/api/v1/pods?cursor=9000"):
            self.assertEqual(get(self.server.port, path).status, 200, path)
        self.api.expire_streams()
        # It waits behind them, and is shown as queued when those that wait for long are looked at again.
        self.api.put("pods", pod("behind", "a.io/behind:1", "behind"))
        wait_for("the new list is gone through", lambda: self.is_queued("a.io/behind:1"), 60)
        return long_turns(self.server)

    def test_no_turn_is_long_whatever_the_cluster_says(self) -> None:
        check_story(self, self.play_cluster)


class AHostileNode(ClusterCase):
    """It pulls one image 4,000 times, for which as many pods wait there as may."""

    plays = 0

    def hostile_pulls(self, first: int, **more: Any) -> list[dict[str, Any]]:
        """A report of one image only: half of a node's pulls."""
        return [
            pull(f"p{number}", "a.io/wanted", layer(number), repository="a.io/wanted", **more)
            for number in range(first, first + HOSTILE_PULLS // 2)
        ]

    def report_all(self, node: str) -> None:
        """Under way, named, failed, and under way again; each time with a reader."""
        end = {"phase": "failed", "completedAt": "2026-01-01T00:01:00Z", "error": "no route to host"}
        for more in ({}, {"imageRefExact": True, "imageRef": "a.io/wanted:1"}, end, {}):
            for half in (0, HOSTILE_PULLS // 2):
                answer = self.report(self.server, node, *self.hostile_pulls(half, **more))
                self.assertIn(answer.status, (200, 429), answer.text())
                time.sleep(0.5)  # a node may report so often
            self.read_stream()

    def pods_wait(self, node: str, first: int, count: int) -> None:
        """A node may have 2,000 of them."""
        before = self.waiting_pods()
        pods = [pod(f"{node}-{number}", "a.io/wanted:1", node) for number in range(first, count)]
        self.api.put_all("pods", pods)
        more = min(count, 2000) - first
        wait_for("all are known", lambda: self.waiting_pods() == before + more, 60)
        for of_pod in pods[:50]:
            self.api.put("events", event(of_pod, "Pulling", 'Pulling image "a.io/wanted:1"'))

    def do_its_worst(self, node: str) -> None:
        for first, count in ((0, 500), (500, 4000)):
            self.pods_wait(node, first, count)
            self.report_all(node)
            for path in ("/api/v1/pods?limit=100", f"/api/v1/pulls?node={node}&limit=100"):
                self.assertEqual(get(self.server.port, path).status, 200, path)

    def play_worst(self) -> int:
        before = long_turns(self.server)
        self.do_its_worst(f"hostile-{self.plays}")
        self.plays += 1
        return long_turns(self.server) - before

    def test_no_turn_is_long_whatever_a_hostile_node_pulls(self) -> None:
        self.begin_cluster()
        self.start(**ROOM)
        check_story(self, self.play_worst)
        shortened = "pulltrace_kubernetes_comparisons_shortened_total"
        self.assertGreater(self.metric(self.server, shortened), 0)
