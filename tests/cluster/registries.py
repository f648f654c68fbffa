# SPDX-License-Identifier: Apache-2.0
"""Registries that behave badly: one far away, and some that refuse."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK_BYTES = 64 * 1024
OF_CONNECTION = ("connection", "transfer-encoding", "server", "date")


class _Server:
    """Answers GET and HEAD on a free loopback port, in threads of its own."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class FarRegistry(_Server):
    """Passes requests on to the registry at the port; each answer begins so many seconds later."""

    def __init__(self, port: int, latency_s: float) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                time.sleep(latency_s)
                near = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
                asked = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
                near.request(self.command, self.path, headers=asked)
                answer = near.getresponse()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in OF_CONNECTION:
                        self.send_header(name, value)
                self.end_headers()
                try:
                    while self.command != "HEAD" and (block := answer.read1(BLOCK_BYTES)):
                        self.wfile.write(block)
                except OSError:
                    self.close_connection = True  # the client has gone
                near.close()

            do_HEAD = do_GET

        super().__init__(Handler)


class RefusingRegistry(_Server):
    """Answers everything with the status and the body of an error."""

    def __init__(self, status: int, code: str, headers: Mapping[str, str] | None = None) -> None:
        body = f'{{"errors":[{{"code":"{code}","message":"refused"}}]}}'.encode()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

        super().__init__(Handler)
