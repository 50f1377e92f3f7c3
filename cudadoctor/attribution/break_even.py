"""From which size on the GPU wins: two fitted lines, where they cross, and who should win beside the crossing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import msgspec

from cudadoctor.attribution.lines import FittedLine, fit_without_outlier, ratio_interval, student_quantile
from cudadoctor.facts.explanation import BreakEven, BreakEvenPoint, Line

LEAST_SIZES = 5
_COVERAGE = 0.95
_FASTEST = 3


class _Fit(msgspec.Struct, frozen=True):
    line: FittedLine
    freedom: int

    @property
    def covariance(self) -> tuple[float, float, float]:
        return self.line.covariance(self.freedom)


def find_break_even(
    variable: Literal["batch_size", "hidden_units"],
    cpu_lane: str,
    gpu_lane: str,
    points: Sequence[BreakEvenPoint],
) -> BreakEven:
    """Fit T(x) = a + b x to both lanes and say where they cross.

    Args:
        variable: What x is.
        cpu_lane: Name of the CPU's lane.
        gpu_lane: Name of the GPU's lane.
        points: At least five sizes.

    Returns:
        The lines; `at` where they cross at a positive size and the slopes differ by more than their errors, else the
        reason why nothing is said.
    """
    known = [p for p in points if p.value > 0 and 0 < p.cpu_us < math.inf and 0 < p.gpu_us < math.inf]

    def answer(cpu: Line, gpu: Line, **told: object) -> BreakEven:
        return BreakEven(
            variable=variable,
            cpu_lane=cpu_lane,
            gpu_lane=gpu_lane,
            points=tuple(points),
            cpu=cpu,
            gpu=gpu,
            **told,  # type: ignore[arg-type]
        )

    sizes = len({point.value for point in known})
    cpu = _fit([(float(point.value), point.cpu_us) for point in known]) if sizes >= LEAST_SIZES else None
    gpu = _fit([(float(point.value), point.gpu_us) for point in known]) if sizes >= LEAST_SIZES else None
    if cpu is None or gpu is None:
        nothing = Line(fixed_us=0.0, each_us=0.0)
        return answer(nothing, nothing, reason=f"{sizes} sizes were measured, and a line needs {LEAST_SIZES}")
    lines = _told(cpu.line), _told(gpu.line)
    fixed, each = gpu.line.a - cpu.line.a, cpu.line.b - gpu.line.b  # the GPU's handicap, and its gain with each unit
    quantile = student_quantile(cpu.freedom + gpu.freedom, _COVERAGE)
    covariance = tuple(c + g for c, g in zip(cpu.covariance, gpu.covariance, strict=True))
    if each * each <= quantile * quantile * covariance[2]:
        return answer(*lines, reason=_parallel(known))
    at = fixed / each
    if at <= 0:
        winner = "GPU" if each > 0 else "CPU"
        return answer(*lines, reason=f"the {winner} is faster at every size, and gains with each unit")
    # The handicap is -(a_cpu - a_gpu): its covariance with the gain is minus that of a and b.
    ends = ratio_interval(fixed, each, (covariance[0], -covariance[1], covariance[2]), quantile)
    notes = []
    if each < 0:
        notes.append("below it the GPU is faster, above it the CPU")
    largest, smallest = max(p.value for p in known), min(p.value for p in known)
    if not smallest <= at <= largest:
        notes.append(f"outside of the sizes that were measured ({smallest} to {largest})")
    return answer(*lines, at=at, low=max(0.0, min(ends)), high=max(ends), reason="; ".join(notes))


def time_at(line: Line, value: float) -> float:
    """Return T(x) in µs."""
    return line.fixed_us + line.each_us * value


def predicted_winner(found: BreakEven, value: float) -> str | None:
    """Return the lane that the lines say is faster at a size; None where they were not fitted or are equal."""
    cpu, gpu = time_at(found.cpu, value), time_at(found.gpu, value)
    if cpu == gpu:
        return None
    return found.cpu_lane if cpu < gpu else found.gpu_lane


def sizes_to_check(found: BreakEven) -> tuple[int, ...]:
    """Return about half and about twice the predicted size; none where nothing was predicted."""
    if found.at is None:
        return ()
    return tuple(dict.fromkeys(max(1, round(found.at * factor)) for factor in (0.5, 2.0)))


def with_checks(found: BreakEven, measured: Sequence[BreakEvenPoint]) -> BreakEven:
    """Add runs that test the prediction, each with the winner that the lines predict for it."""
    checks = tuple(
        msgspec.structs.replace(point, predicted_winner=predicted_winner(found, point.value)) for point in measured
    )
    return msgspec.structs.replace(found, checks=checks)


def failed_check(found: BreakEven) -> str | None:
    """Return which test the predicted winner did not win, as a phrase with its times; None if it won all."""
    for check in found.checks:
        if check.winner is None or check.winner != check.predicted_winner:
            who = "the times overlap" if check.winner is None else f"{check.winner} won"
            return (
                f"tested with {check.value}, where {check.predicted_winner or 'neither'} should win, {who} "
                f"({found.cpu_lane} {check.cpu_us:.0f} µs, {found.gpu_lane} {check.gpu_us:.0f})"
            )
    return None


def nothing_told(
    variable: Literal["batch_size", "hidden_units"],
    cpu_lane: str,
    gpu_lane: str,
    points: Sequence[BreakEvenPoint],
    reason: str,
) -> BreakEven:
    """Return a break-even that was not found, and no lines."""
    none = Line(fixed_us=0.0, each_us=0.0)
    return BreakEven(
        variable=variable, cpu_lane=cpu_lane, gpu_lane=gpu_lane, points=tuple(points), cpu=none, gpu=none, reason=reason
    )


def faster_lane(cpu_lane: str, cpu_us: Sequence[float], gpu_lane: str, gpu_us: Sequence[float]) -> str | None:
    """Return the lane of whose samples three are below all of the other's; None where neither's are.

    Other programs only ever add time, so it is the fast samples that tell lanes apart. Two equal lanes are told apart
    by chance in a quarter of the cases, half of them for each: one such outcome alone proves little.
    """
    for name, ours, theirs in ((cpu_lane, cpu_us, gpu_us), (gpu_lane, gpu_us, cpu_us)):
        if min(len(ours), len(theirs)) >= _FASTEST and sorted(ours)[_FASTEST - 1] < min(theirs):
            return name
    return None


def _fit(pairs: list[tuple[float, float]]) -> _Fit | None:
    line, used = fit_without_outlier(pairs, rising=False)
    return None if line is None else _Fit(line, len(used) - 2)


def _told(line: FittedLine) -> Line:
    return Line(fixed_us=line.a, each_us=line.b)


def _parallel(points: Sequence[BreakEvenPoint]) -> str:
    """Say what the points themselves show where the slopes cannot be told apart."""
    faster = {"GPU" if p.gpu_us < p.cpu_us else "CPU" for p in points}
    who = f"the {faster.pop()} was faster at every size measured" if len(faster) == 1 else "neither was always faster"
    return f"the slopes of the two lines differ by less than their error, so no crossing can be told; {who}"
