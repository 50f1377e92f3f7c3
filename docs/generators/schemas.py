"""JSON Schemas (2020-12) of what cudadoctor writes, from the structs themselves.

A report is described as this release writes it: every key of a struct is there, but for the few that are left out where
there is nothing to say. Saved facts are described as this release reads them: what an older release did not know may be
absent. Both allow further keys, since a later release may add some without a new `schema_version`.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from cudadoctor.facts.document import KIND
from cudadoctor.facts.document import SCHEMA_VERSION as FACTS_VERSION
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import SCHEMA_VERSION, Confirm, Diagnosis, Severity
from generators import command_line

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS = Path(__file__).parents[1] / "schema"
LEFT_OUT = {"Diagnosis": ("error", "plan", "compare", "areas"), "Finding": ("confirm",)}
"""Keys that `report.document` leaves out where they are null."""

Schema = dict[str, Any]


class Cause(msgspec.Struct, kw_only=True):
    """One cause that `why --list` or `why ID` tells of; the page, in Markdown, is there for `why ID` alone."""

    id: str
    severity: Severity
    title: str
    page: str | msgspec.UnsetType = msgspec.UNSET
    confirm: Confirm | msgspec.UnsetType = msgspec.UNSET


class FactsFile(msgspec.Struct, kw_only=True):
    """What `--save` writes and `--facts` reads; `recorded_at` is ISO 8601 in UTC."""

    kind: str
    schema_version: int
    version: str
    recorded_at: str
    facts: Machine


def files() -> dict[str, str]:
    """Return the schemas by their path under docs/; Python 3.10 leaves them as they are."""
    if sys.version_info < (3, 11):
        # There tuple[X, ...] counts as a class, and msgspec gives all facts that are lists one name.
        return {f"schema/{path.name}": path.read_text(encoding="utf-8") for path in SCHEMAS.glob("*.json")}
    made = {"report": report(), "facts": facts()}
    return {f"schema/{name}.schema.json": json.dumps(schema, indent=1) + "\n" for name, schema in made.items()}


def report() -> Schema:
    """Return the schema of what every command writes with `--format json`."""
    (root, cause), definitions = _components(Diagnosis, Cause)
    for name, definition in definitions.items():
        properties = definition.get("properties", {})
        for value in properties.values():
            value.pop("default", None)
        if name == "Cause":
            continue
        for key in LEFT_OUT.get(name, ()):
            if "anyOf" in properties[key]:
                (properties[key],) = (each for each in properties[key]["anyOf"] if each != {"type": "null"})
        definition["required"] = [key for key in properties if key not in LEFT_OUT.get(name, ())]
    whole = definitions["Diagnosis"]
    whole["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    head = {"schema_version": {"const": SCHEMA_VERSION}, "command": {"const": "why"}, "version": {"type": "string"}}
    definitions["Causes"] = {
        "description": "What `why --list` and `why ID` write: no machine was looked at.",
        "type": "object",
        "properties": {
            **head,
            "status": {"const": "ok"},
            "findings": {"type": "array", "maxItems": 0},
            "skipped": {"type": "array", "maxItems": 0},
            "causes": {"type": "array", "items": cause, "minItems": 1},
        },
        "required": [*head, "status", "findings", "skipped", "causes"],
    }
    words = {"type": "string"}
    check = {"area": words, "id": words, "severity": {"enum": ["error", "warning", "note"]}, "title": words}
    definitions["Checks"] = {
        "description": "What `check --list-checks` writes: no machine was looked at.",
        "type": "object",
        "properties": {
            **definitions["Causes"]["properties"],
            "command": {"const": "check"},
            "checks": {"type": "array", "items": {"type": "object", "properties": check, "required": [*check]}},
        },
        "required": [*head, "status", "findings", "skipped", "checks"],
    }
    del definitions["Checks"]["properties"]["causes"]
    done = {"not": {"required": ["error"]}}
    outcome = {
        **root,
        "allOf": [
            {
                "if": done,
                "then": {"properties": {"command": {"enum": [name for name, _ in command_line.commands()]}}},
            },
            {
                "if": {**done, "properties": {"command": {"const": "setup"}}},
                "then": {"required": ["plan"]},
                "else": {"not": {"required": ["plan"]}},
            },
        ],
    }
    return {
        "$schema": DIALECT,
        "$id": f"urn:cudadoctor:report:{SCHEMA_VERSION}",
        "title": "A report of cudadoctor",
        "description": "Standard output of every command with --format json: one such document, also on failure. "
        "A document with `error` may name a command that does not exist.",
        "type": "object",
        "required": ["schema_version", "command", "version", "status", "findings", "skipped"],
        "if": {"required": ["causes"]},
        "then": {"$ref": "#/$defs/Causes"},
        "else": {"if": {"required": ["checks"]}, "then": {"$ref": "#/$defs/Checks"}, "else": outcome},
        "$defs": definitions,
    }


def facts() -> Schema:
    """Return the schema of a facts file."""
    (root,), definitions = _components(FactsFile)
    whole = definitions["FactsFile"]
    whole["properties"]["kind"] = {"const": KIND}
    whole["properties"]["schema_version"] = {"const": FACTS_VERSION}
    return {
        "$schema": DIALECT,
        "$id": f"urn:cudadoctor:facts:{FACTS_VERSION}",
        "title": "Saved facts of cudadoctor",
        **root,
        "$defs": definitions,
    }


def _components(*types: type) -> tuple[list[Schema], dict[str, Schema]]:
    """Return references to the types, and all definitions by readable names, each with its docstring."""
    roots, definitions = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = " ".join(inspect.cleandoc(definition["description"]).split())
        if "state" in definition.get("properties", {}) and "enum" in definition["properties"]["state"]:
            tagged = definition["properties"]["state"]["enum"] in (["known"], ["missing"])
            # The tag of a section or a fact tells which of the two it is: it is always there, as newer msgspec says.
            required = [*(["state"] if tagged else []), *definition.get("required", [])]
            definition["required"] = list(dict.fromkeys(required))
    names = {name: _readable(name) for name in definitions}
    if len(set(names.values())) != len(names):
        raise ValueError("two definitions would have one name")
    text = json.dumps([list(roots), {names[name]: definition for name, definition in definitions.items()}])
    text = re.sub(r'"#/\$defs/([^"]+)"', lambda found: f'"#/$defs/{names.get(found[1], found[1])}"', text)
    renamed = json.loads(text)
    return renamed[0], renamed[1]


def _readable(name: str) -> str:
    """Return `Known_list_of_MacCard` for what msgspec calls `Known_tuple_cudadoctor.facts.macos.MacCard__...__`."""
    name = re.sub(r"tuple_(?:[\w.]*\.)?(\w+?)__\.\.\.__", r"list_of_\1", name)
    return re.sub(r"_+None_+$", "_or_null", name).rstrip("_")
