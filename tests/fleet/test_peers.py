"""Outliers: what lies far from its peers, and nothing that does not."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.attribution.statistics import median_deviation, robust_z
from cudadoctor.facts.fleet import Node
from cudadoctor.fleet.peers import EXPLAINING, FAR, compare
from cudadoctor.rules.catalogue import RULES
from tests.fleet import build as b


def outliers(nodes: list[Node]) -> list[str]:
    return [node.name for node in compare(nodes)[0] if node.outliers]


def rates(*values: float, key: str = "h2d_pinned") -> list[Node]:
    return [b.node(f"n{place}", figures=(b.rate(value, key),)) for place, value in enumerate(values)]


def test_robust_z_of_a_textbook_row() -> None:
    """Iglewicz and Hoaglin's way by hand: median 3, distances 2 1 0 1 97, their median 1."""
    samples = [1.0, 2.0, 3.0, 4.0, 100.0]
    assert median_deviation(samples) == 1.0
    assert robust_z(100.0, 3.0, 1.0) == pytest.approx(65.4265)


def test_one_that_is_half_as_fast_is_found_and_its_peers_are_not() -> None:
    assert outliers(rates(55.0, 54.8, 55.2, 27.3, 55.1)) == ["n3"]


def test_a_very_even_fleet_does_not_accuse_one_that_is_a_little_off() -> None:
    """0.1 % off is a hundred deviations here, and 0.07 of the floor of 1 %."""
    assert outliers(rates(*[55.0] * 50, 54.945)) == []
    assert outliers(rates(*[55.0] * 50, 55.0 * (1 - 0.051))) == []
    assert outliers(rates(*[55.0] * 50, 55.0 * (1 - 0.053))) == ["n50"]


def test_three_peers_are_too_few_and_four_are_not() -> None:
    assert outliers(rates(55.0, 55.0, 20.0)) == []
    _, spreads = compare(rates(55.0, 55.0, 20.0))
    assert not spreads[0].judged
    assert outliers(rates(55.0, 55.0, 55.0, 20.0)) == ["n3"]


def test_faster_is_no_fault_and_slower_seconds_are() -> None:
    assert outliers(rates(55.0, 55.0, 55.0, 90.0)) == []
    epochs = [b.node(f"n{place}", figures=(b.seconds(value),)) for place, value in enumerate((1.0, 1.0, 1.0, 1.0, 2.0))]
    assert outliers(epochs) == ["n4"]
    epochs[4] = b.node("n4", figures=(b.seconds(0.5),))
    assert outliers(epochs) == []


def test_other_hardware_is_no_peer() -> None:
    """A Gen4 node among Gen5 nodes is as fast as it can be."""
    gen4 = b.node("old", figures=(b.rate(26.0, peers=f"{b.H100}, Gen4 x16"),))
    assert outliers([*rates(55.0, 55.0, 55.0, 55.0), gen4]) == []


def test_a_fleet_that_scatters_widely_accuses_nobody_for_being_in_the_tail() -> None:
    chance = random.Random(1)
    assert outliers(rates(*(chance.gauss(50.0, 2.0) for _ in range(300)))) == []


def test_a_finding_of_the_node_itself_explains_its_outlier() -> None:
    nodes = rates(55.0, 55.0, 55.0, 55.0)
    nodes.append(b.node("ill", figures=(b.rate(13.0),), findings=(b.finding("pcie-link-degraded"),)))
    nodes.append(b.node("odd", figures=(b.rate(13.0),), findings=(b.finding("cpu-only-wheel"),)))
    found = {node.name: node.outliers[0].explained_by for node in compare(nodes)[0] if node.outliers}
    assert found == {"ill": "pcie-link-degraded", "odd": ""}


def test_all_that_explains_is_a_rule() -> None:
    assert {rule.id for rule in RULES} >= EXPLAINING


def test_figures_that_are_about_as_far_off_come_in_their_order() -> None:
    keys = ("h2d_pinned", "d2h_pinned", "d2d_local")
    nodes = [b.node(f"n{place}", figures=tuple(b.rate(50.0, key) for key in keys)) for place in range(9)]
    nodes.append(b.node("slow", figures=(b.rate(25.0), b.rate(24.9, "d2h_pinned"), b.rate(5.0, "d2d_local"))))
    slow = compare(nodes)[0][-1]
    assert [outlier.key for outlier in slow.outliers] == ["d2d_local", "h2d_pinned", "d2h_pinned"]


@given(
    st.lists(st.floats(min_value=1e-3, max_value=1e4), min_size=1, max_size=30),
    st.floats(min_value=1e-3, max_value=1e3),
)
def test_the_unit_of_a_figure_changes_no_verdict_but_for_rounding(values: list[float], factor: float) -> None:
    nodes, _ = compare([b.node(f"n{place}", figures=(b.rate(value),)) for place, value in enumerate(values)])
    scaled, _ = compare([b.node(f"n{place}", figures=(b.rate(value * factor),)) for place, value in enumerate(values)])
    for one, other in zip(nodes, scaled, strict=True):
        z = [abs(outlier.z) for node in (one, other) for outlier in node.outliers]
        assert len(z) in (0, 2) or min(z) < FAR * 1.000001
        assert all(math.isfinite(value) for value in z)
