"""The ladder: the lanes that are compared, in order, and what each removes from the one before."""

from __future__ import annotations

from typing import NamedTuple


class RungName(NamedTuple):
    """A rung of the ladder: its id, its lane, and what it removes from the rung before.

    `times` is how many times the race's minibatch it trains at once, which changes the training. `threads` is how many
    a rung on the CPU has that must not choose. `beside` says that it removes nothing: it stands beside the rung before,
    and trains no more than the slow ones.
    """

    id: str
    lane: str
    removes: str
    times: int = 1
    threads: int | None = None
    beside: bool = False


LADDER = (
    RungName("C0", "cpu-reference", "nothing: NumPy as most people write it"),
    RungName("C0d", "cpu-reference-float64", "nothing: C0 in double precision", beside=True),
    RungName("C1", "cpu-fast", "what NumPy computes and copies needlessly"),
    RungName("C1t", "cpu-fast", "nothing: C1 on one thread", threads=1, beside=True),
    RungName("G0", "gpu-2014", "nothing: operations and waits as in 2014"),
    RungName("R0", "gpu-host-arrays", "nothing: NumPy arrays in every launch"),
    RungName("R1", "gpu-copied", "copies of the network around every launch"),
    RungName("R2", "gpu-pinned", "pageable memory under the minibatch's copy"),
    RungName("R3", "gpu-resident-read-back", "copies of the minibatch"),
    RungName("R4", "gpu-per-operation", "reading the loss back in every minibatch"),
    RungName("R5", "gpu-fused", "two thirds of the launches"),
    RungName("R6", "gpu-graph", "the host from all launches but one an epoch"),
    RungName("R7", "gpu-persistent", "all kernels but one, and weights from device memory"),
    RungName("R8x4", "gpu-graph", "three of four updates: the minibatch is 4 times as large", 4),
    RungName("R8x16", "gpu-graph", "15 of 16 updates: the minibatch is 16 times as large", 16),
)

ONLY_IF_ASKED = frozenset({"gpu-2014", "cpu-reference-float64"})
"""Lanes that are in the ladder only if they race."""
