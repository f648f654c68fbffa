# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.json and the schemas that it names, as one page of Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tables import row

Schema = dict[str, Any]
HEAD = """# API reference

Made of [openapi.json](openapi.json) and the JSON Schemas beside it, which tests hold the server to. [The API](api.md) says it in words.
"""


def page(document: Path) -> str:
    api = json.loads(document.read_text())
    lines = [HEAD]
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            lines += operation_lines(path, method, operation)
    lines += ["## Schemas", ""]
    for name, schema in api["components"]["schemas"].items():
        lines += schema_lines(name, schema)
    for file in sorted((document.parent / "schemas").glob("*.json")):
        schema = json.loads(file.read_text())
        lines += schema_lines(schema["title"], schema)
        for name, inner in schema.get("$defs", {}).items():
            lines += schema_lines(name, inner)
    return "\n".join(lines) + "\n"


def operation_lines(path: str, method: str, operation: Schema) -> Iterator[str]:
    yield f"## {method.upper()} {path}\n"
    yield operation["summary"] + ".\n"
    if operation.get("security"):
        yield "Takes the agents' token as `Authorization: Bearer …`, where one is set.\n"
    if operation.get("parameters"):
        yield "| parameter | in | what | values |\n|---|---|---|---|"
        for one in operation["parameters"]:
            yield row(f"`{one['name']}`", one["in"], one.get("description", ""), type_of(one["schema"]))
        yield ""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body: `{kind}`, {type_of(content['schema'])}.\n"
    yield "| status | what | answer |\n|---|---|---|"
    for status, answer in operation["responses"].items():
        contents = answer.get("content", {}).items()
        said = ", ".join(f"`{kind}`: {type_of(content['schema'])}" for kind, content in contents)
        yield row(status, answer.get("description", ""), said)
    yield ""


def schema_lines(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}\n"
    if "description" in schema:
        yield schema["description"] + "\n"
    rows = list(property_rows(schema, ""))
    if rows:
        yield "| member | type | what |\n|---|---|---|"
        yield from rows
        yield ""
    for alternative in schema.get("oneOf", schema.get("anyOf", [])):
        yield f"- {type_of(alternative)}"
    yield ""


def property_rows(schema: Schema, before: str) -> Iterator[str]:
    """One for each member; those of an object or list inside follow with a path."""
    for name, value in schema.get("properties", {}).items():
        path = f"{before}{name}"
        always = "" if name in schema.get("required", []) else ", may be absent"
        yield row(f"`{path}`", type_of(value) + always, value.get("description", ""))
        inner = value.get("items", value)
        suffix = "[]." if "items" in value else "."
        yield from property_rows(inner, path + suffix)


def type_of(schema: Schema) -> str:
    if "$ref" in schema:
        return link_to(schema["$ref"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "items" in schema:
        return f"list of {type_of(schema['items'])}"
    kind = schema.get("type", "object" if "properties" in schema else "any")
    said = " or ".join(kind) if isinstance(kind, list) else kind
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{said}, {low} to {high}"
    if low is not None:
        return f"{said}, at least {low}"
    return f"{said} ({schema['format']})" if "format" in schema else said


def link_to(reference: str) -> str:
    """Of `#/components/schemas/Pod`, `schemas/pulls.schema.json#/$defs/PullStatus` and the like."""
    file, _, path = reference.partition("#")
    titles = {"event": "PullEvent", "hello": "Hello", "pulls": "PullList", "report": "AgentReport"}
    name = path.rsplit("/", 1)[-1] if path else titles[Path(file).name.split(".")[0]]
    return f"[{name}](#{name.lower()})"
