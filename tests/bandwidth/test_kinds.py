"""The kinds of copy besides pinned and pageable, against the fake driver, whose rates are known."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from cudadoctor.bandwidth.kernels import CHASE, COPY, PTX
from cudadoctor.bandwidth.paging import fresh_words
from cudadoctor.bandwidth.plan import KEYS, MAIN_KEYS, Plan
from cudadoctor.bandwidth.transfers import fit_budget
from tests.bandwidth.test_measure import bandwidth, left_over, measure, reasons
from tests.fake_driver.build import FakeDriver

MIB = 2**20
ALL = Plan(keys=KEYS, size_bytes=MIB, copies=4, pageable_copies=2)


def only(*keys: str) -> Plan:
    return msgspec.structs.replace(ALL, keys=keys)


def test_every_kind_gives_the_rate_of_its_own_way(fake_driver: FakeDriver) -> None:
    rates = {
        "h2d_bidirectional": 46.0,
        "d2h_bidirectional": 51.0,
        "h2d_write_combined": 54.0,
        "d2h_write_combined": 53.0,
        "h2d_registered": 50.0,
        "d2h_registered": 49.0,
        "h2d_mapped": 48.0,
        "d2h_mapped": 47.0,
        "h2d_managed": 30.0,
        "d2h_managed": 29.0,
        "d2d_kernel": 1200.0,
    }
    keys: dict[str, Any] = {f"{key}_gb_per_s": rate for key, rate in rates.items()}
    result = bandwidth(measure(fake_driver, ALL, **keys))
    assert result.skipped == ()
    assert [one.key for one in result.results] == [*KEYS[:-1], "d2d_local"]
    by_engine, by_kernel = (one for one in result.results if one.key == "d2d_local")
    assert (by_engine.mover, by_kernel.mover) == ("copy engine", "kernel")
    assert by_kernel.gb_per_s == pytest.approx(1200.0, rel=1e-2)
    for key in rates.keys() - {"d2d_kernel"}:
        one = result.result(key)
        assert one is not None
        assert one.gb_per_s == pytest.approx(rates[key], rel=1e-2), key
        assert one.timer == "events"
        assert one.mover == ("kernel" if "mapped" in key else "copy engine")
    for key in ("h2d_pageable_fresh", "d2h_pageable_fresh"):
        one = result.result(key)
        assert one is not None
        assert (one.timer, one.verified, one.copies_per_sample) == ("host clock", True, 2)


@pytest.mark.parametrize(
    ("corrupt", "refused"),
    [
        ("h2d_write_combined", {"h2d_write_combined", "d2h_write_combined"}),  # what arrived goes back through it
        ("d2h_write_combined", {"d2h_write_combined"}),
        ("h2d_registered", {"h2d_registered"}),
        ("d2h_registered", {"d2h_registered"}),
        ("h2d_mapped", {"h2d_mapped"}),
        ("d2h_mapped", {"d2h_mapped"}),
        ("d2d_kernel", {"d2d_local_kernel"}),
        ("h2d_managed", {"h2d_managed", "d2h_managed"}),  # its pages move to and fro
        ("d2h_managed", {"h2d_managed", "d2h_managed"}),
        ("h2d_pageable", {"h2d_pageable", "h2d_pageable_fresh"}),
        ("d2h_pageable", {"d2h_pageable", "d2h_pageable_fresh"}),
    ],
)
def test_what_arrives_damaged_gives_no_result(fake_driver: FakeDriver, corrupt: str, refused: set[str]) -> None:
    keys = tuple(key for key in KEYS if key.partition("_")[2] in {one.partition("_")[2] for one in refused})
    result = bandwidth(measure(fake_driver, only(*keys), corrupt_copies=corrupt))
    assert set(reasons(result)) == refused
    assert all(reason.startswith("verification failed: sample 1: ") for reason in reasons(result).values())
    assert len(result.results) == len(keys) - len(refused)


def test_the_copies_in_the_other_direction_begin_before_and_end_after_those_measured(
    fake_driver: FakeDriver, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    # So fast that twice as many end too soon.
    keys: dict[str, Any] = {"d2h_bidirectional_gb_per_s": 400, "d2h_pinned_gb_per_s": 400, "trace": trace}
    result = bandwidth(measure(fake_driver, only("h2d_bidirectional"), h2d_bidirectional_gb_per_s=46, **keys))
    (one,) = result.results
    assert one.gb_per_s == pytest.approx(46, rel=1e-2)
    text = " ".join(line.split()[0] for line in trace.read_text().splitlines())
    tries = re.findall(
        r"cuEventRecord ((?:cuMemcpyDtoHAsync_v2 )+)cuEventRecord (?:cuMemcpyHtoDAsync_v2 ){4}cuEventRecord "
        r"(?:cuMemcpyHtoDAsync_v2 ){4}cuEventRecord",
        text,
    )
    others = list(dict.fromkeys(len(other.split()) for other in tries))
    # Twice as many each time, until they last longer; how often depends on how busy the machine is.
    assert others[0] == 16
    assert len(others) > 1
    assert others == sorted(others)
    assert set(others) <= {16, 32, 64, 128}
    assert re.search(r"cuMemHostGetDevicePointer_v2 cuLaunchKernel cuLaunchKernel cuEventRecord", text)  # both held


def test_a_rate_without_anything_in_the_other_direction_is_not_reported(fake_driver: FakeDriver) -> None:
    keys: dict[str, Any] = {"d2h_bidirectional_gb_per_s": 9000, "d2h_pinned_gb_per_s": 9000}
    result = bandwidth(measure(fake_driver, only("h2d_bidirectional"), h2d_bidirectional_gb_per_s=46, **keys))
    assert reasons(result) == {
        "h2d_bidirectional": "the copies in the other direction ended first, however many there were"
    }


@pytest.mark.parametrize(
    ("scenario", "key", "reason"),
    [
        ({"attribute.89": 0}, "h2d_managed", "as under WSL2 and Windows"),
        ({"attribute.83": 0}, "d2h_managed", "no managed memory"),
        ({"attribute.19": 0}, "h2d_mapped", "cannot map host memory"),
        ({"host_pinnable_bytes": 8192}, "h2d_bidirectional", "could not be pinned"),
        ({"host_pinnable_bytes": 8192}, "d2h_mapped", "could not be pinned"),
        ({"error_in": "cuMemHostRegister_v2:801"}, "h2d_registered", "cuMemHostRegister_v2 failed with"),
        ({"error_in": "cuModuleLoadDataEx:221"}, "d2d_local_kernel", "CUDA_ERROR_JIT_COMPILER_NOT_FOUND"),
        ({"error_in": "cuMemAllocManaged:2"}, "h2d_managed", "CUDA_ERROR_OUT_OF_MEMORY"),
        ({"error_in": "cuMemPrefetchAsync:801"}, "h2d_managed", "cuMemPrefetchAsync failed with"),
    ],
)
def test_a_kind_that_does_not_apply_is_skipped_with_its_reason(
    fake_driver: FakeDriver, scenario: dict[str, Any], key: str, reason: str
) -> None:
    result = bandwidth(measure(fake_driver, only(key, "d2d_local"), **scenario))
    assert reason in reasons(result)[key]
    assert [one.key for one in result.results] == ["d2d_local"]


@pytest.mark.parametrize(
    "scenario",
    [
        {},
        {"corrupt_copies": "h2d,d2h,h2d_managed,h2d_mapped"},
        {"error_in": "cuMemPrefetchAsync:700,cuLaunchKernel:719,cuMemcpyDtoHAsync_v2:700"},
        {"error_in": "cuEventRecord:700"},
        {"host_pinnable_bytes": 3 * MIB},
    ],
)
def test_everything_is_given_back_whatever_happens(
    fake_driver: FakeDriver, tmp_path: Path, scenario: dict[str, Any]
) -> None:
    trace = tmp_path / "trace"
    measure(fake_driver, ALL, trace=trace, **scenario)
    text = trace.read_text()
    assert "cuMemAllocManaged" in text
    assert "cuMemHostRegister_v2" in text
    assert left_over(trace) == {}


def test_kinds_that_are_only_compared_are_smaller(fake_driver: FakeDriver) -> None:
    plan = msgspec.structs.replace(ALL, extra_bytes=MIB // 4)
    result = bandwidth(measure(fake_driver, plan))
    for one in result.results:
        main = one.key in MAIN_KEYS and one.mover == "copy engine"
        assert one.size_bytes == (MIB if main else MIB // 4), one.key


def test_a_slow_card_gets_smaller_copies_of_fresh_pages_too(fake_driver: FakeDriver) -> None:
    keys: dict[str, Any] = {"h2d_pageable_gb_per_s": 0.002, "d2h_pageable_gb_per_s": 0.002}
    result = bandwidth(measure(fake_driver, only("h2d_pageable_fresh", "d2h_pageable_fresh"), **keys))
    assert result.skipped == ()
    assert all(one.size_bytes < MIB and "at that size" in one.note for one in result.results)


def test_copies_by_a_kernel_stay_whole_where_a_slow_link_makes_them_smaller() -> None:
    class Slow:
        size_bytes, unit_bytes = 600_016, 16  # half of it is a whole number of 8 B, but not of 16 B

        def time_one(self) -> float:
            return 1.0

    slow: Any = Slow()
    assert "at that size the copies would take 8 s" in fit_budget(slow, 8)
    assert slow.size_bytes == 300_000


def test_fresh_memory_was_never_touched_and_is_zero() -> None:
    one = fresh_words(4 * MIB)
    assert one.size == MIB // 2
    assert not one.any()
    one[:] = 7
    del one
    assert not np.any(fresh_words(4 * MIB))


def test_the_ptx_defines_the_kernels_that_are_launched() -> None:
    for name in (COPY, CHASE):
        assert re.search(rf"\.entry {name}\(\.param \.u64 \w+, \.param \.u64 \w+, \.param \.u64 \w+\)", PTX)


@pytest.mark.skipif(shutil.which("ptxas") is None, reason="no ptxas on the search path")
def test_ptxas_accepts_the_kernels(tmp_path: Path) -> None:
    source = tmp_path / "kernels.ptx"
    source.write_text(PTX)
    made = subprocess.run(
        ["ptxas", "-arch=sm_80", str(source), "-o", str(tmp_path / "kernels.cubin")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
