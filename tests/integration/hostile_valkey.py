# SPDX-License-Identifier: Apache-2.0
"""What says that it is a Valkey, and answers as a test wants."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter

from tests.integration.listener import Listener

Part = bytes | int | None | list["Part"]
SHA = b"0123456789abcdef0123456789abcdef01234567"


def encode(part: Part) -> bytes:
    """By RESP2 (https://valkey.io/topics/protocol/)."""
    if part is None:
        return b"$-1\r\n"
    if isinstance(part, int):
        return b":%d\r\n" % part
    if isinstance(part, bytes):
        return b"$%d\r\n%s\r\n" % (len(part), part)
    return b"*%d\r\n%s" % (len(part), b"".join(map(encode, part)))


def well(command: list[bytes]) -> bytes:
    """As one that is empty, to which nothing is added."""
    name = command[0].upper()
    if name == b"TIME":
        return encode([b"%d" % time.time(), b"0"])
    if name == b"EVAL":
        return encode([b"0", []] if b"latest" in command else [])
    if name == b"XREAD":
        time.sleep(0.5)
        return b"*-1\r\n"
    answers = {b"SCRIPT": encode(SHA), b"INCRBY": b":0\r\n", b"EVALSHA": encode(b"1-1"), b"INFO": encode(b"")}
    return answers.get(name, b"+OK\r\n")


def send(port: int, *command: bytes) -> bytes:
    """To a real one: what comes first of its answer."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(encode(list(command)))
        answer = connection.recv(65536)
    if answer.startswith(b"-"):
        raise OSError(answer.decode(errors="replace"))
    return answer


class HostileValkey:
    """`answers` are sent instead of the good ones, by the name of the command; `*` is for all."""

    def __init__(self) -> None:
        self.answers: dict[bytes, bytes] = {}
        self.asked: Counter[bytes] = Counter()  # how often, by command, since it answers so
        self._answered: set[bytes] = set()  # of these, what has been sent whole, or refused
        self._connections: list[socket.socket] = []
        self._listener = Listener(self._serve)
        self.port = self._listener.port

    def close(self) -> None:
        self._listener.close()

    def answer(self, answers: dict[bytes, bytes]) -> None:
        """From now on, on new connections: all is asked anew."""
        self.answers = answers
        self.asked.clear()
        self._answered.clear()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def has_answered(self) -> bool:
        """All that it is to answer so."""
        return self._answered >= self.answers.keys()

    def _serve(self, connection: socket.socket) -> None:
        self._connections.append(connection)
        with contextlib.suppress(ValueError), connection.makefile("rb") as stream:
            while line := stream.readline():
                command = [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(line[1:]))]
                name = command[0].upper()
                answer = self.answers.get(name, self.answers.get(b"*"))
                self.asked.update((name, b"*"))
                try:
                    connection.sendall(well(command) if answer is None else answer)
                finally:
                    self._answered.update((name, b"*"))
