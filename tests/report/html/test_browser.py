"""The page in a real browser: nothing is fetched, nothing complains, and it fits a telephone, a desk and paper."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from cudadoctor import doctor
from cudadoctor.findings import Diagnosis
from cudadoctor.report.html.page import render_html
from tests.report.html.browser import Browser, BrowserError, executable, started
from tests.report.html.test_page import PAGES, WORST, machine_of
from tests.report.test_reports import diagnosis

PATH = executable()
pytestmark = pytest.mark.skipif(PATH is None, reason="no Chromium on the path, and CUDADOCTOR_TEST_BROWSER names none")
MACHINES = (
    ("check", "ubuntu24-h100-updated-not-rebooted"),
    ("setup", "ubuntu24-gtx750ti-nouveau"),
    ("bandwidth", "ubuntu24-2xh200-healthy"),
    ("dbn-race", "ubuntu24-h100-healthy"),
    ("devices", "ubuntu24-h100-healthy"),
)
EXPLAINED = "an explained race"
PROFILED = "a profiled program"
JAX = "a profiled JAX program"
LUMINANCE = """
(() => {
  const rgb = (value) => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = value;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const style = getComputedStyle(document.documentElement);
  const names = ["bg", "panel", "text", "muted", "link", "error", "warning", "ok", "note", "unknown",
                 "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"];
  return names.map((name) => [name, rgb(style.getPropertyValue("--" + name).trim())]);
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert PATH is not None
    with ExitStack() as stack:
        try:
            running = stack.enter_context(started(PATH, tmp_path_factory.mktemp("profile")))
        except BrowserError as error:
            if "CUDADOCTOR_TEST_BROWSER" in os.environ:
                raise
            pytest.skip(f"{PATH} does not start here: {error}")
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    made = {}
    for command, name in MACHINES:
        facts = machine_of(name)
        found = msgspec.structs.replace(doctor.diagnose(facts, command), command=command)
        if command == "setup":
            found = msgspec.structs.replace(found, plan=doctor.plan(facts, found.findings))
        made[command] = write(folder / f"{command}.html", found)
    explained = doctor.diagnose(machine_of(EXPLAINED), "dbn-race")
    made[PROFILED] = write(folder / "profiled.html", doctor.diagnose(machine_of(PROFILED), "profile"))
    made[EXPLAINED] = write(folder / "explained.html", explained)
    made[JAX] = write(folder / "jax.html", doctor.diagnose(machine_of(JAX), "profile"))
    made["hostile"] = write(folder / "hostile.html", diagnosis(WORST, WORST), WORST)
    return made


def write(path: Path, found: Diagnosis, sentence: str = "This is the answer.") -> Path:
    path.write_text(render_html(found, sentence, pages=PAGES), encoding="utf-8")
    return path


@pytest.mark.parametrize("command", [command for command, _ in MACHINES] + ["hostile", EXPLAINED, PROFILED, JAX])
def test_it_fits_every_window_in_light_and_dark_without_a_word_of_complaint(
    browser: Browser, pages: dict[str, Path], command: str
) -> None:
    for width, dark in itertools.product((390, 1200), (False, True)):
        browser.show(pages[command], width=width, dark=dark)
        assert browser.complaints() == []
        assert browser.requests() == [pages[command].as_uri()]
        assert browser.evaluate("document.documentElement.scrollWidth") == width
        background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, background.strip("rgb()").split(","))) < 150) == dark
        # Unfolded, it fits as well.
        browser.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert browser.evaluate("document.documentElement.scrollWidth") == width
        assert browser.complaints() == []


def test_figures_of_a_chart_can_be_read_on_a_telephone_and_stay_within_it(
    browser: Browser, pages: dict[str, Path]
) -> None:
    for command in ("bandwidth", "dbn-race", EXPLAINED, PROFILED):
        browser.show(pages[command], width=390)
        heights = browser.evaluate(
            "[...document.querySelectorAll('.chart text')].map((each) => each.getBoundingClientRect().height)"
        )
        assert min(heights) >= 9
        beyond = browser.evaluate(
            "[...document.querySelectorAll('.chart text')].filter((each) => {"
            " const box = each.getBoundingClientRect(); return box.left < 0 || box.right > innerWidth; }).length"
        )
        assert beyond == 0


def test_a_kernel_with_a_long_name_leaves_room_for_its_figures(browser: Browser, pages: dict[str, Path]) -> None:
    for width in (390, 1200):
        browser.show(pages[JAX], width=width)
        right = browser.evaluate(
            "[...document.querySelectorAll('table')].find((each) => each.caption?.textContent === 'kernels')"
            ".rows[1].cells[2].getBoundingClientRect().right"
        )
        assert right < width


def test_the_source_of_evidence_has_the_whole_width_of_a_telephone(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["check"], width=390)
    parts = browser.evaluate(
        "[...document.querySelectorAll('.evidence td.source')].map((each) =>"
        " each.getBoundingClientRect().width / each.closest('table').getBoundingClientRect().width)"
    )
    assert parts
    assert min(parts) > 0.95


def test_colours_have_enough_contrast_in_both_themes(browser: Browser, pages: dict[str, Path]) -> None:
    for dark in (False, True):
        browser.show(pages["check"], dark=dark)
        colours = dict(browser.evaluate(LUMINANCE))
        for name in ("text", "muted", "link", "error", "warning", "ok", "note", "unknown"):
            for ground in ("bg", "panel"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground, dark)
        for name in (f"s{place}" for place in range(8)):
            assert contrast(colours[name], colours["bg"]) >= 3, (name, dark)


def contrast(one: list[int], other: list[int]) -> float:
    """The contrast ratio of WCAG 2.2."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour: list[int]) -> float:
    shares = [part / 255 for part in colour[:3]]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_button_copies_the_commands(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["check"])
    browser.evaluate(
        "navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); };"
        "document.querySelector('button.copy').click();"
    )
    assert browser.evaluate("window.copied") == browser.evaluate("document.querySelector('pre code').textContent")
    assert browser.evaluate("document.querySelector('.said').textContent") == "Copied"


def test_the_id_of_a_finding_opens_its_explanation(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["check"])
    assert browser.evaluate("document.querySelector('.about').open") is False
    browser.evaluate("document.querySelector('a.id').click(); new Promise((done) => setTimeout(done, 100))")
    assert browser.evaluate("document.querySelector('.about').open") is True


def test_all_that_can_be_used_is_reached_by_keyboard_and_has_a_name(browser: Browser, pages: dict[str, Path]) -> None:
    browser.show(pages["check"])
    names = browser.evaluate(
        "[...document.querySelectorAll('a, button, summary')].map((each) => [each.tabIndex, each.textContent.trim()])"
    )
    assert names
    assert all(index == 0 and name for index, name in names)


def test_it_prints(browser: Browser, pages: dict[str, Path]) -> None:
    for command in ("check", "bandwidth", "dbn-race", JAX):
        browser.show(pages[command], dark=True)
        pdf = browser.pdf()
        assert pdf.startswith(b"%PDF")
        assert len(pdf) > 10_000
    # What is folded cannot be unfolded on paper: tables are, for as long as it prints.
    folded = "[...document.querySelectorAll('details.numbers')].map((each) => each.open)"
    browser.evaluate(f"window.onbeforeprint = () => {{ window.unfolded = {folded}; }}")
    browser.pdf()
    assert browser.evaluate("window.unfolded") == [True]
    assert browser.evaluate(folded) == [False]
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.querySelector('details')).display") == "none"
    browser.call("Emulation.setEmulatedMedia", media="")


def test_without_scripts_nothing_is_missing_but_the_buttons(browser: Browser, pages: dict[str, Path]) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.show(pages["check"])
        shown = browser.evaluate("getComputedStyle(document.querySelector('button.copy')).display")
        assert shown == "none"
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_page_with_a_foreign_script_would_be_caught(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    """The policy holds, and these tests would see it: a planted script does not run and is complained of."""
    source = pages["check"].read_text(encoding="utf-8")
    planted = "<script>window.planted = 1</script><img src='http://127.0.0.1:9/x.png'>"
    path = tmp_path / "planted.html"
    path.write_text(source.replace("<main>", f"<main>{planted}"), encoding="utf-8")
    browser.show(path)
    assert browser.evaluate("window.planted") is None
    assert len(browser.complaints()) >= 2
