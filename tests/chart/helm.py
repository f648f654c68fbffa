# SPDX-License-Identifier: Apache-2.0
"""Renders the chart with helm, as text and as objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lab.tools import REPOSITORY, TOOLS

Object = dict[str, Any]

CHART = REPOSITORY / "deploy/helm/pulltrace"
VARIANTS = sorted((CHART / "ci").glob("*-values.yaml"))
PROGRAMS = TOOLS / "chart"
HELM = PROGRAMS / "helm"
PROMTOOL = PROGRAMS / "prometheus/usr/bin/promtool"
RELEASE = ("pulltrace", "--namespace", "pulltrace")
CONSENT = {"agent": {"runtimeSocket": {"risksAcknowledged": True}}}


class Refused(Exception):
    """The program failed; the message is its own."""


def run(*command: str | Path, given: str | None = None, **more: Any) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def template(
    values: Object | None = None, files: Sequence[Path] = (), chart: Path = CHART, *options: str
) -> str:
    command = [HELM, "template", *RELEASE, chart, *options]
    for file in files:
        command += ["--values", file]
    return run(*command, "--values", "-", given=json.dumps(values or {}))


def objects(text: str) -> list[Object]:
    return [each for each in yaml.safe_load_all(text) if each]


def find(rendered: Sequence[Object], kind: str, name: str) -> Object:
    return next(o for o in rendered if (o["kind"], o["metadata"]["name"]) == (kind, name))
