# SPDX-License-Identifier: Apache-2.0
"""A way to a server that can be cut."""

from __future__ import annotations

import selectors
import socket
import threading

from lab.waiting import free_port


class Cut:
    """A TCP relay to a port; while it is cut, nobody listens and all connections break."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._listener: socket.socket | None = None
        self._stop = False
        self._lock = threading.Lock()
        self.open()

    def open(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self._listener = listener
        self._stop = False
        self._thread = threading.Thread(target=self._run, args=(listener,), daemon=True)
        self._thread.start()

    def cut(self) -> None:
        self._stop = True
        self._thread.join(5)

    def _run(self, listener: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            while not self._stop:
                for key, _ in selector.select(0.1):
                    self._pass_on(selector, listener, key.fileobj)  # type: ignore[arg-type]
            listener.close()
            for one in list(self._pairs):
                one.close()
            self._pairs.clear()

    def _pass_on(
        self, selector: selectors.BaseSelector, listener: socket.socket, ready: socket.socket
    ) -> None:
        if ready is listener:
            client, _ = listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 2)
            except OSError:
                client.close()
                return
            for one, other in ((client, server), (server, client)):
                self._pairs[one] = other
                selector.register(one, selectors.EVENT_READ)
            return
        if ready not in self._pairs:
            return
        other = self._pairs[ready]
        try:
            data = ready.recv(65536)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for one in (ready, other):
            self._pairs.pop(one, None)
            selector.unregister(one)
            one.close()
