# SPDX-License-Identifier: Apache-2.0
"""A whole laboratory: registry, throttle and containerd in one folder that disappears at the end."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from lab import tools
from lab.containerd import Containerd
from lab.images import Image, ImageMaker
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
    ) -> None:
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
            self.containerd = Containerd(self.path / "containerd", binaries, cri)
            self._stops.append(self.containerd)
            self.containerd.serve_registry(HOST, self.throttle.port)
            self.images = ImageMaker(self.path / "images", self.registry.port)
        except BaseException:
            self.close()
            raise

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
