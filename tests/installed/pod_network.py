# SPDX-License-Identifier: Apache-2.0
"""What a cluster's pods find: a bridge by CNI, services by kube-proxy, names by CoreDNS."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from lab import tools
from lab.processes import Process
from lab.waiting import wait_for
from tests.cluster.node import ADDRESS, NODE, Node
from tests.kubernetes.real_api import ApiError, Object

PROGRAMS = tools.TOOLS / "chart"
PLUGINS = PROGRAMS / "network/usr/lib/cni"
NFT = PROGRAMS / "network/nft"
SOCKET = Path("/run/containerd/containerd.sock")  # where the chart expects it
PODS = "10.244.0.0/24"
NAMES = "10.0.0.10"  # of the service of names
BRIDGE = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
COREDNS = """\
.:53 {{
    bind {address}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
    }}
}}
"""


class PodNetworkNode(Node):
    """A node whose pods have addresses of their own, and whose containerd is where most have it."""

    socket = SOCKET

    def __init__(self, bytes_per_second: int) -> None:
        settings = {"clusterDNS": [NAMES], "clusterDomain": "cluster.local", "syncFrequency": "5s"}
        super().__init__(tools.CONTAINERD_2, bytes_per_second, None, settings)
        try:
            self._start_proxy()
            self._start_names()
        except BaseException:
            self.close()
            raise

    def _write_network(self, folder: Path) -> None:
        shutil.copytree(PLUGINS, folder / "bin")
        (folder / "net.d").mkdir(parents=True, exist_ok=True)
        (folder / "net.d/10-pods.conflist").write_text(json.dumps(BRIDGE))

    def _start_proxy(self) -> None:
        folder = self.api.folder
        self.api.sign_client("proxy", "/CN=system:kube-proxy")
        self.api.kubeconfig(folder / "proxy.conf", "proxy")
        settings: dict[str, Any] = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "clientConnection": {"kubeconfig": str(folder / "proxy.conf")},
            "clusterCIDR": PODS,
            "hostnameOverride": NODE,
            "conntrack": {"maxPerCore": 0},
            "metricsBindAddress": "127.0.0.1:10249",
        }
        (folder / "proxy.json").write_text(json.dumps(settings))
        environment = {"PATH": f"{NFT.parent}:/usr/sbin:/usr/bin:/sbin:/bin"}
        command = [PROGRAMS / "kube-proxy", f"--config={folder / 'proxy.json'}", "--v=2"]
        self.proxy = Process("kube-proxy", command, self.path, environment)
        self._stops.append(self.proxy.stop)

    def _start_names(self) -> None:
        folder = self.api.folder
        self.api.sign_client("names", "/O=system:masters/CN=names")
        self.api.kubeconfig(folder / "names.conf", "names")
        corefile = folder / "Corefile"
        corefile.write_text(COREDNS.format(address=ADDRESS, kubeconfig=folder / "names.conf"))
        self.names = Process("coredns", [PROGRAMS / "coredns", "-conf", corefile], self.path)
        self._stops.append(self.names.stop)
        ports = [{"name": f"dns-{kind}".lower(), "port": 53, "protocol": kind} for kind in ("UDP", "TCP")]
        self._make_service_of_the_machine("kube-system", "kube-dns", {"clusterIP": NAMES, "ports": ports}, ports)

    def make_service_of_the_machine(self, namespace: str, name: str, port: int, target: int) -> None:
        """Leads pods to a port of the machine, by a name."""
        ports, targets = ([{"name": name, "port": number, "protocol": "TCP"}] for number in (port, target))
        self._make_service_of_the_machine(namespace, name, {"ports": ports}, targets)

    def _make_service_of_the_machine(self, namespace: str, name: str, spec: Object, targets: list[Object]) -> None:
        path = f"/api/v1/namespaces/{namespace}/services"
        self.api.call("POST", path, {"metadata": {"name": name}, "spec": spec})
        endpoints = {
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}],
            "ports": targets,
        }
        self.api.call("POST", f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices", endpoints)

    # --- images ---

    def import_images(self, archive: Path, tag: str) -> None:
        """Loads an archive of `make images`, under another tag than its own."""
        self.containerd.ctr("images", "import", str(archive), timeout_s=120)
        for name in self.containerd.image_names():
            repository, _, version = name.rpartition(":")
            if version and archive.name == f"{repository.rpartition('/')[2]}-{version}.oci.tar":
                self.containerd.ctr("images", "tag", "--force", name, f"{repository}:{tag}")

    # --- objects ---

    def get(self, path: str) -> Object:
        return self.api.call("GET", path)

    def exists(self, path: str) -> bool:
        try:
            self.get(path)
        except ApiError:
            return False
        return True

    def pods_of(self, namespace: str, component: str) -> list[Object]:
        selector = f"labelSelector=app.kubernetes.io/component%3D{component}"
        found: list[Object] = self.get(f"/api/v1/namespaces/{namespace}/pods?{selector}")["items"]
        return found

    def wait_until_ready(self, namespace: str, component: str, timeout_s: float = 120) -> Object:
        """The component's one pod that is not about to go."""

        def ready() -> Object | None:
            pods = [p for p in self.pods_of(namespace, component) if not p["metadata"].get("deletionTimestamp")]
            conditions = {
                each["type"]: each["status"] for pod in pods for each in pod["status"].get("conditions", [])
            }
            return pods[0] if len(pods) == 1 and conditions.get("Ready") == "True" else None

        found: Object = wait_for(f"{component} is ready", ready, timeout_s)  # type: ignore[assignment]
        return found
