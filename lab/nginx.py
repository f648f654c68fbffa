# SPDX-License-Identifier: Apache-2.0
"""nginx as a process of the lab: one worker, with all of its files in one folder."""

from __future__ import annotations

from pathlib import Path

from lab import tools
from lab.processes import Process
from lab.waiting import accepts_connections

CONFIG = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections {connections}; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}}}
"""


def start_nginx(
    name: str,
    folder: Path,
    port: int,
    http: str,
    connections: int = 512,  # nginx's own default
) -> Process:
    """`http` are the lines of that block, of which a server listens on the port."""
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, http=http, connections=connections))
    process = Process(name, [tools.NGINX, "-p", folder, "-e", "stderr", "-c", config], folder)
    process.wait_until_ready("listens", lambda: accepts_connections(port))
    return process
