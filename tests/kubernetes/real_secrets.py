# SPDX-License-Identifier: Apache-2.0
"""`--make-secrets` at a real kube-apiserver, with the rights that docs/configuration.md asks for."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import threading

from lab.pulltrace import environment
from tests.integration.case import ADDRESS_SANITIZER, SERVER
from tests.kubernetes.cluster import Object
from tests.kubernetes.real_api import RBAC, ApiError
from tests.kubernetes.real_case import RealCase

LABEL = "pulltrace.github.io/made-secret"
LABELS = {"ca": "ca", "bundle": "ca-bundle", "tls": "tls", "token": "token"}
SETTINGS = {"ca": "CA", "bundle": "CA_BUNDLE", "tls": "TLS", "token": "TOKEN"}
NAMES = "localhost,127.0.0.1"
Secrets = dict[str, dict[str, str]]


class SecretsCase(RealCase):
    """A namespace for each test, and the program run in it."""

    def setUp(self) -> None:
        super().setUp()
        self.namespace = self.id().rpartition("test_")[2].replace("_", "-")[:60].strip("-")
        self.api.namespace(self.namespace)
        self.account = self.api.service_account(self.namespace)
        self.path = f"/api/v1/namespaces/{self.namespace}/secrets"

    def allow(self, *verbs: str, names: list[str] | None = None) -> None:
        rule: Object = {"apiGroups": [""], "resources": ["secrets"], "verbs": list(verbs)}
        if names is not None:
            rule["resourceNames"] = names
        role = {"metadata": {"name": "-".join(verbs)}, "rules": [rule]}
        self.api.call("POST", f"{RBAC}/namespaces/{self.namespace}/roles", role)
        self.api.bind(f"namespaces/{self.namespace}/", "Role", "-".join(verbs), self.account)

    def create_empty(self, *which: str) -> None:
        for name in which or LABELS:
            metadata = {"name": name, "labels": {LABEL: LABELS[name]}}
            self.api.call("POST", self.path, {"metadata": metadata, "type": "Opaque"})

    def environment(self, **settings: str) -> dict[str, str]:
        given = {f"PULLTRACE_SECRETS_{setting}": name for name, setting in SETTINGS.items()}
        return environment(
            ADDRESS_SANITIZER
            | given
            | {
                "PULLTRACE_KUBE_URL": self.api.url,
                "PULLTRACE_KUBE_TOKEN_FILE": str(self.token_file(self.namespace)),
                "PULLTRACE_KUBE_CA_FILE": str(self.api.authority),
                "PULLTRACE_SECRETS_NAMESPACE": self.namespace,
                "PULLTRACE_SECRETS_DNS_NAMES": NAMES,
            }
            | {f"PULLTRACE_SECRETS_{name}": value for name, value in settings.items()}
        )

    def make(self, wanted: int = 0, **settings: str) -> list[Object]:
        """Runs it to its end; what it logged, and its error as the last line."""
        done = subprocess.run(
            [SERVER, "--make-secrets"],
            env=self.environment(**settings),
            capture_output=True,
            text=True,
            timeout=90,
        )
        self.assertEqual(done.returncode, wanted, done.stdout + done.stderr)
        self.assertNotIn("PRIVATE", done.stdout + done.stderr)
        lines: list[Object] = [json.loads(line) for line in done.stdout.splitlines()]
        return [*lines, {"msg": "error", "text": done.stderr}] if done.stderr else lines

    def written(self, lines: list[Object]) -> list[str]:
        return [line["secret"] for line in lines if line["msg"] == "secrets.written"]

    def read(self) -> Secrets:
        """The content of each Secret."""
        found = {name: self.api.call("GET", f"{self.path}/{name}") for name in LABELS}
        return {
            name: {key: base64.b64decode(text).decode() for key, text in secret["data"].items()}
            for name, secret in found.items()
        }

    def clear(self, name: str, key: str) -> None:
        self.api.call("PATCH", f"{self.path}/{name}", {"data": {key: None}}, "merge-patch+json")

    def names_of(self, secrets: Secrets) -> set[str]:
        """The names of the certificate, after a handshake of a client that trusts the bundle alone."""
        for name, key in (("tls", "tls.crt"), ("tls", "tls.key"), ("bundle", "ca.crt")):
            (self.folder / key).write_text(secrets[name][key])
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(self.folder / "tls.crt", self.folder / "tls.key")
        client = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                with listener.accept()[0] as plain, server.wrap_socket(plain, server_side=True):
                    pass

            thread = threading.Thread(target=serve)
            thread.start()
            with socket.create_connection(listener.getsockname()) as plain:
                with client.wrap_socket(plain, server_hostname="localhost") as secure:
                    certificate = secure.getpeercert() or {}
            thread.join()
        return {str(value) for _, value in certificate["subjectAltName"]}  # type: ignore[misc]


class MakeSecrets(SecretsCase):
    def test_it_fills_the_secrets_that_are_there(self) -> None:
        self.create_empty()
        self.allow("get", "patch", names=list(LABELS))
        self.assertEqual(self.written(self.make()), ["ca", "bundle", "tls", "token"])
        secrets = self.read()
        self.assertEqual(set(secrets["ca"]), {"ca.crt", "ca.key"})
        self.assertEqual(set(secrets["bundle"]), {"ca.crt"})
        self.assertEqual(set(secrets["tls"]), {"tls.crt", "tls.key", "ca.crt"})
        self.assertEqual(set(secrets["token"]), {"token"})
        self.assertNotIn("PRIVATE", secrets["bundle"]["ca.crt"])
        self.assertEqual(self.names_of(secrets), {"localhost", "127.0.0.1"})

        self.assertEqual(self.written(self.make()), [], "what is good stays")
        self.assertEqual(self.read(), secrets)
        self.clear("tls", "tls.key")
        self.assertEqual(self.written(self.make()), ["tls"])
        self.assertEqual(self.read() | {"tls": {}}, secrets | {"tls": {}})
        self.assertEqual(self.written(self.make(DNS_NAMES="pulltrace.svc,localhost")), ["tls"])
        self.assertEqual(self.names_of(self.read()), {"pulltrace.svc", "localhost"})

    def test_it_creates_what_is_not_there_where_it_may(self) -> None:
        self.allow("get", "patch", names=list(LABELS))
        self.allow("create")
        self.assertEqual(self.written(self.make()), ["ca", "bundle", "tls", "token"])
        made = self.api.call("GET", f"{self.path}/tls")
        self.assertEqual(made["type"], "kubernetes.io/tls")
        self.assertEqual(made["metadata"]["labels"][LABEL], "tls")
        self.assertEqual(self.names_of(self.read()), {"localhost", "127.0.0.1"})
        self.assertEqual(self.written(self.make()), [])

    def test_what_is_somebody_elses_stays(self) -> None:
        self.create_empty("ca", "bundle", "token")
        own = {"metadata": {"name": "tls"}, "data": {"tls.crt": "aGk=", "tls.key": "aGk="}}
        self.api.call("POST", self.path, own | {"type": "kubernetes.io/tls"})
        self.allow("get", "patch", names=list(LABELS))
        lines = self.make(wanted=1)
        self.assertEqual(self.written(lines), [])
        self.assertIn(f"{self.namespace}/tls is there without the label", lines[-1]["text"])
        self.assertEqual(self.api.call("GET", f"{self.path}/tls")["data"], own["data"])

    def test_without_the_rights_it_says_so_and_rights_may_come_late(self) -> None:
        self.create_empty()
        late = threading.Timer(4, self.allow, ("get", "patch"), {"names": list(LABELS)})
        late.start()
        lines = self.make()
        late.join()
        self.assertEqual(lines[0]["msg"], "secrets.retry")
        self.assertIn("403", lines[0]["error"])
        self.assertEqual(self.written(lines), ["ca", "bundle", "tls", "token"])

        self.api.call("DELETE", f"{self.path}/token")
        lines = self.make(wanted=1)
        self.assertIn("creating the Secret: the rights do not suffice", lines[-1]["text"])

    def test_many_that_run_at_once_are_of_one_mind(self) -> None:
        self.create_empty()
        self.allow("get", "patch", names=list(LABELS))
        command = [SERVER, "--make-secrets"]
        environment = self.environment()  # made once: its token's file is not written while it is read
        running = [
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            for _ in range(6)
        ]
        outputs = [each.communicate(timeout=90)[0] for each in running]
        self.assertEqual([each.returncode for each in running], [0] * 6, outputs)
        wrote = [line for out in outputs for line in out.splitlines() if "secrets.written" in line]
        self.assertEqual(len(wrote), 4, wrote)
        self.assertEqual(self.names_of(self.read()), {"localhost", "127.0.0.1"})

    def test_a_token_passes_through_its_steps(self) -> None:
        self.create_empty()
        self.allow("get", "patch", names=list(LABELS))
        self.make()
        first = self.read()["token"]["token"]
        quick = {"TOKEN_LIFE": "1s", "SETTLE": "1s"}
        seen = [first]
        for _ in range(3):
            threading.Event().wait(1.1)  # a third of the life, and the time to settle
            self.assertEqual(self.written(self.make(**quick)), ["token"])
            seen.append(self.read()["token"]["token"])
        both = seen[1].splitlines()
        self.assertEqual(both[0] + "\n", first)
        self.assertEqual(seen[2].splitlines(), [both[1], both[0]])
        self.assertEqual(seen[3].splitlines(), [both[1]])
        self.assertEqual(self.written(self.make()), [], "with the usual lives it stays")

    def test_an_api_server_that_is_away_for_a_moment(self) -> None:
        self.create_empty()
        self.allow("get", "patch", names=list(LABELS))
        self.api.way.cut()
        threading.Timer(3, self.api.way.open).start()
        lines = self.make()
        self.assertEqual(lines[0]["msg"], "secrets.retry")
        self.assertEqual(lines[-1]["msg"], "secrets.good")

    def test_wrong_settings_are_refused(self) -> None:
        cases = {
            "go together": {"TLS": ""},
            "needs PULLTRACE_SECRETS_TLS or": {"CA": "", "CA_BUNDLE": "", "TLS": "", "TOKEN": ""},
            "PULLTRACE_SECRETS_DNS_NAMES": {"DNS_NAMES": "not a name"},
            "there is no pod's own": {"NAMESPACE": ""},
            "PULLTRACE_SECRETS_SETTLE": {"SETTLE": "0s"},
        }
        for words, settings in cases.items():
            with self.subTest(words):
                lines = self.make(wanted=2, **settings)
                self.assertIn(words, lines[-1]["text"])
                self.assertEqual(len(lines[-1]["text"].splitlines()), 1)
        with self.assertRaises(ApiError):
            self.api.call("GET", f"{self.path}/ca")
