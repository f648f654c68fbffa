# SPDX-License-Identifier: Apache-2.0
"""Records tests/fixtures/observations anew from real pulls: python3 -m tests.observations.record BUILD_DIR

The fixtures are small on purpose: few layers, few seconds.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab import tools
from lab.cri import CriClient
from lab.laboratory import Laboratory
from lab.layers import LayerSpec
from lab.processes import Process
from lab.waiting import Timeout, wait_for

FIXTURES = tools.REPOSITORY / "tests/fixtures/observations"
BYTES_PER_SECOND = 1_000_000


def layers(name: str, *sizes: int) -> list[LayerSpec]:
    return [LayerSpec(size, f"{name} {number}") for number, size in enumerate(sizes)]


class Recorder:
    def __init__(self, lab: Laboratory, program: Path, generation: str) -> None:
        self.lab = lab
        self.program = program
        self.generation = generation

    @contextmanager
    def recording(self, story: str) -> Iterator[Process]:
        """Records while the block runs, and until no lease is left, or some seconds more if one is."""
        socket = self.lab.containerd.socket
        process = Process(f"record-{story}", [self.program, socket, socket.parent], self.lab.path)
        wait_for("it runs", lambda: process.stderr_text().count("recording") > 2, 10)
        yield process
        with suppress(Timeout):
            wait_for("it has settled", lambda: self._is_settled(process), 6, every_s=1.2)
        process.send(signal.SIGTERM)
        process.wait(5)
        text = process.stdout_text()
        (FIXTURES / f"{self.generation}-{story}.jsonl").write_text(text)
        print(f"{self.generation}-{story}: {len(text)} bytes")

    def _is_settled(self, process: Process) -> bool:
        size = os.path.getsize(process.stdout_path)
        settled = size > 0 and size == getattr(self, "_size", -1)
        self._size = size
        return settled


def record_stories(
    recorder: Recorder, pull: Callable[[str], object], start: Callable[[str], Process]
) -> None:
    """`start` begins a pull that ends with its client."""
    lab = recorder.lab
    fresh = lab.images.push("story/fresh", "1", layers("fresh", 1_500_000, 300_000, 5_000))
    with recorder.recording("fresh"):
        pull(lab.reference(fresh))
    with recorder.recording("again"):
        pull(lab.reference(fresh))
    base = layers("fresh", 1_500_000, 300_000)
    onto = lab.images.push("story/onto", "2", base + layers("onto", 900_000))
    with recorder.recording("cached"):
        pull(lab.reference(onto))
    platforms = ("linux/amd64", "linux/arm64")
    index = lab.images.push("story/index", "3", layers("index", 900_000, 70_000), True, platforms)
    with recorder.recording("index"):
        pull(lab.reference(index))
    big = lab.images.push("story/failed", "4", layers("failed", 2_200_000, 2_300_000, 9_000))
    with recorder.recording("failed"):
        client = start(lab.reference(big))
        time.sleep(1.5)
        client.kill()


def main() -> None:
    program = Path(sys.argv[1]).resolve() / "tests/observations/record"
    FIXTURES.mkdir(parents=True, exist_ok=True)
    for name, binaries in (("1.6", tools.CONTAINERD_DEBIAN), ("2", tools.CONTAINERD_2)):
        for client in ("ctr", "cri"):
            with Laboratory(BYTES_PER_SECOND, binaries=binaries, cri=client == "cri") as lab:
                recorder = Recorder(lab, program, f"{name}-{client}")
                containerd = lab.containerd
                if client == "cri":
                    cri = CriClient(containerd)
                    record_stories(recorder, cri.pull, lambda ref: cri.start_pull(ref).process)
                else:
                    record_stories(recorder, containerd.pull, containerd.start_pull)


if __name__ == "__main__":
    main()
