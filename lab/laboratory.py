# SPDX-License-Identifier: Apache-2.0
"""A whole laboratory: registry, throttle and containerd in one folder that disappears at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from lab import tools
from lab.containerd import Containerd
from lab.images import Image, ImageMaker
from lab.processes import Process
from lab.registry import Registry
from lab.throttle import Throttle
from lab.workspace import Workspace

HOST = "registry.example"


class Laboratory:
    """Images are pushed unthrottled, and pulled as HOST/… through the throttle."""

    def __init__(
        self,
        bytes_per_second: int,
        by_repository: Mapping[str, int] | None = None,
        binaries: tools.ContainerdBinaries = tools.CONTAINERD_DEBIAN,
        cri: bool = False,
        blocking: Sequence[str] = (),
    ) -> None:
        """With `blocking` (seconds and mode), images are unpacked by the stand-in for snapshotters
        that fetch by themselves, tests/runtimes/programs/blocking."""
        tools.require_tools()
        self.workspace = Workspace()
        self.path = self.workspace.path
        self._stops: list[object] = []
        try:
            self.registry = Registry(self.path / "registry")
            self._stops.append(self.registry)
            self.throttle = Throttle(
                self.path / "throttle", self.registry.port, bytes_per_second, by_repository
            )
            self._stops.append(self.throttle)
            proxy = self._start_blocking(*blocking) if blocking else None
            self.containerd = Containerd(self.path / "containerd", binaries, cri, proxy=proxy)
            self._stops.append(self.containerd)
            self.containerd.serve_registry(HOST, self.throttle.port)
            self.images = ImageMaker(self.path / "images", self.registry.port)
        except BaseException:
            self.close()
            raise

    def _start_blocking(self, seconds: str, mode: str) -> Path:
        """Returns its socket."""
        socket = self.path / "blocking.sock"
        command = [tools.BLOCKING_SNAPSHOTTER, socket, self.path / "blocking", seconds, mode]
        process = Process("blocking", command, self.path)
        self._stops.append(process)
        process.wait_until_ready("listens", socket.exists)
        return socket

    def reference(self, image: Image) -> str:
        return image.reference(HOST)

    def close(self) -> None:
        """Ends every process and removes the folder."""
        for part in reversed(self._stops):
            part.stop()  # type: ignore[attr-defined]
        self._stops.clear()
        self.workspace.close()

    def __enter__(self) -> Laboratory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
