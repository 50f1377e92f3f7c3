"""Look for the size at which two lanes are equally fast, on a machine that disturbs what is timed.

Other programs and the hypervisor only ever add time, in bursts that last from milliseconds to seconds. So a size is
sampled briefly and often, all sizes and both lanes in turns, so that a long burst slows all of them alike, and what
counts is the fastest sample. First a few sizes show about where the lanes meet; then five sizes about that place are
fitted (`attribution.break_even`); then fresh samples at half and twice the crossing test it. One that does not pass is
not told.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Literal, NamedTuple, Protocol, TypeVar

import msgspec

from cudadoctor.attribution.break_even import (
    failed_check,
    faster_lane,
    find_break_even,
    nothing_told,
    sizes_to_check,
    with_checks,
)
from cudadoctor.attribution.meeting import always, between, is_sure, not_told, root, tolerance
from cudadoctor.facts.explanation import BreakEven, BreakEvenPoint

_WIDE, _NARROW = 2**0.4, 2**0.2
"""From one of the five sizes to the next. A GPU's time is flat as long as the host holds it up and rises after that,
so a line drawn through a bend is tried again nearer to where the lanes meet."""

_WINDOWS = 5
_LIMIT_S = 1.2
"""Seconds after which no other window is begun."""

_GLANCES = 4
_CPU_SAMPLES, _GPU_SAMPLES = 2, 3
"""Samples of a lane at each size before the other lane's turn."""

_LEAST_TURNS, _MOST_TURNS = 4, 12
_TURNS_S, _MOST_S = 0.6, 2.0
"""Seconds after which no further turn is begun, and after which not even the least number is made."""

_REPEATS = 3
_ALIKE = 1.04
"""A fastest sample is believed where three are within 4 %."""

_SEED = 7

T = TypeVar("T")


class Runner(Protocol):
    """A lane at a size."""

    def sample(self) -> float:
        """Train a few minibatches; return microseconds a minibatch."""


class Lanes(Protocol):
    """The two lanes."""

    cpu: str
    gpu: str

    def open(self, size: int) -> tuple[Runner, Runner]:
        """Return both at a size: that of the CPU, that of the GPU."""

    def choose(self, size: int) -> None:
        """Choose how the CPU is best used at sizes about this one; what is opened from now on is used so."""

    def calm(self) -> None:
        """Wait until what one lane left running has ended: the other's turn comes."""


class Range(NamedTuple):
    """The size to begin with, and the least and the greatest that can be run."""

    start: int
    least: int
    most: int


class _Size:
    """Both lanes at one size, and their samples."""

    def __init__(self, value: int, lanes: Lanes) -> None:
        self.value, self._lanes = value, lanes
        self._cpu, self._gpu = lanes.open(value)
        self.cpu: list[float] = []
        self.gpu: list[float] = []

    def take_cpu(self) -> None:
        self.cpu.append(self._cpu.sample())

    def take_gpu(self) -> None:
        self.gpu.append(self._gpu.sample())

    @property
    def believed(self) -> bool:
        return all(sorted(samples)[_REPEATS - 1] <= _ALIKE * min(samples) for samples in (self.cpu, self.gpu))

    @property
    def winner(self) -> str | None:
        return faster_lane(self._lanes.cpu, self.cpu, self._lanes.gpu, self.gpu)

    @property
    def point(self) -> BreakEvenPoint:
        return BreakEvenPoint(value=self.value, cpu_us=min(self.cpu), gpu_us=min(self.gpu), winner=self.winner)


Steps = Generator[None, None, BreakEven]


class Search:
    """One search; `steps` does it."""

    def __init__(
        self,
        variable: Literal["batch_size", "hidden_units"],
        lanes: Lanes,
        sizes: Range,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Take what is looked for; nothing is run yet."""
        self._variable, self._lanes, self._range, self._clock = variable, lanes, sizes, clock
        self._chance = random.Random(_SEED)
        self._spent = 0.0

    def steps(self) -> Steps:
        """Search, a turn at a time; several searches that take turns see more of what the machine does meanwhile.

        Yields:
            Nothing, after each turn.

        Returns:
            `at` only where fresh samples at half and twice that size show the predicted winner, and at that size that
            the lanes are about equal; else the reason, with what was measured.

        Raises:
            What the lanes raise.
        """
        return msgspec.structs.replace((yield from self._steps()), statistic="fastest")

    def _steps(self) -> Steps:
        glances: list[BreakEvenPoint] = []
        points: list[BreakEvenPoint] = []
        middle, step = (yield from self._guess(glances)), _WIDE
        for window in range(_WINDOWS):
            if window > 0 and self._spent > _LIMIT_S:
                break
            self._timed(partial(self._lanes.choose, round(middle)))
            points = yield from self._measured(self._sizes(middle, step), lambda size: size.believed)
            meeting = between(points)
            if meeting is None:  # all the window lies on one side
                following = self._beyond(points)
                if following is None:
                    seen = [*glances, *points]
                    return self._nothing(seen, always(seen) or not_told(points))
                middle, step = following, _WIDE
                continue
            found = find_break_even(self._variable, self._lanes.cpu, self._lanes.gpu, points)
            if found.at is not None and is_sure(found, meeting):
                return (yield from self._tested(found))
            middle, step = self._inside(meeting), _NARROW
        return self._nothing(points, not_told(points))

    def _nothing(self, points: Sequence[BreakEvenPoint], reason: str) -> BreakEven:
        ordered = sorted(points, key=lambda point: point.value)
        return nothing_told(self._variable, self._lanes.cpu, self._lanes.gpu, ordered, reason)

    def _guess(self, glances: list[BreakEvenPoint]) -> Generator[None, None, float]:
        """Return about where the lanes meet, or the last size that may be; add what was seen."""
        least, most = self._ends()
        size = round(min(max(self._range.start, least), most))
        while True:
            glances.append(self._timed(partial(self._glance, size)))
            yield
            lags = [(each.value, each.cpu_us - each.gpu_us) for each in glances[-2:]]
            value, lag = lags[-1]
            meeting = root(*lags) if len(lags) == 2 else None
            if meeting is not None and (lags[0][1] < 0) != (lag < 0):
                return self._inside(meeting)
            # The line through the last two sizes points somewhere: near by it is looked at closely, else go there.
            ahead = 0.0 if meeting is None else meeting / value if lag < 0 else value / meeting
            if meeting is not None and 1 <= ahead <= 2:
                return self._inside(meeting)
            step = 4.0 if ahead >= 4 else 2.0
            if self._spent > _MOST_S:
                return value
            following = round(self._inside(value * step if lag < 0 else value / step))
            if following == value:
                return value
            size = following

    def _glance(self, size: int) -> BreakEvenPoint:
        seen = _Size(size, self._lanes)
        for take in (seen.take_gpu, seen.take_cpu):
            for _ in range(_GLANCES):
                take()
            self._lanes.calm()
        return seen.point

    def _beyond(self, points: Sequence[BreakEvenPoint]) -> float | None:
        """Return where to look on when one lane was faster at all sizes; None where there is nothing more."""
        cpu_faster = points[0].cpu_us < points[0].gpu_us
        before, edge = (points[-2], points[-1]) if cpu_faster else (points[1], points[0])
        least, most = self._ends()
        if (edge.value >= most) if cpu_faster else (edge.value <= least):
            return None
        meeting = root((before.value, before.cpu_us - before.gpu_us), (edge.value, edge.cpu_us - edge.gpu_us))
        most_of_a_step = edge.value * (4 if cpu_faster else 0.25)
        if meeting is None or (meeting > edge.value) != cpu_faster:
            meeting = most_of_a_step
        return self._inside(min(meeting, most_of_a_step) if cpu_faster else max(meeting, most_of_a_step))

    def _measured(
        self, sizes: Sequence[int], done: Callable[[_Size], bool]
    ) -> Generator[None, None, list[BreakEvenPoint]]:
        """Sample sizes and lanes in turns until each size is done or time is over."""
        opened = self._timed(lambda: [_Size(size, self._lanes) for size in sizes])
        began = self._spent
        for turn in range(_MOST_TURNS):
            spent = self._spent - began
            if turn > 1 and spent > _MOST_S:
                break
            if turn >= _LEAST_TURNS and (spent > _TURNS_S or all(done(size) for size in opened)):
                break
            self._timed(partial(self._turn, opened))
            yield
        return [size.point for size in opened]

    def _turn(self, opened: Sequence[_Size]) -> None:
        for take, samples in ((_Size.take_gpu, _GPU_SAMPLES), (_Size.take_cpu, _CPU_SAMPLES)):
            for _ in range(samples):
                for size in self._chance.sample(opened, len(opened)):
                    take(size)
            self._lanes.calm()

    def _tested(self, found: BreakEven) -> Steps:
        """Run at half, once and twice the crossing; one that is not confirmed is taken back."""
        at = found.at or 0.0
        sizes = sizes_to_check(found)
        possible = [size for size in sizes if self._range.least <= size <= self._range.most]
        middle = max(1, round(at))
        *measured, there = yield from self._measured(
            [*possible, middle], lambda size: size.believed and (size.winner is not None or size.value == middle)
        )
        tested = with_checks(found, measured)
        reason = failed_check(tested)
        if reason is None and len(possible) < 2:
            reason = f"{' and '.join(str(size) for size in sizes if size not in possible) or 'half'} cannot be tested"
        if reason is None and abs(there.cpu_us - there.gpu_us) > tolerance(found, at):
            reason = f"tested there, the CPU took {there.cpu_us:.0f} µs and the GPU {there.gpu_us:.0f}"
        if reason is None:
            return tested
        told = f"the lines meet at about {at:.0f}, but {reason}, so no crossing can be told"
        return msgspec.structs.replace(tested, at=None, low=None, high=None, reason=told)

    def _timed(self, work: Callable[[], T]) -> T:
        began = self._clock()
        try:
            return work()
        finally:
            self._spent += self._clock() - began

    def _sizes(self, middle: float, step: float) -> list[int]:
        """Return five sizes about the middle one."""
        return sorted({min(max(round(middle * step**k), self._range.least), self._range.most) for k in range(-2, 3)})

    def _ends(self) -> tuple[int, int]:
        """Return between which sizes a crossing may lie that can be tested on both sides."""
        return min(4 * self._range.least, self._range.most), max(self._range.most // 2, 1)

    def _inside(self, size: float) -> float:
        least, most = self._ends()
        return min(max(size, least), most)
