"""`import cudadoctor` from a program or a notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

import cudadoctor
from cudadoctor.bandwidth import measure
from cudadoctor.bandwidth.events import Finished
from cudadoctor.facts.base import Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Evidence, Finding, Fix, Severity
from tests.cli.conftest import Doctor, doctor  # noqa: F401 - the fixture
from tests.report import profiles
from tests.rules import build as b

MACHINES = Path(__file__).parent / "machines"
BROKEN = MACHINES / "ubuntu24-h100-updated-not-rebooted" / "facts.json"
ALL = sorted(MACHINES.glob("*/facts.json"))
HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e & \"'"


class Balanced(HTMLParser):
    """Reads HTML, and fails where tags do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(html: str | None) -> Balanced:
    assert html is not None
    page = Balanced()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


def hostile() -> Finding:
    return Finding(
        id="x",
        severity=Severity.ERROR,
        title=HOSTILE,
        summary=HOSTILE,
        cause=HOSTILE,
        confidence="possible",
        evidence=(Evidence(HOSTILE, HOSTILE, HOSTILE), Evidence("none", None, "s")),
        fix=Fix(HOSTILE, (HOSTILE,)),
        docs="",
    )


def test_importing_it_imports_nothing_else_until_something_is_used() -> None:
    code = (
        "import sys; before = set(sys.modules); import cudadoctor; "
        "print(sorted(name for name in set(sys.modules) - before if name.partition('.')[0] != 'cudadoctor'));"
        "print(sorted(name for name in sys.modules if name.startswith('cudadoctor.')));"
        "print(cudadoctor.diagnose.__module__, 'numba' in sys.modules, 'numpy' in sys.modules)"
    )
    code = f"import sys; sys.path[:] = {sys.path!r}; {code}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["[]", "[]", "cudadoctor.api False False"]


def test_all_that_is_offered_is_there_and_nothing_else() -> None:
    assert set(cudadoctor.__all__) <= set(dir(cudadoctor))
    for name in cudadoctor.__all__:
        assert getattr(cudadoctor, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        cudadoctor.nonsense  # noqa: B018


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.parent.name)
def test_it_finds_what_check_finds(path: Path, doctor: Doctor) -> None:  # noqa: F811
    diagnosis = cudadoctor.diagnose(cudadoctor.load(path))
    told = doctor("check", "--facts", path, "--format", "json").document
    assert json.loads(diagnosis.json()) == told
    read(diagnosis._repr_html_())
    read(diagnosis.facts._repr_html_() if isinstance(diagnosis.facts, cudadoctor.Facts) else "")


def test_the_reports_are_those_of_check(doctor: Doctor) -> None:  # noqa: F811
    diagnosis = cudadoctor.diagnose(cudadoctor.load(BROKEN))
    assert str(diagnosis) == doctor("check", "--facts", BROKEN).out
    assert diagnosis.text(verbose=True) == doctor("check", "--facts", BROKEN, "-v").out
    assert diagnosis.markdown() == doctor("check", "--facts", BROKEN, "--format", "markdown").out
    assert diagnosis.html() == doctor("check", "--facts", BROKEN, "--format", "html").out
    assert repr(diagnosis) == "<cudadoctor.Diagnosis: error: driver-library-mismatch>"


def test_a_notebook_shows_answer_finding_and_fix_in_a_few_kilobytes() -> None:
    diagnosis = cudadoctor.diagnose(cudadoctor.load(BROKEN))
    html = diagnosis._repr_html_()
    assert html is not None
    assert diagnosis.sentence in html
    assert "sudo reboot" in html
    assert {"details", "pre", "table"} <= read(html).seen
    assert len(html) < 8000


def test_a_notebook_shows_what_was_measured() -> None:
    for name, figure in (("ubuntu24-h100-healthy", "55.08"), ("ubuntu24-h100-race", "gpu-persistent")):
        assert figure in str(cudadoctor.diagnose(cudadoctor.load(MACHINES / name / "facts.json"))._repr_html_())


def test_a_notebook_shows_the_profile_of_a_program() -> None:
    html = cudadoctor.diagnose(Machine(profile=profiles.profile("launches")))._repr_html_()
    assert html is not None
    assert "where the time goes" in html


def test_nothing_from_a_machine_is_markup_or_control_in_a_notebook() -> None:
    diagnosis = msgspec.structs.replace(cudadoctor.diagnose(Machine()), findings=(hostile(),))
    facts = cudadoctor.Facts(nvml=Missing(HOSTILE))
    for html in (diagnosis._repr_html_(), facts._repr_html_()):
        assert "script" not in read(html).seen
        assert html is not None
        assert not {"\x1b", "\u202e"} & set(html)


def test_names_are_taken_out_of_what_a_notebook_keeps_and_not_out_of_what_the_screen_shows() -> None:
    finding = msgspec.structs.replace(hostile(), summary="/home/alice/.venv is broken")
    diagnosis = msgspec.structs.replace(cudadoctor.diagnose(Machine()), findings=(finding,))
    assert "alice" not in str(diagnosis._repr_html_()) + diagnosis.markdown() + diagnosis.json() + diagnosis.html()
    assert "alice" in diagnosis.text()
    assert "alice" in diagnosis.markdown(redact=False)


def test_a_representation_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    diagnosis = cudadoctor.diagnose(cudadoctor.load(BROKEN))

    def fails(*arguments: object) -> str:
        raise RuntimeError("broken")

    monkeypatch.setattr("cudadoctor.report.notebook.diagnosis_html", fails)
    monkeypatch.setattr("cudadoctor.report.notebook.facts_html", fails)
    assert diagnosis._repr_html_() is None
    assert cudadoctor.load(BROKEN)._repr_html_() is None


def test_without_jinja2_the_page_names_the_extra_and_the_notebook_does_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    diagnosis = cudadoctor.diagnose(cudadoctor.load(BROKEN))
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "cudadoctor.report.html.page", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"extra `report`.*pip install"):
        diagnosis.html()
    read(diagnosis._repr_html_())


def test_facts_go_to_a_file_and_come_back(tmp_path: Path) -> None:
    facts = cudadoctor.load(BROKEN)
    facts.save(tmp_path / "facts.json")
    assert cudadoctor.load(tmp_path / "facts.json") == facts
    assert "driver" in repr(facts)
    assert repr(cudadoctor.Facts()) == "<cudadoctor.Facts: nothing is known>"


def test_a_file_that_holds_no_facts_says_so_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[]", encoding="utf-8")
    with pytest.raises(cudadoctor.FactsError, match=r"x\.json is JSON, but not a facts file"):
        cudadoctor.load(tmp_path / "x.json")
    with pytest.raises(FileNotFoundError):
        cudadoctor.load(tmp_path / "none.json")


def test_another_machines_files_are_read_under_a_folder(tmp_path: Path) -> None:
    facts = cudadoctor.examine(quick=True, sysroot=tmp_path)
    assert isinstance(facts.driver, Missing)
    with pytest.raises(NotADirectoryError):
        cudadoctor.examine(sysroot=tmp_path / "none")
    with pytest.raises(ValueError, match="name one of them"):
        cudadoctor.examine(sysroot=tmp_path, frameworks=True)


def test_a_measurement_that_cannot_be_made_is_missing_with_the_reason() -> None:
    facts = cudadoctor.measure_bandwidth(Machine())
    assert facts.bandwidth == Missing("there is no GPU here that a CUDA program can use")
    busy = b.machine(nvml=b.nvml(b.nvml_device(processes=(b.process(7, 2**30, "compute"),))))
    assert "pid 7" in cudadoctor.measure_bandwidth(busy).bandwidth.reason  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="two plans"):
        cudadoctor.measure_bandwidth(b.HEALTHY, quick=True, full=True)


def test_a_measurement_becomes_a_section_of_the_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = cudadoctor.load(MACHINES / "ubuntu24-h100-healthy" / "facts.json").bandwidth
    asked = []

    def run(options: measure.Options):  # type: ignore[no-untyped-def]
        asked.append(options.plan)
        yield Finished(measured)  # type: ignore[arg-type]

    monkeypatch.setattr(measure, "run", run)
    facts = cudadoctor.measure_bandwidth(b.HEALTHY, quick=True)
    assert (facts.bandwidth, facts.nvml, asked[0].keys) == (
        measured,
        b.HEALTHY.nvml,
        ("h2d_pinned", "d2h_pinned", "d2d_local"),
    )


def test_a_race_becomes_a_section_of_the_facts_and_can_be_judged() -> None:
    facts = cudadoctor.run_race(Machine(), epochs=1, seed=3, lanes=("cpu-fast",))
    assert not isinstance(facts.race, Missing)
    assert (facts.race.seed, [lane.name for lane in facts.race.lanes]) == (3, ["cpu-fast"])
    assert facts.race.predicted
    assert "cpu-fast" in str(cudadoctor.diagnose(facts)._repr_html_())
    with pytest.raises(ValueError, match="lane"):
        cudadoctor.run_race(Machine(), lanes=("no-such-lane",))
