"""Profiles of made-up programs: run, traced, analysed and drawn as a real one is."""

from __future__ import annotations

from functools import cache

import msgspec

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.timeline import timeline
from cudadoctor.facts.explanation import ClockReading
from cudadoctor.facts.profile import Analysis, Probe, Profile, Program, RecordCount, Run, Steps, Tracer, WhatIf
from tests.attribution.profile.build import MAIN, PEAKS, Machine, control, loop, traced
from tests.attribution.profile.programs import heavy, pageable, tiny
from tests.attribution.profile.recorded import path_of, read

PROGRAM = Program(script="train.py", arguments=2, python_version="3.12.3")
READINGS = tuple(ClockReading(seconds=each / 10, during="run", sm_mhz=1980, performance_state=0) for each in range(4))


def on_two(m: Machine, _: int) -> None:
    """Each step works on two GPUs, from a second thread too."""
    m.launch("left", 300, device=0)
    m.launch("right", 80, device=1, stream=9)
    m.thread = MAIN + 1
    m.now.setdefault(m.thread, m.now[MAIN])
    m.now[m.thread] = max(m.now[m.thread], m.now[MAIN])
    m.launch("beside", 30, device=1, stream=11)
    m.thread = MAIN


STEPS = {"launches": (tiny, 200), "pageable": (pageable, 60), "nothing wrong": (heavy, 60), "two GPUs": (on_two, 60)}


@cache
def profile(name: str) -> Profile:
    """Return the profile of one of `STEPS`."""
    step, count = STEPS[name]
    program = loop(step, count)
    trace, walls = traced(program), control(program)
    analysis = analyse(trace, walls, PEAKS)
    return Profile(
        program=PROGRAM,
        tracer=Tracer(
            state="traced", library="/opt/cupti/libcupti.so.12", version="12.8",
            records=(
                RecordCount(kind="kernel", count=len(trace.ops)),
                RecordCount(kind="call", count=len(trace.calls)),
            ),
        ),
        control=tuple(Run(wall_s=wall / 1e9, exit_code=0) for wall in walls.walls),
        traced=Run(wall_s=trace.end / 1e9, exit_code=0),
        analysis=analysis,
        timeline=timeline(trace, analysis.steps),
        readings=READINGS,
        window_s=0.4,
    )  # fmt: skip


def recorded(name: str) -> Profile:
    """Return that of a program that was recorded on a GPU, by its name in `recorded/provenance.md`."""
    found = read(path_of(name))
    analysis = analyse(found.trace, found.control, found.peaks)
    return msgspec.structs.replace(
        profile("launches"), analysis=analysis, timeline=timeline(found.trace, analysis.steps)
    )


def refused() -> Profile:
    """Return that of a program that could not be traced."""
    return Profile(
        program=PROGRAM,
        tracer=Tracer(state="refused", reason="another tool traces this process (39)", holder="libToolsInjection64.so"),
        control=(Run(wall_s=12.3, exit_code=0),),
        traced=Run(wall_s=12.4, exit_code=0),
        readings=READINGS,
        window_s=12.4,
    )


def killed() -> Profile:
    """Return that of a program that was ended by a signal, of which records were lost."""
    whole = profile("launches")
    return msgspec.structs.replace(
        whole,
        tracer=msgspec.structs.replace(whole.tracer, dropped=17, full_at_s=0.12),
        traced=Run(wall_s=0.15, signal="SIGKILL", complete=False),
    )


def not_repeated() -> Profile:
    """Return that of a program in which nothing repeats."""
    whole = profile("pageable")
    assert whole.analysis is not None
    analysis = msgspec.structs.replace(whole.analysis, steps=Steps(found_by="none"), what_ifs=())
    return msgspec.structs.replace(whole, analysis=analysis)


def probed() -> Profile:
    """Return one whose calls were delayed, with a child process that was not traced."""
    probes = (
        Probe(calls="launch", count=1600, added_us=50.0, slope=0.97, low=0.9, high=1.04),
        Probe(calls="sync", count=200, added_us=50.0, slope=0.02, low=-0.05, high=0.09),
        Probe(calls="copy", count=200, added_us=50.0, slope=0.4, low=0.1, high=0.7),
    )
    return msgspec.structs.replace(profile("launches"), probes=probes, untraced_processes=("worker.py (8123)",))


def predicted(what_if: WhatIf) -> Analysis:
    """Return an analysis with this what-if alone."""
    whole = profile("launches")
    assert whole.analysis is not None
    return msgspec.structs.replace(whole.analysis, what_ifs=(what_if,))


ALL = {
    **{name: lambda name=name: profile(name) for name in STEPS},
    "refused": refused,
    "killed": killed,
    "not repeated": not_repeated,
    "probed": probed,
}
"""Makers of profiles, by name."""
