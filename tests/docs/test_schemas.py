"""The published JSON Schemas describe what every command really writes, and nothing that is broken."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cudadoctor.cli.app import app
from cudadoctor.facts.document import decode_facts
from cudadoctor.facts.machine import Machine
from tests.cli.conftest import Doctor, doctor  # noqa: F401 - the fixture
from tests.docs.fences import DOCS, ROOT

jsonschema = pytest.importorskip("jsonschema", reason="the schemas are checked with it")

MACHINES = sorted(path.parent for path in (ROOT / "tests" / "machines").glob("*/facts.json"))
H100 = ROOT / "tests" / "machines" / "ubuntu24-h100-healthy" / "facts.json"
RACE = ROOT / "tests" / "machines" / "ubuntu24-h100-race" / "facts.json"
BROKEN = ROOT / "tests" / "machines" / "ubuntu24-h100-updated-not-rebooted" / "facts.json"

Schema = dict[str, Any]


def schema(name: str) -> Schema:
    return json.loads((DOCS / "schema" / f"{name}.schema.json").read_text(encoding="utf-8"))


def closed(value: Any) -> Any:
    """Return a schema that allows no key which it does not describe: what is written must be documented."""
    if isinstance(value, dict):
        made = {key: closed(item) for key, item in value.items()}
        if "title" in made and made.get("type") == "object" and "properties" in made:
            made["additionalProperties"] = False
        return made
    return [closed(item) for item in value] if isinstance(value, list) else value


@cache
def published(name: str) -> Any:
    """Return what validates by a schema as it is published."""
    return jsonschema.Draft202012Validator(schema(name))


@cache
def described(name: str) -> Any:
    """Return what validates by a schema that is closed."""
    return jsonschema.Draft202012Validator(closed(schema(name)))


CALLS: dict[str, list[list[object]]] = {
    "check": [["--facts", BROKEN], ["--facts", RACE], ["--quick"], ["--list-checks"]],
    "devices": [["--facts", H100], ["--facts", BROKEN], ["--diff", H100, H100]],
    "bandwidth": [["--facts", H100], ["--facts", H100, "--compare", H100], ["--facts", RACE]],
    "dbn-race": [["--facts", RACE], ["--facts", BROKEN]],
    "fleet report": [[H100], [H100, BROKEN, RACE]],
    "fleet run": [["--address", "no address"]],
    "profile": [["--facts", RACE]],
    "setup": [["--facts", BROKEN], ["--facts", H100]],
    "why": [
        ["CUDA error: no kernel image is available for execution on the device", "--no-machine"],
        ["Driver/library version mismatch"],
        ["--list"],
        ["driver-library-mismatch"],
    ],
}
"""At least one call of each command that can be made without a GPU, and of each kind of document."""


@pytest.mark.parametrize("name", ["facts", "report"])
def test_a_schema_is_one(name: str) -> None:
    for each in (schema(name), closed(schema(name))):
        jsonschema.Draft202012Validator.check_schema(each)


def test_every_command_that_writes_json_is_called_here() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    grouped = {
        f"{name} {inner}" if inner else name: each
        for name, command in commands.items()
        for inner, each in getattr(command, "commands", {"": command}).items()
    }
    writes = {name for name, each in grouped.items() if any("--format" in option.opts for option in each.params)}
    assert writes == set(CALLS), "add the new command to CALLS"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [(command, arguments) for command, calls in CALLS.items() for arguments in calls],
    ids=lambda each: each if isinstance(each, str) else " ".join(Path(str(word)).parent.name or word for word in each),
)
def test_real_output_fits_the_schema(doctor: Doctor, command: str, arguments: list[object]) -> None:  # noqa: F811
    run = doctor(*command.split(), *arguments, "--format", "json")
    assert run.document["command"] == command
    described("report").validate(run.document)


def test_a_race_and_a_refusal_fit_the_schema(doctor: Doctor, tmp_path: Path) -> None:  # noqa: F811
    saved = tmp_path / "facts.json"
    race = doctor("dbn-race", "--epochs", "1", "--lanes", "cpu-fast", "--format", "json", "--save", saved)
    described("report").validate(race.document)
    assert race.document["facts"]["race"]["lanes"][0]["epochs"]
    described("facts").validate(json.loads(saved.read_text(encoding="utf-8")))
    for arguments in (["check", "--nonsense"], ["nonsense"], ["check", "--facts", "no-such-file.json"]):
        refused = doctor(*arguments, "--format", "json")
        assert refused.code == 2
        described("report").validate(refused.document)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_saved_facts_fit_the_schema_whatever_release_wrote_them(
    doctor: Doctor,  # noqa: F811
    machine: Path,
    tmp_path: Path,
) -> None:
    # A file of an older release may hold a key that has gone, which readers pass over; so the open schema.
    published("facts").validate(json.loads((machine / "facts.json").read_text(encoding="utf-8")))
    doctor("check", "--facts", machine / "facts.json", "--save", tmp_path / "facts.json", "--quiet")
    described("facts").validate(json.loads((tmp_path / "facts.json").read_text(encoding="utf-8")))


BREAKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no findings": lambda document: document.pop("findings"),
    "another version": lambda document: document.update(schema_version=2),
    "a status that does not exist": lambda document: document.update(status="fine"),
    "a command that does not exist": lambda document: document.update(command="chek"),
    "a severity that does not exist": lambda document: document["findings"][0].update(severity="bad"),
    "a finding without evidence": lambda document: document["findings"][0].pop("evidence"),
    "a fix that is a text": lambda document: document["findings"][0].update(fix="reboot"),
    "a section without its state": lambda document: document["facts"]["host"].pop("state"),
    "a section of a state that does not exist": lambda document: document["facts"]["host"].update(state="gone"),
    "a number that is a text": lambda document: document["facts"]["nvml"].update(reason=3),
    "a plan that check does not have": lambda document: document.update(plan={"steps": [], "start_up_file": "x"}),
    "a key that nobody described": lambda document: document["findings"][0].update(feeling="sad"),
}


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    import cudadoctor

    document = json.loads(cudadoctor.diagnose(cudadoctor.load(BROKEN)).json())
    described("report").validate(document)
    return document


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_report_does_not_fit(good: dict[str, Any], name: str) -> None:
    document = copy.deepcopy(good)
    BREAKS[name](document)
    assert not described("report").is_valid(document)


def test_a_key_that_a_later_release_adds_fits_the_published_schema(good: dict[str, Any]) -> None:
    assert published("report").is_valid({**good, "added_later": 1})


def test_a_broken_facts_file_does_not_fit() -> None:
    document = json.loads(BROKEN.read_text(encoding="utf-8"))
    assert described("facts").is_valid(document)
    for change in ({"kind": "other"}, {"schema_version": 0}, {"facts": 3}):
        assert not described("facts").is_valid(document | change)
    document["facts"]["host"].pop("state")
    assert not described("facts").is_valid(document)


def test_what_the_schema_of_facts_allows_is_what_can_be_read() -> None:
    names = set(schema("facts")["$defs"]["Machine"]["properties"])
    assert names == set(Machine.__struct_fields__)
    assert (
        decode_facts(json.dumps({"kind": "cudadoctor-facts", "schema_version": 1, "facts": {}}).encode()) == Machine()
    )
