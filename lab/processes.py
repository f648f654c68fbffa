# SPDX-License-Identifier: Apache-2.0
"""Child processes that never outlive the lab, with their output in a file."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.waiting import Timeout, wait_for


class ProcessDied(Exception):
    """A process ended although it should be running; the message holds the end of its log."""


class Process:
    """One child in a process group of its own; the kernel kills it when the lab dies, even by kill -9.

    It must be started by a thread that lives as long as the lab: the kernel watches that thread.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        private_mounts: bool = False,
    ) -> None:
        self.name = name
        self.stdout_path = folder / f"{name}.stdout"
        self.stderr_path = folder / f"{name}.stderr"
        command = ["setpriv", "--pdeathsig", "KILL"]
        if private_mounts:
            command += ["unshare", "--mount", "--propagation", "private"]
        command += [str(part) for part in argv]
        with self.stdout_path.open("ab") as stdout, self.stderr_path.open("ab") as stderr:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env=dict(os.environ if environment is None else environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    def is_running(self) -> bool:
        return self._child.poll() is None

    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._child.poll()

    def wait(self, timeout_s: float) -> int:
        try:
            return self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise Timeout(
                f"{self.name} still runs after {timeout_s:g} s\n{self.log_tail()}"
            ) from None

    def wait_until_ready(
        self, what: str, ready: Callable[[], object], timeout_s: float = 30
    ) -> None:
        """Waits until ready() is true; raises ProcessDied at once when the process ends before."""

        def check() -> bool:
            self.require_running()
            return bool(ready())

        wait_for(f"{self.name}: {what}", check, timeout_s)

    def require_running(self) -> None:
        if not self.is_running():
            raise ProcessDied(f"{self.name} ended with {self.exit_status()}\n{self.log_tail()}")

    def stop(self, timeout_s: float = 10) -> int:
        """SIGTERM, and SIGKILL to the whole group when that does not end it. Returns the exit status."""
        if self.is_running():
            self.resume()
            self._child.terminate()
            try:
                self._child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                return self.kill()
        return self._child.wait()

    def kill(self) -> int:
        """kill -9 to the whole group."""
        if self.is_running():
            os.killpg(self.pid, signal.SIGKILL)
        return self._child.wait()

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def freeze(self) -> None:
        """Stops it in its tracks: connections stay open and nothing is sent."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def discard_output(self) -> None:
        """Deletes the files that hold the output of a process that has ended."""
        self.stdout_path.unlink()
        self.stderr_path.unlink()

    def stdout_text(self) -> str:
        return self.stdout_path.read_text(errors="replace")

    def stderr_text(self) -> str:
        return self.stderr_path.read_text(errors="replace")

    def log_tail(self, lines: int = 15) -> str:
        both = self.stdout_text().splitlines()[-lines:] + self.stderr_text().splitlines()[-lines:]
        return "\n".join(f"  {self.name}: {line}" for line in both)


def own_cgroup(controller: str) -> str:
    """This process's control group, in which those that it starts begin. The name of version 2 is empty."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return "/"
