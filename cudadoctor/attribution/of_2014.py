"""The minibatch of 2014 as calls: what gnumpy and cudamat made of it, on a card of which only the data sheet is known.

The calls were counted by recording the original (nolearn 0.5, gdbn, gnumpy, cudamat of August 2014) for one minibatch
of 784-300-10: 103 operations, of which 59 kernels, 38 calls of cuBLAS (5 products, 7 sums made as products, 26 copies),
2 copies to the device and 4 back. Every kernel but the 3 transposes and each of the 12 products is followed by a wait
for the whole device, and all six copies wait: 74 waits.
"""

from __future__ import annotations

import msgspec

from cudadoctor.attribution.cards import LIBRARIES, CardModel, Range, Work, busy_us
from cudadoctor.attribution.replay import replay
from cudadoctor.facts.explanation import Call, CallKind
from cudadoctor.tables.published_cards import PublishedCard

KERNELS, TRANSPOSES = 59, 3
PRODUCTS, COPIES_WITHIN = 12, 26
COPIES_IN: tuple[int, ...] = (200_704, 2_560)
COPIES_OUT: tuple[int, ...] = (4, 4, 4, 2_560)
OPERATIONS = KERNELS + PRODUCTS + COPIES_WITHIN + len(COPIES_IN) + len(COPIES_OUT)
LAUNCHES = KERNELS + PRODUCTS + COPIES_WITHIN
WAITS = KERNELS - TRANSPOSES + PRODUCTS + len(COPIES_IN) + len(COPIES_OUT)

WORK = Work(flop=61.4e6, moved_bytes=26.6e6)
"""Products, and the traffic of all that is not a product."""

MINIBATCHES = 732
EPOCH_S = Range(8.0, 7.5, 8.5)
"""What an epoch took on the GPU: 0:00:08, printed in whole seconds."""

INTERPRETER_US = Range(2100.0, 1400.0, 5600.0)
"""Python's part of a minibatch: 1.4 to 2.8 ms were measured with layers of 2-2-10 on a processor of today, and one of
2013 is taken to need up to twice that."""

PAGEABLE_GB_PER_S = 3.0
"""A copy from pageable memory over PCIe 3.0: what hosts of those years staged is 2 to 6 GB/s."""


def minibatch_us() -> Range:
    """Return what one of the post's minibatches took on its GPU, microseconds."""
    return EPOCH_S.times(1e6 / MINIBATCHES)


def device_us(card: PublishedCard, model: CardModel = LIBRARIES) -> Range:
    """Return what the card itself has to do in such a minibatch."""
    return busy_us(card, WORK, model)


def calls_of_2014(
    card: PublishedCard,
    launch_us: float,
    interpreter_us: float,
    device: float | None = None,
    model: CardModel = LIBRARIES,
) -> tuple[Call, ...]:
    """Return the minibatch as calls.

    Args:
        card: The card.
        launch_us: What launching an operation, or calling a copy, costs the host, with the wait's own overhead.
        interpreter_us: Python's part of the minibatch, spread over all operations.
        device: The device's work in all, if not the model's.
        model: The constants.
    """
    work = device_us(card, model).value if device is None else device
    each, python = work / LAUNCHES, interpreter_us / OPERATIONS
    waiting = KERNELS - TRANSPOSES + PRODUCTS

    def copy(kind: CallKind, size: int) -> Call:
        took = size / PAGEABLE_GB_PER_S * 1e-3
        return Call(name="copy", kind=kind, host_us=launch_us + python, device_us=took, waits=True, bytes=size)

    launches = (
        Call(name="operation", kind="launch", host_us=launch_us + python, device_us=each, waits=i < waiting)
        for i in range(LAUNCHES)
    )
    return (
        *(copy("copy-to-device", size) for size in COPIES_IN),
        *launches,
        *(copy("copy-to-host", size) for size in COPIES_OUT),
    )


def implied_launch_us(card: PublishedCard, total_us: float, interpreter_us: float, device: float) -> float:
    """Return what an operation must have cost the host for the minibatch to take as long as it did, 0 if less."""
    low, high = 0.0, total_us
    for _ in range(60):
        middle = (low + high) / 2
        if replay(calls_of_2014(card, middle, interpreter_us, device)).period_us < total_us:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def predicted_2014_us(
    card: PublishedCard, launch_us: Range, interpreter_us: Range, model: CardModel = LIBRARIES
) -> Range:
    """Predict a minibatch in the style of 2014 on a card, on a host that launches and interprets at these costs."""
    device = device_us(card, model)
    ends = zip(
        *((range_.value, range_.low, range_.high) for range_ in (launch_us, interpreter_us, device)),
        strict=True,
    )
    value, low, high = (replay(calls_of_2014(card, each, python, work)).period_us for each, python, work in ends)
    return Range(value, low, high)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Where the post's minibatch went, microseconds: card, copies, interpreter and launches sum to `total`.

    `launches` is what launching, copy calls and waiting cost the host while the card was idle, `per_operation` what
    each of the 103 then cost.
    """

    total: Range
    card: Range
    copies: float
    interpreter: Range
    launches: Range
    per_operation: Range


def account(card: PublishedCard) -> Account:
    """Return where the minibatch went; what is left for launches and waits is what the rest does not explain."""
    total, device, python = minibatch_us(), device_us(card), INTERPRETER_US
    copies = sum((*COPIES_IN, *COPIES_OUT)) / PAGEABLE_GB_PER_S * 1e-3
    return Account(
        total=total,
        card=device,
        copies=copies,
        interpreter=python,
        launches=Range(
            total.value - device.value - python.value - copies,
            total.low - device.high - python.high - copies,
            total.high - device.low - python.low - copies,
        ),
        per_operation=Range(
            implied_launch_us(card, total.value, python.value, device.value),
            implied_launch_us(card, total.low, python.high, device.high),
            implied_launch_us(card, total.high, python.low, device.low),
        ),
    )
