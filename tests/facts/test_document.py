from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, ExpectedLink
from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.document import FactsError, decode_facts, encode_facts, encode_json
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.machine import Machine
from tests.report.full_bandwidth import everything


def saved(machine: Machine) -> bytes:
    return encode_facts(machine, version="0.1.0", recorded_at="2026-11-23T00:00:00+00:00")


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=4), st.text(max_size=40))
def test_facts_survive_the_way_to_json_and_back(variables: dict[str, str], reason: str) -> None:
    machine = Machine(environment=Environment(variables=variables, source="s"), pci=Missing(reason))
    assert decode_facts(saved(machine)) == machine


def test_the_file_is_ascii_and_holds_no_control_character() -> None:
    hostile = Environment(variables={"NUMBA_X": "\x1b[31m\x9b\u202e\x7f\udc80é"}, source="s")
    data = saved(Machine(environment=hostile))
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in data)


def test_a_report_in_json_is_also_a_facts_file() -> None:
    document = {
        "schema_version": 1,
        "command": "check",
        "findings": [],
        "facts": {"pci": {"state": "missing", "reason": "r"}},
    }
    assert decode_facts(json.dumps(document).encode()).pci == Missing("r")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not JSON"),
        (b'{"kind": "cudadoctor-facts", ', "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[" * 200_000, "is not JSON"),
        (b"[1, 2]", "not a facts file"),
        (b'{"facts": {}}', "not a facts file"),
        (b'{"kind": "cudadoctor-facts", "facts": {}}', "schema_version"),
        (b'{"kind": "cudadoctor-facts", "schema_version": true, "facts": {}}', "schema_version"),
        (b'{"kind": "cudadoctor-facts", "schema_version": 2, "facts": {}}', "newer cudadoctor (schema 2"),
        (b'{"kind": "cudadoctor-facts", "schema_version": 1, "facts": {"pci": 3}}', "damaged"),
        (b'{"kind": "cudadoctor-facts", "schema_version": 1, "facts": {"pci": {"state": "known"}}}', "damaged"),
    ],
)
def test_what_is_not_a_facts_file_is_said_in_one_line(data: bytes, said: str) -> None:
    with pytest.raises(FactsError, match=re.escape(said)) as caught:
        decode_facts(data)
    assert "\n" not in str(caught.value)


def test_a_file_without_a_section_that_came_later_still_reads() -> None:
    assert decode_facts(b'{"kind": "cudadoctor-facts", "schema_version": 1, "facts": {}}') == Machine()


def test_what_is_not_a_number_becomes_null() -> None:
    assert json.loads(encode_json({"a": float("nan"), "b": [float("inf")], "c": 1.5})) == {
        "a": None,
        "b": [None],
        "c": 1.5,
    }


def test_a_bandwidth_section_has_the_published_shape() -> None:
    result = BandwidthResult(
        key="h2d_pinned", device=0, size_bytes=1, gb_per_s=2.0, samples_gb_per_s=(1.0, 2.0, 3.0), verified=True,
        copies_per_sample=16, timer="events",
    )  # fmt: skip
    expected = ExpectedLink(gb_per_s=63.0, hop="0000:00:01.0", generation=5, width=16, source="s")
    section = Bandwidth(
        device=0, device_name="n", device_uuid="u", pci_address="p", results=(result,), skipped=(), expected=expected,
        link_under_load=None, seconds=1.0,
    )  # fmt: skip
    document = json.loads(saved(Machine(bandwidth=section)))["facts"]["bandwidth"]
    first = document["results"][0]
    assert {key: first[key] for key in ("key", "device", "size_bytes", "gb_per_s", "samples_gb_per_s", "verified")} == {
        "key": "h2d_pinned", "device": 0, "size_bytes": 1, "gb_per_s": 2.0, "samples_gb_per_s": [1.0, 2.0, 3.0],
        "verified": True,
    }  # fmt: skip
    assert {key: document["expected"][key] for key in ("gb_per_s", "hop", "generation", "width")} == {
        "gb_per_s": 63.0, "hop": "0000:00:01.0", "generation": 5, "width": 16,
    }  # fmt: skip


def test_every_part_of_a_measurement_comes_back_from_a_file() -> None:
    machine = Machine(bandwidth=everything())
    assert decode_facts(saved(machine)) == machine


def test_a_measurement_from_before_there_were_curves_and_peers_still_reads() -> None:
    document = json.loads(saved(Machine(bandwidth=everything(link_errors=None))))
    section = document["facts"]["bandwidth"]
    for name in (
        "cut_short",
        "curves",
        "latencies",
        "together",
        "alone",
        "peers",
        "near",
        "far",
        "link_errors",
        "parameters",
    ):
        del section[name]
    for old in section["results"]:
        del old["note"], old["mover"]
    read = decode_facts(json.dumps(document).encode()).bandwidth
    assert isinstance(read, Bandwidth)
    assert (read.curves, read.peers, read.link_errors) == ((), (), None)
    assert {result.mover for result in read.results} == {"copy engine"}


def test_known_and_missing_are_told_apart_by_a_tag() -> None:
    assert msgspec.to_builtins(Known(None, "s")) == {"state": "known", "value": None, "source": "s"}
    assert msgspec.to_builtins(Environment(variables={}, source="s")) == {
        "state": "known", "variables": {}, "source": "s",
    }  # fmt: skip
