"""`--format html` of every command: one file, redacted, and one line where the extra is missing."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Doctor
from tests.report.html.reading import Page

MACHINES = Path(__file__).parents[1] / "machines"
FACTS = MACHINES / "ubuntu24-h100-healthy" / "facts.json"
COMMANDS = (
    ("check", "--facts", FACTS),
    ("devices", "--facts", FACTS),
    ("bandwidth", "--facts", FACTS),
    ("dbn-race", "--facts", FACTS),
    ("setup", "--facts", FACTS),
    ("why", "--no-machine", "CUDA driver version is insufficient for CUDA runtime version"),
    ("why", "driver-too-old"),
    ("why", "--list"),
)


@pytest.fixture
def without_jinja2(tmp_path: Path) -> dict[str, str]:
    """An environment in which the extra is not installed."""
    (tmp_path / "jinja2.py").write_text("raise ImportError('no jinja2')\n", encoding="utf-8")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(map(str, arguments[:2])))
def test_every_command_writes_one_page(doctor: Doctor, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    output = tmp_path / "report.html"
    run = doctor(*arguments, "--format", "html", "--output", output, "--fail-on", "never")
    assert (run.code, run.out, run.err) == (0, "", "")
    page = Page(output.read_text(encoding="utf-8"))
    assert page.all("title")[0].text.startswith(f"cudadoctor {arguments[0]}")
    assert page.all("h1")[0].text
    assert page.fetched == []


def test_without_output_it_goes_to_standard_output_like_every_format(doctor: Doctor) -> None:
    run = doctor("check", "--facts", FACTS, "--format", "html")
    assert run.code == 0
    assert run.out.startswith("<!doctype html>\n")


def test_it_is_refused_at_once_in_one_line_where_the_extra_is_missing(
    doctor: Doctor, without_jinja2: dict[str, str], tmp_path: Path
) -> None:
    output = tmp_path / "report.html"
    for arguments in COMMANDS:
        run = doctor(*arguments, "--format", "html", "--output", output, env=without_jinja2)
        assert (run.code, run.out) == (2, "")
        assert run.err.count("\n") == 1
        assert run.err.startswith("cudadoctor: --format html needs the extra `report`")
        assert not output.exists()
    installs = re.findall(r"pip install '([^']*)'", run.err)
    assert installs == [".[report]", "cudadoctor[report] @ git+URL"]


def test_other_formats_do_not_need_the_extra(doctor: Doctor, without_jinja2: dict[str, str]) -> None:
    for format in ("text", "json", "markdown"):
        assert doctor("check", "--facts", FACTS, "--format", format, env=without_jinja2).code == 0


def facts_with_names(path: Path) -> Path:
    document = json.loads(FACTS.read_text(encoding="utf-8"))
    document["facts"]["race"]["lanes"][0]["notes"] = ["read from /home/alice/data"]
    document["facts"]["bandwidth"]["device_name"] = "card of https://bob:secret@example.org"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_names_are_taken_out_unless_told_otherwise(doctor: Doctor, tmp_path: Path) -> None:
    facts = facts_with_names(tmp_path / "facts.json")
    shared = doctor("check", "--facts", facts, "--format", "html").out
    assert "alice" not in shared
    assert "secret" not in shared
    assert "~/data" in shared
    whole = doctor("check", "--facts", facts, "--format", "html", "--no-redact").out
    assert "/home/alice/data" in whole


@pytest.mark.parametrize("format", ["html", "markdown"])
def test_the_answer_is_redacted_too(doctor: Doctor, tmp_path: Path, format: str) -> None:
    folder = tmp_path / "home" / "alice"
    folder.mkdir(parents=True)
    (folder / "saved.json").write_bytes(FACTS.read_bytes())
    saved = f"{tmp_path}//home/alice/saved.json"
    arguments = ("bandwidth", "--facts", FACTS, "--compare", saved, "--format", format)
    shared = doctor(*arguments).out
    assert "Compared with" in shared
    assert "alice" not in shared
    assert "/home/alice/saved.json" in doctor(*arguments, "--no-redact").out


def test_one_gpu_alone_is_shown_where_one_was_asked_for(doctor: Doctor, tmp_path: Path) -> None:
    document = json.loads(FACTS.read_text(encoding="utf-8"))
    devices = document["facts"]["devices"]["devices"]
    other = json.loads(json.dumps(devices[0]))
    other["driver"]["index"] = 1
    other["driver"]["uuid"]["value"] = "GPU-99999999-aaaa-bbbb-cccc-dddddddddddd"
    devices.append(other)
    path = tmp_path / "facts.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    both = Page(doctor("devices", "--facts", path, "--format", "html").out)
    one = Page(doctor("devices", "--facts", path, "--device", "GPU-9999", "--format", "html").out)
    assert [head.text for head in both.all("th", "text")] == ["GPU 0", "GPU 1"]
    assert [head.text for head in one.all("th", "text")] == ["GPU 1"]
