# SPDX-License-Identifier: Apache-2.0
"""How images are unpacked, where not as containerd does by itself: what its configuration says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROXY = """
[proxy_plugins.{name}]
  type = "snapshot"
  address = "{socket}"
  [proxy_plugins.{name}.exports]
    enable_remote_snapshot_annotations = "true"
"""
# Containerd 2 does not take these from the settings of 1, and unpacks only for what is named here.
OF_CONTAINERD_2 = """
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{name}"
  disable_snapshot_annotations = {no_annotations}
  discard_unpacked_layers = {discard}
  image_pull_progress_timeout = "{patience}"
  max_concurrent_downloads = {downloads}
  concurrent_layer_fetch_buffer = {fetch_buffer}
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{hosts}"
[plugins."io.containerd.transfer.v1.local"]
  max_concurrent_unpacks = {at_once}
  concurrent_layer_fetch_buffer = {fetch_buffer}
  [[plugins."io.containerd.transfer.v1.local".unpack_config]]
    platform = "linux/amd64"
    snapshotter = "{name}"
    differ = "{differ}"
"""


@dataclass(frozen=True)
class Unpacking:
    """By the snapshotter of this name: one of containerd's own, or the one that listens on the socket."""

    snapshotter: str
    socket: Path | None = None
    differ: str = "walking"
    annotations: bool = False
    discard: bool = False
    at_once: int = 1
    downloads: int = 3  # of the layers of a pull at once, by containerd 2
    fetch_buffer: int = 0  # above 0 containerd 2 fetches a layer by ranges of this size, beside each other
    patience: str = "5m0s"  # of containerd 2's CRI plugin: it gives a pull up that shows it nothing for so long
    settings: str = ""  # more of containerd's configuration
    programs: Path | None = None  # a folder for PATH

    def cri_settings(self) -> str:
        """For containerd 1, below the CRI plugin's containerd section."""
        return (
            f"    disable_snapshot_annotations = {_toml(not self.annotations)}\n"
            f"    discard_unpacked_layers = {_toml(self.discard)}\n"
        )

    def configuration(self, hosts: Path, containerd_2: bool) -> str:
        text = self.settings
        if self.socket is not None:
            text += PROXY.format(name=self.snapshotter, socket=self.socket)
        if containerd_2:
            text += OF_CONTAINERD_2.format(
                name=self.snapshotter,
                no_annotations=_toml(not self.annotations),
                discard=_toml(self.discard),
                hosts=hosts,
                at_once=self.at_once,
                differ=self.differ,
                patience=self.patience,
                downloads=self.downloads,
                fetch_buffer=self.fetch_buffer,
            )
        return text


def _toml(value: bool) -> str:
    return str(value).lower()
