# SPDX-License-Identifier: Apache-2.0
"""The ground of the tests of an installed chart: each finds it installed, and nothing of it is left."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import unittest
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from lab.layers import LayerSpec
from lab.processes import Process
from lab.tools import REPOSITORY
from lab.waiting import Timeout, accepts_connections, free_port, wait_for
from tests.chart.helm import CHART, CONSENT, HELM, run
from tests.cluster.node import BUSYBOX, HOST
from tests.integration.certificates import make_certificates
from tests.installed.pod_network import PROGRAMS, PodNetworkNode
from tests.kubernetes.real_api import Object

KUBECTL = PROGRAMS / "kubectl"
RELEASES = REPOSITORY / os.environ.get("PULLTRACE_BIN_DIR", "build-asan")
CURRENT = RELEASES / "release-current"  # scripts/test-chart
PREVIOUS = RELEASES / "release-previous"
NAMESPACE = "observability"
RELEASE = "pulltrace"
TAG = "current"
PREVIOUS_TAG = "previous"
MB = 1_000_000
KINDS = """serviceaccounts secrets configmaps services pods deployments.apps replicasets.apps daemonsets.apps
    jobs.batch cronjobs.batch roles.rbac.authorization.k8s.io rolebindings.rbac.authorization.k8s.io
    networkpolicies.networking.k8s.io poddisruptionbudgets.policy""".split()
CLUSTER_KINDS = ("clusterroles", "clusterrolebindings")
GIVEN = {"serviceaccount/default", "configmap/kube-root-ca.crt"}  # what each namespace has


def say(text: str) -> None:
    print(f"\n    {text}", flush=True)


@dataclass
class Stopwatch:
    started: float = field(default_factory=time.monotonic)

    def seconds(self) -> str:
        return f"{time.monotonic() - self.started:.1f} s"


class InstalledCase(unittest.TestCase):
    node: ClassVar[PodNetworkNode]
    environment: ClassVar[dict[str, str]]

    @classmethod
    def setUpClass(cls) -> None:
        started = time.monotonic()
        cls.node = PodNetworkNode(2 * MB)
        cls.addClassCleanup(cls.node.close)
        for folder, tag in ((PREVIOUS, PREVIOUS_TAG), (CURRENT, TAG)):
            for archive in sorted(folder.glob("*.oci.tar")):
                cls.node.import_images(archive, tag)
        cls._push_test_image()
        config = cls.node.path / "kubeconfig"
        cls.node.api.kubeconfig(config, "admin")
        cls.environment = dict(os.environ) | {"KUBECONFIG": str(config), "HOME": str(cls.node.path)}
        cls.node.api.namespace(NAMESPACE)
        say(f"the cluster is up after {time.monotonic() - started:.1f} s")

    @classmethod
    def _push_test_image(cls) -> None:
        """A busybox of its programs, as docker.io's has them."""
        layers = []
        for name in ("grep", "seq", "sh", "sleep", "wget"):
            shutil.copy(BUSYBOX, cls.node.path / name)
            layers.append(LayerSpec(1000, name, program=cls.node.path / name))
        cls.node.images.push("library/busybox", "1.37", layers)

    def setUp(self) -> None:
        self.given: set[str] = set()  # what a test itself has made beside the release

    # --- helm and kubectl ---

    def helm(self, *arguments: str | Path, values: Object | None = None) -> str:
        given = json.dumps(values) if values is not None else None
        more = ("--values", "-") if given else ()
        return run(HELM, *arguments, "--namespace", NAMESPACE, *more, given=given, env=self.environment)

    def kubectl(self, *arguments: str | Path) -> str:
        return run(KUBECTL, *arguments, env=self.environment)

    def values(self, tag: str = TAG, **more: Any) -> Object:
        found: Object = json.loads(json.dumps(CONSENT))
        found["agent"]["image"] = {"tag": tag}
        found["server"] = {"image": {"tag": tag}}
        found["test"] = {"image": {"registry": HOST}}
        return merged(found, more)

    def install(self, *options: str, chart: Path = CHART, tag: str = TAG, **more: Any) -> None:
        self.addCleanup(self.uninstall)
        self.helm("install", RELEASE, chart, *options, values=self.values(tag, **more))

    def upgrade(self, *options: str, **more: Any) -> None:
        self.helm("upgrade", RELEASE, CHART, *options, values=self.values(**more))

    def install_ready(self, **more: Any) -> str:
        """Installs, waits until the agent reports, and returns the page's address."""
        self.install(**more)
        self.node.wait_until_ready(NAMESPACE, "server")
        address = self.forward(RELEASE, 80)
        self.wait_until_reporting(address)
        self.addCleanup(self.node.delete_everything)
        return address

    def assert_pulls_are_seen(self, address: str, name: str) -> None:
        """A new pull is seen while it runs, with the pod that waits, and when it is over."""
        image = self.node.push(f"shop/{name}:1.0", 4 * MB)
        self.node.create_pod(name, image)
        self.wait_for_row(address, image, phase="downloading")
        row = self.wait_for_row(address, image, phase="completed")
        self.assertEqual([pod["podName"] for pod in row["pods"]], [name])

    def uninstall(self) -> None:
        """Uninstalls, if it still is installed, and finds nothing left."""
        self.helm("uninstall", RELEASE, "--ignore-not-found", "--wait", "--timeout", "60s")
        with contextlib.suppress(Timeout):  # what is left then is named below
            wait_for("nothing is left", lambda: not self.left() - self.given, 30, every_s=0.5)
        self.assertEqual(self.left() - self.given, set())

    def left(self) -> set[str]:
        names = self.kubectl("get", ",".join(KINDS), "-n", NAMESPACE, "-o", "name")
        found = set(names.split()) - GIVEN
        for kind in CLUSTER_KINDS:
            found |= {n for n in self.kubectl("get", kind, "-o", "name").split() if NAMESPACE in n}
        return found

    def given_secrets(self) -> Object:
        """Makes the Secrets that an operator may have by other means; returns the values that name them."""
        self.given_certificate("mine")
        self.kubectl("-n", NAMESPACE, "create", "secret", "generic", "token", "--from-literal=token=first")
        self.addCleanup(self.kubectl, "-n", NAMESPACE, "delete", "secret", "mine", "token")
        self.given = {"secret/mine", "secret/token"}
        return {"tls": {"existingSecret": "mine"}, "agentToken": {"existingSecret": "token"}}

    def given_certificate(self, name: str) -> None:
        folder = self.node.path / f"{self._testMethodName}-{name}-{time.monotonic_ns()}"
        made = make_certificates(folder, f"DNS:{RELEASE}-agents.{NAMESPACE}.svc")
        files = {"tls.crt": made.certificate, "tls.key": made.key, "ca.crt": made.authority}
        from_files = [f"--from-file={key}={path}" for key, path in files.items()]
        self.kubectl("-n", NAMESPACE, "create", "secret", "generic", name, *from_files)

    # --- the page and its API ---

    def forward(self, service: str, port: int, namespace: str = NAMESPACE) -> str:
        """The way to a service that NOTES.txt gives; returns the address."""
        local = free_port()
        command = [KUBECTL, "-n", namespace, "port-forward", f"service/{service}", f"{local}:{port}"]
        process = Process(f"forward-{local}", command, self.node.path, self.environment)
        self.addCleanup(process.stop)
        process.wait_until_ready("forwards", lambda: accepts_connections(local), 20)
        return f"http://127.0.0.1:{local}"

    def api_way(self) -> str:
        """The way to the page through the API server, which outlives a pod, unlike a port-forward."""
        port = free_port()
        path = f"/api/v1/namespaces/{NAMESPACE}/services/{RELEASE}:http/proxy"
        process = Process(f"proxy-{port}", [KUBECTL, "proxy", f"--port={port}"], self.node.path, self.environment)
        self.addCleanup(process.stop)
        process.wait_until_ready("listens", lambda: accepts_connections(port), 20)
        return f"http://127.0.0.1:{port}{path}"

    def asked(self, address: str, path: str) -> Any:
        with urllib.request.urlopen(address + path, timeout=10) as answer:
            return json.load(answer)

    def seen_in_browser(self, address: str, image: str) -> str:
        """The text of the image's row, as Chromium shows it."""
        return run("node", REPOSITORY / "tests/installed/page.mjs", address, image, timeout=60)

    def rows(self, address: str, image: str) -> list[Object]:
        pulls: list[Object] = self.asked(address, "/api/v1/pulls?layers=0")["pulls"]
        return [pull for pull in pulls if pull["imageRef"] == image]

    def wait_for_row(self, address: str, image: str, timeout_s: float = 60, **wanted: Any) -> Object:
        def row() -> Object | None:
            try:
                rows = self.rows(address, image)
            except OSError:
                return None  # one server goes, the next one comes
            return next((r for r in rows if all(r.get(k) == v for k, v in wanted.items())), None)

        found: Object = wait_for(f"a row of {image}", row, timeout_s)  # type: ignore[assignment]
        return found

    def wait_until_reporting(self, address: str) -> None:
        def reports() -> bool:
            try:
                return bool(self.asked(address, "/api/v1/summary")["nodesReporting"] == 1)
            except OSError:
                return False  # a Service leads there a moment after its pods are ready

        wait_for("the agent reports", reports, 60)


def merged(base: Object, more: Object) -> Object:
    for key, value in more.items():
        inner = isinstance(value, dict) and isinstance(base.get(key), dict)
        base[key] = merged(base[key], value) if inner else value
    return base
