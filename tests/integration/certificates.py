# SPDX-License-Identifier: Apache-2.0
"""A certificate authority and a server certificate, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    authority: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path, alternative_name: str = "IP:127.0.0.1") -> Certificates:
    folder.mkdir()
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority_key = folder / "ca.key"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    _openssl(
        "req", "-x509", *key, "-subj", "/CN=test authority",
        "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        "-keyout", str(authority_key), "-out", str(made.authority),
    )  # fmt: skip
    _openssl(
        "req", "-x509", *key, "-subj", "/CN=127.0.0.1",
        "-addext", f"subjectAltName={alternative_name}",
        "-addext", "basicConstraints=critical,CA:FALSE",
        "-CA", str(made.authority), "-CAkey", str(authority_key),
        "-keyout", str(made.key), "-out", str(made.certificate),
    )  # fmt: skip
    return made


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
