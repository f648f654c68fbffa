# SPDX-License-Identifier: Apache-2.0
"""What the docs site and the manual pages are made with."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

from lab.tools import REPOSITORY, TOOLS
from tests.integration.case import BINARIES

sys.path.insert(0, str(REPOSITORY / "site"))
import check_offline  # noqa: E402
import generate  # noqa: E402
import manual  # noqa: E402
import openapi  # noqa: E402

HELM = TOOLS / "chart/helm"


class Offline(unittest.TestCase):
    def test_what_a_page_fetches_from_another_host_is_found(self) -> None:
        cases = [
            ('<script src="https://x.example/a.js"></script>', ["https://x.example/a.js"]),
            ('<link rel="stylesheet" href="//x.example/a.css">', ["//x.example/a.css"]),
            ('<img src="http://x.example/a.png">', ["http://x.example/a.png"]),
            ("<style>@import 'https://x.example/a.css'</style>", ["https://x.example/a.css"]),
            ('<link rel="canonical" href="https://x.example/"><a href="https://x.example/">x</a>', []),
            ('<script src="../a.js"></script><img src="data:image/png;base64,A">', []),
        ]
        for text, wanted in cases:
            with self.subTest(text), tempfile.TemporaryDirectory() as folder:
                page = Path(folder) / "index.html"
                page.write_text(text)
                self.assertEqual(check_offline.foreign(page), wanted)


class ManualPages(unittest.TestCase):
    def test_each_option_of_the_usage_is_explained(self) -> None:
        for program in manual.SHORT:
            said = subprocess.check_output([BINARIES / program, "--help"], text=True)
            options = manual.options_of(said)
            self.assertIn("--version", options)
            self.assertEqual([option for option in options if option not in manual.OPTIONS], [])

    def test_no_words_are_taken_for_a_request(self) -> None:
        self.assertEqual(manual.escaped(".x \\ -y"), "\\&.x \\e \\-y")
        self.assertLess(max(len(line) for line in manual.escaped("word " * 90).splitlines()), 80)


class Tables(unittest.TestCase):
    def test_labels_and_types_are_those_of_the_scrape(self) -> None:
        scraped = '# HELP a Of a | b.\n# TYPE a histogram\na_bucket{x="1",le="2"} 0\na_sum{x="1"} 0\n'
        self.assertIn("| `a` | histogram | `x` | Of a \\| b. |", generate.metrics_table(scraped))

    def test_an_alert_whose_expression_is_folded(self) -> None:
        rules = (
            "groups:\n    rules:\n      - alert: Slow\n        expr: >-\n          a\n          < b\n"
            "        for: 5m\n        annotations:\n          summary: 'It is slow.'\n"
        )
        self.assertIn("| `Slow` | 5m | `a < b` | It is slow. |", generate.alerts_table(rules))

    def test_each_path_and_schema_of_the_api_has_a_heading_that_links_reach(self) -> None:
        page = openapi.page(REPOSITORY / "docs/openapi.json")
        api = json.loads((REPOSITORY / "docs/openapi.json").read_text())
        for path, methods in api["paths"].items():
            for method in methods:
                self.assertIn(f"\n## {method.upper()} {path}\n", page)
        headings = {line[4:].lower() for line in page.splitlines() if line.startswith("### ")}
        linked = {link.split(")")[0] for link in page.split("](#")[1:]}
        self.assertEqual(linked - headings, set())


class HelmRepository(unittest.TestCase):
    """scripts/site in a copy of what it needs."""

    @unittest.skipUnless(HELM.exists(), "no helm here (it needs Go to be built)")
    def test_older_versions_stay_as_they_were(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        tree, earlier = folder / "tree", folder / "earlier"
        shutil.copytree(REPOSITORY / "deploy/helm", tree / "deploy/helm")
        (tree / "scripts").mkdir()
        shutil.copy(REPOSITORY / "scripts/site", tree / "scripts/site")
        (tree / "scripts/fetch-chart-tools").write_text("#!/bin/sh\n")
        (tree / "scripts/fetch-chart-tools").chmod(0o755)
        (tree / ".tools").symlink_to(TOOLS)
        (tree / "dist/site").mkdir(parents=True)
        (tree / "dist/site/index.html").write_text("docs")
        earlier.mkdir()
        for version in ("0.0.1", "0.0.2"):
            self.chart(earlier / f"pulltrace-{version}.tgz", version)
        kept = (earlier / "pulltrace-0.0.1.tgz").read_bytes()
        subprocess.run([tree / "scripts/site", earlier], check=True, capture_output=True)
        index = (tree / "dist/pages/charts/index.yaml").read_text()
        for version in ("0.0.1", "0.0.2"):
            self.assertIn(f"https://pulltrace.github.io/pulltrace/charts/pulltrace-{version}.tgz", index)
        self.assertEqual(index.count("- https://pulltrace.github.io/"), 3)
        self.assertEqual((tree / "dist/pages/charts/pulltrace-0.0.1.tgz").read_bytes(), kept)
        self.assertEqual((tree / "dist/pages/index.html").read_text(), "docs")

    def chart(self, target: Path, version: str) -> None:
        text = f"apiVersion: v2\nname: pulltrace\nversion: {version}\n".encode()
        with tarfile.open(target, "w:gz") as archive:
            entry = tarfile.TarInfo("pulltrace/Chart.yaml")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
