"""A profiled run of the user's own program: what ran, how it was traced, and where its time went.

A name says its unit: `_us` for one call or operation, `_ms` for a step or a sum, `_s` for a run.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cudadoctor.facts.base import Section
from cudadoctor.facts.explanation import ClockReading, Violation
from cudadoctor.facts.timeline import Timeline


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """What was run. The arguments themselves are not kept, since they may hold secrets; `arguments` is their number.

    `module` says that it was run as `python -m`.
    """

    script: str
    arguments: int = 0
    module: bool = False
    python_version: str = ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the program. `wall_s` counts from its first line to its end, interpreter start-up left out.

    `signal` is the name of the signal that ended it, "" if none did; `exit_code` is None then. `complete` is False for
    a run that was cut off by a signal or by a time limit.
    """

    wall_s: float
    exit_code: int | None = None
    signal: str = ""
    complete: bool = True


class RecordCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many records of a kind were collected."""

    kind: str
    count: int


class Tracer(msgspec.Struct, frozen=True, kw_only=True):
    """What traced the program, or why nothing did; then the profile rests on the untraced runs and on NVML.

    `reason` completes "because ..." and `holder` names the tool that held the tracing interface, "" if none did.
    `dropped` records were lost; `full_at_s` is when the pool of records was full, None if it never was.
    """

    state: Literal["traced", "refused", "failed", "not tried"]
    library: str = ""
    version: str = ""
    reason: str = ""
    holder: str = ""
    records: tuple[RecordCount, ...] = ()
    dropped: int = 0
    full_at_s: float | None = None


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """The steps that the program repeats.

    `found_by` is `nvtx` for ranges that the program marks (`name`), `repetition` for a sequence of operations that
    comes again and again, `none` where nothing repeats: then the window is all between first and last operation, and
    is counted as one step. `median_ms`, and `low_ms` and `high_ms` around it (95 %; none for fewer than six steps), are
    those of the `count` steps in the steady window, with the tracer's cost taken out. `warm_up` steps before it cost
    `warm_up_ms` more than as many steady ones. `operations` is the median number of device operations in a step.
    """

    found_by: Literal["nvtx", "repetition", "none"]
    name: str = ""
    count: int = 1
    median_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    warm_up: int = 0
    warm_up_ms: float = 0.0
    operations: int = 0
    window_start_s: float = 0.0
    window_end_s: float = 0.0


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of wall time: kernels by name, copies that no kernel hides by kind, and an idle device by what held it up.

    Names of idle parts: `launching`, `copying`, `synchronizing`, `allocating`, `compiling and loading`, `context`,
    `other calls`, `Python`, `waiting`, `reading files`, `importing`, `host` (it is not known whether Python ran or
    waited). The way of a library into a call belongs to the call.
    `before` and `after` are what the script did before its first and after its last operation of the device, by the
    same names. `tracer` is what tracing cost.
    """

    kind: Literal["kernels", "copies", "idle", "before", "after", "tracer"]
    name: str
    ms: float


class Breakdown(msgspec.Struct, frozen=True, kw_only=True):
    """Where the wall time of one GPU goes: `parts` and `residual_ms` sum to `wall_ms`, which is that of the traced run.

    `window` is `steady` for the steady steps, `whole` for the whole script.
    """

    window: Literal["steady", "whole"]
    device: int
    wall_ms: float
    parts: tuple[Part, ...]
    residual_ms: float = 0.0

    @property
    def own_ms(self) -> float:
        """What is the program's own: wall time without the tracer's."""
        return self.wall_ms - sum(part.ms for part in self.parts if part.kind == "tracer")

    def share(self, kind: str, *names: str) -> float:
        """Return which part of the program's own time a kind of part takes, 0 where there is none."""
        if self.own_ms <= 0:
            return 0.0
        ms = sum(part.ms for part in self.parts if part.kind == kind and (not names or part.name in names))
        return ms / self.own_ms


class KernelRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kernel, by name. `share` is that of the time of all kernels; grid and block are of its longest launches.

    `local_bytes` is what a thread keeps in local memory: registers that were spilled, and arrays.
    """

    name: str
    count: int
    total_ms: float
    median_us: float
    share: float
    blocks: int
    threads: int
    registers: int = 0
    shared_bytes: int = 0
    local_bytes: int = 0


class CopyRow(msgspec.Struct, frozen=True, kw_only=True):
    """Copies of one direction and kind of host memory.

    `memory` is that of the host's end; `device` where both ends lie on a device. `exposed_ms` is the part that no
    kernel hides. `peak_gb_per_s` is what this machine was measured to reach from pinned memory, None if it was not.
    """

    direction: Literal["to device", "to host", "on device", "between devices", "on host", "set"]
    memory: Literal["pageable", "pinned", "managed", "device", "unknown"]
    count: int
    bytes: int
    total_ms: float
    exposed_ms: float
    median_bytes: float
    median_us: float
    gb_per_s: float | None = None
    peak_gb_per_s: float | None = None


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of the driver API by name, those of libraries and of the runtime API too; times hold the tracer's cost."""

    name: str
    kind: str
    count: int
    total_ms: float
    median_us: float


class LineRow(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the user's program at which the host was found, by samples of the steady window.

    `share` is the line's share of the samples of the thread that issues work; `idle_share` of those taken while no GPU
    worked. `doing` is what went on there most often.
    """

    file: str
    line: int
    function: str
    doing: Literal[
        "Python", "compiling", "sleeping", "reading", "importing", "launching", "copying", "synchronizing",
        "allocating", "loading", "calling",
    ]  # fmt: skip
    samples: int
    share: float
    idle_share: float


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded, played again without the tracer's cost, beside the untraced runs.

    `compared` is what both hold: the steady `steps`, where their calls were noted in untraced runs, else all of the
    `run`. `controls_s` are the untraced runs, `control_s` is the nearest of them, and `error` is
    `replayed_s / control_s - 1`. `host_time` is what the host's own time in the steps was multiplied by, to be that of
    an untraced run: below 1 where the host was faster there. `why_no_what_if` says why nothing may be predicted from
    it, "" if something may.
    """

    replayed_s: float
    control_s: float | None = None
    controls_s: tuple[float, ...] = ()
    error: float | None = None
    compared: Literal["run", "steps"] = "run"
    host_time: float = 1.0
    why_no_what_if: str = ""


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was seen: what, how much, and where."""

    name: str
    value: float
    source: str


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """What the program would take without one cause: the trace is edited and played again.

    `scope` is `step` where the figures are of one steady step, `run` where they are of the whole run (what happens
    once). `low_ms` and `high_ms` hold the saving (its spread over the steps, 95 %; the error of the replay; a tenth
    of the saving for what fixes differ by; and above it what else may go with the cause). `further_ms` is what would
    still be saved where the causes before this one were gone, `run_saved_s` what the whole run would lose.
    `bound` says that the saving is what can be had at most. `seen` are the signs of the cause, and `fits` says that
    they are those that this cause needs. `assumes` says what the program would do instead, `where` names the lines or
    kernels that it concerns.
    """

    cause: str
    scope: Literal["step", "run"]
    assumes: str
    now_ms: float
    predicted_ms: float
    saved_ms: float
    low_ms: float
    high_ms: float
    run_saved_s: float
    further_ms: float = 0.0
    bound: bool = False
    fits: bool = True
    seen: tuple[Sign, ...] = ()
    where: tuple[str, ...] = ()


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """The cause that stands out where nothing may be predicted, because the runs of the program differ too much.

    `seen` are its signs, and `where` names the lines or kernels that it concerns.
    """

    cause: str
    seen: tuple[Sign, ...] = ()
    where: tuple[str, ...] = ()


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What a known delay of `added_us`, added to `count` calls of one class, did to the program's wall time.

    About every second block of the calls was delayed, and is compared with those that were not. `slope` is wall time
    gained over delay added: about 1 for calls on the critical path, 0 for calls that something else hides. `low` and
    `high` hold it (95 %).
    """

    calls: str
    count: int
    added_us: float
    slope: float
    low: float
    high: float


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What the trace says.

    `steady` and `whole` hold one breakdown a GPU, the busiest first. `dilation` is the traced time of what `replay`
    compares over the untraced one, None where no untraced run ended. Tables are of the whole run, longest first.
    """

    steps: Steps
    dilation: float | None = None
    steady: tuple[Breakdown, ...] = ()
    whole: tuple[Breakdown, ...] = ()
    kernels: tuple[KernelRow, ...] = ()
    copies: tuple[CopyRow, ...] = ()
    calls: tuple[CallRow, ...] = ()
    replay: Replayed | None = None
    what_ifs: tuple[WhatIf, ...] = ()
    suspect: Suspect | None = None
    lines: tuple[LineRow, ...] = ()
    threads: int = 0
    streams: int = 0
    devices: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def used_gpu(self) -> bool:
        """Whether any work of a GPU was recorded."""
        return bool(self.devices)


class Profile(Section, frozen=True, kw_only=True):
    """One profile of one program.

    `control` are the untraced runs, `traced` the traced one, None where there was none. `analysis` and `timeline` are
    None where nothing was traced. `untraced_processes` are processes that the program started and that were not traced.
    `readings` and `violations` are NVML's, over the `window_s` of the run that they were taken in.
    """

    program: Program
    tracer: Tracer
    control: tuple[Run, ...] = ()
    traced: Run | None = None
    analysis: Analysis | None = None
    timeline: Timeline | None = None
    untraced_processes: tuple[str, ...] = ()
    readings: tuple[ClockReading, ...] = ()
    violations: tuple[Violation, ...] = ()
    window_s: float | None = None
    probes: tuple[Probe, ...] = ()
    notes: tuple[str, ...] = ()
