# SPDX-License-Identifier: Apache-2.0
"""A docker-registry of our own on a free loopback port, storing in the lab's folder."""

from __future__ import annotations

import json
from pathlib import Path

from lab import tools
from lab.processes import Process
from lab.waiting import accepts_connections, free_port


class Registry:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        self.storage = folder / "storage"
        config = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.storage)},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }
        config_path = folder / "config.yml"
        config_path.write_text(json.dumps(config))  # JSON is YAML
        self.process = Process("registry", [tools.REGISTRY, "serve", config_path], folder)
        self.process.wait_until_ready("listens", lambda: accepts_connections(self.port))

    def stop(self) -> None:
        self.process.stop()
