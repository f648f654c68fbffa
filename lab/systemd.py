# SPDX-License-Identifier: Apache-2.0
"""A systemd of its own, process 1 of its namespaces, on a copy of this machine's files that ends with it.

It knows no units but the few below and those that a test installs, so that nothing of this machine is started again.
Its root is an overlay over the machine's, whose changes are kept in memory. It has a network of its own (lo alone).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.processes import Process, own_cgroup
from lab.waiting import wait_for

PROGRAM = Path("/lib/systemd/systemd")
UNITS = "/usr/local/lib/systemd/system"  # where meson installs ours
# What units of ours are ordered by; on a whole machine these do more.
TARGETS = ("sysinit", "basic", "shutdown", "network-online", "multi-user")
BOOT = """
set -e
folder=$1
shift
mount -t tmpfs -o mode=755 tmpfs "$folder"
mkdir "$folder/changes" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/changes,workdir=$folder/work" "$folder/root"
cd "$folder/root"
for lent; do
    mkdir -p "./$lent"
    mount --bind "$lent" "./$lent"
done
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mkdir -p run/targets run/old etc/systemd/system
cp "$folder"/../targets/* run/targets
pivot_root . run/old
umount -l /run/old
mount --make-rshared / # as systemd makes it where it is no container: credentials come that way
exec "$SYSTEMD" --unit=multi-user.target
"""


class Systemd:
    """Runs until stop(). `lent` are folders of this machine that it sees, and may write to, as they are."""

    def __init__(self, folder: Path, lent: Sequence[Path]) -> None:
        self._group = Path(tempfile.mkdtemp(prefix="pulltrace-systemd-", dir=folder_of_own_cgroup()))
        (folder / "root").mkdir()
        (folder / "targets").mkdir()
        for name in TARGETS:
            text = f"[Unit]\nDescription={name}\nDefaultDependencies=no\n"
            (folder / "targets" / f"{name}.target").write_text(text)
        (folder / "boot").write_text(BOOT)
        unshare = "unshare --mount --propagation private --pid --fork --kill-child --cgroup --net --uts"
        arguments = shlex.join(map(str, [folder / "boot", folder / "root", *lent]))
        self._process = Process(
            "systemd",
            ["sh", "-ec", f"echo $$ >{self._group}/cgroup.procs; exec {unshare} sh {arguments}"],
            folder,
            {
                "PATH": os.environ["PATH"],
                "SYSTEMD": str(PROGRAM.resolve()),
                "SYSTEMD_UNIT_PATH": f"/etc/systemd/system:/run/systemd/system:{UNITS}:/run/targets",
                "SYSTEMD_LOG_TARGET": "console",
                "container": "pulltrace-laboratory",
            },
        )
        try:
            self._process.wait_until_ready("it has started its target", self._is_up, 60)
        except BaseException:
            self.stop()
            raise

    def _init(self) -> int:
        """systemd, as seen from outside; 0: not yet."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        is_it = children and Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd"
        return int(children[0]) if is_it else 0

    def _is_up(self) -> bool:
        return bool(self._init()) and self.run("systemctl is-active multi-user.target").returncode == 0

    def run(self, command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A shell's command there, as root."""
        inside = f"cd {shlex.quote(str(cwd))}\n{command}" if cwd else command
        return subprocess.run(
            ["nsenter", "--target", str(self._init()), "--mount", "--pid", "--cgroup", "--net", "--uts", "--root"]
            + ["sh", "-ec", inside],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/root"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def must(self, command: str, cwd: Path | None = None) -> str:
        done = self.run(command, cwd)
        if done.returncode != 0:
            raise AssertionError(f"{command}\n{done.stdout}{done.stderr}\n{self._process.log_tail()}")
        return done.stdout

    def show(self, unit: str, name: str) -> str:
        """One of the unit's properties."""
        return self.must(f"systemctl show --value --property={name} {unit}").strip()

    def stop(self) -> None:
        """The kernel ends all that runs in the namespace with its first process."""
        self._process.kill()
        wait_for("its control groups are empty", lambda: not self._remove_groups(), 10)

    def _remove_groups(self) -> bool:
        """Whether some are left."""
        for group, _, _ in os.walk(self._group, topdown=False):
            try:
                os.rmdir(group)
            except OSError:
                return True
        return False


def folder_of_own_cgroup() -> Path:
    """Of version 2, where that is mounted."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    where = next(Path(mount[1]) for mount in mounts if mount[2] == "cgroup2")
    return where / own_cgroup("").lstrip("/")
