# SPDX-License-Identifier: Apache-2.0
"""A registry that keeps count by the moment: what it has sent of which blob, and when.

It stands before the real one, paces each answer, and can fall silent in the middle of a blob, or answer oddly.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import io
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

BLOB = re.compile(r"^/v2/(?P<repository>.+)/blobs/(?P<digest>[a-z0-9]+:[0-9a-f]+)")
STEPS_PER_SECOND = 20
MAX_STEP_BYTES = 1 << 18
SEND_BUFFER_BYTES = 1 << 15  # what is on its way and not yet at the client counts as sent
PASSED_ON = ("Accept", "Range", "Authorization", "User-Agent")
KEPT = ("Content-Type", "Content-Range", "Accept-Ranges", "Docker-Content-Digest", "Etag", "Location")


@dataclass(frozen=True)
class Sent:
    at: float  # time.time()
    repository: str
    digest: str
    size: int


@dataclass(frozen=True)
class Oddity:
    """How one GET of a blob is answered instead of as usual."""

    status: int = 0  # it is refused with this one, unless it is 0
    headers: Mapping[str, str] = field(default_factory=dict)  # of the refusal
    cut_after: int | None = None  # so many bytes, then the connection ends, in the middle of the body
    by_reset: bool = False  # it does so by a reset
    range_bytes: int | None = None  # of a range no more than this is sent; 0: the whole blob is, as if none was asked for


USUAL = Oddity()
# The kernel's struct linger: on, and no time: closing is a reset.
NO_LINGER = struct.pack("ii", 1, 0)


class Meter:
    """Rates are bytes a second of each connection. A rate or a silence of a repository or digest goes first."""

    def __init__(self, registry_port: int, bytes_per_second: float) -> None:
        self.registry_port = registry_port
        self.default_rate = bytes_per_second
        self.rates: dict[str, float] = {}  # by repository or digest
        self.silent_after: dict[str, int] = {}  # by digest: so many bytes of an answer, then nothing
        self.own: dict[str, tuple[bytes, str]] = {}  # content and type by path
        self.oddities: dict[str, list[Oddity]] = {}  # by digest: of the next GETs, each of one
        self.redirects: dict[str, str] = {}  # by repository: to where it sends who wants a blob
        self.ranges: list[tuple[str, str]] = []  # that were asked for: digest and Range
        self._sent: list[Sent] = []
        self._lock = threading.Lock()
        self._server = _HttpServer(("127.0.0.1", 0), _Handler)
        self._server.meter = self
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.is_closing = True
        self._server.shutdown()
        self._server.server_close()

    def serve(self, path: str, content: bytes, kind: str) -> None:
        """It has this besides, which the real registry would refuse."""
        self.own[path] = content, kind

    def all_sent(self, repository: str) -> list[Sent]:
        """In order of time."""
        with self._lock:
            return [sent for sent in self._sent if sent.repository == repository]

    def bytes_sent(self, repository: str, digest: str = "") -> int:
        return sum(s.size for s in self.all_sent(repository) if digest in ("", s.digest))

    def note(self, repository: str, digest: str, size: int) -> None:
        with self._lock:
            self._sent.append(Sent(time.time(), repository, digest, size))

    def next_oddity(self, digest: str) -> Oddity:
        with self._lock:
            waiting = self.oddities.get(digest)
            return waiting.pop(0) if waiting else USUAL

    def rate_of(self, repository: str, digest: str) -> float:
        return self.rates.get(digest, self.rates.get(repository, self.default_rate))

    def waits(self, digest: str, sent: int) -> bool:
        """Whether a connection that has sent so much of the blob is to send nothing now."""
        limit = self.silent_after.get(digest)
        return limit is not None and sent >= limit and not self._server.is_closing


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    is_closing = False
    meter: Meter


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HttpServer

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        super().setup()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        blob = BLOB.match(path)
        meter = self.server.meter
        oddity = meter.next_oddity(blob["digest"]) if blob and self.command == "GET" else USUAL
        if blob and "Range" in self.headers:
            meter.ranges.append((blob["digest"], self.headers["Range"]))
        if oddity.status:
            self._answer_empty(oddity.status, oddity.headers)
        elif blob and blob["repository"] in meter.redirects:
            location = meter.redirects[blob["repository"]] + self.path
            self._answer_empty(307, {"Location": location})
        elif path in meter.own:
            self._answer_itself(*meter.own[path])
        else:
            self._pass_on(oddity)

    def _answer_empty(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer_itself(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self._send_body(io.BytesIO(content), USUAL)

    def _asked_of_registry(self, oddity: Oddity) -> dict[str, str]:
        given = {name: self.headers.get_all(name, []) for name in PASSED_ON}
        asked = {name: ", ".join(values) for name, values in given.items() if values}
        asked["Host"] = self.headers["Host"]
        if "Range" in asked and oddity.range_bytes is not None:
            first = int(asked.pop("Range").removeprefix("bytes=").partition("-")[0])
            if oddity.range_bytes > 0:
                asked["Range"] = f"bytes={first}-{first + oddity.range_bytes - 1}"
        return asked

    def _pass_on(self, oddity: Oddity) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.meter.registry_port)
        with contextlib.closing(upstream):
            upstream.request(self.command, self.path, headers=self._asked_of_registry(oddity))
            answer = upstream.getresponse()
            length = answer.headers.get("Content-Length", "0")
            self.send_response(answer.status)
            for name in KEPT:
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command == "GET":
                self._send_body(answer, oddity)

    def _send_body(self, answer: BinaryIO | http.client.HTTPResponse, oddity: Oddity) -> None:
        blob = BLOB.match(self.path)
        if blob is None:
            self.wfile.write(answer.read())
            return
        repository, digest = blob["repository"], blob["digest"]
        left = oddity.cut_after
        try:
            for part in self._paced(answer, repository, digest):
                sent = part if left is None else part[:left]
                self.wfile.write(sent)
                self.server.meter.note(repository, digest, len(sent))
                left = None if left is None else left - len(sent)
                if left == 0:
                    self._cut(oddity.by_reset)
                    return
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has enough of it

    def _cut(self, by_reset: bool) -> None:
        self.close_connection = True
        if by_reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            os.close(self.connection.detach())

    def _paced(
        self, answer: BinaryIO | http.client.HTTPResponse, repository: str, digest: str
    ) -> Iterator[bytes]:
        meter, sent, due = self.server.meter, 0, time.monotonic()
        while True:
            while meter.waits(digest, sent):
                time.sleep(0.1)
            rate = meter.rate_of(repository, digest)
            limit = meter.silent_after.get(digest, sent + MAX_STEP_BYTES)
            step = min(MAX_STEP_BYTES, max(1, int(rate / STEPS_PER_SECOND)), max(1, limit - sent))
            part = answer.read(step)
            if not part:
                return
            yield part
            sent += len(part)
            due = max(due + len(part) / rate, time.monotonic() - 1 / STEPS_PER_SECOND)
            time.sleep(max(0, due - time.monotonic()))
