# SPDX-License-Identifier: Apache-2.0
"""A name server that knows a few names (https://www.rfc-editor.org/rfc/rfc1035#section-4)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from random import randint

TYPE_A = 1


class NameServer:
    """Answers on port 53 of a loopback address of its own until it is closed."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self.address = f"127.{randint(1, 250)}.{randint(1, 250)}.{randint(2, 250)}"
        self.questions = 0
        self._addresses = addresses
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.address, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.sendto(b"", (self.address, 53))
        self._thread.join(5)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, peer = self._socket.recvfrom(512)
            if not query:
                return  # from close()
            self.questions += 1
            self._socket.sendto(self._answer(query), peer)

    def _answer(self, query: bytes) -> bytes:
        labels = []
        at = 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12 : at + 5]
        address = self._addresses.get(".".join(labels))
        wants_address = int.from_bytes(query[at + 1 : at + 3], "big") == TYPE_A
        flags = b"\x85\x80" if address else b"\x85\x83"  # authoritative; no such name
        record = b""
        if address and wants_address:
            # The name is that of the question; type A, class IN, 60 s, 4 bytes.
            record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04" + socket.inet_aton(address)
        counts = b"\x00\x01" + (b"\x00\x01" if record else b"\x00\x00") + b"\x00\x00\x00\x00"
        return query[:2] + flags + counts + question + record
