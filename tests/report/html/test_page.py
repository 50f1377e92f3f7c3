"""The page: one file that fetches nothing, in which all that came from a machine stays text."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cudadoctor import doctor
from cudadoctor.facts.document import decode_facts
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Confirm, Diagnosis, Plan, PlanStep
from cudadoctor.report.bandwidth import compare
from cudadoctor.report.html.page import render_html, render_list, render_page
from cudadoctor.report.markdown import render_markdown
from cudadoctor.rules.catalogue import RULES
from tests.attribution.races import explanation, race
from tests.report import profiles
from tests.report.full_bandwidth import everything
from tests.report.html.reading import Page
from tests.report.test_reports import HOSTILE, diagnosis
from tests.rules.test_properties import SECTIONS
from tests.test_machines import facts_of, recorded

COMMANDS = ("check", "bandwidth", "dbn-race", "devices", "profile", "setup", "why", "fleet report")
UNSAFE = "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
WORST = HOSTILE + "</script></style></title><img src=x onerror=alert(1)>\" ' onload=x {{ 7*7 }} {% raw %}\nnext"
CLOSED = (
    "state",
    "kind",
    "variable",
    "statistic",
    "found_by",
    "window",
    "direction",
    "memory",
    "doing",
    "scope",
    "compared",
)
"""Fields that hold one of a few words."""
PAGES = {rule.id: rule.page for rule in RULES}


def shown(found: Diagnosis, sentence: str = "Answer.", **options: Any) -> tuple[str, Page]:
    source = render_html(found, sentence, **options)
    return source, Page(source)


@pytest.mark.parametrize("machine", recorded(), ids=lambda path: path.name)
def test_every_recorded_machine_makes_a_small_page_that_fetches_nothing(machine: Path) -> None:
    facts = facts_of(machine)
    for command in COMMANDS:
        found = msgspec.structs.replace(doctor.diagnose(facts, command), command=command)
        if command == "setup":
            found = msgspec.structs.replace(found, plan=doctor.plan(facts, found.findings))
        source, page = shown(found, pages=PAGES)
        assert len(source.encode()) < 2_000_000
        assert page.fetched == []
        assert len(page.ids) == len(set(page.ids))
        links = [element.attributes["href"] for element in page.all("a")]
        assert all(link[1:] in page.ids for link in links if link.startswith("#"))
        assert page.all("h1")[0].text == "Answer."
        if command != "setup":
            assert [each.text for each in page.all("h3")][: len(found.findings)] == [
                finding.title for finding in found.findings
            ]


def test_the_policy_names_the_style_and_the_script_of_the_page_and_nothing_else() -> None:
    _, page = shown(diagnosis())
    policy = next(each.attributes["content"] for each in page.all("meta") if "http-equiv" in each.attributes)
    (style,), (script,) = page.all("style"), page.all("script")
    digests = [base64.b64encode(hashlib.sha256(each.text.encode()).digest()).decode() for each in (style, script)]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert not [name for each in page.elements for name in each.attributes if name == "style" or name.startswith("on")]


def test_all_of_a_finding_is_there_once_with_its_explanation() -> None:
    _, page = shown(diagnosis("hello"), pages=PAGES)
    (article,) = page.all("article")
    for part in ("Title hello", "Summary hello", "Cause hello", "name hello", "source hello", "Fix hello", "proven"):
        assert article.text.count(part) == 1, part
    (link,) = page.all("a", "id")
    assert link.attributes["href"] == "#about-driver-library-mismatch"
    about = next(each for each in page.elements if each.attributes.get("id") == "about-driver-library-mismatch")
    assert "A driver has a kernel half and a user-space half" in about.text
    assert [each.text for each in page.all("h5")][:2] == ["What it checks", "Why it matters"]


def test_a_second_finding_of_the_same_cause_shares_the_explanation() -> None:
    one = diagnosis("hello")
    _, page = shown(msgspec.structs.replace(one, findings=one.findings * 2), pages=PAGES)
    assert len(page.all("article")) == 2
    assert len(page.ids) == len(set(page.ids))
    assert page.ids.count("about-driver-library-mismatch") == 1


def test_a_block_of_commands_is_what_is_copied() -> None:
    commands = ("sudo apt-get install -y a && b", 'echo "x" > /dev/null')
    one = diagnosis()
    fix = msgspec.structs.replace(one.findings[0].fix, commands=commands)
    finding = msgspec.structs.replace(one.findings[0], fix=fix, confirm=Confirm("nvidia-smi", "a card"))
    _, page = shown(msgspec.structs.replace(one, findings=(finding,)))
    assert [each.text for each in page.all("pre")] == ["nvidia-smi", "\n".join(commands)]
    assert len(page.all("button", "copy")) == 2
    assert all("hidden" in each.attributes for each in page.all("button"))


def hostile(value: Any, name: str = "") -> Any:
    """Add the worst to every text of facts that is free; what has a fixed set of values stays."""
    if isinstance(value, str):
        return value if name in CLOSED else value + WORST
    if isinstance(value, dict):
        return {key: hostile(item, key) for key, item in value.items()}
    return [hostile(item, name) for item in value] if isinstance(value, (list, tuple)) else value


def machine_of(name: str) -> Machine:
    if name == "a profiled program":
        return Machine(profile=profiles.probed())
    if name == "a profiled JAX program":
        return Machine(profile=profiles.recorded("pageable-transfer/jax"))
    if name == "an explained race":
        return Machine(race=race(explanation()))
    return facts_of(next(machine for machine in recorded() if machine.name == name))


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "name", ["ubuntu24-h100-healthy", "ubuntu24-2xh200-healthy", "an explained race", "a profiled program"]
)
def test_text_from_a_machine_stays_text(name: str, command: str) -> None:
    good = machine_of(name)
    facts = msgspec.convert(hostile(msgspec.to_builtins(good)), Machine)
    clean = msgspec.structs.replace(diagnosis("x"), facts=good, command=command)
    wild = msgspec.structs.replace(diagnosis(WORST, WORST), facts=facts, command=command)
    step = PlanStep(title=WORST, state="to do", why=WORST, commands=(WORST,), check=WORST, check_shows=WORST)
    if command == "setup":
        plain = msgspec.structs.replace(step, title="x", why="x", commands=("x",), check="y", check_shows="x")
        clean = msgspec.structs.replace(clean, plan=Plan(steps=(plain,), start_up_file="x"))
        wild = msgspec.structs.replace(wild, plan=Plan(steps=(step,), start_up_file=WORST))
    source, page = shown(wild, WORST)
    _, expected = shown(clean, "x")
    assert not re.search(UNSAFE, source)
    tags = {element.tag for element in page.elements}
    assert tags <= {element.tag for element in expected.elements} | {"p", "h1"}
    assert len(page.all("script")) == 1
    assert page.all("script")[0].text == expected.all("script")[0].text
    allowed = {name for element in expected.elements for name in element.attributes}
    assert {name for element in page.elements for name in element.attributes} <= allowed
    assert page.fetched == []
    assert "49" not in page.all("h1")[0].text
    assert "<script>*x*|`</script></style></title><img src=x onerror=alert(1)>" in page.all("main")[0].text


def test_a_comparison_is_shown_first_and_all_of_it() -> None:
    now, then = everything(), everything()
    slower = tuple(msgspec.structs.replace(each, gb_per_s=1.0, samples_gb_per_s=(1.0,)) for each in then.results)
    found = Diagnosis(command="bandwidth", version="0", status="ok", facts=Machine(bandwidth=now))
    found = msgspec.structs.replace(found, compare=compare(now, msgspec.structs.replace(then, results=slower), WORST))
    _, page = shown(found)
    titles = [each.text for each in page.all("h2")]
    assert titles[0].startswith("Compared with")
    assert titles[1] == "Bandwidth"
    assert "faster" in page.all("main")[0].text


def test_every_measured_figure_of_a_race_is_in_the_tables() -> None:
    facts = machine_of("ubuntu24-h100-healthy")
    _, page = shown(doctor.diagnose(facts, "dbn-race"))
    cells = {each.text for each in page.all("td")}
    assert not isinstance(facts.race, msgspec.Struct) or facts.race.lanes
    for lane in facts.race.lanes:  # type: ignore[union-attr]
        for epoch in lane.epochs:
            assert {f"{epoch.loss:.6f}", f"{epoch.err:.6f}"} <= cells
    titles = [each.text for each in page.all("title")[1:]]
    assert {"Time of an epoch", "Loss", "Error", "Time of each epoch"} <= set(titles)


def test_a_measurement_that_was_not_verified_has_no_bar_and_no_row() -> None:
    measured = everything()
    wrong = tuple(
        msgspec.structs.replace(each, verified=False, gb_per_s=77.77) if each.key == "h2d_pinned" else each
        for each in measured.results
    )
    facts = Machine(bandwidth=msgspec.structs.replace(measured, results=wrong))
    source, page = shown(Diagnosis(command="bandwidth", version="0", status="ok", facts=facts))
    part = source[: source.index('id="facts"')]
    assert "77.77" not in part
    assert "what arrived was not compared with what was sent" in page.all("main")[0].text


def test_a_figure_of_the_answer_stays_on_the_line_of_its_unit() -> None:
    _, page = shown(diagnosis(), "It takes 5.17 ms and 89 % of 3 steps.")
    assert page.all("h1")[0].text == "It takes 5.17\N{NO-BREAK SPACE}ms and 89\N{NO-BREAK SPACE}% of 3 steps."


def test_the_copies_of_numba_are_named_and_have_the_colour_of_their_direction() -> None:
    source = render_html(doctor.diagnose(Machine(bandwidth=everything()), "bandwidth"), "Answer.")
    chart = source[source.index("<svg", source.index("Copies between host and device")) :].split("</svg>")[0]
    told = re.search(r"<desc>(.*)</desc>", chart)
    assert told is not None
    assert "numba's copy_to_host, pinned: 54.10" in told[1]
    to_host = told[1].count("device to host") + told[1].count("copy_to_host")
    assert len(re.findall(r'class="[^"]*\barea\b[^"]*\bs1\b', chart)) == to_host == 10


def test_facts_that_do_not_fit_are_counted() -> None:
    facts = machine_of("ubuntu24-h100-healthy")
    assert isinstance(facts.packages, msgspec.Struct)
    many = msgspec.structs.replace(facts, packages=msgspec.structs.replace(facts.packages, **_much(facts.packages)))
    source, page = shown(Diagnosis(command="check", version="0", status="ok", facts=many))
    assert len(source.encode()) < 2_000_000
    assert re.search(r"\d{4,} more rows are left out here; --save writes them all", page.all("main")[0].text)


def _much(packages: Any) -> dict[str, Any]:
    name = next(field for field in packages.__struct_fields__ if isinstance(getattr(packages, field), tuple))
    return {name: getattr(packages, name) * 1500}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_facts_break_the_page(data: st.DataObject) -> None:
    facts = Machine(**{name: data.draw(strategy, label=name) for name, strategy in SECTIONS.items()})
    command = data.draw(st.sampled_from(COMMANDS))
    findings = data.draw(st.sampled_from([(), diagnosis(WORST).findings]))
    found = Diagnosis(command=command, version="0", status="unknown", findings=findings, facts=facts)
    source, page = shown(found, everything=data.draw(st.booleans()))
    assert not re.search(UNSAFE, source)
    assert page.fetched == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_the_page_of_every_finding_keeps_all_its_words(rule: Any) -> None:
    page = Page(render_page(rule.id, rule.severity.value, rule.page, "0"))
    title, _, rest = rule.page.strip().partition("\n")
    assert page.all("h1")[0].text == title.lstrip("# ")
    rest, told = re.sub(r"(?m)^```\w*", "", rest), page.all("div", "prose")[0].text
    # The buttons have a word of their own.
    assert [word for word in re.findall(r"\w+", told) if word != "Copy"] == [
        word for word in re.findall(r"\w+", rest) if word != "Copy"
    ]


def test_the_list_of_causes_has_a_row_for_each() -> None:
    page = Page(render_list([("an-id", "error", "A <b>title</b>"), ("other", "note", "Other")], "0"))
    assert [each.text for each in page.all("th")[3:]] == ["an-id", "other"]
    assert page.all("b") == []


def test_an_older_report_of_json_renders_as_well(tmp_path: Path) -> None:
    from cudadoctor.report.document import render_json

    facts = machine_of("ubuntu24-h100-healthy")
    again = decode_facts(render_json(doctor.diagnose(facts)))
    assert render_html(doctor.diagnose(again), "x") == render_html(doctor.diagnose(facts), "x")


def test_latencies_that_lie_near_each_other_are_bars_from_zero() -> None:
    facts = decode_facts((Path(__file__).parents[2] / "machines/ubuntu24-2xh200-healthy/facts.json").read_bytes())
    source, _ = shown(doctor.diagnose(facts, "bandwidth"))
    drawing = source.partition(">Latencies<")[2].partition("</svg>")[0]
    assert re.findall(r">(\d+ µs)</text>", drawing)[:3] == ["0 µs", "2 µs", "4 µs"]


def test_the_areas_of_check_stand_before_the_road_and_in_markdown() -> None:
    facts = facts_of(next(machine for machine in recorded() if machine.name == "docker-h100-no-uvm"))
    found = doctor.diagnose(facts)
    assert {area.state for area in found.areas} >= {"passed", "error", "skipped"}
    source, page = shown(found)
    assert source.index(">Area by area<") < source.index(">The road from the PCI bus to a kernel<")
    folded = render_markdown(found, "Answer.")
    for area in found.areas:
        row = next(each.text for each in page.elements if each.tag == "tr" and area.detail in each.text)
        assert area.name in row
        assert area.state in row
        assert re.search(rf"^{area.name} +{area.state} +{re.escape(area.detail)}$", folded, re.M)
    assert "Area by area" not in shown(doctor.diagnose(facts, "bandwidth"))[0]
