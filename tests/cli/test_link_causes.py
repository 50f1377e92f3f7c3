"""What `bandwidth` says of saved facts of a real machine with one thing changed, and what `why` says of links."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Doctor

RECORDED = Path(__file__).parents[1] / "machines" / "ubuntu24-h100-healthy" / "facts.json"


def known(value: object) -> dict[str, object]:
    return {"state": "known", "value": value, "source": "edited"}


def saved(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """Write the recorded facts with an edited measurement."""
    document = json.loads(RECORDED.read_text(encoding="utf-8"))
    edit(document.get("facts", document)["bandwidth"])
    file = folder / "facts.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def half_the_lanes(bandwidth: dict[str, Any]) -> None:
    bandwidth["link_under_load"]["width"] = known(8)
    for result in bandwidth["results"]:
        if "pinned" in result["key"]:
            result["gb_per_s"], result["samples_gb_per_s"] = 27.3, [27.2, 27.3, 27.4]


def replays(bandwidth: dict[str, Any]) -> None:
    missing = {"state": "missing", "reason": "not read"}
    counted = {"replays_before": known(2), "replays_after": known(40_000)}
    bandwidth["link_errors"] = counted | {"corrected_before": missing, "corrected_after": missing}


def slow_host(bandwidth: dict[str, Any]) -> None:
    for result in bandwidth["results"]:
        if result["key"] == "h2d_pageable":
            result["gb_per_s"] = 2.5


def far_socket(bandwidth: dict[str, Any]) -> None:
    bandwidth["far"] = [result for result in bandwidth["results"] if "pinned" in result["key"]]
    for result in bandwidth["far"]:
        result["gb_per_s"] = 33.0


def nothing(bandwidth: dict[str, Any]) -> None:
    pass


@pytest.mark.parametrize(
    ("edit", "ids", "status"),
    [
        (nothing, [], "ok"),
        (half_the_lanes, ["pcie-link-degraded"], "error"),
        (replays, ["link-flapping"], "warning"),
        (far_socket, ["far-numa-node"], "warning"),
        (slow_host, ["pageable-transfer"], "ok"),
    ],
)
def test_each_symptom_in_saved_facts_has_its_cause(
    doctor: Doctor, tmp_path: Path, edit: Callable[[dict[str, Any]], None], ids: list[str], status: str
) -> None:
    file = saved(tmp_path, edit)
    run = doctor("bandwidth", "--facts", file, "--format", "json")
    assert (run.ids, run.document["status"], run.code) == (ids, status, 1 if status == "error" else 0)
    for finding in run.document["findings"]:
        assert "confirm" in finding or finding["confidence"] == "proven"
        assert doctor("why", finding["id"]).out


def test_why_says_that_nothing_is_wrong_with_a_normal_rate(doctor: Doctor) -> None:
    run = doctor("why", "12.1 GB/s, 25 % below the theoretical PCIe 3.0 x16 rate. Is that normal?", "--format", "json")
    assert run.ids[0] == "no-problem-normal-bandwidth"
    assert run.document["findings"][0]["severity"] == "note"
