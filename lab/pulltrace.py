# SPDX-License-Identifier: Apache-2.0
"""Starts pulltrace-agent and pulltrace-server with the settings that a lab needs."""

from __future__ import annotations

import http.client
import os
from collections.abc import Mapping
from pathlib import Path

from lab.processes import Process
from lab.waiting import accepts_connections, free_port


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without its Pulltrace settings, plus the given ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PULLTRACE_")}
    return kept | dict(settings)


def answers_well(port: int, path: str) -> bool:
    """Whether somebody answers a GET with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class Server:
    def __init__(
        self,
        binary: Path,
        folder: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        name: str = "server",
    ) -> None:
        self.port = port or free_port()
        self.metrics_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = settings or {}
        self._has_tls = "PULLTRACE_TLS_CERT_FILE" in given and "PULLTRACE_AGENT_ADDR" not in given
        self._arguments = (
            name,
            [binary],
            folder,
            environment(
                {
                    "PULLTRACE_HTTP_ADDR": f"127.0.0.1:{self.port}",
                    "PULLTRACE_METRICS_ADDR": f"127.0.0.1:{self.metrics_port}",
                }
                | dict(settings or {})
            ),
        )
        self.start()

    def start(self) -> None:
        self.process = Process(*self._arguments)
        self.process.wait_until_ready(
            "answers", self._listens if self._has_tls else self._is_healthy
        )

    def stop(self) -> int:
        return self.process.stop()

    def _listens(self) -> bool:
        return accepts_connections(self.port)

    def _is_healthy(self) -> bool:
        return answers_well(self.port, "/healthz")


class Agent:
    def __init__(
        self,
        binary: Path,
        folder: Path,
        socket: Path,
        server_url: str,
        settings: Mapping[str, str] | None = None,
        name: str = "agent",
    ) -> None:
        self._arguments = (
            name,
            [binary],
            folder,
            environment(
                {
                    "PULLTRACE_CONTAINERD_SOCKET": str(socket),
                    "PULLTRACE_CONTAINERD_SOCKET_DIRS": str(socket.parent),
                    "PULLTRACE_SERVER_URL": server_url,
                    "PULLTRACE_NODE_NAME": name,
                }
                | dict(settings or {})
            ),
        )
        self.start()

    def start(self) -> None:
        self.process = Process(*self._arguments)

    def stop(self) -> int:
        return self.process.stop()
