# SPDX-License-Identifier: Apache-2.0
"""How fluent the dashboard stays with 10,000 pulls: python3 -m tests.bench.dashboard [SECONDS] [PAGE] [NODES]

Server, load generator and Chromium on this machine. Each pull takes a minute and is kept for a minute, so that
as many are forgotten as end: after two minutes the number of rows stays the same. Watches PAGE (live, images or nodes)
for SECONDS (60) over NODES (1,000).
Server and load generator yield to the browser, as they would not share an engineer's machine with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lab.pulltrace import Server
from lab.tools import REPOSITORY
from tests.bench.server import LOADGEN, SERVER

PULL_SECONDS = 60
LOWEST_PRIORITY = 19
SETTINGS = {"PULLTRACE_LOG_LEVEL": "error", "PULLTRACE_HISTORY_TTL": f"{PULL_SECONDS}s"}
PULLS = 10_000
LOAD = {"layers": 8, "pull-seconds": PULL_SECONDS, "seconds": 3600}


def yield_to_others(pid: int) -> None:
    """A process that leads a session: where sessions share the cores fairly, its own priority is not enough."""
    os.setpriority(os.PRIO_PROCESS, pid, LOWEST_PRIORITY)
    session = Path(f"/proc/{pid}/autogroup")
    if session.exists():
        session.write_text(str(LOWEST_PRIORITY))


def main() -> int:
    seconds, page, nodes = (*sys.argv[1:], *("60", "live", "1000")[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory() as folder:
        server = Server(SERVER, Path(folder), None, SETTINGS)
        command = [str(LOADGEN), "--port", str(server.port), "--pid", str(server.process.pid)]
        load_of_nodes = {"nodes": int(nodes), "pulls": PULLS // int(nodes)}
        for name, value in (LOAD | load_of_nodes).items():
            command += [f"--{name}", str(value)]
        load = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            for pid in (server.process.pid, load.pid):
                yield_to_others(pid)
            time.sleep(2 * PULL_SECONDS + 10)
            script = str(REPOSITORY / "web/bench/dashboard.mjs")
            options = ["--url", f"{server.url}/", "--page", page, "--seconds", seconds]
            return subprocess.run(["node", script, *options]).returncode
        finally:
            load.kill()
            load.wait()
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
