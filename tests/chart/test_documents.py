# SPDX-License-Identifier: Apache-2.0
"""What describes the chart, or was rendered from it and committed, is what the chart is now.

chart-testing (`ct lint`) is not to be had from the Go module proxy; its checks are here: yamllint with its
rules, the maintainers, and that a chart which differs from a released one has another version.
"""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
import unittest
from collections.abc import Iterator

import jsonschema
import yaml

from lab.tools import REPOSITORY
from tests.chart.helm import CHART, CONSENT, PROGRAMS, VARIANTS, Object, find, objects, run, template
from tests.chart.manifest import README, WRITERS
from tests.kubernetes.real_api import documented_rights

YAMLLINT_RULES = """\
rules:
  braces: {max-spaces-inside: 0, max-spaces-inside-empty: 0}
  brackets: {max-spaces-inside: 0, max-spaces-inside-empty: 0}
  colons: {max-spaces-before: 0, max-spaces-after: 1}
  commas: {max-spaces-before: 0, min-spaces-after: 1, max-spaces-after: 1}
  comments: {require-starting-space: true, min-spaces-from-content: 1}
  document-end: disable
  document-start: disable
  empty-lines: {max: 1}
  hyphens: {max-spaces-after: 1}
  indentation: {spaces: 2, indent-sequences: consistent}
  key-duplicates: enable
  line-length: disable
  new-line-at-end-of-file: enable
  new-lines: {type: unix}
  trailing-spaces: enable
  truthy: {level: error}
"""


def description() -> Object:
    found: Object = yaml.safe_load((CHART / "Chart.yaml").read_text())
    return found


def schema() -> Object:
    found: Object = json.loads((CHART / "values.schema.json").read_text())
    return found


def strict_objects(part: Object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of the objects whose keys are our own."""
    if part.get("additionalProperties") is False:
        yield path
    for name, child in part.get("properties", {}).items():
        yield from strict_objects(child, (*path, name))


def at(values: Object, path: tuple[str, ...]) -> Object:
    for name in path:
        values = values[name]
    return values


class Values(unittest.TestCase):
    def setUp(self) -> None:
        self.defaults: Object = yaml.safe_load((CHART / "values.yaml").read_text())

    def test_the_defaults_and_each_variant_are_of_the_schema(self) -> None:
        jsonschema.validate(self.defaults, schema())
        for file in VARIANTS:
            jsonschema.validate(yaml.safe_load(file.read_text()), schema())

    def test_the_schema_has_the_keys_of_the_defaults_and_no_others(self) -> None:
        for path in strict_objects(schema()):
            part = schema()
            for name in path:
                part = part["properties"][name]
            self.assertEqual(set(part["properties"]), set(at(self.defaults, path)), path)

    def test_a_key_that_is_not_ours_is_refused_wherever_it_stands(self) -> None:
        paths = list(strict_objects(schema()))
        self.assertGreater(len(paths), 20)
        for path in paths:
            values = copy.deepcopy(self.defaults)
            at(values, path)["mistyped"] = True
            with self.subTest(".".join(path)), self.assertRaises(jsonschema.ValidationError):
                jsonschema.validate(values, schema())

    def test_each_value_is_described(self) -> None:
        rows = re.findall(r"^\| (\S+) \| .* \| (.*) \|$", README.read_text(), re.M)
        self.assertEqual([name for name, words in rows if not words.strip()], [])
        self.assertGreater(len(rows), 100)


class Documents(unittest.TestCase):
    def test_what_was_rendered_is_what_would_be(self) -> None:
        for path, written in WRITERS.items():
            with self.subTest(path.name):
                hint = "run scripts/lint-chart --write"
                self.assertTrue(path.exists() and path.read_text() == written(), f"{path}: {hint}")

    def test_the_servers_rights_are_those_of_the_documentation(self) -> None:
        role = find(objects(template(CONSENT)), "ClusterRole", "pulltrace-pulltrace-server")
        self.assertEqual(role["rules"], yaml.safe_load(documented_rights())["rules"])

    def test_versions_are_those_of_the_programs(self) -> None:
        version = re.search(r"version: '([^']+)'", (REPOSITORY / "meson.build").read_text())
        assert version
        self.assertEqual(description()["appVersion"], version[1])
        images = yaml.safe_load(description()["annotations"]["artifacthub.io/images"])
        rendered = template(CONSENT)
        for image in images:
            self.assertIn(f"image: {image['image']}\n", rendered)


class AsChartTestingWould(unittest.TestCase):
    def test_yamllint(self) -> None:
        root = PROGRAMS / "prometheus/usr/lib/python3/dist-packages"
        files = [CHART / "Chart.yaml", CHART / "values.yaml", *(CHART / "files").glob("*.yaml"), *VARIANTS]
        command = [sys.executable, "-m", "yamllint", "--strict", "-d", YAMLLINT_RULES, *files]
        run(*command, env=os.environ | {"PYTHONPATH": str(root)})

    def test_maintainers(self) -> None:
        self.assertTrue(description()["maintainers"])
        for maintainer in description()["maintainers"]:
            self.assertTrue(maintainer["name"] and maintainer["url"].startswith("https://github.com/"))

    def test_a_chart_that_was_released_does_not_change(self) -> None:
        """A release is tagged v and the chart's version."""
        tag = f"v{description()['version']}"
        git = ["git", "-C", str(REPOSITORY)]
        if subprocess.run([*git, "rev-parse", "--verify", "--quiet", tag], capture_output=True).returncode:
            return  # not released yet
        run(*git, "diff", "--exit-code", tag, "--", str(CHART))


if __name__ == "__main__":
    unittest.main()
