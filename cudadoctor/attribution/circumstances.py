"""What else may slow a race down: clocks, limits, neighbours, one-off costs, and the CPU's own effort."""

from __future__ import annotations

from statistics import median

import msgspec

from cudadoctor.attribution.ladder import best_rung, cpu_us, gpu_rungs
from cudadoctor.facts.explanation import ClockReading, CpuEffort, Explanation, Rung
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Lane, Race

VIOLATION_SHARE = 0.05
_RAMP = 0.8
"""An SM clock below this part of the later one is one that has yet to rise."""
_SLOW_START = 1.2
_LEAST_SHARE = 0.05
_LOW_STATE = 5
_FEW_READINGS = 3
_BY_POWER = 0x4 | 0x80
"""nvmlClocksEventReasonSwPowerCap and nvmlClocksThrottleReasonHwPowerBrakeSlowdown of nvml.h."""
_NEAR_PEAK = 0.6
_FAR_FROM_PEAK = 0.4
_FIXED = ("R5", "R6", "R7")
_LONG_COMPILE_S = 20.0


class Ramp(msgspec.Struct, frozen=True):
    """The first epoch of a GPU lane beside the median of the others, and the clocks then and later."""

    lane: str
    first_s: float
    later_s: float
    share: float
    first_mhz: int
    later_mhz: int


class OneOff(msgspec.Struct, frozen=True):
    """What a GPU lane spends once, beside its epochs and those of the CPU."""

    lane: str
    cpu_lane: str
    once_s: float
    epochs_s: float
    cpu_s: float


def gpu_lane(race: Race) -> Lane | None:
    """Return the first GPU lane that finished."""
    return next((each for each in race.lanes if each.device.startswith("gpu") and _finished(each)), None)


def cpu_lane(race: Race) -> Lane | None:
    """Return the fastest CPU lane that finished."""
    lanes = [each for each in race.lanes if each.device == "cpu" and _finished(each)]
    return min(lanes, key=_seconds, default=None)


def clock_ramp(race: Race) -> Ramp | None:
    """Return a slow first epoch with clocks that rose after it; None where either is missing.

    The slower start must be 5 % of the lane's time: a clock that rises unnoticed costs nothing.
    """
    lane = gpu_lane(race)
    if lane is None or race.explanation is None or len(lane.epochs) < 3:
        return None
    first, later = lane.epochs[0].seconds, median(epoch.seconds for epoch in lane.epochs[1:])
    total = sum(epoch.seconds for epoch in lane.epochs)
    if later <= 0 or first < _SLOW_START * later or (first - later) / total < _LEAST_SHARE:
        return None
    if lane.epochs[1].seconds > (first + later) / 2:
        return None  # clocks rise within a second; what lasts longer is another's work on the host
    told = [r for r in sorted(race.explanation.readings, key=lambda r: r.seconds) if r.sm_mhz and r.seconds >= 0]
    if len(told) < 2:
        return None
    start, most = told[0].sm_mhz or 0, max(reading.sm_mhz or 0 for reading in told[1:])
    if start >= _RAMP * most:
        return None
    return Ramp(lane.name, first, later, (first - later) / total, start, most)


def held_down(seen: Explanation | Profile, *words: str) -> tuple[str, float] | None:
    """Return the limit whose name has one of the words and that held clocks down longest, and its part of the time.

    None where none of them did for 5 % of the time; NVML's counters are cumulative, so nothing is missed in between.
    """
    window = seen.window_s or 0.0
    if window <= 0:
        return None
    named = [v for v in seen.violations if any(word in v.policy.lower() for word in words)]
    worst = max(named, key=lambda violation: violation.seconds, default=None)
    if worst is None or worst.seconds / window < VIOLATION_SHARE:
        return None
    return worst.policy, worst.seconds / window


def at_power_limit(profile: Profile) -> bool:
    """Say whether power held the clocks down in most of the readings that fell into the steady steps.

    Then the GPU does as much as its power allows, and time that it stands idle is not all lost: without it the clocks
    would be lower. A reading counts from the program's start, which is the trace's to some tenths of a second.
    """
    steps = None if profile.analysis is None else profile.analysis.steps
    if steps is None or not profile.readings:
        return False
    start = profile.readings[0].seconds
    inside = [
        reading.reasons
        for reading in profile.readings
        if reading.reasons is not None and steps.window_start_s <= reading.seconds - start <= steps.window_end_s
    ]
    held = sum(bool(reasons & _BY_POWER) for reasons in inside)
    return len(inside) >= _FEW_READINGS and held > len(inside) / 2


def is_want_of_work(policy: str) -> bool:
    """Say whether NVML's policy means that there was too little to do, which is no limit but an observation."""
    return "utilization" in policy.lower()


def neighbours(seen: Explanation | Profile) -> tuple[int, int, int]:
    """Return the most processes of others that a reading saw, how many readings saw any, and how many told."""
    told = [reading.other_processes for reading in seen.readings if reading.other_processes is not None]
    return max(told, default=0), sum(count > 0 for count in told), len(told)


def low_state(seen: Explanation | Profile) -> ClockReading | None:
    """Return a reading of a GPU that stayed in P5 or lower in the list through all of at least three readings."""
    told = [reading for reading in seen.readings if reading.performance_state is not None]
    if len(told) < _FEW_READINGS or any(not _LOW_STATE <= (r.performance_state or 0) <= 15 for r in told):
        return None
    return told[-1]


def low_end(race: Race) -> tuple[Rung, float] | None:
    """Return the best rung and the CPU's time, if all was tried that helps and the CPU is still faster."""
    if race.explanation is None or not any(rung.id in _FIXED for rung in gpu_rungs(race.explanation)):
        return None
    best, cpu = best_rung(race.explanation), cpu_us(race)
    if best is None or cpu is None or best.low_us is None or best.low_us <= cpu:
        return None
    return best, cpu


def near_peak(effort: CpuEffort) -> float | None:
    """Return the CPU lane's part of its own best matrix product if that is 60 % and more."""
    part = _part(effort)
    return part if part is not None and part >= _NEAR_PEAK else None


def oversubscribed(effort: CpuEffort) -> tuple[str, ...]:
    """Return the thread pools that fight over the cores, where the lane is far from the peak.

    One with more threads than cores, or two of different libraries that together have more: two copies of the same
    library (NumPy's OpenBLAS and SciPy's) do not run at once here.
    """
    part = _part(effort)
    pools = [(pool, count) for pool in effort.pools if (count := _threads(pool)) > 1]
    if part is None or part >= _FAR_FROM_PEAK:
        return ()
    kinds = {pool.partition(":")[0] for pool, _ in pools}
    together = len(kinds) > 1 and sum(count for _, count in pools) > effort.cores
    return tuple(pool for pool, count in pools if together or count > effort.cores)


def one_off_that_turns_the_race(race: Race) -> OneOff | None:
    """Return what a GPU lane spends once, if it wins by its epochs and loses when that is counted."""
    gpu, cpu = gpu_lane(race), cpu_lane(race)
    if gpu is None or cpu is None or race.explanation is None or gpu.compile_seconds is None:
        return None
    steady = median(epoch.seconds for epoch in gpu.epochs) * len(gpu.epochs)
    once = gpu.compile_seconds + max(0.0, sum(epoch.seconds for epoch in gpu.epochs) - steady)
    theirs = _seconds(cpu) * len(gpu.epochs)
    if not steady < theirs < steady + once:
        return None
    return OneOff(gpu.name, cpu.name, once, steady, theirs)


def long_compile(race: Race) -> tuple[Lane, float] | None:
    """Return a GPU lane whose kernels took 20 s and more to compile or load, and which part of its time that was."""
    for lane in race.lanes:
        seconds = lane.compile_seconds or 0.0
        if race.explanation is not None and lane.device.startswith("gpu") and seconds >= _LONG_COMPILE_S:
            return lane, seconds / (seconds + sum(epoch.seconds for epoch in lane.epochs))
    return None


def _finished(lane: Lane) -> bool:
    return lane.state == "finished" and bool(lane.epochs) and all(epoch.seconds > 0 for epoch in lane.epochs)


def _seconds(lane: Lane) -> float:
    return median(epoch.seconds for epoch in lane.epochs)


def _part(effort: CpuEffort) -> float | None:
    if effort.sgemm_gflop_per_s <= 0 or effort.gflop_per_s <= 0:
        return None
    return effort.gflop_per_s / effort.sgemm_gflop_per_s


def _threads(pool: str) -> int:
    digits = pool.rpartition(":")[2].strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 0
