# SPDX-License-Identifier: Apache-2.0
"""Requests that are made to be read in two ways, each with its exact answers: by RFC 9112, and strictly."""

from __future__ import annotations

import json
import socket
from typing import NamedTuple

from lab.pulltrace import Server
from lab.waiting import wait_for
from tests.integration.http_json import get
from tests.integration.server_case import ServerCase, now

# Behind each shape: what must be answered by itself, or not at all.
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
BODY = json.dumps({"nodeName": "n", "timestamp": now(), "pulls": []}).encode()
SIZE = b"%x" % len(BODY)
LENGTH = b"%d" % len(BODY)
POST = b"POST /api/v1/report HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CODED = POST + b"Transfer-Encoding: chunked\r\n"
CHUNKS = SIZE + b"\r\n" + BODY + b"\r\n0\r\n\r\n"
CHUNKED = CODED + b"\r\n"


class Shape(NamedTuple):
    what: str
    sent: bytes
    statuses: list[int]  # 404 is that of the hidden request


# What is well-formed, however odd: both requests are answered.
TAKEN = [
    Shape("a length", POST + b"Content-Length: " + LENGTH + b"\r\n\r\n" + BODY, [200, 404]),
    Shape("a length with zeros before it", POST + b"Content-Length: 00" + LENGTH + b"\r\n\r\n" + BODY, [200, 404]),
    Shape("a length of a GET's nothing", GET + b"Content-Length: 0\r\n\r\n", [200, 404]),
    Shape("chunks", CHUNKED + CHUNKS, [200, 404]),
    Shape("chunks in capitals", POST + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n" + SIZE.upper() + b"\r\n" + BODY + b"\r\n0\r\n\r\n", [200, 404]),
    Shape("chunk size with zeros before it", CHUNKED + b"000" + CHUNKS, [200, 404]),
    Shape("chunk extension", CHUNKED + SIZE + b";a=b\r\n" + BODY + b"\r\n0\r\n\r\n", [200, 404]),
    Shape("trailer", CODED + b"Trailer: x-sum\r\n\r\n" + SIZE + b"\r\n" + BODY + b"\r\n0\r\nx-sum: 1\r\n\r\n", [200, 404]),
    Shape("an empty line before", b"\r\n" + GET + b"\r\n", [200, 404]),
    Shape("chunk extension in quotes", CHUNKED + SIZE + b';a="b\\"c"\r\n' + BODY + b"\r\n0\r\n\r\n", [200, 404]),
    Shape("a trailer that names a host", CHUNKED + SIZE + b"\r\n" + BODY + b"\r\n0\r\nHost: y\r\n\r\n", [200, 404]),
    Shape("absolute form", b"GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", [200, 404]),
    Shape("an upgrade to HTTP/2", GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", [200, 404]),
    Shape("a coding's name with an underscore is another header", GET + b"Transfer_Encoding: chunked\r\n\r\n", [200, 404]),
    Shape("a header that a proxy sets", GET + b"X-Forwarded-Host: y\r\nX-Original-URL: /hidden\r\nX-HTTP-Method-Override: DELETE\r\n\r\n", [200, 404]),
    Shape("HTTP/1.0 closes", b"GET /healthz HTTP/1.0\r\n\r\n", [200]),
    Shape("close closes", GET + b"Connection: close\r\n\r\n", [200]),
]  # fmt: skip

# What could be read in two ways, or is no HTTP/1.1, or has no end: one refusal, and the connection is closed.
REFUSED = [
    Shape("length and coding", POST + b"Content-Length: " + LENGTH + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, [400]),
    Shape("coding and length", CODED + b"Content-Length: " + LENGTH + b"\r\n\r\n" + CHUNKS, [400]),
    Shape("a short length and a coding", CODED + b"Content-Length: 3\r\n\r\n0\r\n\r\n", [400]),
    Shape("a length between tabs", POST + b"Content-Length:\t" + LENGTH + b" \t\r\n\r\n" + BODY, [400]),
    Shape("a trailer that would be framing", CHUNKED + SIZE + b"\r\n" + BODY + b"\r\n0\r\nContent-Length: 9\r\n\r\n", [400]),
    Shape("two lengths", POST + b"Content-Length: " + LENGTH + b"\r\nContent-Length: 0\r\n\r\n" + BODY, [400]),
    Shape("one length twice", POST + 2 * (b"Content-Length: " + LENGTH + b"\r\n") + b"\r\n" + BODY, [400]),
    Shape("lengths in a list", POST + b"Content-Length: " + LENGTH + b", " + LENGTH + b"\r\n\r\n" + BODY, [400]),
    Shape("a length with a sign", POST + b"Content-Length: +" + LENGTH + b"\r\n\r\n" + BODY, [400]),
    Shape("a negative length", POST + b"Content-Length: -1\r\n\r\n", [400]),
    Shape("a length in hexadecimal", POST + b"Content-Length: 0x" + SIZE + b"\r\n\r\n" + BODY, [400]),
    Shape("a length with a fraction", POST + b"Content-Length: " + LENGTH + b".0\r\n\r\n" + BODY, [400]),
    Shape("a length with an exponent", POST + b"Content-Length: 1e1\r\n\r\n", [400]),
    Shape("a length of too many digits", POST + b"Content-Length: 18446744073709551617\r\n\r\n", [400]),
    Shape("no length but its name", POST + b"Content-Length:\r\n\r\n", [400]),
    Shape("a length with a space before the colon", POST + b"Content-Length : " + LENGTH + b"\r\n\r\n" + BODY, [400]),
    Shape("a coding with a space before the colon", POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKS, [400]),
    Shape("a coding with a tab before the colon", POST + b"Transfer-Encoding\t: chunked\r\n\r\n" + CHUNKS, [400]),
    Shape("a coding behind a vertical tab", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKS, [400]),
    Shape("a coding behind a form feed", POST + b"Transfer-Encoding: \x0cchunked\r\n\r\n" + CHUNKS, [400]),
    Shape("a coding behind a NUL", POST + b"Transfer-Encoding: \0chunked\r\n\r\n" + CHUNKS, [400]),
    Shape("a coding in quotes", POST + b'Transfer-Encoding: "chunked"\r\n\r\n' + CHUNKS, [400]),
    Shape("an almost known coding", POST + b"Transfer-Encoding: chunke\r\n\r\n" + CHUNKS, [400]),
    Shape("identity", POST + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n", [400]),
    Shape("gzip, chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS, [400]),
    Shape("chunked, identity", POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKS, [400]),
    Shape("chunked twice", CODED + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS, [400]),
    Shape("a folded coding", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + CHUNKS, [400]),
    Shape("a coding in HTTP/1.0", CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + CHUNKS, [400]),
    Shape("a chunk that is longer than its size", CHUNKED + b"1\r\n" + BODY + b"\r\n0\r\n\r\n", [400]),
    Shape("a chunk behind a bare LF", CHUNKED + SIZE + b"\n" + BODY + b"\r\n0\r\n\r\n", [400]),
    Shape("a chunk that ends with a bare LF", CHUNKED + SIZE + b"\r\n" + BODY + b"\n0\r\n\r\n", [400]),
    Shape("a chunk size with a space", CHUNKED + SIZE + b" \r\n" + BODY + b"\r\n0\r\n\r\n", [400]),
    Shape("a chunk size behind a space", CHUNKED + b" " + CHUNKS, [400]),
    Shape("a negative chunk size", CHUNKED + b"-1\r\n\r\n", [400]),
    Shape("a chunk size as in C", CHUNKED + b"0x" + CHUNKS, [400]),
    Shape("a chunk size that wraps around", CHUNKED + b"1" + b"0" * 15 + SIZE + b"\r\n" + BODY + b"\r\n0\r\n\r\n", [400]),
    Shape("a chunk extension with a bare LF", CHUNKED + SIZE + b";\n" + BODY + b"\r\n0\r\n\r\n", [400]),
    Shape("a chunk extension with a bare CR", CHUNKED + SIZE + b";a\rb\r\n" + BODY + b"\r\n0\r\n\r\n", [400]),
    Shape("no Host", b"GET /healthz HTTP/1.1\r\n\r\n", [400]),
    Shape("two Hosts", GET + b"Host: y\r\n\r\n", [400]),
    Shape("a Host that is a list", b"GET /healthz HTTP/1.1\r\nHost: x, y\r\n\r\n", [400]),
    Shape("a Host with a path", b"GET /healthz HTTP/1.1\r\nHost: x/y\r\n\r\n", [400]),
    Shape("a Host with a user", b"GET /healthz HTTP/1.1\r\nHost: a@x\r\n\r\n", [400]),
    Shape("a line that ends with a bare LF", b"GET /healthz HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", [400]),
    Shape("a request of bare LFs", b"GET /healthz HTTP/1.1\nHost: x\n\n", [505]),
    Shape("a bare CR in a value", GET + b"X: a\rTransfer-Encoding: chunked\r\n\r\n", [400]),
    Shape("a NUL in a value", GET + b"X: a\0b\r\n\r\n", [400]),
    Shape("a folded value", GET + b"X: a\r\n b\r\n\r\n", [400]),
    Shape("a line without a colon", GET + b"X\r\n\r\n", [400]),
    Shape("an empty name", GET + b": a\r\n\r\n", [400]),
    Shape("a name with a space", GET + b"X Y: a\r\n\r\n", [400]),
    Shape("a space before the first header", b"GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n", [400]),
    Shape("a head that ends with a CR alone", GET + b"\rX: y\r\n\r\n", [400]),
    Shape("a bare LF before the request", b"\n" + GET + b"\r\n", [400]),
    Shape("two spaces before the target", b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    Shape("two spaces behind the target", b"GET /healthz  HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    Shape("a fragment", b"GET /healthz#.png HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    Shape("absolute form of another host", b"GET http://y/healthz HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    Shape("absolute form with a user", b"GET http://a@x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    Shape("absolute form of another scheme", b"GET ftp://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    Shape("a Host that is none", b'GET /healthz HTTP/1.1\r\nHost: x"y\r\n\r\n', [400]),
    Shape("RTSP", b"GET /healthz RTSP/1.0\r\nHost: x\r\n\r\n", [400]),
    Shape("a chunk size that no report has", CHUNKED + b"ffffffffffffffff\r\n" + BODY, [413]),
    Shape("a trailer that would be a coding", CHUNKED + SIZE + b"\r\n" + BODY + b"\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", [400]),
    Shape("an empty coding beside the real one", POST + b"Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS, [400]),
    Shape("tabs in the request line", b"GET\t/healthz\tHTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    Shape("a space in the path", b"GET /health z HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    Shape("a space behind the version", b"GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n", [505]),
    Shape("a method in small letters", b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    Shape("a NUL in the path", b"GET /\0healthz HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
    Shape("HTTP/0.9", b"GET /healthz\r\n\r\n", [505]),
    Shape("HTTP/2 without TLS", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
    Shape("HTTP/1.2", b"GET /healthz HTTP/1.2\r\nHost: x\r\n\r\n", [505]),
    Shape("TLS without TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [400]),
]  # fmt: skip


def answers(port: int, data: bytes) -> tuple[list[int], bytes]:
    """The status of each answer until the server closes, and all that came."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(data)
        while True:
            try:
                chunk = connection.recv(65536)
            except ConnectionResetError:  # it had more to read when it closed
                chunk = b""
            if not chunk:
                break
            received += chunk
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]], received


class Smuggling(ServerCase):
    server: Server

    def setUp(self) -> None:
        super().setUp()
        self.server = self.start_server(PULLTRACE_LOG_LEVEL="warn")

    def judged(self, sent: bytes) -> tuple[list[int], bytes] | None:
        """The answers; None where the node has just reported."""
        statuses, received = answers(self.server.port, sent + HIDDEN)
        return None if 429 in statuses else (statuses, received)

    def check(self, shapes: list[Shape]) -> None:
        for shape in shapes:
            with self.subTest(shape.what):
                statuses, received = wait_for("judged", lambda sent=shape.sent: self.judged(sent), 30)
                self.assertEqual(statuses, shape.statuses, received)
                if len(statuses) == 1 and statuses != [200]:
                    self.assertIn(b"\r\nConnection: close\r\n", received)
                    self.assertEqual(json.loads(received.split(b"\r\n\r\n")[1])["status"], statuses[0])

    def test_what_is_well_formed_is_read_in_one_way(self) -> None:
        self.check(TAKEN)

    def test_what_can_be_read_in_two_ways_is_refused_and_ends_the_connection(self) -> None:
        self.check(REFUSED)
        self.assertEqual(get(self.server.port, "/api/v1/nodes").json()["nodes"], [])


class Paths(ServerCase):
    def test_nothing_but_the_page_s_own_files_is_read(self) -> None:
        server = self.start_server()
        page = get(server.port, "/")
        for path in (
            "/../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
            "/assets/../../../../etc/passwd", "/assets/..%5c..%5cetc%5cpasswd", "/assets/",
            "/assets/%00", "/index.html%00.js", "/index.html/", "/INDEX.HTML", "/./index.html",
            "/%2findex.html", "/assets//..//index.html", "/file:///etc/passwd", "/proc/self/environ",
            "/.git/config", "/api/v1/../../index.html", "/api/v1/pulls/../../../etc/passwd",
            "/api/v1/pulls/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/api/v1/pods/../../healthz",
            "/api/v1/pods/%2e%2e/%2e%2e", "/\\..\\..\\etc\\passwd", "/%c0%ae%c0%ae/etc/passwd",
            "/%252e%252e/etc/passwd", "/~root", "/index.html.gz", "/embedded_assets.c",
        ):  # fmt: skip
            with self.subTest(path):
                statuses, received = answers(
                    server.port,
                    f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(),
                )
                self.assertEqual(statuses, [404], received)
                self.assertNotIn(b"root:", received)
        self.assertEqual(get(server.port, "/").body, page.body)
