# SPDX-License-Identifier: Apache-2.0
"""An API server for pods, events and nodes that misbehaves when it is asked to."""

from __future__ import annotations

import copy
import json
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Object = dict[str, Any]


@dataclass
class Faults:
    """What goes wrong; all of it may change while the server runs."""

    refuse_status: int = 0  # every request is answered so
    refuse_headers: dict[str, str] = field(default_factory=dict)
    refusals: int = 0  # … so many times; 0: until refuse_status is taken away
    piece_bytes: int = 0  # answers come in pieces of so many bytes
    piece_delay_s: float = 0
    duplicate: bool = False  # every change is sent twice
    swap: bool = False  # changes are sent in the wrong order, two by two
    token: str = ""  # demanded of every request
    document_delay_s: float = 0  # before each of `documents`
    forbidden: str = ""  # the resource that there is no right to
    list_body: bytes = b""  # is what every list answers
    endless: bytes = b""  # follows on the first bytes of every watch, again and again


@dataclass(frozen=True)
class Change:
    version: int
    resource: str
    kind: str
    before: Object | None
    now: Object


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    query: dict[str, str]
    authorization: str


def matches(obj: Object | None, selector: str) -> bool:
    """Whether the object is selected, by what Pulltrace asks for."""
    if obj is None:
        return False
    for term in filter(None, selector.split(",")):
        unequal = "!=" in term
        path, wanted = term.split("!=" if unequal else "=")
        value: Any = obj
        for name in path.split("."):
            value = value.get(name, "") if isinstance(value, dict) else ""
        if (value == wanted) == unequal:
            return False
    return True


def namespace_of(obj: Object) -> str:
    """Nodes have none."""
    return str(obj["metadata"].get("namespace", ""))


class FakeApi:
    """Serves on a loopback port from start() to close(); the port stays the same."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.asked: list[Asked] = []
        self.documents: dict[str, tuple[int, bytes]] = {}  # status and body of an exact path
        self.on_post: Callable[[str, Object], tuple[int, Object]] | None = None
        self._lock = threading.Condition()
        self._version = 100
        self._oldest = 0  # changes up to this version are forgotten
        self._objects: dict[str, dict[str, Object]] = {"pods": {}, "events": {}, "nodes": {}}
        self._changes: list[Change] = []
        self._raw: list[tuple[int, bytes]] = []
        self._sockets: set[socket.socket] = set()
        self._of_nodes: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._expiry = 0
        self._snapshots: dict[tuple[str, str, str, int], list[Object]] = {}  # of the last list
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api._answer(self)

            def do_POST(self) -> None:
                api._answer_post(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a broken connection is what the tests are about

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """As a killed API server: nobody listens, and all connections break."""
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        self.reset()

    def close(self) -> None:
        if self._server is not None:
            self.stop()

    # --- what is in the cluster ---

    def put(self, resource: str, obj: Object) -> None:
        """Adds the object, or replaces the one of its namespace and name."""
        with self._lock:
            self._put(resource, obj)
            self._lock.notify_all()

    def put_all(self, resource: str, objects: list[Object]) -> None:
        with self._lock:
            for obj in objects:
                self._put(resource, obj)
            self._lock.notify_all()

    def _put(self, resource: str, obj: Object) -> None:
        key = f"{namespace_of(obj)}/{obj['metadata']['name']}"
        before = self._objects[resource].get(key)
        self._version += 1
        now = copy.deepcopy(obj)
        now["metadata"]["resourceVersion"] = str(self._version)
        self._objects[resource][key] = now
        kind = "MODIFIED" if before else "ADDED"
        self._changes.append(Change(self._version, resource, kind, before, now))

    def delete(self, resource: str, namespace: str, name: str) -> None:
        with self._lock:
            before = self._objects[resource].pop(f"{namespace}/{name}")
            self._version += 1
            now = copy.deepcopy(before)
            now["metadata"]["resourceVersion"] = str(self._version)
            self._changes.append(Change(self._version, resource, "DELETED", before, now))
            self._lock.notify_all()

    # --- what goes wrong ---

    def reset(self) -> None:
        """Breaks all connections, without a word."""
        with self._lock:
            broken = list(self._sockets)
            self._sockets.clear()
            self._lock.notify_all()
        for connection in broken:
            try:
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def compact(self) -> None:
        """Forgets all changes: a watch from before gets 410."""
        with self._lock:
            self._oldest = self._version
            self._changes.clear()

    def expire_streams(self) -> None:
        """All watches that stand hear in the stream that their version is too old."""
        with self._lock:
            self._oldest = self._version
            self._changes.clear()
            self._expiry += 1
            self._lock.notify_all()

    def say(self, text: bytes) -> None:
        """Sends these bytes in all watches that stand."""
        with self._lock:
            self._version += 1
            self._raw.append((self._version, text))
            self._lock.notify_all()

    def watches(self) -> int:
        """Of pods and events."""
        with self._lock:
            return len(self._sockets - self._of_nodes)

    # --- answers ---

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        authorization = handler.headers.get("Authorization", "")
        self.asked.append(Asked(parts.path, query, authorization))
        faults = self.faults
        if faults.token and authorization != f"Bearer {faults.token}":
            self._refuse(handler, 401, "Unauthorized")
            return
        if faults.refuse_status:
            status = faults.refuse_status
            if faults.refusals:
                faults.refusals -= 1
                if faults.refusals == 0:
                    faults.refuse_status = 0
            self._refuse(handler, status, "made to fail", faults.refuse_headers)
            return
        document = self.documents.get(parts.path)
        if document or not parts.path.startswith("/api/"):
            time.sleep(faults.document_delay_s)
            if parts.path == "/openid/v1/jwks" and "jwk-set+json" not in handler.headers.get("Accept", ""):
                document = (406, b"{}")  # as kube-apiserver does
            self._send(handler, *(document or (404, b"{}")))
            return
        segments = parts.path.strip("/").split("/")
        if segments[-1] == faults.forbidden:
            self._refuse(handler, 403, f"{segments[-1]} is forbidden")
            return
        namespace = segments[3] if len(segments) == 5 else ""
        if query.get("watch"):
            self._watch(handler, segments[-1], namespace, query)
        else:
            self._list(handler, segments[-1], namespace, query)

    def _answer_post(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.asked.append(Asked(handler.path, {}, handler.headers.get("Authorization", "")))
        status, answer = self.on_post(handler.path, body) if self.on_post else (403, {})
        self._send(handler, status, json.dumps(answer).encode())

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _refuse(
        self,
        handler: BaseHTTPRequestHandler,
        status: int,
        message: str,
        headers: dict[str, str] | None = None,
    ) -> None:
        body = json.dumps({"kind": "Status", "code": status, "message": message}).encode()
        handler.send_response(status)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _write(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        size = self.faults.piece_bytes or len(data) or 1
        for at in range(0, len(data), size):
            piece = data[at : at + size]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            handler.wfile.flush()
            if self.faults.piece_delay_s:
                time.sleep(self.faults.piece_delay_s)

    def _begin(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.flush()

    def _selected(self, resource: str, namespace: str, selector: str) -> list[Object]:
        with self._lock:
            return [
                obj
                for obj in self._objects[resource].values()
                if matches(obj, selector) and namespace in ("", namespace_of(obj))
            ]

    def _list(
        self, handler: BaseHTTPRequestHandler, resource: str, namespace: str, query: dict[str, str]
    ) -> None:
        selector = query.get("fieldSelector", "")
        start, snapshot = 0, None
        with self._lock:
            version = self._version
        if "continue" in query:
            version, start = (int(part) for part in query["continue"].split("/"))
            if version < self._oldest:
                self._refuse(handler, 410, "the continue token is too old")
                return
            snapshot = self._snapshots.get((resource, namespace, selector, version))
        all_items = snapshot or self._selected(resource, namespace, selector)
        self._snapshots = {(resource, namespace, selector, version): all_items}
        limit = int(query.get("limit") or len(all_items) or 1)
        metadata = {"resourceVersion": str(version)}
        if start + limit < len(all_items):
            metadata["continue"] = f"{version}/{start + limit}"
        kind = {"pods": "PodList", "events": "EventList", "nodes": "NodeList"}[resource]
        page = {"kind": kind, "metadata": metadata, "items": all_items[start : start + limit]}
        self._begin(handler)
        self._write(handler, self.faults.list_body or json.dumps(page).encode())
        handler.wfile.write(b"0\r\n\r\n")

    def _watch(
        self, handler: BaseHTTPRequestHandler, resource: str, namespace: str, query: dict[str, str]
    ) -> None:
        if not query["resourceVersion"].isdigit():
            self._refuse(handler, 400, "invalid resource version")
            return
        version = int(query["resourceVersion"])
        with self._lock:
            expiry = self._expiry
            if version < self._oldest:
                too_old = True
            else:
                too_old = False
                self._sockets.add(handler.connection)
                if resource == "nodes":
                    self._of_nodes.add(handler.connection)
        if too_old:
            self._refuse(handler, 410, "too old resource version")
            return
        self._begin(handler)
        while self.faults.endless:
            self._write(handler, self.faults.endless)
        deadline = time.monotonic() + float(query.get("timeoutSeconds", "300"))
        while time.monotonic() < deadline:
            with self._lock:
                self._lock.wait(0.2)
                if handler.connection not in self._sockets:
                    handler.close_connection = True
                    return
                messages, version = self._since(resource, namespace, query, version)
                expired = self._expiry > expiry
            for message in messages:
                self._write(handler, message)
            if expired:
                gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410}}
                self._write(handler, json.dumps(gone).encode() + b"\n")
                break
        with self._lock:
            self._sockets.discard(handler.connection)
        handler.wfile.write(b"0\r\n\r\n")

    def _since(
        self, resource: str, namespace: str, query: dict[str, str], version: int
    ) -> tuple[list[bytes], int]:
        selector = query.get("fieldSelector", "")
        found = [(at, text) for at, text in self._raw if at > version]
        for change in self._changes:
            in_namespace = namespace in ("", namespace_of(change.now))
            if change.version <= version or change.resource != resource or not in_namespace:
                continue
            was, is_now = matches(change.before, selector), matches(change.now, selector)
            kind = change.kind
            if kind != "DELETED":
                kind = ("MODIFIED" if was else "ADDED") if is_now else "DELETED"
            if was or is_now:
                obj = change.now
                if kind == "DELETED" and change.before is not None:
                    # As the real one does: the object as it was, under the new version.
                    version_now = change.now["metadata"]["resourceVersion"]
                    metadata = change.before["metadata"] | {"resourceVersion": version_now}
                    obj = change.before | {"metadata": metadata}
                text = json.dumps({"type": kind, "object": obj}).encode() + b"\n"
                found += [(change.version, text)] * (2 if self.faults.duplicate else 1)
        found.sort(key=lambda entry: entry[0])
        messages = [text for _, text in found]
        if self.faults.swap:
            for i in range(0, len(messages) - 1, 2):
                messages[i], messages[i + 1] = messages[i + 1], messages[i]
        if query.get("allowWatchBookmarks") and self._version > version and not messages:
            bookmark = {"metadata": {"resourceVersion": str(self._version)}}
            messages.append(json.dumps({"type": "BOOKMARK", "object": bookmark}).encode() + b"\n")
        return messages, max(version, self._version)
