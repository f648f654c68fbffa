# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes of one node. Runs only in the namespaces that tests/cluster/enter has prepared."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab import tools
from lab.containerd import SANDBOX_IMAGE, Containerd
from lab.cri import CriClient
from lab.images import Image, ImageMaker
from lab.layers import LayerSpec
from lab.processes import Process
from lab.registry import Registry
from lab.throttle import Throttle
from lab.waiting import wait_for
from lab.workspace import Workspace
from tests.cluster.registries import FarRegistry, RefusingRegistry
from tests.kubernetes.real_api import ApiError, Object, RealApi

PROGRAMS = tools.TOOLS / "kubernetes"
BUSYBOX = PROGRAMS / "busybox"
RUNC = PROGRAMS / "runc"

NODE = "node-a"
ADDRESS = "10.99.0.1"  # tests/cluster/enter
HOST = "registry.example"
FAR = "far.example"  # the same registry, but LATENCY_S away
LATENCY_S = 0.3
ALWAYS_RUNS = ("/bin/busybox", "sleep", "86400")
COLLECTIONS = (
    "apis/apps/v1/deployments",
    "apis/apps/v1/daemonsets",
    "apis/batch/v1/jobs",
    "api/v1/pods",
)
PERMANENT = ("Running", "Succeeded")

LOOPBACK = {"cniVersion": "0.3.1", "name": "lo", "plugins": [{"type": "loopback"}]}
NO_LIMIT = {
    "imagefs.available": "0%",
    "imagefs.inodesFree": "0%",
    "memory.available": "0%",
    "nodefs.available": "0%",
    "nodefs.inodesFree": "0%",
}


class Node:
    """Everything from etcd to the kubelet, in a folder that disappears; close() ends it.

    Pods use the network of the host, since nothing here is about theirs.
    """

    socket: Path | None = None  # containerd's, if not in the folder

    def __init__(
        self,
        binaries: tools.ContainerdBinaries,
        bytes_per_second: int,
        by_repository: Mapping[str, int] | None = None,
        kubelet_settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._stops: list[Callable[[], object]] = []
        self.workspace = Workspace()
        self._stops.append(self.workspace.close)
        self.path = self.workspace.path
        self._stops.append(lambda: unmount_below(self.path))
        self._kubelet_settings = dict(kubelet_settings or {})
        try:
            self._start_registries(bytes_per_second, by_repository)
            self._start_containerd(binaries)
            self._start_api()
            self._start_controllers()
            self._write_kubelet_files()
            self.start_kubelet()
            self._stops.append(self._end_kubelet_and_pods)
            wait_for("the node is ready", self._is_ready, 120)
            wait_for("pods can be created", self._has_account, 30)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        while self._stops:
            self._stops.pop()()

    # --- registries and images ---

    def _start_registries(
        self, bytes_per_second: int, by_repository: Mapping[str, int] | None
    ) -> None:
        self.registry = Registry(self.path / "registry")
        self._stops.append(self.registry.stop)
        self.throttle = Throttle(
            self.path / "throttle", self.registry.port, bytes_per_second, by_repository
        )
        self._stops.append(self.throttle.stop)
        self.images = ImageMaker(self.path / "images", self.registry.port)
        far = FarRegistry(self.throttle.port, LATENCY_S)
        basic = {"WWW-Authenticate": 'Basic realm="test"'}
        refusing = {
            "auth.example": RefusingRegistry(401, "UNAUTHORIZED", basic),
            "limit.example": RefusingRegistry(429, "TOOMANYREQUESTS"),
        }
        self._ports = {HOST: self.throttle.port, FAR: far.port, "down.example": 9}
        self._ports |= {host: registry.port for host, registry in refusing.items()}
        self._stops += [far.stop, *(registry.stop for registry in refusing.values())]
        self.push("pause:3.10", 1000)

    def push(self, name: str, *layer_bytes: int, host: str = HOST, **more: Any) -> str:
        """Pushes `repository:tag` with a small layer that holds the program, and random layers of
        these sizes above; returns the reference to pull."""
        self.push_image(name, *layer_bytes, **more)
        return f"{host}/{name}"

    def push_image(
        self, name: str, *layer_bytes: int, entrypoint: tuple[str, ...] = ALWAYS_RUNS, **more: Any
    ) -> Image:
        repository, _, tag = name.rpartition(":")
        layers = [LayerSpec(1000, "program", program=BUSYBOX)]
        layers += [LayerSpec(size, f"{name} {i}") for i, size in enumerate(layer_bytes)]
        return self.images.push(repository, tag, layers, entrypoint=entrypoint, **more)

    # --- containerd ---

    def _start_containerd(self, binaries: tools.ContainerdBinaries) -> None:
        self.containerd = Containerd(
            self.path / "containerd", binaries, cri=True, runtime=RUNC, socket=self.socket
        )
        self._stops.append(self.containerd.stop)
        for host, port in self._ports.items():
            self.containerd.serve_registry(host, port)
        self.cri = CriClient(self.containerd)
        self._write_network(self.containerd.folder / "cni")
        assert SANDBOX_IMAGE.startswith(HOST)

    def _write_network(self, folder: Path) -> None:
        """What containerd makes of a pod's network: bin/ has the plugins, net.d/ says how they are used."""
        (folder / "net.d").mkdir(parents=True, exist_ok=True)
        (folder / "net.d/99-loopback.conflist").write_text(json.dumps(LOOPBACK))

    # --- the API and what is run by it ---

    def _start_api(self) -> None:
        folder = self.path / "api"
        folder.mkdir()
        self.api = RealApi(folder, ADDRESS)
        self._stops.append(self.api.close)
        users = {
            "kubelet": f"/O=system:nodes/CN=system:node:{NODE}",
            "scheduler": "/CN=system:kube-scheduler",
            "controller-manager": "/O=system:masters/CN=system:kube-controller-manager",
        }
        for name, subject in users.items():
            self.api.sign_client(name, subject)
            self.api.kubeconfig(folder / f"{name}.conf", name)

    def _start_controllers(self) -> None:
        folder = self.api.folder
        common = ["--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=0"]
        scheduler = [f"--kubeconfig={folder / 'scheduler.conf'}", *common]
        manager = [
            f"--kubeconfig={folder / 'controller-manager.conf'}", *common,
            f"--service-account-private-key-file={folder / 'accounts.key'}",
            f"--root-ca-file={folder / 'ca.pem'}",
        ]  # fmt: skip
        for name, arguments in (("scheduler", scheduler), ("controller-manager", manager)):
            process = Process(name, [PROGRAMS / f"kube-{name}", *arguments], self.path)
            self._stops.append(process.stop)

    # --- the kubelet ---

    def _write_kubelet_files(self) -> None:
        folder = self.path / "kubelet"
        self.manifests = folder / "manifests"
        self.manifests.mkdir(parents=True)
        settings = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.api.folder / "ca.pem")},
            },
            "authorization": {"mode": "Webhook"},
            "address": ADDRESS,
            "staticPodPath": str(self.manifests),
            "podLogsDir": str(folder / "logs"),
            "resolvConf": "",
            "containerRuntimeEndpoint": f"unix://{self.containerd.socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "localStorageCapacityIsolation": False,
            "makeIPTablesUtilChains": False,
            "oomScoreAdj": 0,
            "evictionHard": NO_LIMIT,
            "fileCheckFrequency": "2s",
            "syncFrequency": "20s",
            "nodeStatusUpdateFrequency": "5s",
            "volumePluginDir": str(folder / "plugins"),
            "featureGates": {"ImageVolume": True},
        }
        (folder / "config.json").write_text(json.dumps(settings | self._kubelet_settings))

    def start_kubelet(self) -> None:
        folder = self.path / "kubelet"
        arguments = [
            f"--config={folder / 'config.json'}", f"--root-dir={folder / 'root'}",
            f"--kubeconfig={self.api.folder / 'kubelet.conf'}", f"--hostname-override={NODE}",
            f"--node-ip={ADDRESS}", f"--cert-dir={folder / 'pki'}", "--v=2",
        ]  # fmt: skip
        path = f"{PROGRAMS}:{os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}"
        environment = dict(os.environ) | {"PATH": path}
        self.kubelet = Process("kubelet", [PROGRAMS / "kubelet", *arguments], self.path, environment)

    def _end_kubelet_and_pods(self) -> None:
        self.kubelet.stop()
        for task in self.containerd.ctr("tasks", "ls", "-q").split():
            with contextlib.suppress(Exception):
                self.containerd.ctr("tasks", "kill", "--signal", "9", task)

    def _is_ready(self) -> bool:
        self.kubelet.require_running()
        try:
            node = self.api.call("GET", f"/api/v1/nodes/{NODE}")
        except ApiError:
            return False
        conditions = node.get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def _has_account(self) -> bool:
        try:
            self.api.call("GET", "/api/v1/namespaces/default/serviceaccounts/default")
        except ApiError:
            return False
        return True

    # --- pods ---

    def create_pod(self, name: str, image: str, **spec: Any) -> Object:
        containers = spec.pop("containers", [{"name": "app", "image": image}])
        made = {"metadata": {"name": name}, "spec": pod_spec(containers, **spec)}
        return self.api.call("POST", "/api/v1/namespaces/default/pods", made)

    def create_deployment(self, name: str, image: str, replicas: int) -> None:
        template = {
            "metadata": {"labels": {"app": name}},
            "spec": pod_spec([{"name": f"{name}-main", "image": image}]),
        }
        spec = {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        }
        path = "/apis/apps/v1/namespaces/default/deployments"
        self.api.call("POST", path, {"metadata": {"name": name}, "spec": spec})

    def pods(self, prefix: str = "") -> list[Object]:
        found = self.api.call("GET", "/api/v1/namespaces/default/pods")["items"]
        return [pod for pod in found if pod["metadata"]["name"].startswith(prefix)]

    def events(self, pod: str) -> list[Object]:
        """The kubelet's events of the pod."""
        selector = f"fieldSelector=involvedObject.name%3D{pod}"
        found: list[Object] = self.api.call(
            "GET", f"/api/v1/namespaces/default/events?{selector}"
        )["items"]
        return [event for event in found if event["source"].get("component") == "kubelet"]

    def wait_until_running(self, prefix: str, count: int = 1, timeout_s: float = 90) -> None:
        def run() -> bool:
            phases = [pod["status"].get("phase") for pod in self.pods(prefix)]
            return len([phase for phase in phases if phase in PERMANENT]) == count

        wait_for(f"{count} pods {prefix} run", run, timeout_s, every_s=0.2)

    def delete_pod(self, name: str) -> None:
        self.api.call("DELETE", f"/api/v1/namespaces/default/pods/{name}?gracePeriodSeconds=0")

    def delete_everything(self) -> None:
        """All that a test has created, so that the next one finds an empty node."""
        options = "gracePeriodSeconds=0&propagationPolicy=Background"
        for kind in COLLECTIONS:
            group, _, collection = kind.rpartition("/")
            self.api.call("DELETE", f"/{group}/namespaces/default/{collection}?{options}")
        wait_for("no pod is left", lambda: not self.pods(), 60, every_s=0.2)


def unmount_below(folder: Path) -> None:
    """What the kubelet and containerd have mounted for pods."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in reversed([each for each in mounts if each.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", mount], check=False)


def pod_spec(containers: list[Object], **more: Any) -> Object:
    return {
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": containers,
    } | more


def have_programs() -> bool:
    names = ("kubelet", "kube-scheduler", "kube-controller-manager", "runc", "busybox")
    return all((PROGRAMS / name).exists() for name in names) and shutil.which("openssl") is not None

