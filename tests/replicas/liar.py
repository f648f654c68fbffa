# SPDX-License-Identifier: Apache-2.0
"""A relay in front of a server that lies once in an event stream: what the crowd must find."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

from tests.integration.listener import Listener

LATER = 40  # messages
Lie = Callable[[Iterator[str]], Iterator[str]]


def _is_end(message: str) -> bool:
    return '"type":"pull.completed"' in message


def _once(messages: Iterator[str], instead: Callable[[str], list[str]], later: Callable[[str], list[str]]) -> Iterator[str]:
    """Of the first end behind `synced`: what is sent instead of it, and what some messages later."""
    in_step = False
    due: list[str] = []
    count = -1
    for message in messages:
        in_step = in_step or "event: synced" in message
        if in_step and count < 0 and _is_end(message):
            count = 0
            due = later(message)
            yield from instead(message)
            continue
        yield message
        count += count >= 0
        if count == LATER:
            yield from due


def drop(messages: Iterator[str]) -> Iterator[str]:
    return _once(messages, lambda end: [], lambda end: [])


def double(messages: Iterator[str]) -> Iterator[str]:
    return _once(messages, lambda end: [end, end], lambda end: [])


def say_again(messages: Iterator[str]) -> Iterator[str]:
    """Of an end that came before `synced`, once more behind it. A stream that has none breaks off at its first end."""
    known = ""
    in_step = False
    for message in messages:
        yield message
        if "event: synced" in message:
            in_step = True
            if known:
                yield known
        elif _is_end(message) and not in_step:
            known = message
        elif _is_end(message) and not known:
            return


def reorder(messages: Iterator[str]) -> Iterator[str]:
    return _once(messages, lambda end: [], lambda end: [end])


def turn_back(messages: Iterator[str]) -> Iterator[str]:
    return _once(messages, lambda end: [end], lambda end: [_under_way(end)])


def _under_way(end: str) -> str:
    return end.replace("pull.completed", "pull.progress").replace('"phase":"completed"', '"phase":"downloading"')


def falsify(messages: Iterator[str]) -> Iterator[str]:
    failed = lambda end: [end.replace('completed"', 'failed"')]  # noqa: E731
    return _once(messages, failed, lambda end: [])


class Liar:
    def __init__(self, server_port: int, lie: Lie) -> None:
        self._server_port = server_port
        self._lie = lie
        self._listener = Listener(self._pass_on)
        self.port = self._listener.port

    def close(self) -> None:
        self._listener.close()

    def _pass_on(self, near: socket.socket) -> None:
        """Says that it is ready, and passes one request on, by HTTP/1.0, and its stream back."""
        with socket.create_connection(("127.0.0.1", self._server_port)) as far:
            near.recv(65536)
            near.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            far.sendall(near.recv(65536))
            for message in self._lie(_messages(far)):
                near.sendall(message.encode() + b"\n\n")


def _messages(stream: socket.socket) -> Iterator[str]:
    held = b""
    while data := stream.recv(65536):
        *whole, held = (held + data).split(b"\n\n")
        yield from (message.decode() for message in whole)
