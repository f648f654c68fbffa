# SPDX-License-Identifier: Apache-2.0
"""nginx in front of the server, as clusters have it: under a path, buffering as it does by default."""

from __future__ import annotations

from pathlib import Path

from lab.nginx import start_nginx
from lab.waiting import free_port

HTTP = """\
    access_log off;
    large_client_header_buffers 4 32k;
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version {version};
        location {prefix}/ {{
            proxy_pass http://127.0.0.1:{server_port}/;
{settings}        }}
    }}
"""


class Proxy:
    """`prefix` is taken off each path. `settings` are nginx's own directives, beside its defaults."""

    def __init__(
        self,
        folder: Path,
        server_port: int,
        prefix: str = "",
        settings: tuple[str, ...] = (),
        version: str = "1.0",  # what nginx speaks if nothing else is said
    ) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        self.prefix = prefix
        http = HTTP.format(
            port=self.port,
            prefix=prefix,
            server_port=server_port,
            settings="".join(f"            {each};\n" for each in settings),
            version=version,
        )
        self.process = start_nginx("proxy", folder, self.port, http)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def stop(self) -> None:
        self.process.stop()
