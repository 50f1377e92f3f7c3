"""Whatever stands in a pool is decoded or counted as lost, and never makes the decoder fail or take long."""

from __future__ import annotations

import mmap
import struct
import sys
import time
import warnings
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cudadoctor.attribution.profile.model import tidy
from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Trace
from cudadoctor.gpu.cupti import pool
from cudadoctor.gpu.cupti.binding import KINDS
from cudadoctor.profile.decode import decode, driver_calls, read_marks
from cudadoctor.profile.records import Records
from cudadoctor.profile.told import read_texts, read_told
from tests.profile.pools import LAUNCHES, SIZES, MadeUp, made_up

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="programs are traced on Linux")

STEPS = 220
LIMIT_S = 2.0
COUNTERS = (
    pool.TAKEN_AT, pool.SLOTS_AT, pool.RECORDS_AT, pool.NAMES_USED_AT, pool.TEXT_USED_AT, pool.SAMPLES_USED_AT,
    pool.COMPLETED_AT, pool.MARKED_AT, pool.CALLED_AT,
)  # fmt: skip


@lru_cache(maxsize=1)
def _sound() -> MadeUp:
    return made_up(STEPS, samples=50)


@pytest.fixture
def made() -> Iterator[MadeUp]:
    """A pool to spoil: what a test writes into it is undone."""
    sound = _sound()
    before = sound.memory[:]
    yield sound
    sound.memory[:] = before


def _decoded(made: MadeUp) -> tuple[Trace, dict[str, int]]:
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = decode(made.memory, made.layout, made.cpu, made.reads, made.ended)
    assert time.perf_counter() - began < LIMIT_S
    return found


def _spoil(memory: mmap.mmap, at: int, what: bytes) -> None:
    memory[at : at + len(what)] = what


def test_a_sound_pool_is_decoded_whole(made: MadeUp) -> None:
    trace, counts = _decoded(made)
    assert sum(counts.values()) == made.records
    assert trace.dropped == 0
    launches = trace.calls[trace.calls["kind"] == CallKind.LAUNCH]
    assert len(launches) == STEPS * LAUNCHES
    kernels = trace.ops[trace.ops["kind"] == DeviceKind.KERNEL]
    assert set(kernels["correlation"]) == set(launches["correlation"])
    assert {trace.names[number] for number in kernels["name"]} == {f"kernel_{i}" for i in range(8)}
    assert len(trace.ranges) == counts["MARKER"] // 2 > 0
    assert len(trace.overheads) == len(trace.ops[trace.ops["kind"] == DeviceKind.MEMSET]) == len(trace.ranges)
    assert len(trace.syncs) == STEPS
    assert len(trace.samples) == 50


@settings(max_examples=60, deadline=None)
@given(chance=st.randoms(use_true_random=False), many=st.sampled_from([1, 20, 2000]))
def test_bytes_that_are_flipped(chance: object, many: int) -> None:
    """Anywhere but in the callbacks' code: header, sizes, names, texts, samples, calls and slots."""
    made = _sound()
    before = made.memory[:]
    numbers = np.random.default_rng(chance.getrandbits(32))  # type: ignore[attr-defined]
    layout = made.layout
    parts = [
        (0, 256), (pool.TABLE_AT, 16), (layout.sizes_at, 4 * pool.KINDS), (layout.hash_at, 256), (layout.names_at, 512),
        (layout.text_at, 1200), (layout.samples_at, 800), (layout.calls_at, layout.calls * pool.CALL_BYTES),
        (layout.slots_at, layout.slots * pool.SLOT_BYTES),
    ]  # fmt: skip
    try:
        for _ in range(many):
            start, size = parts[numbers.integers(len(parts))]
            made.memory[start + int(numbers.integers(size))] = int(numbers.integers(256))
        _is_told(made)
    finally:
        made.memory[:] = before


def _is_told(made: MadeUp) -> None:
    """Decode all there is; the only thing that may be said against a pool is that the program did not begin."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_marks(made.memory, made.layout)
        driver_calls(made.memory, made.layout)
    told = read_told(read_texts(made.memory, made.layout))
    if told is None or told.begin is None:
        with pytest.raises(ValueError, match="the process ended before the program began"):
            _decoded(made)
        return
    trace, counts = _decoded(made)
    assert len(trace.ops) + len(trace.calls) <= sum(counts.values())
    assert len(trace.syncs) <= len(trace.calls)
    for rows in (trace.ops, trace.calls, trace.syncs, trace.overheads):
        assert (rows["end"] >= rows["start"]).all()
        assert (np.diff(rows["start"]) >= 0).all()


@pytest.mark.parametrize("valid", [1, 7, 39, 41, 1000, 12_345, 500_001])
def test_a_slot_that_is_cut_off(made: MadeUp, valid: int) -> None:
    """What lies whole before the cut is decoded, and the record that is cut through is counted."""
    whole = Records(made.memory, made.layout)
    begins = np.sort(np.concatenate([whole.places(name) for name in KINDS]))
    ends = begins + np.array([SIZES[{n: k for k, n in KINDS.items()}[made.memory[at]]] for at in begins])
    cut = made.layout.slots_at + valid
    in_first = begins < made.layout.slots_at + pool.SLOT_BYTES
    struct.pack_into("<Q", made.memory, pool.TABLE_AT, valid)
    trace, counts = _decoded(made)
    lost = int((in_first & (ends > cut)).sum())
    assert lost > 0
    assert sum(counts.values()) == made.records - lost
    assert trace.dropped == Records(made.memory, made.layout).cut_off == int(cut not in ends)


def test_a_slot_that_was_never_handed_over_is_read_to_its_first_empty_record(made: MadeUp) -> None:
    struct.pack_into("<Q", made.memory, pool.TABLE_AT, 0)
    trace, counts = _decoded(made)
    assert sum(counts.values()) == made.records
    assert trace.dropped == 0


@pytest.mark.parametrize("size", [0, 4, 8, 13, 111, 2**31, 2**32 - 1])
def test_sizes_that_make_no_sense(made: MadeUp, size: int) -> None:
    struct.pack_into("<I", made.memory, made.layout.sizes_at + 4 * KINDS["CONCURRENT_KERNEL"], size)
    trace, counts = _decoded(made)
    assert "CONCURRENT_KERNEL" not in counts
    assert trace.dropped == struct.unpack_from("<Q", made.memory, pool.TAKEN_AT)[0]
    assert 0 < sum(counts.values()) < made.records


@pytest.mark.parametrize("value", [0, 1, 2**31, 2**63, 2**64 - 1])
@pytest.mark.parametrize("at", COUNTERS)
def test_absurd_counters(made: MadeUp, at: int, value: int) -> None:
    struct.pack_into("<Q", made.memory, at, value)
    _is_told(made)


def test_more_slots_were_asked_for_than_there_are(made: MadeUp) -> None:
    struct.pack_into("<Q", made.memory, pool.TAKEN_AT, 2**40)
    trace, counts = _decoded(made)
    assert sum(counts.values()) == made.records
    assert trace.dropped == 1
    assert trace.complete_until == trace.calls["end"][trace.calls["kind"] == CallKind.COPY].max()


def test_more_calls_were_made_than_there_is_room_for(made: MadeUp) -> None:
    struct.pack_into("<Q", made.memory, pool.CALLED_AT, made.layout.calls + 1)
    trace, counts = _decoded(made)
    assert sum(counts.values()) == made.records
    assert trace.dropped == 1
    assert trace.complete_until == trace.calls["end"].max()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"kind": "clocks"', b'"kind": "CLOCKS"'),
        (b'"cupti": 1', b'"cupti": 9'),
        (b'"monotonic": 1', b'"monotonic": -'),
        (b'"names": {', b'"names": ['),
        (b'"307"', b'"3\xb27"'),
        (b'"names": {"307": "cuLaunchKernel"', b'"names": {"307": 12345678901234   '),
        (b'"number": 0', b'"number": 9'),
        (b"\n", b" "),
    ],
)
def test_texts_that_make_no_sense(made: MadeUp, before: bytes, after: bytes) -> None:
    start = made.layout.text_at
    text = made.memory[start : start + 4096]
    assert before in text
    _spoil(made.memory, start, text.replace(before, after)[:4096])
    _is_told(made)


def test_a_text_that_is_lost_leaves_the_others(made: MadeUp) -> None:
    start = made.layout.text_at
    text = made.memory[start : start + 4096]
    _spoil(made.memory, start, text.replace(b'"kind": "calls", ', b'"kind": "calls"; '))
    trace, _ = _decoded(made)
    assert "driver call 17" in trace.names
    assert trace.lines[0].file == "program.py"


def _set_last_clock(made: MadeUp, cupti: int) -> None:
    start = made.layout.text_at
    text = made.memory[start : start + 4096]
    last = f'"cupti": {made.ended}'.encode()
    assert text.count(last) == 1
    _spoil(made.memory, start, text.replace(last, f'"cupti": {cupti}'.encode())[:4096])


def test_a_moment_that_one_clock_has_wrong_is_not_believed(made: MadeUp) -> None:
    _set_last_clock(made, made.ended + 900_000_000)
    trace, _ = _decoded(made)
    assert 0 <= trace.ops["start"].min() < trace.ops["end"].max() <= trace.end
    assert trace.ops["end"].max() > 0.99 * trace.end


@pytest.mark.parametrize("stamp", [1, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
def test_times_that_make_no_sense(made: MadeUp, stamp: int) -> None:
    _set_last_clock(made, made.ended - 200_000)  # the tracer's clock is slower by half a percent
    before = _decoded(made)[0].ops
    places = Records(made.memory, made.layout).places("CONCURRENT_KERNEL")
    for at in places[::2]:
        struct.pack_into("<QQ", made.memory, int(at) + 16, stamp, stamp)
    trace, counts = _decoded(made)
    assert sum(counts.values()) == made.records
    after = tidy(trace).ops
    assert np.isin(before["start"], after["start"]).sum() == len(before) - len(places[::2])
