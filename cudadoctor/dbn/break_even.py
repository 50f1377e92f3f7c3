"""The child's side of the break-even: both lanes at five sizes, then beside the size where they should meet."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cudadoctor.attribution.break_even import faster_lane, find_break_even, sizes_to_check, with_checks
from cudadoctor.dbn.contenders import make
from cudadoctor.dbn.network import Network, first_weights
from cudadoctor.dbn.rung_runs import settle
from cudadoctor.facts.explanation import BreakEven, BreakEvenPoint

if TYPE_CHECKING:
    from cudadoctor.dbn.digits import Digits

CPU_LANE, GPU_LANE = "cpu-fast", "gpu-copied"

SIZES: dict[Literal["batch_size", "hidden_units"], tuple[int, ...]] = {
    "batch_size": (16, 64, 128, 512, 1024),
    "hidden_units": (30, 100, 300, 1000, 2000),
}

_TRAINING_SAMPLES = 8192
_MOST_UNITS = 20_000
_SAMPLES = 5
_SAMPLE_S = 0.01
_LEARN_RATE = 1e-3  # wide networks would diverge at the race's, and what is no number takes another time

Tick = Callable[[], None]


def measure(
    variable: Literal["batch_size", "hidden_units"], network: Network, digits: Digits, index: int, tick: Tick
) -> BreakEven:
    """Measure a minibatch of both lanes at five sizes, find where they meet, and test it at half and twice that.

    Raises:
        What the lanes raise.
    """
    few = digits._replace(
        training_pixels=digits.training_pixels[:_TRAINING_SAMPLES],
        training_labels=digits.training_labels[:_TRAINING_SAMPLES],
    )

    def point(value: int) -> BreakEvenPoint:
        sized = _sized(network, variable, value)
        cpu, gpu = (_samples_us(lane, sized, few, index, tick) for lane in (CPU_LANE, GPU_LANE))
        return BreakEvenPoint(
            value=value,
            cpu_us=statistics.median(cpu),
            gpu_us=statistics.median(gpu),
            winner=faster_lane(CPU_LANE, cpu, GPU_LANE, gpu),
        )

    limit = len(few.training_pixels) if variable == "batch_size" else _MOST_UNITS
    sizes = [size for size in SIZES[variable] if size <= limit]
    found = find_break_even(variable, CPU_LANE, GPU_LANE, [point(size) for size in sizes])
    return with_checks(found, [point(size) for size in sizes_to_check(found) if size <= limit])


def _sized(network: Network, variable: str, value: int) -> Network:
    if variable == "batch_size":
        return msgspec.structs.replace(network, batch_size=value)
    return msgspec.structs.replace(network, layers=(network.layers[0], value, network.layers[-1]))


def _samples_us(lane: str, network: Network, digits: Digits, index: int, tick: Tick) -> Sequence[float]:
    """Return microseconds a minibatch, several times."""
    import numpy as np

    contender: Any = make(lane, network, first_weights(network, 0), digits, index)
    contender.prepare(tick)
    settle(contender)
    generator = np.random.default_rng(0)
    epoch = network.minibatches_per_epoch(len(digits.training_pixels))
    rows = generator.integers(0, len(digits.training_pixels), (epoch, network.batch_size), dtype=np.uint32)
    count = 1
    while _train(contender, rows[:count], tick) < _SAMPLE_S and count < epoch:
        count = min(epoch, 2 * count)
    return [_train(contender, rows[:count], tick) / count * 1e6 for _ in range(_SAMPLES)]


def _train(contender: Any, rows: Any, tick: Tick) -> float:
    """Train; seconds."""
    started = time.perf_counter()
    contender.train_epoch(rows, _LEARN_RATE, tick)
    return time.perf_counter() - started
