# SPDX-License-Identifier: Apache-2.0
"""A small arm64 machine that runs both images, emulated in software by QEMU: Debian's kernel, BusyBox and containerd
in an initial RAM file system. What it prints is on its serial line, which is this program's file."""

from __future__ import annotations

import lzma
import os
import re
import stat
import subprocess
import zlib
from pathlib import Path

from lab.processes import Process
from lab.tools import TOOLS

MACHINE = TOOLS / "arm64/machine"
GUEST = TOOLS / "arm64/guest"
MODULES = ("virtio_pci", "virtio_net", "overlay")
PROGRAMS = ("busybox", "containerd", "ctr")
TRIPLET = "aarch64-linux-gnu"
LOADER = "ld-linux-aarch64.so.1"
HOST_IN_GUEST = "10.0.2.2"  # QEMU's user network has this machine's loopback there
SERVER_PORT = 8080

# The first and only program of the guest. Lines that begin with `guest: ` are for the test.
INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /var/lib/containerd /usr/sbin /usr/bin /sbin
/bin/busybox --install -s
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for folder in /run /tmp /var/lib/containerd; do mount -t tmpfs tmp $folder; done
mkdir -p /run/containerd
for module in $(cat /modules/order); do insmod /modules/$module || echo "guest: no module $module"; done
ip link set lo up
ip address add 10.0.2.15/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.2
echo "guest: $(uname -m) $(uname -r)"
containerd --config /etc/containerd.toml 2>&1 &
for image in agent server; do mount --bind /$image /$image; mount -t proc proc /$image/proc; done
mount --bind /run/containerd /agent/run/containerd
for image in agent server; do mount -o remount,ro,bind /$image; done
chroot /server /usr/bin/pulltrace-server &
export PULLTRACE_CONTAINERD_SOCKET=/run/containerd/containerd.sock
export PULLTRACE_NODE_NAME=arm64-node PULLTRACE_SERVER_URL=http://127.0.0.1:8080
until [ -S /run/containerd/containerd.sock ]; do sleep 1; done
chroot /agent /usr/bin/pulltrace-agent &
agent=$!
until chroot /agent /usr/bin/pulltrace-agent --ready > /run/ready; do sleep 1; done
echo "guest: ready: $(cat /run/ready)"
grep -E '^(CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/$agent/status | sed 's/^/guest: /'
ctr -n k8s.io images pull --plain-http IMAGE > /run/pull.log 2>&1
echo "guest: pulled $?"
tail -n 3 /run/pull.log
while :; do sleep 60; done
"""
CONTAINERD_CONFIG = """version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
"""


class Archive:
    """An initial RAM file system: https://docs.kernel.org/driver-api/early-userspace/buffer-format.html."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._names: set[str] = set()
        self._number = 0

    def _entry(self, name: str, mode: int, content: bytes) -> None:
        self._number += 1
        numbers = [self._number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
        self._parts += [head, b"\0" * (-len(head) % 4), content, b"\0" * (-len(content) % 4)]

    def folder(self, name: str) -> None:
        parts = name.split("/")
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            if path and path not in self._names:
                self._names.add(path)
                self._entry(path, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, content: bytes, mode: int = 0o755) -> None:
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, content)

    def tree(self, name: str, source: Path) -> None:
        for path in sorted(source.rglob("*")):
            inside = f"{name}/{path.relative_to(source)}"
            if path.is_dir():
                self.folder(inside)
            else:
                self.file(inside, path.read_bytes(), path.stat().st_mode & 0o777)

    def bytes(self) -> bytes:
        self._entry("TRAILER!!!", 0, b"")
        packer = zlib.compressobj(1, wbits=31)
        return b"".join(packer.compress(part) for part in self._parts) + packer.flush()


def needed(program: Path) -> list[str]:
    shown = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True)
    return re.findall(r"\(NEEDED\).*\[(.+)\]", shown.stdout)


def load_order() -> list[tuple[str, bytes]]:
    """Name and content of the modules, each behind what it depends on."""
    folder = next((GUEST / "usr/lib/modules").iterdir())
    files = {path.name.split(".")[0].replace("-", "_"): path for path in folder.rglob("*.ko*")}
    ordered: dict[str, bytes] = {}

    def add(name: str) -> None:
        path = files.get(name.replace("-", "_"))
        if path is None or path.name in ordered:
            return  # a part of the kernel itself
        content = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        found = re.search(rb"\0depends=([^\0]*)\0", content)
        for dependency in found[1].decode().split(",") if found else []:
            add(dependency)
        ordered[path.name] = content

    for module in MODULES:
        add(module)
    return [(name.split(".")[0] + ".ko", content) for name, content in ordered.items()]


def make_archive(agent: Path, server: Path, image: str) -> bytes:
    """`agent` and `server` are the roots of the two images; `image` is what is pulled."""
    archive = Archive()
    archive.file("init", INIT.replace("IMAGE", image).encode())
    archive.file("etc/containerd.toml", CONTAINERD_CONFIG.encode(), 0o644)
    libraries = {LOADER}
    for program in PROGRAMS:
        path = GUEST / "usr/bin" / program
        archive.file(f"bin/{program}", path.read_bytes())
        libraries |= set(needed(path))
    for library in sorted(libraries):
        content = (GUEST / "usr/lib" / TRIPLET / library).read_bytes()
        archive.file(f"lib/{library}" if library == LOADER else f"lib/{TRIPLET}/{library}", content)
    modules = load_order()
    for name, content in modules:
        archive.file(f"modules/{name}", content)
    archive.file("modules/order", "\n".join(name for name, _ in modules).encode())
    for name, root in (("agent", agent), ("server", server)):
        archive.tree(name, root)
        archive.folder(f"{name}/proc")
    archive.folder("agent/run/containerd")
    return archive.bytes()


def kernel() -> Path:
    return next((GUEST / "boot").glob("vmlinuz-*"))


def start(folder: Path, archive: bytes, port: int) -> Process:
    """Boots it; the server in it answers at this port of this machine's loopback."""
    (folder / "initrd").write_bytes(archive)
    libraries = f"{MACHINE}/usr/lib/x86_64-linux-gnu"
    command = [
        MACHINE / "usr/lib64/ld-linux-x86-64.so.2", "--library-path", libraries,
        MACHINE / "usr/bin/qemu-system-aarch64", "-L", MACHINE / "usr/share/qemu",
        "-machine", "virt", "-cpu", "max,pauth-impdef=on", "-smp", "2", "-m", "1536", "-nodefaults", "-nographic",
        "-no-reboot", "-serial", "stdio", "-monitor", "none",
        "-kernel", kernel(), "-initrd", folder / "initrd",
        "-append", "console=ttyAMA0 loglevel=4 rdinit=/init panic=-1",
        "-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:{SERVER_PORT}",
        "-device", "virtio-net-pci,netdev=net,romfile=",
    ]  # fmt: skip
    return Process("guest", command, folder)
