"""The tables agree with each other and say where they come from."""

from __future__ import annotations

import pytest

from cudadoctor.tables import (
    architectures_of,
    capability_support,
    cuda_version_of_driver_branch,
    family_minimum,
    minimum_driver,
    pci_card,
)
from cudadoctor.tables.reader import legend, numbers, read_bytes, rows
from cudadoctor.tables.support import _derived


def test_every_listed_card_has_a_known_compute_capability_and_fits_its_range() -> None:
    ranges = [(int(first, 16), int(last, 16), capability) for first, last, capability, _ in rows("pci_ranges.tsv")]
    seen = set()
    for line in read_bytes("pci_ids.tsv").decode().splitlines():
        if line.startswith("#"):
            continue
        device_id, capability, _, certainty, name_from, _ = line.split("\t")
        assert capability_support(capability) is not None
        assert certainty in ("certain", "likely", "uncertain")
        assert name_from in ("N", "P")
        assert [c for first, last, c in ranges if first <= int(device_id, 16) <= last] == [capability]
        assert device_id not in seen
        seen.add(device_id)
    assert len(seen) > 1000


@pytest.mark.parametrize("device_id", ["2331", "0x2331", " 2331 "])
def test_cards_are_found_however_the_id_is_written(device_id: str) -> None:
    card = pci_card(device_id)
    assert card is not None
    assert (card.name, card.chip, card.architecture) == ("NVIDIA H100 PCIe", "GH100", "Hopper")


@pytest.mark.parametrize("device_id", ["", "zzzz", "10de\t9.0", "123456", "-1"])
def test_nonsense_is_no_card(device_id: str) -> None:
    assert pci_card(device_id) is None


def test_what_is_derived_of_a_toolkit_is_what_its_ptxas_says() -> None:
    measured = rows("architectures.tsv")
    assert len(measured) == 17
    for toolkit, _, _ in measured:
        derived, said = _derived(toolkit), architectures_of(toolkit)
        assert derived is not None
        assert said is not None
        assert derived.capabilities == said.capabilities


def test_cuda_13_dropped_what_is_below_7_5() -> None:
    twelve, thirteen = architectures_of("12.9.86"), architectures_of("13.0")
    assert twelve is not None
    assert thirteen is not None
    assert min(thirteen.capabilities, key=numbers) == "7.5"
    assert "6.1" in twelve.capabilities
    support = capability_support("6.1")
    assert support is not None
    assert (support.last_toolkit, support.last_driver_branch) == ("12.9", 580)


def test_a_toolkit_runs_on_its_familys_oldest_driver() -> None:
    needed = minimum_driver("12.4.1", "Linux")
    assert needed is not None
    assert (needed.run, needed.corresponding) == ("525.60.13", "550.54.14")
    before_families = minimum_driver("10.1", "Linux")
    assert before_families is not None
    assert before_families.run == before_families.corresponding == "418.39"


@pytest.mark.parametrize(
    ("version", "system"), [("99.0", "Linux"), ("12.4", "Darwin"), ("12", "Linux"), ("", "Linux"), ("6.0", "Windows")]
)
def test_what_the_table_does_not_have_is_none(version: str, system: str) -> None:
    assert minimum_driver(version, system) is None


def test_families_begin_with_cuda_11() -> None:
    assert family_minimum(10, "Linux") is None
    thirteen = family_minimum(13, "Linux")
    assert thirteen is not None
    assert thirteen.minimum == "580"


def test_driver_branches_know_their_cuda_version() -> None:
    assert {branch: cuda_version_of_driver_branch(branch) for branch in (470, 550, 565, 580)} == {
        470: "11.4",
        550: "12.4",
        565: None,
        580: "13.0",
    }


def test_every_driver_row_has_a_source() -> None:
    assert {row[4] for row in rows("drivers.tsv")} <= set(legend("drivers.tsv"))
