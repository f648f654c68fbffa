# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver on a real etcd, with RBAC."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab.processes import Process
from lab.tools import REPOSITORY, TOOLS
from lab.waiting import accepts_connections, free_port, wait_for
from tests.kubernetes.cut import Cut

ETCD = TOOLS / "kubernetes/etcd"
KUBE_APISERVER = TOOLS / "kubernetes/kube-apiserver"
DOCUMENT = REPOSITORY / "docs/kubernetes.md"

Object = dict[str, Any]

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNTS = "system:serviceaccounts:default"
AUDIT_POLICY = {  # what service accounts ask for, and nothing of all else
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "userGroups": [ACCOUNTS]}, {"level": "None"}],
}


class ApiError(Exception):
    """The API server's own words."""


def documented_rights() -> str:
    """The YAML of the ClusterRole in docs/kubernetes.md."""
    found = re.search(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.S)
    assert found, "docs/kubernetes.md has no YAML"
    return found[1]


class RealApi:
    """Starts etcd and kube-apiserver in the folder; close() ends both.

    With the address of a node, a kubelet can register there, and pods get their service accounts.
    """

    def __init__(self, folder: Path, node_address: str | None = None) -> None:
        self.folder = folder
        self._node_address = node_address
        self._etcd_port = free_port()
        self.port = free_port()
        self._make_keys()
        (folder / "audit.json").write_text(json.dumps(AUDIT_POLICY))
        self._etcd = Process("etcd", self._etcd_command(), folder)
        self._etcd.wait_until_ready("listens", lambda: accepts_connections(self._etcd_port), 30)
        self._apiserver: Process | None = None
        self.start()
        self.way = Cut(self.port)
        self.url = f"https://127.0.0.1:{self.way.port}"
        self.create_yaml(f"{RBAC}/clusterroles", documented_rights())

    # --- processes ---

    def _etcd_command(self) -> list[str | Path]:
        client = f"http://127.0.0.1:{self._etcd_port}"
        peer = f"http://127.0.0.1:{free_port()}"
        return [
            ETCD, "--data-dir", self.folder / "etcd-data", "--name", "test", "--unsafe-no-fsync",
            "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"test={peer}", "--log-level", "error",
        ]  # fmt: skip

    def start(self) -> None:
        """As it would be restarted: with an empty watch cache."""
        at = self.folder
        self._apiserver = Process(
            "kube-apiserver",
            [
                KUBE_APISERVER, f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
                f"--secure-port={self.port}", "--service-cluster-ip-range=10.0.0.0/24",
                f"--client-ca-file={at / 'ca.pem'}",
                f"--tls-cert-file={at / 'server.pem'}",
                f"--tls-private-key-file={at / 'server.key'}", f"--cert-dir={at / 'certs'}",
                f"--service-account-key-file={at / 'accounts.key'}",
                f"--service-account-signing-key-file={at / 'accounts.key'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--etcd-compaction-interval=0", "--feature-gates=ImageVolume=true",
                f"--audit-policy-file={at / 'audit.json'}",
                f"--audit-log-path={at / 'audit.log'}", *self._node_arguments(),
            ],
            self.folder,
        )  # fmt: skip
        self._apiserver.wait_until_ready("is ready", self._is_ready, 120)

    def _node_arguments(self) -> list[str]:
        if self._node_address is None:
            return [
                "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
                "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
            ]  # fmt: skip
        return [
            "--bind-address=0.0.0.0", f"--advertise-address={self._node_address}",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            f"--kubelet-client-certificate={self.folder / 'kubelet-client.pem'}",
            f"--kubelet-client-key={self.folder / 'kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
        ]  # fmt: skip

    def kill(self) -> None:
        assert self._apiserver is not None
        self._apiserver.kill()
        self._apiserver = None

    def close(self) -> None:
        self.way.cut()
        if self._apiserver is not None:
            self._apiserver.kill()
        self._etcd.kill()

    def _is_ready(self) -> bool:
        try:
            return self._call("GET", "/readyz")[0] == 200
        except OSError:
            return False

    # --- keys ---

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(
            ["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self.folder
        )

    def _make_authority(self, name: str) -> None:
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=test {name}",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", f"{name}.key", "-out", f"{name}.pem",
        )  # fmt: skip

    def _sign(self, authority: str, name: str, subject: str, *extensions: str) -> None:
        added = [part for extension in extensions for part in ("-addext", extension)]
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", subject,
            "-addext", "basicConstraints=critical,CA:FALSE", *added,
            "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-keyout", f"{name}.key", "-out", f"{name}.pem",
        )  # fmt: skip

    def _make_keys(self) -> None:
        self._make_authority("ca")
        self._sign_server("ca")
        self.sign_client("admin", "/O=system:masters/CN=admin")
        self.sign_client("reader", "/O=readers/CN=reader")
        self.sign_client("kubelet-client", "/O=system:masters/CN=kube-apiserver-kubelet-client")
        self._openssl("genrsa", "-out", "accounts.key", "2048")

    def sign_client(self, name: str, subject: str) -> None:
        """Makes name.pem and name.key in the folder, which the API server takes for the subject."""
        self._sign("ca", name, subject, "extendedKeyUsage=clientAuth")

    def _sign_server(self, authority: str) -> None:
        addresses = ["IP:127.0.0.1", "IP:10.0.0.1", "DNS:kubernetes.default.svc"]
        addresses += [f"IP:{self._node_address}"] if self._node_address else []
        names = "subjectAltName=" + ",".join(addresses)
        self._sign(authority, "server", "/CN=kube-apiserver", names)
        self.authority = self.folder / f"{authority}.pem"

    def change_authority(self) -> None:
        """From its next start on, another authority has signed the API server's certificate."""
        name = f"{self.authority.stem}-next"
        self._make_authority(name)
        self._sign_server(name)

    # --- calls as the cluster's admin ---

    def _call(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        return self._request(self._admin_context(), method, path, body, {"Content-Type": kind})

    def _admin_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority))
        context.load_cert_chain(self.folder / "admin.pem", self.folder / "admin.key")
        return context

    def status_for(self, token: str) -> int:
        """How a list of pods is answered that is asked for with this token."""
        context = ssl.create_default_context(cafile=str(self.authority))
        bearer = {"Authorization": f"Bearer {token}"}
        return self._request(context, "GET", "/api/v1/pods?limit=1", None, bearer)[0]

    def _request(
        self,
        context: ssl.SSLContext,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=20, context=context)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, method: str, path: str, body: Object | None = None, kind: str = "json") -> Object:
        data = json.dumps(body).encode() if body is not None else None
        status, answer = self._call(method, path, data, f"application/{kind}")
        if status >= 300:
            raise ApiError(f"{method} {path}: {status} {answer[:500]!r}")
        parsed: Object = json.loads(answer)
        return parsed

    def warning_of(self, method: str, path: str, body: Object) -> str:
        """What the API server warns of in its answer; empty: of nothing."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=20, context=self._admin_context()
        )
        try:
            connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            words = answer.read()
            if answer.status >= 300:
                raise ApiError(f"{method} {path}: {answer.status} {words[:500]!r}")
            found = re.search(r'^299 - "(.*)"$', answer.getheader("Warning") or "")
            return found[1].replace('\\"', '"') if found else ""
        finally:
            connection.close()

    def bookmarked_version(self, since: str, change: Callable[[], Any], timeout_s: float) -> str:
        """Watches the Pending pods as the server does, makes the change and waits for a bookmark."""
        path = "/api/v1/pods?watch=1&allowWatchBookmarks=true&fieldSelector=status.phase%3DPending"
        context = self._admin_context()
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=timeout_s, context=context
        )
        try:
            connection.request("GET", f"{path}&resourceVersion={since}")
            answer = connection.getresponse()
            change()
            for line in answer:
                entry = json.loads(line)
                if entry["type"] == "BOOKMARK":
                    version: str = entry["object"]["metadata"]["resourceVersion"]
                    return version
            raise ApiError("the watch has ended")
        finally:
            connection.close()

    @contextlib.contextmanager
    def unread_list(self, token: str) -> Iterator[None]:
        """A list of pods that does not end, since nobody reads its answer; that must be some MB."""
        context = ssl.create_default_context(cafile=str(self.authority))
        with socket.socket() as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.connect(("127.0.0.1", self.port))
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
                head = f"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
                connection.sendall(head.encode())
                connection.recv(1)  # it has begun
                yield

    def allow_one_request_at_a_time(self, account: str) -> None:
        """More than one of the service account get a 429."""
        none = {"type": "Reject"}
        limited = {"nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": none}
        self._control_flow("prioritylevelconfigurations", {"type": "Limited", "limited": limited})
        who = {"name": account, "namespace": "default"}
        what = {"verbs": ["*"], "apiGroups": [""], "resources": ["*"], "clusterScope": True}
        rule = {
            "subjects": [{"kind": "ServiceAccount", "serviceAccount": who}],
            "resourceRules": [what | {"namespaces": ["*"]}],
        }
        schema = {"priorityLevelConfiguration": {"name": "one"}, "rules": [rule]}
        path = self._control_flow("flowschemas", schema | {"matchingPrecedence": 2})

        def is_in_force() -> bool:
            conditions = self.call("GET", path)["status"].get("conditions", [])
            return any(each["type"] == "Dangling" and each["status"] == "False" for each in conditions)

        wait_for("the limit is in force", is_in_force, 30)

    def _control_flow(self, kind: str, spec: Object) -> str:
        path = f"/apis/flowcontrol.apiserver.k8s.io/v1/{kind}"
        self.call("POST", path, {"metadata": {"name": "one"}, "spec": spec})
        return f"{path}/one"

    def asked(self, account: str) -> list[Object]:
        """What the service account has asked for, from the audit log."""
        user = f"system:serviceaccount:default:{account}"
        lines = (self.folder / "audit.log").read_text().splitlines(keepends=True)
        entries = [json.loads(line) for line in lines if line.endswith("\n")]
        return [entry for entry in entries if entry["user"]["username"] == user]

    def create_yaml(self, path: str, text: str) -> None:
        status, answer = self._call("POST", path, text.encode(), "application/yaml")
        if status >= 300:
            raise ApiError(f"POST {path}: {status} {answer[:500]!r}")

    # --- what a cluster has ---

    def namespace(self, name: str) -> None:
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def bind_documented_role(self, subject: Object) -> None:
        self.bind("", "ClusterRole", "pulltrace-server", subject)

    def bind_in_namespace(self, namespace: str, subject: Object) -> None:
        """Makes the Role with the documented rules there and binds it."""
        role = documented_rights().replace("kind: ClusterRole", "kind: Role")
        self.create_yaml(f"{RBAC}/namespaces/{namespace}/roles", role)
        self.bind(f"namespaces/{namespace}/", "Role", "pulltrace-server", subject)

    def bind(self, where: str, kind: str, role: str, subject: Object) -> None:
        self.call(
            "POST",
            f"{RBAC}/{where}{kind.lower()}bindings",
            {
                "metadata": {"name": f"{role}-{subject['name'].lower()}"},
                "roleRef": {"apiGroup": RBAC.split("/")[2], "kind": kind, "name": role},
                "subjects": [subject],
            },
        )

    def service_account(self, name: str) -> Object:
        self.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": name}})
        return {"kind": "ServiceAccount", "name": name, "namespace": "default"}

    def token(self, account: str, **spec: Any) -> str:
        path = f"/api/v1/namespaces/default/serviceaccounts/{account}/token"
        answer = self.call("POST", path, {"spec": {"expirationSeconds": 3600} | spec})
        token: str = answer["status"]["token"]
        return token

    def revocable_token(self, account: str, name: str) -> str:
        """A token that holds until revoke(name), as that of a pod holds until the pod is deleted."""
        path = "/api/v1/namespaces/default/secrets"
        secret = self.call("POST", path, {"metadata": {"name": name}})
        bound = {"kind": "Secret", "apiVersion": "v1", "name": name, "uid": secret["metadata"]["uid"]}
        return self.token(account, boundObjectRef=bound)

    def revoke(self, name: str) -> None:
        self.call("DELETE", f"/api/v1/namespaces/default/secrets/{name}")

    def kubeconfig(self, path: Path, user: str) -> None:
        """With the client certificate inline that sign_client() has made for the user."""

        def inline(name: str) -> str:
            return base64.b64encode((self.folder / name).read_bytes()).decode()

        path.write_text(
            f"""apiVersion: v1
kind: Config
current-context: real
contexts:
- name: real
  context:
    cluster: real
    user: {user}
clusters:
- name: real
  cluster:
    server: {self.url}
    certificate-authority-data: {inline(self.authority.name)}
users:
- name: {user}
  user:
    client-certificate-data: {inline(user + '.pem')}
    client-key-data: {inline(user + '.key')}
"""
        )

    # --- what the scheduler and the kubelet write ---

    def create_pod(self, pod: Object) -> Object:
        """Creates the pod, then writes its status as the kubelet does; returns it with its uid."""
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{namespace}/pods"
        wanted = {key: pod["metadata"][key] for key in ("name", "namespace", "annotations")}
        made = self.call("POST", path, {"metadata": wanted, "spec": pod["spec"]})
        self.set_status(pod)
        return pod | {"metadata": made["metadata"]}

    def set_status(self, pod: Object) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        self.call("PATCH", path, {"status": pod["status"]}, "merge-patch+json")

    def delete_pod(self, pod: Object) -> None:
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        path = f"/api/v1/namespaces/{namespace}/pods/{name}?gracePeriodSeconds=0"
        self.call("DELETE", path)

    def write_event(self, event: Object) -> None:
        """Writes it anew, or how often it has occurred by now."""
        namespace, name = event["metadata"]["namespace"], event["metadata"]["name"]
        path = f"/api/v1/namespaces/{namespace}/events"
        wanted = event | {"metadata": {"name": name, "namespace": namespace}}
        if event["count"] == 1:
            self.call("POST", path, wanted)
        else:
            again = {"count": event["count"], "lastTimestamp": event["lastTimestamp"]}
            self.call("PATCH", f"{path}/{name}", again, "merge-patch+json")

    def compact(self) -> None:
        """Lets etcd forget every version but the newest."""
        newest = self._etcd_call("/v3/kv/range", {"key": "AA=="})["header"]["revision"]
        self._etcd_call("/v3/kv/compaction", {"revision": newest, "physical": True})

    def _etcd_call(self, path: str, body: Object) -> Object:
        connection = http.client.HTTPConnection("127.0.0.1", self._etcd_port, timeout=20)
        try:
            connection.request("POST", path, json.dumps(body))
            answer: Object = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "header" not in answer:
            raise ApiError(f"{path}: {answer}")
        return answer


def have_programs() -> bool:
    return ETCD.exists() and KUBE_APISERVER.exists() and shutil.which("openssl") is not None
