# SPDX-License-Identifier: Apache-2.0
"""Tries, each in a process of its own, what the units forbid; prints what came of it as JSON: name to result.

A result is "done", the name of an error, or the signal that ended it. Nothing here changes anything of the machine when
it is allowed: clocks are set to what is no time, modules are loaded from nowhere.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000
PTRACE_TRACEME = 0
SYSLOG_ACTION_SIZE_BUFFER = 10
PER_LINUX32 = 8
SYS_INIT_MODULE, SYS_CLOCK_SETTIME = (175, 227) if os.uname().machine == "x86_64" else (105, 112)


def call(function: str, *arguments: object) -> None:
    if getattr(LIBC, function)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), function)


def write(path: str) -> Callable[[], object]:
    def attempt() -> None:
        with tempfile.NamedTemporaryFile(dir=path):
            pass

    return attempt


def no_time() -> None:
    call("syscall", SYS_CLOCK_SETTIME, 0, (ctypes.c_long * 2)(0, 2_000_000_000))


def group() -> None:
    os.mkdir("/sys/fs/cgroup/probe")
    os.rmdir("/sys/fs/cgroup/probe")


def device() -> None:
    os.mknod("/dev/shm/probe", 0o600 | 0o020000, os.makedev(1, 3))
    os.unlink("/dev/shm/probe")


def set_user_id() -> None:
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        os.chmod(file.name, 0o4700)


def say(words: object) -> None:
    """Not what was done, but what was found."""
    raise RuntimeError(str(words))


def status(name: str) -> str:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:"))
    return line.split()[1]


ATTEMPTS: dict[str, Callable[[], object]] = {
    "write to /usr": write("/usr/local"),
    "write to /etc": write("/etc"),
    "write to /var": write("/var"),
    "files in /root": lambda: os.stat("/root/of-another"),
    "files in /home": lambda: os.stat("/home/of-another"),
    "others' files in /tmp": lambda: os.stat("/tmp/of-another"),
    "open a disk or kmsg": lambda: os.stat("/dev/kmsg"),
    "make a device": device,
    "set the clock": no_time,
    "make a control group": group,
    "name the machine": lambda: socket.sethostname(socket.gethostname()),
    "read the kernel's log": lambda: call("klogctl", SYSLOG_ACTION_SIZE_BUFFER, None, 0),
    "load a module": lambda: call("syscall", SYS_INIT_MODULE, None, 0, b""),
    "write a kernel's setting": lambda: os.close(os.open("/proc/sys/kernel/panic", os.O_WRONLY)),
    "see process 1": lambda: os.stat("/proc/1"),
    "a user namespace": lambda: call("unshare", CLONE_NEWUSER),
    "a mount namespace": lambda: call("unshare", CLONE_NEWNS),
    "a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
    "a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close(),
    "an inet socket": lambda: socket.socket(socket.AF_INET).close(),
    "an inet6 socket": lambda: socket.socket(socket.AF_INET6).close(),
    "a unix socket": lambda: socket.socket(socket.AF_UNIX).close(),
    "resolve localhost": lambda: socket.getaddrinfo("localhost", 80),
    "real-time scheduling": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "a file that runs as its owner": set_user_id,
    "another personality": lambda: call("personality", ctypes.c_ulong(PER_LINUX32)),
    "memory that is writable and executable": lambda: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ),
    "ptrace": lambda: call("ptrace", PTRACE_TRACEME, 0, 0, 0),
    "user": lambda: say("root" if os.getuid() == 0 else "dynamic" if 61184 <= os.getuid() <= 65519 else os.getuid()),
    "capabilities that can be had": lambda: say("none" if int(status("CapBnd"), 16) == 0 else "some"),
    "new privileges": lambda: say("never" if status("NoNewPrivs") == "1" else "possible"),
    "files at once": lambda: say(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    "files at most": lambda: say(resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
}


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except RuntimeError as found:
        return str(found)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def in_a_process(attempt: Callable[[], object]) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, outcome(attempt).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        text = answer.read()
    _, ended = os.waitpid(child, 0)
    return signal.Signals(os.WTERMSIG(ended)).name if os.WIFSIGNALED(ended) else text


if __name__ == "__main__":
    json.dump({name: in_a_process(attempt) for name, attempt in ATTEMPTS.items()}, sys.stdout)
