# SPDX-License-Identifier: Apache-2.0
"""Debian's Prometheus on a free port, scraping what a test wants."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.processes import Process
from lab.waiting import free_port
from tests.chart.helm import PROGRAMS

PROMETHEUS = PROGRAMS / "prometheus/usr/bin/prometheus"
CONFIG = """\
global: {{scrape_interval: {interval}, evaluation_interval: {interval}}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: pulltrace
    static_configs: [{{targets: {targets}}}]
"""


class QueryFailed(Exception):
    """Prometheus' own words."""


class Prometheus:
    def __init__(self, folder: Path, targets: Sequence[str], rules: Path, interval: str = "1s") -> None:
        folder.mkdir()
        self.port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(interval=interval, targets=json.dumps(targets), rules=rules))
        self.process = Process(
            "prometheus",
            [
                PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            folder,
        )  # fmt: skip
        self.process.wait_until_ready("is ready", self._is_ready, 30)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready") as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        self.process.stop()

    def ask(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}") as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise QueryFailed(error.read().decode()) from None

    def query(self, expression: str) -> list[Any]:
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found
