# SPDX-License-Identifier: Apache-2.0
"""Writes strict JSON schemas of what the chart renders: python3 -m tests.chart.schemas FOLDER

Those of Kubernetes' own kinds are what a real API server says of itself; the others come from the
modules of their projects. Called by scripts/fetch-chart-tools.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lab.workspace import Workspace
from tests.kubernetes.real_api import RealApi

Schema = dict[str, Any]

FILE = "{group}_{kind}_{version}.json"  # as kubeconform asks for it; see SCHEMAS of test_rendering.py
REFERENCE = "#/definitions/"
# Module, and the files with CustomResourceDefinitions in it.
MODULES = {
    "github.com/cert-manager/cert-manager@v1.19.0": ["deploy/crds/cert-manager.io_certificates.yaml"],
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": [
        f"example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml"
        for kind in ("podmonitors", "prometheusrules", "servicemonitors")
    ],
    "sigs.k8s.io/gateway-api@v1.4.0": [
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"
    ],
    "github.com/openshift/api@v0.0.0-20250124212313-a770960d61e0": [
        "payload-manifests/crds/0000_03_config-operator_01_securitycontextconstraints-Default.crd.yaml"
    ],
}


def strict(schema: Any) -> Any:
    """The same, but no property that it does not name; numbers are allowed where Kubernetes takes both."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    words = ("description", "format")
    found = {
        key: strict(value)
        for key, value in schema.items()
        if not (key in words and isinstance(value, str))
    }
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and not open_ended:
        found.setdefault("additionalProperties", False)
    return found


def write(folder: Path, group: str, kind: str, version: str, schema: Schema) -> None:
    name = FILE.format(group=group or version, kind=kind.lower(), version=version)
    (folder / name).write_text(json.dumps(schema))


def references(schema: Any) -> Iterator[str]:
    """The names of the definitions that it refers to."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix(REFERENCE)
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from references(each)


def with_definitions(name: str, definitions: Mapping[str, Schema]) -> Schema:
    """The definition with all that it needs, since kubeconform reads one file a kind."""
    needed: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        found = waiting.pop()
        if found not in needed:
            needed[found] = definitions[found]
            waiting += references(definitions[found])
    return {"$ref": REFERENCE + name, "definitions": needed}


def write_own_kinds(folder: Path, document: Schema) -> None:
    definitions = {name: strict(schema) for name, schema in document["definitions"].items()}
    for name, schema in definitions.items():
        if name.endswith(".Quantity"):
            schema["type"] = ["string", "number"]
    for name, schema in definitions.items():
        for each in schema.get("x-kubernetes-group-version-kind", []):
            whole = with_definitions(name, definitions)
            write(folder, each["group"], each["kind"], each["version"], whole)


def definitions_of(module: str, files: list[str]) -> Iterator[Schema]:
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    answer = json.loads(done.stdout)
    if "Dir" not in answer:
        raise SystemExit(f"{module}: {answer.get('Error', done.stderr)}")
    for name in files:
        yield yaml.safe_load((Path(answer["Dir"]) / name).read_text())


def write_kinds_of_others(folder: Path) -> None:
    for module, files in MODULES.items():
        for definition in definitions_of(module, files):
            spec = definition["spec"]
            for version in spec["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                write(folder, spec["group"], spec["names"]["kind"], version["name"], schema)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir()
    write_kinds_of_others(folder)
    with Workspace() as workspace:
        api = RealApi(workspace.path)
        try:
            write_own_kinds(folder, api.call("GET", "/openapi/v2"))
        finally:
            api.close()


if __name__ == "__main__":
    main()
