# SPDX-License-Identifier: Apache-2.0
"""Samples containerd's own files at 10 Hz, to compare with what was said of a pull."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from lab.images import Image
from tests.integration.events import Event

EVERY_S = 0.1


class TruthSampler:
    """Percent of an image's layer bytes that are in the content store, sampled until stop()."""

    def __init__(self, content: Path, image: Image) -> None:
        self._content = content
        self._sizes = {layer.digest: layer.size for layer in image.layers}
        self._stopping = threading.Event()
        self.samples: list[tuple[float, float]] = []  # time.time(), percent
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            self.samples.append((time.time(), self._percent()))

    def _percent(self) -> float:
        present = dict.fromkeys(self._sizes, 0)
        for folder in (self._content / "ingest").iterdir():
            try:
                digest = (folder / "ref").read_text().rpartition("layer-")[2]
                if digest in present:
                    present[digest] = (folder / "data").stat().st_size
            except OSError:
                continue  # committed or dropped at this moment
        for digest, size in self._sizes.items():
            algorithm, _, encoded = digest.partition(":")
            if (self._content / "blobs" / algorithm / encoded).exists():
                present[digest] = size
        return 100 * sum(present.values()) / sum(self._sizes.values())


def deviations(samples: list[tuple[float, float]], said: list[Event]) -> list[float]:
    """For each sample between the first and the last event: |said percent - true percent|."""
    differences = []
    for moment, percent in samples:
        before = [event for event in said if event.received <= moment]
        if before and len(before) < len(said):
            differences.append(abs(before[-1].pull["percent"] - percent))
    return differences
