from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.facts.ladder import Ladder, Step
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Diagnosis, Evidence, Finding, Fix, Refusal, Severity, SkippedRule
from cudadoctor.report.document import render_json
from cudadoctor.report.markdown import render_markdown
from cudadoctor.report.redact import redacted
from cudadoctor.report.terminal import render_terminal, to_text

HOSTILE = "\x1b]0;owned\x07\x9b2J\u202e<script>*x*|`"


def finding(text: str = "x", command: str = "sudo reboot") -> Finding:
    return Finding(
        id="driver-library-mismatch",
        severity=Severity.ERROR,
        title=f"Title {text}",
        summary=f"Summary {text}",
        cause=f"Cause {text}",
        confidence="proven",
        evidence=(Evidence(f"name {text}", text, f"source {text}"), Evidence("count", None, "s")),
        fix=Fix(f"Fix {text}", (command,)),
        docs="docs/findings/driver-library-mismatch.md",
    )


def diagnosis(text: str = "x", command: str = "sudo reboot") -> Diagnosis:
    steps = (
        Step(name="nvml", state="failed", call="nvmlInit", detail=f"detail {text}", code=18, code_name="NVML_ERROR"),
        Step(name="cu-init", state="not reached", call="", detail="nvml failed"),
    )
    return Diagnosis(
        command="check",
        version="0.1.0",
        status="error",
        findings=(finding(text, command),),
        skipped=(SkippedRule("a-rule", f"reason {text}"),),
        facts=Machine(ladder=Ladder(steps=steps)),
    )


def terminal(report: Diagnosis, *, colour: bool = False, width: int = 80, verbose: int = 1) -> str:
    return to_text(
        render_terminal(report, f"Answer {report.findings[0].title}", verbose=verbose), colour=colour, width=width
    )


@given(st.text(max_size=30))
def test_no_text_from_facts_reaches_the_terminal_as_a_command(text: str) -> None:
    shown = terminal(diagnosis(text, text))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)


def test_every_part_of_a_finding_is_shown_once_and_the_answer_comes_first() -> None:
    shown = terminal(diagnosis("hello"))
    assert shown.startswith("Answer")
    for part in (
        "Summary hello",
        "Cause hello",
        "name hello: hello",
        "source hello",
        "Fix hello",
        "driver-library-mismatch",
    ):
        assert shown.count(part) == 1, part
    assert "not reached: " not in shown or "cu-init" in shown


def test_a_command_to_paste_is_never_wrapped() -> None:
    command = "sudo apt-get install " + " ".join(f"package-number-{n}" for n in range(12))
    for width in (40, 80, 120):
        assert command in terminal(diagnosis(command=command), width=width)


@pytest.mark.parametrize("width", [80, 120])
def test_other_lines_keep_to_the_width(width: int) -> None:
    shown = terminal(diagnosis("some words that go on and on " * 8), width=width)
    assert max(len(line) for line in shown.splitlines()) <= width


def test_a_path_that_is_longer_than_a_line_is_not_cut_in_the_answer() -> None:
    path = "/home/" + "folder-with-a-name/" * 5 + "facts.json"
    shown = to_text(render_terminal(diagnosis(), f"The file {path} holds no race."), colour=False, width=80)
    assert path in shown.splitlines()


def test_colour_only_for_a_terminal_and_never_against_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[" in terminal(diagnosis(), colour=True)
    assert "\x1b[" not in terminal(diagnosis(), colour=False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in terminal(diagnosis(), colour=True)


def test_json_has_the_contracts_keys_and_is_ascii() -> None:
    data = render_json(diagnosis(HOSTILE))
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in data)
    document = json.loads(data)
    assert list(document) == ["schema_version", "command", "version", "status", "findings", "skipped", "facts"]
    assert set(document["findings"][0]) >= {
        "id", "severity", "title", "summary", "cause", "confidence", "evidence", "fix", "docs",
    }  # fmt: skip
    assert document["findings"][0]["severity"] == "error"
    assert document["findings"][0]["evidence"][0]["value"] == HOSTILE
    assert document["findings"][0]["fix"] == {"text": f"Fix {HOSTILE}", "commands": ["sudo reboot"]}
    assert document["skipped"] == [{"rule": "a-rule", "reason": f"reason {HOSTILE}"}]


def test_json_of_a_refusal_says_why() -> None:
    document = json.loads(
        render_json(Diagnosis(command="check", version="0", status="unknown", error=Refusal("no", 2)))
    )
    assert document["error"] == {"message": "no", "exit_code": 2}


def test_markdown_lets_no_markup_through() -> None:
    text = render_markdown(diagnosis(HOSTILE), "Answer")
    outside = re.sub(r"(?s)(`{3,}).*?\1|`` .*? ``|`[^`\n]*`", "", re.sub(r"\\.", "", text))
    assert "<script>" not in outside
    assert "\x1b" not in text
    assert "\u202e" not in text


def folded(text: str) -> list[str]:
    return re.findall(r"(?s)^<details><summary>.*?</summary>\n\n(.*?)^</details>$", text, re.M)


def test_markdown_for_an_issue_shows_answer_summary_and_fix_and_folds_the_rest() -> None:
    text = render_markdown(diagnosis("hello"), "Answer", [f"row {number}" for number in range(40)])
    inner = folded(text)
    open_part = text
    for part in inner:
        open_part = open_part.replace(part, "")
    for shown in ("Answer", "Title hello", "Summary hello", "Fix hello", "```sh\nsudo reboot\n```"):
        assert shown in open_part, shown
    for hidden in ("Cause hello", "name hello", "row 39", "detail hello", "reason hello"):
        assert hidden not in open_part, hidden
        assert any(hidden in part for part in inner), hidden
    assert len(open_part.splitlines()) < 40


def test_markdown_is_never_longer_than_an_issue_and_says_what_it_left_out() -> None:
    report = diagnosis("hello")
    many = tuple(msgspec.structs.replace(finding("x" * 900), id=f"finding-{n}") for n in range(20))
    text = render_markdown(msgspec.structs.replace(report, findings=many), "Answer", ["line " * 20] * 2000)
    assert 40_000 < len(text) < 65_536
    assert "finding-0`" in text
    assert re.search(r"^Left out, .*finding-\d+, .*what was measured or read", text, re.M)
    assert text.count("<details>") == text.count("</details>")
    assert len(re.findall(r"^```", text, re.M)) % 2 == 0
    assert "Left out" not in render_markdown(report, "Answer")


def test_names_and_home_folders_are_taken_out_and_the_rest_stays() -> None:
    report = diagnosis("/home/alice/.venv/lib and node17.example.org and https://u:p@host/x 10.4.0.35")
    text = redacted(report, names=["alice", "node17.example.org", "node17", "root"]).findings[0].summary
    assert text == "Summary ~/.venv/lib and [name] and https://host/x 10.4.0.35"
