# SPDX-License-Identifier: Apache-2.0
"""A report receiver that answers as a test wants it, for faults that the real server will not produce."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ReportReceiver:
    """Keeps every report; answers with `status`, which may be changed at any time."""

    def __init__(self) -> None:
        self.status = 200
        self.answered_headers: dict[str, str] = {}
        self._lock = threading.Lock()
        self._reports: list[tuple[float, int, dict[str, str], dict[str, Any]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.status
                with receiver._lock:
                    entry = (time.monotonic(), status, dict(self.headers), json.loads(body))
                    receiver._reports.append(entry)
                answer = b"{}" if status == 200 else b'{"error":"as a test wants it"}'
                self.send_response(status)
                for name, value in receiver.answered_headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reports(self, status: int | None = None) -> list[dict[str, Any]]:
        """Those that were answered with this status, or all."""
        with self._lock:
            return [body for _, answered, _, body in self._reports if status in (None, answered)]

    def headers(self) -> list[dict[str, str]]:
        with self._lock:
            return [headers for _, _, headers, _ in self._reports]

    def times(self) -> list[float]:
        """When each report had arrived, on the monotonic clock."""
        with self._lock:
            return [arrived for arrived, _, _, _ in self._reports]

    def pulls_of(self, part: str, status: int | None = None) -> list[dict[str, Any]]:
        return [
            pull
            for report in self.reports(status)
            for pull in report["pulls"]
            if part in pull.get("repository", "") or part in pull["imageRef"]
        ]
