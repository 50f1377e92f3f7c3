"""Why a lane took as long as it did: the ladder of rungs, the decomposition, the predictions, the break-even.

All times are microseconds a minibatch unless a name says otherwise.
"""

from __future__ import annotations

from typing import Literal

import msgspec

CallKind = Literal["host", "launch", "copy-to-device", "copy-to-host", "allocate", "free", "wait"]
"""What the host does in a call: its own Python, a kernel or graph launch, a copy, a (de)allocation, a plain wait."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the host does in a minibatch, in order.

    `host_us` is what the host spends in it without waiting for the device; `device_us` what the device then works on
    it, after all that was queued before. `waits` says that the host goes on only when the device is done with it.
    `bytes` and `pinned` describe a copy. `implicit` marks what a library adds on its own around a launch: copies of
    host arrays that were passed to a kernel, and the memory for them. `blocks` is the size of a kernel's grid, 0 where
    it is not known.
    """

    name: str
    kind: CallKind
    host_us: float
    device_us: float = 0.0
    waits: bool = False
    bytes: int = 0
    pinned: bool = False
    implicit: bool = False
    blocks: int = 0


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One way to train the same network; each removes one cause of slowness from the one before.

    `samples_us` are wall times, one a round, rounds interleaved over all rungs; `low_us` and `high_us` hold their
    median with probability `coverage`. `calls` are one minibatch as it was recorded, empty where there is nothing to
    record (a whole epoch in one launch). `changes_training` marks rungs that train on other minibatches. A sample is
    the mean of so many `minibatches`, 0 where that was not kept; `loss` is over the same minibatches in all rungs that
    do not change them.
    """

    id: str
    lane: str
    device: str
    removes: str
    state: Literal["measured", "skipped", "failed"]
    reason: str = ""
    batch_size: int = 0
    minibatches: int = 0
    changes_training: bool = False
    samples_us: tuple[float, ...] = ()
    median_us: float | None = None
    low_us: float | None = None
    high_us: float | None = None
    coverage: float | None = None
    loss: float | None = None
    calls: tuple[Call, ...] = ()


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One disjoint part of a minibatch's wall time.

    `kind` is `kernels`, `copies` or `idle`; an idle device is charged to what the host did meanwhile, and `name` says
    what that was (launching, copying, waiting, allocating, Python).
    """

    kind: Literal["kernels", "copies", "idle"]
    name: str
    us: float


class Decomposition(msgspec.Struct, frozen=True, kw_only=True):
    """Where a lane's wall time goes: `parts` and `residual_us` sum to `wall_us`.

    `wall_us` was measured without any timer inside; `replayed_us` is what the recorded calls give when they are played
    again in order, and `dilation` how many times longer the timed minibatches took than the untimed ones.
    """

    rung: str
    lane: str
    wall_us: float
    replayed_us: float
    dilation: float
    parts: tuple[Part, ...]
    residual_us: float


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What removing one cause should give, predicted from the rung before, and what the rung without it measured.

    `bound` says that `predicted_us` is not what it should take but what it takes at least.
    """

    from_rung: str
    to_rung: str
    removes: str
    predicted_us: float
    error_us: float
    measured_us: float | None = None
    bound: bool = False


class BreakEvenPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Both lanes at one size; `winner` is the lane that was faster, None where their times overlap."""

    value: int
    cpu_us: float
    gpu_us: float
    predicted_winner: str | None = None
    winner: str | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """T(x) = fixed_us + each_us * x."""

    fixed_us: float
    each_us: float


class BreakEven(msgspec.Struct, frozen=True, kw_only=True):
    """From which minibatch or width on the GPU lane wins, fitted and then tested.

    `at` is None where no crossing was found, or where one was predicted and a test did not bear it out, and `reason`
    says so; otherwise `reason` says what else there is to know of it. `low` and `high` are its 95 % interval.
    `checks` are fresh runs at about half and twice the predicted size. `statistic` says what the times of all points
    are of their samples.
    """

    variable: Literal["batch_size", "hidden_units"]
    cpu_lane: str
    gpu_lane: str
    points: tuple[BreakEvenPoint, ...]
    cpu: Line
    gpu: Line
    at: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    checks: tuple[BreakEvenPoint, ...] = ()
    statistic: Literal["median", "fastest"] = "median"


class ClockReading(msgspec.Struct, frozen=True, kw_only=True):
    """The GPU's state at one moment of the race, by NVML; None where it does not say.

    `seconds` count from the start of the first GPU lane. `reasons` are NVML's clock-event bits.
    """

    seconds: float
    during: str
    sm_mhz: int | None = None
    memory_mhz: int | None = None
    performance_state: int | None = None
    reasons: int | None = None
    power_w: float | None = None
    temperature_c: int | None = None
    other_processes: int | None = None


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """How long one limit held the clocks down while the race ran, by NVML's cumulative counters."""

    policy: str
    seconds: float


class CpuEffort(msgspec.Struct, frozen=True, kw_only=True):
    """How well the CPU lane uses its processor.

    `sgemm_gflop_per_s` is the best matrix product measured in the same run on `threads` threads; `gflop_per_s` what
    the lane achieved, counting the dense work of the network. `pools` are the thread pools that were loaded, as
    "library: threads".
    """

    lane: str
    threads: int
    cores: int
    gflop_per_s: float
    sgemm_gflop_per_s: float
    pools: tuple[str, ...] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All that the race found out about why its lanes took as long as they did.

    `mean_absolute_error` is that of the predictions as a fraction of what was measured. `multiprocessors` are those of
    the GPU, None where it was not asked.
    """

    rungs: tuple[Rung, ...] = ()
    decompositions: tuple[Decomposition, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    mean_absolute_error: float | None = None
    break_even: tuple[BreakEven, ...] = ()
    readings: tuple[ClockReading, ...] = ()
    violations: tuple[Violation, ...] = ()
    window_s: float | None = None
    cpu: CpuEffort | None = None
    multiprocessors: int | None = None
    notes: tuple[str, ...] = ()
