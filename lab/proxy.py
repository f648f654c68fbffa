# SPDX-License-Identifier: Apache-2.0
"""nginx in front of the server, as clusters have it: under a path, buffering as it does by default."""

from __future__ import annotations

from pathlib import Path

from lab import tools
from lab.processes import Process
from lab.waiting import accepts_connections, free_port

CONFIG = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    large_client_header_buffers 4 32k;
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version {version};
        location {prefix}/ {{
            proxy_pass http://127.0.0.1:{server_port}/;
{settings}        }}
    }}
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
        config = folder / "nginx.conf"
        config.write_text(
            CONFIG.format(
                folder=folder,
                port=self.port,
                prefix=prefix,
                server_port=server_port,
                settings="".join(f"            {each};\n" for each in settings),
                version=version,
            )
        )
        command = [tools.NGINX, "-p", folder, "-e", "stderr", "-c", config]
        self.process = Process("proxy", command, folder)
        self.process.wait_until_ready("listens", lambda: accepts_connections(self.port))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def stop(self) -> None:
        self.process.stop()
