# SPDX-License-Identifier: Apache-2.0
"""Pulls as the kubelet does: through containerd's CRI image service, by gRPC over its socket.

https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto
"""

from __future__ import annotations

import re
import struct
from urllib.parse import unquote

from lab.containerd import Containerd, PullFailed
from lab.processes import Process

RUNTIME_HANDLER = b"io.containerd.cri.runtime-handler"


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field of less than 128 bytes."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


class CriClient:
    """Needs a Containerd that was made with cri=True, and curl."""

    def __init__(self, containerd: Containerd) -> None:
        self._containerd = containerd

    def start_pull(self, reference: str, runtime_class: str = "") -> CriCall:
        """For a pod of that runtime class, which may have a snapshotter of its own."""
        return self._start("PullImage", reference, runtime_class)

    def pull(self, reference: str, timeout_s: float = 120) -> None:
        self.start_pull(reference).finish(timeout_s)

    def remove_image(self, reference: str) -> None:
        self._start("RemoveImage", reference).finish(30)

    def _start(self, method: str, reference: str, runtime_class: str = "") -> CriCall:
        name = self._containerd.next_call_name("cri")
        folder = self._containerd.folder
        message = _field(1, _field(1, reference.encode()))  # request { image { image } }
        if runtime_class:  # { sandbox_config { annotations { key value } } }
            entry = _field(1, RUNTIME_HANDLER) + _field(2, runtime_class.encode())
            message += _field(3, _field(7, entry))
        body = folder / f"{name}.request"
        body.write_bytes(struct.pack(">BI", 0, len(message)) + message)
        argv = ["curl", "--silent", "--show-error", "--http2-prior-knowledge"]
        argv += ["--unix-socket", str(self._containerd.socket), "--data-binary", f"@{body}"]
        argv += ["--header", "content-type: application/grpc", "--header", "te: trailers"]
        argv += ["--dump-header", "-", "--output", "/dev/null"]
        argv += [f"http://localhost/runtime.v1.ImageService/{method}"]
        return CriCall(Process(name, argv, folder))


class CriCall:
    def __init__(self, process: Process) -> None:
        self.process = process

    def finish(self, timeout_s: float) -> None:
        """Waits for the answer; raises PullFailed with containerd's words when it is an error."""
        if self.process.wait(timeout_s) != 0:
            raise PullFailed(self.process.stderr_text().strip())
        headers = self.process.stdout_text()
        status = re.search(r"(?mi)^grpc-status: (\d+)", headers)
        if status is None or status[1] != "0":
            message = re.search(r"(?mi)^grpc-message: (.*)$", headers)
            raise PullFailed(unquote(message[1]).strip() if message else headers)
