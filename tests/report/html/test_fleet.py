"""The page of a fleet: small however many nodes there are, and what nodes are called stays text."""

from __future__ import annotations

import msgspec

from cudadoctor.doctor import diagnose_fleet
from cudadoctor.facts.fleet import Run, SilentNode, SkippedFile
from cudadoctor.fleet.merge import Merged
from cudadoctor.report.fleet import fleet_sentence
from cudadoctor.report.html.page import render_html
from tests.fleet import build as b
from tests.report.html.reading import Page
from tests.report.html.test_page import WORST


def page(merged: Merged) -> tuple[str, Page]:
    source = render_html(diagnose_fleet(merged, "fleet report"), fleet_sentence(merged.fleet))
    return source, Page(source)


def test_a_page_of_ten_thousand_nodes_is_small_and_fetches_nothing() -> None:
    nodes = [
        b.digest(f"n{place:05}", figures=(b.rate(55.0 - place % 7),), traits={"kernel": f"6.{place % 3}"})
        for place in range(10_000)
    ]
    source, shown = page(b.merged(*nodes))
    assert len(source.encode()) < 2_000_000
    assert shown.fetched == []
    assert "9,400 more nodes are left out here" in source


def test_nodes_figures_differences_and_files_stand_on_the_page() -> None:
    even = [b.digest(f"n{place}", figures=(b.rate(55.0),), traits={"ECC": "on"}) for place in range(5)]
    odd = b.digest("odd", figures=(b.rate(20.0),), traits={"ECC": "off"})
    quiet = SilentNode(name="quiet", state="hung", reason="no answer", seconds=9.0)
    run = Run(engine="Ray", command="c", asked=7, answered=6, deadline_s=9.0, seconds=9.0)
    source, shown = page(
        b.merged(*even, odd, SkippedFile("x.json", "foreign", "is a recipe"), silent=(quiet,), run=run)
    )
    titles = [each.text for each in shown.all("h2")]
    assert titles == ["Findings", "Nodes", "How figures scatter", "What nodes share", "Left out"]
    assert [each.text for each in shown.all("h1")] == ["7 nodes: 1 with warnings, 5 well, 1 hung."]
    for text in ("quiet", "odd", "slow: h2d_pinned 20 of 55", "off (1)", "x.json", "is a recipe"):
        assert text in source


def test_hostile_names_stay_text() -> None:
    nodes = [b.digest(f"{WORST}{place}", traits={"kernel": WORST + str(place % 2)}) for place in range(3)]
    hostile = b.finding("power-cap", "warning", WORST)
    nodes.append(b.digest("x", gpus=(WORST,), findings=(hostile,), status="warning"))
    merged = b.merged(*nodes, SkippedFile(WORST, "broken", WORST))
    merged = msgspec.structs.replace(
        merged, details={"power-cap": ("x", msgspec.structs.replace(b.detail("power-cap"), title=WORST))}
    )
    source, shown = page(merged)
    assert shown.fetched == []
    assert shown.all("img") == []
    assert "{{ 7*7 }}" in source
    assert "\x1b" not in source
