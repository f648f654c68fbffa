# SPDX-License-Identifier: Apache-2.0
"""One HTTP request to a loopback port, and what came back."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def text(self) -> str:
        return self.body.decode()


def request(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """Header names are given with _ for -. Raises OSError when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    except http.client.HTTPException as error:
        raise OSError(f"{method} {path}: {error!r}") from error
    finally:
        connection.close()


def get(port: int, path: str, **headers: str) -> Answer:
    return request(port, "GET", path, None, **headers)


def is_ready(port: int) -> bool:
    """Whether it says so; who does not answer is not."""
    try:
        return get(port, "/readyz").status == 200
    except OSError:
        return False


def is_in_step(port: int) -> bool:
    """Whether the server is ready, and knows what it wants to know of Kubernetes."""
    answer = get(port, "/readyz")
    return answer.status == 200 and answer.text() == "ok"
