"""What else there is to know of a race: break-even, clocks, neighbours, and how well the CPU was used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cudadoctor.attribution.causes import judge
from cudadoctor.attribution.circumstances import VIOLATION_SHARE, is_want_of_work, neighbours
from cudadoctor.facts.explanation import BreakEven, BreakEvenPoint, ClockReading, CpuEffort, Explanation, Line
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.report.device_words import clock_reasons
from cudadoctor.report.race.words import WIDTH, us, wrapped

UNITS = {"batch_size": "rows", "hidden_units": "hidden units"}
"""What the sizes of a break-even are counted in."""

_IDLE = 1
"""NVML's clock-event bit for having nothing to do, which is no fault."""


def break_even_lines(found: BreakEven) -> list[str]:
    """Return from where on the GPU wins, the two lines, and how the prediction fared."""
    unit = UNITS[found.variable]
    lines = []
    if found.at is None:
        lines += wrapped(f"break-even over {unit}: none, {found.reason or 'and no reason was given'}.")
    else:
        who = found.gpu_lane if found.cpu.each_us > found.gpu.each_us else found.cpu_lane
        interval = "" if found.low is None or found.high is None else f" (95 %: {found.low:.0f} to {found.high:.0f})"
        lines += wrapped(f"break-even: {who} wins from about {found.at:.0f} {unit} on{interval}.")
        lines += wrapped(f"{found.reason[:1].upper()}{found.reason[1:]}.", "  ") if found.reason else []
    if found.points and (found.cpu.fixed_us or found.cpu.each_us):
        to_what = "fitted to the fastest samples" if found.statistic == "fastest" else "fitted"
        lines += wrapped(
            f"{to_what}, µs a minibatch of n {unit}: {found.cpu_lane} {_line(found.cpu)}, "
            f"{found.gpu_lane} {_line(found.gpu)}.",
            "  ",
        )
    lines += [line for check in found.checks for line in wrapped(_check(check, unit), "  ")]
    return lines


def clock_lines(explanation: Explanation | Profile, width: int = WIDTH) -> list[str]:
    """Return the clocks while it ran, and what held them down, as lines of that width."""
    readings = explanation.readings
    if not readings:
        return ["clocks: not read."]
    told = [
        _range("SM clock", "MHz", [r.sm_mhz for r in readings]),
        _range("memory", "MHz", [r.memory_mhz for r in readings]),
        _range("performance state P", "", [r.performance_state for r in readings]),
        _range("", "°C", [r.temperature_c for r in readings]),
        _range("", "W", [None if r.power_w is None else round(r.power_w) for r in readings]),
    ]
    shown = ", ".join(text for text in told if text) or "NVML told nothing"
    many = f"{len(readings)} reading{'' if len(readings) == 1 else 's'}"
    return wrapped(f"clocks in {many}: {shown}; {_limits(explanation, readings)}.", hang="  ", width=width)


def neighbour_line(race: Race) -> str:
    """Return whether others used the board, and whether that matters."""
    explanation = race.explanation
    most, some, told = neighbours(explanation) if explanation is not None else (0, 0, 0)
    if not told:
        return "others on the GPU: not known, NVML does not say."
    if not most:
        return f"others on the GPU: none in {told} readings, so nobody held it up."
    judgement = judge(race)
    made = judgement.decomposition if judgement is not None else None
    busy = sum(p.us for p in made.parts if p.kind != "idle") / made.wall_us if made is not None else None
    if busy is not None and busy < 0.5:
        matters = f"the race used the GPU {100 * busy:.0f} % of the time only, so they can have cost little"
    else:
        matters = "they take turns with the race, so its times may be too long"
    return f"others on the GPU: up to {most} in {some} of {told} readings; {matters}."


def cpu_lines(effort: CpuEffort) -> list[str]:
    """Return how well the CPU lane uses its processor."""
    peak = effort.sgemm_gflop_per_s
    part = f", {100 * effort.gflop_per_s / peak:.0f} % of the best matrix product here ({peak:.0f})" if peak > 0 else ""
    pools = f" Thread pools: {', '.join(_counted(effort.pools))}." if effort.pools else ""
    return wrapped(
        f"CPU: {effort.lane} computes {effort.gflop_per_s:.0f} GFLOP/s on {effort.threads} of {effort.cores} cores"
        f"{part}.{pools}",
        hang="  ",
    )


def _counted(pools: Sequence[str]) -> list[str]:
    """Return each pool once, with how many there are of it."""
    return [pool if count == 1 else f"{pool} ({count} of them)" for pool, count in Counter(pools).items()]


def _line(line: Line) -> str:
    return f"{us(line.fixed_us)} {'-' if line.each_us < 0 else '+'} {abs(line.each_us):.3g} n"


def _check(check: BreakEvenPoint, unit: str) -> str:
    if check.winner is None:
        outcome = "their times overlap"
    elif check.winner == check.predicted_winner:
        outcome = f"{check.winner} won, as predicted"
    else:
        outcome = f"{check.winner} won, against the prediction ({check.predicted_winner or 'none'})"
    return f"tested with {check.value} {unit}: {us(check.cpu_us)} and {us(check.gpu_us)} µs, {outcome}."


def _range(name: str, unit: str, values: list[int | None]) -> str:
    known = sorted(value for value in values if value is not None)
    if not known:
        return ""
    span = f"{known[0]}" if known[0] == known[-1] else f"{known[0]} to {known[-1]}"
    spaced = f"{name}{'' if name.endswith(' P') else ' '}{span}" if name else span
    return f"{spaced} {unit}".rstrip()


def _limits(explanation: Explanation | Profile, readings: tuple[ClockReading, ...]) -> str:
    window = explanation.window_s or 0.0
    held = [v for v in explanation.violations if window > 0 and v.seconds / window >= VIOLATION_SHARE]
    idle = [v for v in held if is_want_of_work(v.policy)]
    limits = [v for v in held if v not in idle]
    if limits:
        return "held down by " + ", ".join(
            f"{v.policy} for {100 * v.seconds / window:.0f} % of the time" for v in limits
        )
    if idle:
        return (
            f"below their most for want of work for {100 * idle[0].seconds / window:.0f} % of the time, and by no limit"
        )
    bits = 0
    for reading in readings:
        bits |= max(reading.reasons or 0, 0)
    if bits & ~_IDLE:
        return f"reasons that NVML named at times: {clock_reasons(bits & ~_IDLE)}"
    return "nothing held them down" if explanation.violations or bits == 0 else "no reason was named"
