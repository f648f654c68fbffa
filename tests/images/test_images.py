# SPDX-License-Identifier: Apache-2.0
"""The archives that `make images` wrote: what they hold, and that the programs run with nothing else."""

from __future__ import annotations

import gzip
import io
import json
import re
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DIST = REPOSITORY / "dist"
LARGEST = {"pulltrace-agent": 6_000_000, "pulltrace-server": 12_000_000}
USERS = {"pulltrace-agent": "0:0", "pulltrace-server": "65534:65534"}
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
EXPECTED = r"""usr/bin/{program}|lib(64)?/ld-linux-[\w-]+\.so\.\d|usr/lib/{triplet}/lib[\w.+-]+\.so[.\d]*
    |etc/(passwd|group|nsswitch\.conf)|etc/ssl/certs/ca-certificates\.crt|usr/share/doc/[\w.+-]+/copyright"""
UNWANTED = re.compile(r"lib(ldap|krb5|gssapi|ssh|rtmp|idn|psl|brotli|curl)")
WAIT_S = 10
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
# Runs argv[2:] with argv[1] as its read-only root; the image has no program that would do it from inside.
ENTER = f"""
import ctypes, os, subprocess, sys
root = sys.argv[1]
subprocess.run(["mount", "--bind", root, root], check=True)
subprocess.run(["mount", "-o", "remount,ro,bind", root], check=True)
os.chroot(root)
os.chdir("/")
prctl = ctypes.CDLL(None, use_errno=True).prctl
for capability in range(64):
    prctl({PR_CAPBSET_DROP}, capability, 0, 0, 0)
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
prctl({PR_SET_NO_NEW_PRIVS}, 1, 0, 0, 0)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Image:
    """One platform's image of an archive."""

    def __init__(self, program: str, architecture: str) -> None:
        version = re.search(r"version: '([^']+)'", (REPOSITORY / "meson.build").read_text())
        assert version
        self.program, self.architecture, self.version = program, architecture, version[1]
        self.archive = tarfile.open(fileobj=io.BytesIO((DIST / f"{program}-{self.version}.oci.tar").read_bytes()))
        self.index = self.read("index.json")
        self.platforms = self.read_blob(self.index["manifests"][0]["digest"])["manifests"]
        digest = next(m["digest"] for m in self.platforms if m["platform"]["architecture"] == architecture)
        self.manifest = self.read_blob(digest)
        self.config = self.read_blob(self.manifest["config"]["digest"])

    def bytes_of(self, name: str) -> bytes:
        file = self.archive.extractfile(name)
        assert file
        return file.read()

    def read(self, name: str) -> Any:
        return json.loads(self.bytes_of(name))

    def read_blob(self, digest: str) -> Any:
        return self.read("blobs/sha256/" + digest.removeprefix("sha256:"))

    def layers(self) -> list[tarfile.TarFile]:
        names = ["blobs/sha256/" + layer["digest"].removeprefix("sha256:") for layer in self.manifest["layers"]]
        return [tarfile.open(fileobj=io.BytesIO(gzip.decompress(self.bytes_of(name)))) for name in names]

    def unpack(self, folder: Path) -> None:
        for layer in self.layers():
            layer.extractall(folder)


def free_address() -> str:
    """One where nothing else on this machine answers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


ALL = [(program, architecture) for program in LARGEST for architecture in TRIPLETS]


class Content(unittest.TestCase):
    def test_each_holds_the_program_and_what_it_needs_and_nothing_else(self) -> None:
        for program, architecture in ALL:
            expected = re.compile(
                EXPECTED.format(program=program, triplet=TRIPLETS[architecture]), re.VERBOSE
            )
            with self.subTest(program, architecture=architecture):
                members = [member for layer in Image(program, architecture).layers() for member in layer]
                names = [member.name for member in members if not member.isdir()]
                self.assertEqual([name for name in names if not expected.fullmatch(name)], [])
                self.assertEqual([name for name in names if UNWANTED.search(name)], [])
                self.assertIn(f"usr/bin/{program}", names)
                self.assertTrue(all(m.isfile() or m.isdir() for m in members), "no link, no device")
                self.assertFalse([m.name for m in members if m.mode & 0o7022], "none writable, none setuid")
                self.assertEqual({(m.uid, m.gid) for m in members}, {(0, 0)})

    def test_each_is_small_and_runs_as_its_user(self) -> None:
        for program, architecture in ALL:
            with self.subTest(program, architecture=architecture):
                image = Image(program, architecture)
                size = sum(layer["size"] for layer in image.manifest["layers"])
                self.assertLessEqual(size, LARGEST[program])
                self.assertEqual(image.config["config"]["User"], USERS[program])
                self.assertEqual(image.config["architecture"], architecture)
                labels = image.config["config"]["Labels"]
                self.assertEqual(labels["org.opencontainers.image.version"], image.version)

    def test_each_has_its_name(self) -> None:
        for program in LARGEST:
            image = Image(program, "amd64")
            annotations = image.index["manifests"][0]["annotations"]
            self.assertEqual(
                annotations["io.containerd.image.name"], f"ghcr.io/pulltrace/{program}:{image.version}"
            )
            self.assertEqual(
                [m["platform"]["architecture"] for m in image.platforms], ["amd64", "arm64"]
            )

    def test_the_sbom_names_each_file(self) -> None:
        for program, architecture in ALL:
            with self.subTest(program, architecture=architecture):
                image = Image(program, architecture)
                path = DIST / f"{program}-{image.version}-{architecture}.spdx.json"
                sbom = json.loads(path.read_text())
                names = {m.name for layer in image.layers() for m in layer if m.isfile()}
                self.assertEqual({file["fileName"].removeprefix("./") for file in sbom["files"]}, names)
                packages = {package["name"] for package in sbom["packages"]}
                self.assertLessEqual({"curl", "libc6", "libssl3t64", "ca-certificates"}, packages)


class Hardening(unittest.TestCase):
    """What makes a memory error hard to use, in the programs as they are shipped."""

    def readelf(self, path: Path, *options: str) -> str:
        command = ["readelf", "--wide", *options, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def test_each_program(self) -> None:
        for program, architecture in ALL:
            with self.subTest(program, architecture=architecture), tempfile.TemporaryDirectory() as folder:
                Image(program, architecture).unpack(Path(folder))
                path = Path(folder, "usr/bin", program)
                dynamic, segments = self.readelf(path, "--dynamic"), self.readelf(path, "--segments")
                symbols = self.readelf(path, "--dyn-syms")
                self.assertRegex(self.readelf(path, "--file-header"), r"Type:\s+DYN")
                self.assertIn("PIE", dynamic)
                self.assertIn("BIND_NOW", dynamic)
                self.assertIn("GNU_RELRO", segments)
                self.assertRegex(segments, r"GNU_STACK.* RW +0x")
                self.assertNotRegex(segments, r"LOAD.* RWE ")
                self.assertNotRegex(dynamic, r"\((RPATH|RUNPATH|TEXTREL)\)")
                self.assertIn("__stack_chk_fail", symbols)
                fortified = set(re.findall(r"\b__\w+_chk\b", symbols))
                self.assertLessEqual({"__snprintf_chk", "__memcpy_chk", "__read_chk"}, fortified)

    def test_indirect_jumps(self) -> None:
        """On arm64 the kernel enforces it for program and libraries. On amd64 the program's functions are marked, but
        the C library of Debian 13 is not, so nobody enforces it."""
        for program, architecture in ALL:
            with self.subTest(program, architecture=architecture), tempfile.TemporaryDirectory() as folder:
                Image(program, architecture).unpack(Path(folder))
                path = Path(folder, "usr/bin", program)
                if architecture == "arm64":
                    for file in (path, *Path(folder).rglob("*.so*")):
                        self.assertIn("AArch64 feature: BTI, PAC", self.readelf(file, "--notes"), file.name)
                else:
                    endbr64 = b"\xf3\x0f\x1e\xfa"
                    self.assertGreater(path.read_bytes().count(endbr64), 500)


class Running(unittest.TestCase):
    """With the image as its whole, read-only root, no capability, and no way to gain one."""

    def start(self, program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        root = Path(holder.name)
        root.chmod(0o755)
        Image(program, "amd64").unpack(root)
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", ENTER]
        command += [str(root), f"/usr/bin/{program}", *arguments]
        process = subprocess.Popen(
            command,
            env=environment | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_both_say_their_version(self) -> None:
        for program in LARGEST:
            with self.subTest(program):
                output, _ = self.start(program, "--version").communicate(timeout=WAIT_S)
                self.assertIn(Image(program, "amd64").version, output)

    def test_the_server_answers_and_has_its_page(self) -> None:
        address = free_address()
        process = self.start(
            "pulltrace-server", PULLTRACE_HTTP_ADDR=address, PULLTRACE_METRICS_ADDR=free_address()
        )
        self.assertEqual(self.get(address, "healthz").status, 200)
        self.assertNotIn(b"built without its web page", self.get(address, "").read())
        self.assertIsNone(process.poll(), "it was this server that answered")
        status = Path(f"/proc/{process.pid}/status").read_text()
        self.assertRegex(status, r"Uid:\s+65534\s+65534\s+65534")
        self.assertRegex(status, r"CapEff:\s+0+\n")
        self.assertRegex(status, r"CapBnd:\s+0+\n")
        self.assertRegex(status, r"NoNewPrivs:\s+1")

    def get(self, address: str, path: str) -> Any:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                answer = urllib.request.urlopen(f"http://{address}/{path}", timeout=WAIT_S)
                self.addCleanup(answer.close)
                return answer
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(unittest.main())
