# SPDX-License-Identifier: Apache-2.0
"""The lab's temporary folder, which disappears with the lab however that ends."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

REMOVE_ATTEMPTS = 100


class Workspace:
    """A private folder with a short path (unix socket paths are limited to 107 bytes).

    A janitor process waits at the other end of a pipe and removes the folder when the pipe closes,
    so that also a killed lab leaves nothing behind.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="ptlab-"))
        self._janitor = subprocess.Popen(
            [sys.executable, "-I", __file__, str(self.path)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def close(self) -> None:
        """Removes the folder. Every process that works in it must have ended."""
        self._janitor.communicate()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def remove_when_abandoned(folder: Path) -> None:
    """Waits for the end of standard input, then removes the folder; dying processes may still write."""
    sys.stdin.buffer.read()
    for _ in range(REMOVE_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.1)
    print(f"lab: could not remove {folder}", file=sys.stderr)


if __name__ == "__main__":
    remove_when_abandoned(Path(sys.argv[1]))
