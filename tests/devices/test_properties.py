"""No facts break the table or the comparison, whatever a file says."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from cudadoctor.facts.devices import Devices
from cudadoctor.report.devices import compare, comparison_lines, device_lines, devices_sentence
from cudadoctor.text import is_printable
from tests.rules.test_properties import strategy_of


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(strategy_of(Devices))
def test_every_section_renders(section: Devices) -> None:
    lines = device_lines(section, width=80, everything=True)
    assert all(is_printable(line) for line in lines)
    assert is_printable(devices_sentence(section, ()))
    if len(section.devices) >= 2:
        first, second = section.devices[:2]
        found = compare(("A", first, section), ("B", second, section))
        assert all(is_printable(line) for line in comparison_lines(found, width=80))
