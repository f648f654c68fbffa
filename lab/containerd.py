# SPDX-License-Identifier: Apache-2.0
"""A private containerd: own root, state, socket and mount namespace; nothing of the machine's own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

from lab import tools
from lab.processes import Process
from lab.tools import ContainerdBinaries
from lab.unpacking import Unpacking

NAMESPACE = "k8s.io"

CONFIG = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = [{disabled}]

[grpc]
  address = "{socket}"

[debug]
  level = "info"

[plugins."io.containerd.internal.v1.opt"]
  path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
  stream_server_port = "0"
  sandbox_image = "{sandbox_image}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
{cri_unpacking}  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{folder}/cni/bin"
    conf_dir = "{folder}/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{hosts}"
{unpacking}"""

SANDBOX_IMAGE = "registry.example/pause:3.10"

NOT_NEEDED = [
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.restart",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.nri.v1.nri",
]
CRI_PLUGINS = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1.runtime",
]


class PullFailed(Exception):
    """A client's pull ended with an error; the message is the client's own."""


class Containerd:
    """One containerd that can be stopped, killed and started again on the same folder.

    Images are named after registry hosts; `serve_registry` says which loopback port answers for one.
    """

    def __init__(
        self,
        folder: Path,
        binaries: ContainerdBinaries,
        cri: bool = False,
        runtime: Path | None = None,
        unpacking: Unpacking | None = None,
        socket: Path | None = None,
    ) -> None:
        """With a runtime (runc), containers run, in the mount namespace of the caller."""
        folder.mkdir(parents=True)
        self._runtime = runtime
        self.folder = folder
        self.binaries = binaries
        self.socket = socket or folder / "containerd.sock"
        self.hosts = folder / "hosts"
        self.hosts.mkdir()
        self.content = folder / "root/io.containerd.content.v1.content"
        self.snapshotter = "native" if _is_on_overlay(folder) else "overlayfs"
        is_2 = binaries.version() >= (2, 0)
        if unpacking is not None:
            self.snapshotter = unpacking.snapshotter
        self._config = folder / "config.toml"
        self._config.write_text(
            CONFIG.format(
                folder=folder,
                socket=self.socket,
                hosts=self.hosts,
                sandbox_image=SANDBOX_IMAGE,
                snapshotter=self.snapshotter,
                unpacking=unpacking.configuration(self.hosts, is_2) if unpacking else "",
                cri_unpacking=unpacking.cri_settings() if unpacking and not is_2 else "",
                disabled=", ".join(
                    json.dumps(p)
                    for p in NOT_NEEDED + ([] if cri else CRI_PLUGINS)
                    if not p.endswith(f".{self.snapshotter}")
                ),
            )
        )
        # Before 1.7 it unpacks whatever it stores, and fails at what is no image.
        self.takes_artifacts = binaries.version() >= (1, 7)
        self._calls = 0
        programs = [str(runtime.parent), str(tools.SHIM.parent)] if runtime else []
        if unpacking and unpacking.programs:
            programs.append(str(unpacking.programs))
        system = os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        self._environment = {
            "PATH": ":".join([*programs, system]),
            "TMPDIR": str(folder),
            "CONTAINERD_SNAPSHOTTER": self.snapshotter,
        }
        self.start()

    def start(self) -> None:
        self.process = Process(
            "containerd",
            [self.binaries.containerd, "--config", self._config],
            self.folder,
            environment=self._environment,
            private_mounts=self._runtime is None,
        )
        self.process.wait_until_ready("answers", self._answers)

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        """kill -9: leases and ingests stay as they are."""
        self.process.kill()

    def serve_registry(self, host: str, port: int) -> None:
        """Images of registry `host` come from this loopback port, over plain HTTP."""
        folder = self.hosts / host
        folder.mkdir(exist_ok=True)
        url = f"http://127.0.0.1:{port}"
        (folder / "hosts.toml").write_text(
            f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n'
        )

    def ctr(self, *arguments: str, timeout_s: float = 60) -> str:
        """Runs ctr to its end and returns what it printed; raises PullFailed on failure."""
        done = subprocess.run(
            self._ctr_command(*arguments),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        if done.returncode != 0:
            raise PullFailed(done.stderr.strip())
        return done.stdout

    def next_call_name(self, client: str) -> str:
        """A name for the next client process, whose logs are in `folder`."""
        self._calls += 1
        return f"{client}-{self._calls}"

    def start_pull(self, reference: str, *options: str, namespace: str = NAMESPACE) -> Process:
        """Starts `ctr images pull`; exit status 0 means pulled and unpacked."""
        return self._start_ctr(namespace, "images", "pull", *options, reference)

    def start_fetch(self, reference: str) -> Process:
        """Starts `ctr content fetch`: a pull that unpacks nothing."""
        return self._start_ctr(NAMESPACE, "content", "fetch", reference)

    def pull(self, reference: str, *options: str, timeout_s: float = 120) -> None:
        process = self.start_pull(reference, *options)
        if process.wait(timeout_s) != 0:
            raise PullFailed(process.stderr_text().strip())

    def remove_image(self, reference: str) -> None:
        """Deletes the image record and waits for the garbage collection of what only it held."""
        self.ctr("images", "rm", "--sync", reference)

    def image_names(self) -> list[str]:
        return self.ctr("images", "ls", "-q").split()

    def _start_ctr(self, namespace: str, noun: str, verb: str, *arguments: str) -> Process:
        fetch = (noun, verb, "--hosts-dir", str(self.hosts), *arguments)
        return Process(
            self.next_call_name("ctr"),
            self._ctr_command(*fetch, namespace=namespace),
            self.folder,
            environment=self._environment,
        )

    def _ctr_command(self, *arguments: str, namespace: str = NAMESPACE) -> list[str]:
        return [str(self.binaries.ctr), "-a", str(self.socket), "-n", namespace, *arguments]

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        try:
            self.ctr("version", timeout_s=10)
        except (PullFailed, subprocess.TimeoutExpired):
            return False
        return True


def _is_on_overlay(folder: Path) -> bool:
    """overlayfs cannot be stacked on overlayfs, as in a container; then copies must do."""
    kind = subprocess.run(
        ["stat", "--file-system", "--format=%T", folder], capture_output=True, text=True, check=True
    )
    return kind.stdout.strip() == "overlayfs" or shutil.which("unshare") is None
