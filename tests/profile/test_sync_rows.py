"""Calls that wait, and the streams that their handles stand for."""

from __future__ import annotations

import numpy as np
import pytest

from cudadoctor.attribution.profile.trace import CALLS, DEVICE_OPS, CallKind, SyncKind
from cudadoctor.profile.sync_rows import waited_for

NAMES = ("cuLaunchKernel", "cuStreamSynchronize", "cuEventSynchronize", "cuCtxSynchronize_v2", "another wait")
US = 1_000


def calls(*waits: tuple[str, int, int]) -> np.ndarray:
    """Return calls by name, begin and end in microseconds; a launch stands before them."""
    rows = np.zeros(len(waits) + 1, CALLS)
    rows["kind"][1:] = CallKind.SYNC
    rows["kind"][0], rows["end"][0] = CallKind.LAUNCH, US
    rows["correlation"] = np.arange(1, len(rows) + 1)
    for row, (name, begin, end) in zip(rows[1:], waits, strict=True):
        row["name"], row["start"], row["end"] = NAMES.index(name), begin * US, end * US
    return rows


def ops(*found: tuple[int, int]) -> np.ndarray:
    """Return operations by stream and end in microseconds."""
    rows = np.zeros(len(found), DEVICE_OPS)
    for row, (stream, end) in zip(rows, found, strict=True):
        row["stream"], row["start"], row["end"] = stream, (end - 50) * US, end * US
    return rows


def test_a_handle_stands_for_the_stream_whose_work_ended_when_its_waits_did() -> None:
    made = calls(
        ("cuStreamSynchronize", 10, 105), ("cuStreamSynchronize", 110, 204), ("cuStreamSynchronize", 210, 303),
        ("cuStreamSynchronize", 310, 403),
    )  # fmt: skip
    arguments = np.array([9, 0xA, 0xB, 0xA, 0xB], np.uint64)
    work = ops((7, 101), (13, 150), (13, 201), (7, 300), (13, 290), (13, 400), (7, 360))
    rows = waited_for(made, arguments, NAMES, work)
    assert rows["kind"].tolist() == [SyncKind.STREAM] * 4
    assert rows["stream"].tolist() == [7, 13, 7, 13]
    assert rows["correlation"].tolist() == [2, 3, 4, 5]
    assert rows["end"].tolist() == [105 * US, 204 * US, 303 * US, 403 * US]


def test_where_all_work_lies_in_one_stream_every_wait_for_a_stream_is_for_it() -> None:
    rows = waited_for(calls(("cuStreamSynchronize", 500, 501)), np.array([0, 2], np.uint64), NAMES, ops((7, 100)))
    assert (rows["kind"][0], rows["stream"][0]) == (SyncKind.STREAM, 7)


def test_a_handle_after_whose_waits_nothing_ends_stands_for_no_stream() -> None:
    made = calls(("cuStreamSynchronize", 500, 900))
    rows = waited_for(made, np.array([0, 2], np.uint64), NAMES, ops((7, 100), (13, 600)))
    assert (rows["kind"][0], rows["stream"][0]) == (SyncKind.UNKNOWN, 0)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cuEventSynchronize", SyncKind.EVENT),
        ("cuCtxSynchronize_v2", SyncKind.CONTEXT),
        ("another wait", SyncKind.UNKNOWN),
    ],
)
def test_what_is_waited_for_stands_in_the_name_of_the_call(name: str, kind: SyncKind) -> None:
    rows = waited_for(calls((name, 10, 20)), np.array([0, 1], np.uint64), NAMES, ops((7, 15), (8, 16)))
    assert rows["kind"].tolist() == [kind]


def test_a_program_that_never_waits_has_no_rows() -> None:
    assert len(waited_for(calls(), np.array([0], np.uint64), NAMES, ops((7, 15)))) == 0
