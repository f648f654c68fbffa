# SPDX-License-Identifier: Apache-2.0
"""nginx in front of the registry, which limits the speed of each connection.

Manifests of images below schema1/, tagged 1.0, are asked for as by a client of 2015: the registry then
converts them to Docker's schema 1. It keeps no such manifest, so one asked for by digest is made anew. Manifests that the registry would refuse
are served from files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from lab.images import OCI_MANIFEST
from lab.nginx import start_nginx
from lab.waiting import free_port

HTTP = """\
    log_format requests '$request_method $uri $status';
    access_log {folder}/requests.log requests;
    log_format sent '$body_bytes_sent $uri';
    access_log {folder}/sent.log sent;
    map $uri $bytes_per_second {{
        default {default_rate};
{rates}    }}
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1;
        proxy_max_temp_file_size 0;
        proxy_read_timeout 1h;
        send_timeout 1h;
        limit_rate $bytes_per_second;
        location / {{
            proxy_pass http://127.0.0.1:{registry_port};
            proxy_set_header Host $http_host;
        }}
        location @registry {{
            proxy_pass http://127.0.0.1:{registry_port};
            proxy_set_header Host $http_host;
        }}
        location ~ ^(?<image>/v2/schema1/.+)/manifests/ {{
            proxy_pass http://127.0.0.1:{registry_port}$image/manifests/1.0;
            proxy_set_header Host $http_host;
            proxy_set_header Accept "";
        }}
        location ~ ^/v2/.+/manifests/ {{
            root {folder}/manifests;
            default_type {manifest_type};
            try_files $uri @registry;
        }}
    }}
"""


class Throttle:
    """Rates are bytes a second of each connection (one layer is one connection); 0 is unlimited."""

    def __init__(
        self,
        folder: Path,
        registry_port: int,
        bytes_per_second: int,
        by_repository: Mapping[str, int] | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        self._requests = folder / "requests.log"
        self._sent = folder / "sent.log"
        rates = "".join(
            f'        "~^/v2/{repository}/" {rate};\n'
            for repository, rate in (by_repository or {}).items()
        )
        self._manifests = folder / "manifests"
        self._manifests.mkdir()
        http = HTTP.format(
            folder=folder,
            port=self.port,
            registry_port=registry_port,
            default_rate=bytes_per_second,
            rates=rates,
            manifest_type=OCI_MANIFEST,
        )
        self.process = start_nginx("throttle", folder, self.port, http, connections=8192)

    def serve_manifest(self, repository: str, tag: str, content: bytes) -> str:
        """The repository has this manifest, though the registry may not; returns its digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        folder = self._manifests / "v2" / repository / "manifests"
        folder.mkdir(parents=True, exist_ok=True)
        for name in (tag, digest):
            (folder / name).write_bytes(content)
        return digest

    def requests(self, part: str) -> list[str]:
        """What clients have asked for so far, each as `GET /v2/… 200`, where it contains `part`."""
        return [line for line in self._requests.read_text().splitlines() if part in line]

    def bytes_sent(self, repository: str) -> int:
        """Of this repository's blobs, by the answers that have ended."""
        lines = [line.split(" ", 1) for line in self._sent.read_text().splitlines()]
        return sum(int(sent) for sent, path in lines if path.startswith(f"/v2/{repository}/blobs/"))

    def stall(self) -> None:
        """Connections stay open and nothing is sent any more, until resume()."""
        self.process.freeze()

    def resume(self) -> None:
        self.process.resume()

    def stop(self) -> None:
        self.process.stop(timeout_s=1)
