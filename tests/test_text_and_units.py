from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.text import from_bytes, is_printable, printable
from cudadoctor.units import (
    format_clock,
    format_seconds,
    format_size,
    pcie_generation,
    pcie_line_rate_gb_per_s,
)


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert printable(shown) == shown


def test_an_escape_is_shown_and_ordinary_text_is_left_alone() -> None:
    assert printable("\x1b[2Jé\u202e\n") == "\\x1b[2Jé\\u202e\\x0a"
    assert printable("NVIDIA H100 80GB HBM3 – µs") == "NVIDIA H100 80GB HBM3 – µs"
    assert is_printable("GeForce")
    assert not is_printable("Ge\x07Force")


def test_bytes_that_are_not_text_become_escapes() -> None:
    assert from_bytes(b"H\xff\xc3\xa9") == "H\\xffé"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (200, "200 B"), (2**20, "1 MiB"), (512 * 2**20, "512 MiB"), (85520809984, "79.6 GiB")],
)
def test_sizes_are_powers_of_two(size: int, text: str) -> None:
    assert format_size(size) == text


def test_times_read_as_people_say_them() -> None:
    assert [format_seconds(s) for s in (128.4, 1.239, 0.0361, 36e-6)] == ["2 min 08 s", "1.24 s", "36.1 ms", "36 µs"]
    assert [format_clock(s) for s in (8.4, 128, 3600)] == ["0:00:08", "0:02:08", "1:00:00"]


def test_a_time_that_is_no_number_is_told_and_stops_nothing() -> None:
    assert [format_seconds(s) for s in (float("inf"), float("nan"))] == ["inf s", "nan s"]


def test_line_rates_of_links() -> None:
    assert pcie_generation(16.0) == 4
    assert pcie_generation(3.0) is None
    assert pcie_line_rate_gb_per_s(5, 16) == 63.0
    assert pcie_line_rate_gb_per_s(4, 8) == 15.75
    assert pcie_line_rate_gb_per_s(9, 16) is None
