# SPDX-License-Identifier: Apache-2.0
"""A whole laboratory: registry, throttle and containerd in one folder that disappears at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from lab import tools
from lab.containerd import Containerd
from lab.images import Image, ImageMaker
from lab.processes import Process
from lab.registry import Registry
from lab.throttle import Throttle
from lab.unpacking import Unpacking
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
        unpacking: Callable[[Laboratory], Unpacking | None] | None = None,
    ) -> None:
        """`unpacking` is called when all but containerd runs, and may start a snapshotter here."""
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
            how = unpacking(self) if unpacking else None
            self.containerd = Containerd(
                self.path / "containerd", binaries, cri, unpacking=how
            )
            self._stops.append(self.containerd)
            self.containerd.serve_registry(HOST, self.throttle.port)
            self.images = ImageMaker(self.path / "images", self.registry.port)
        except BaseException:
            self.close()
            raise

    def start_snapshotter(self, name: str, program: Path, *arguments: str | Path) -> Path:
        """Starts `program SOCKET FOLDER ARGUMENT...`, which ends with the lab; returns its socket."""
        socket = self.path / f"{name}.sock"
        process = Process(name, [program, socket, self.path / name, *arguments], self.path)
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
