# SPDX-License-Identifier: Apache-2.0
"""ServiceAccounts' tokens as a kube-apiserver makes them, by a key of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import Any

Object = dict[str, Any]

ISSUER = "https://kubernetes.default.svc"
SUBJECT = "system:serviceaccount:pulltrace:pulltrace-agent"
# The server's metrics: what it knows agents by, and reports that it has refused, by reason.
BY = 'pulltrace_agent_identity{{by="{}"}}'
REFUSED = 'pulltrace_agent_reports_rejected_total{{reason="{}"}}'


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], input=given, check=True, capture_output=True)
    return done.stdout


def claims(node: str | None = "node-1", life_s: float = 3600, **changed: Any) -> Object:
    """As the API server writes them for a pod on that node; None: it names none, as before 1.30."""
    now = int(time.time())
    bound: Object = {
        "namespace": "pulltrace",
        "pod": {"name": "agent-x", "uid": "pod-uid"},
        "serviceaccount": {"name": "pulltrace-agent", "uid": "account-uid"},
    }
    if node is not None:
        bound["node"] = {"name": node, "uid": "node-uid"}
    usual: Object = {
        "aud": ["pulltrace"],
        "exp": int(now + life_s),
        "iat": now,
        "nbf": now,
        "iss": ISSUER,
        "jti": str(time.monotonic_ns()),
        "kubernetes.io": bound,
        "sub": SUBJECT,
    }
    return usual | changed


class Signer:
    """An RSA key; the one in the file, if there is one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            openssl("genrsa", "-out", path, "2048")
        public = openssl("rsa", "-in", path, "-pubout", "-outform", "DER")
        self.id = encode(hashlib.sha256(public).digest())  # as kube-apiserver names it

    def jwk(self) -> Object:
        modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1]
        number = encode(bytes.fromhex(modulus))
        return {"use": "sig", "kty": "RSA", "kid": self.id, "alg": "RS256", "n": number, "e": "AQAB"}

    def sign(self, payload: Object) -> str:
        header = {"alg": "RS256", "kid": self.id}
        parts = [encode(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload)]
        text = ".".join(parts)
        signature = openssl("dgst", "-sha256", "-sign", self.path, given=text.encode())
        return f"{text}.{encode(signature)}"

    def token(self, node: str | None = "node-1", life_s: float = 3600, **changed: Any) -> str:
        return self.sign(claims(node, life_s, **changed))
