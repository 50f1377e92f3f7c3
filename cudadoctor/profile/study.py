"""One profile: the program alone, then traced, then with only its steps timed, and what the machine reaches."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.check import MISMATCH_LIMIT
from cudadoctor.attribution.profile.timeline import timeline
from cudadoctor.attribution.profile.trace import Control, Peaks, Trace
from cudadoctor.facts.profile import Analysis, Probe, Profile, Program, Run, Tracer
from cudadoctor.facts.timeline import Timeline
from cudadoctor.gpu.clock_watch import ClockWatch
from cudadoctor.gpu.cupti import ask, places
from cudadoctor.gpu.cupti.callbacks import NoNativeCodeError, compile_callbacks
from cudadoctor.gpu.cupti.pool import Layout, NativeCode
from cudadoctor.gpu.cupti.pool import delayed as count_delayed
from cudadoctor.profile import calibration, probe
from cudadoctor.profile.calls import marked_calls
from cudadoctor.profile.decode import NO_COST, driver_calls, read_marks
from cudadoctor.profile.events import Event, Finished, Options, Phase
from cudadoctor.profile.reading import read_run
from cudadoctor.profile.runs import Delay, Mark, Output, Ran, run

_TRIES = 2
"""How often a short program whose traced run was slower or faster than all untraced ones is run once more."""

_SHORT_NS = 20 * 10**9
"""A program that ends within this runs twice more after the trace: two runs say by how much runs differ."""

_RUNS_OF_SHORT = 2


class StudyError(Exception):
    """The program could not be run; the text is one line that says why."""


def study(options: Options) -> Iterator[Event]:
    """Profile a program, and tell what goes on; the last event is `Finished`.

    Raises:
        StudyError: The program could not be run.
    """
    study = _Study(options)
    yield Phase("running the program, untraced")
    study.control()
    if study.interrupted:
        yield Finished(study.profile(Tracer(state="not tried", reason="Ctrl-C ended the untraced run")), None, True)
        return
    study.choose()
    yield Phase("running the program, traced" if study.native is not None else "running the program, watched by NVML")
    study.traced()
    trace = study.decode()
    if trace is not None and len(trace.ops):
        yield Phase("measuring what the tracer costs and what the link carries")
        trace = study.calibrate(trace)
    for _ in range(study.runs_to_come if trace is not None and len(trace.ops) else 0):
        yield Phase("running the program again, noting only when its calls begin")
        study.marked()
    if trace is not None:
        yield Phase(f"reading {sum(count.count for count in study.tracer.records)} records")
        study.analyse(trace)
        for _ in range(_TRIES):
            if not study.differs:
                break
            yield Phase("its runs differ: running it again, traced and untraced")
            trace = study.again(trace)
    if trace is not None and options.probe and not study.interrupted:
        for plan in study.probes(trace):
            yield Phase(f"running the program with slower {plan.calls}")
            study.probe(plan)
    yield Finished(study.profile(study.tracer), trace, study.interrupted)


class _Study:
    """What is known so far."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.controls: list[Ran] = []
        self.run_traced: Ran | None = None
        self.native: NativeCode | None = None
        self.libraries: list[str] = []
        self.tracer = Tracer(state="not tried")
        self.peaks = Peaks()
        self.marks: list[NDArray[Any]] = []
        self.notes: list[str] = []
        self.found_probes: list[Probe] = []
        self.watch = ClockWatch(options.pci_address, calm=True)
        self.analysis: Analysis | None = None
        self.timeline: Timeline | None = None
        self.layout = Layout.within(options.pool_mib)

    @property
    def interrupted(self) -> bool:
        ran = [*self.controls, *([self.run_traced] if self.run_traced else [])]
        return any(each.signal == "SIGINT" or each.exit_code == 130 for each in ran)

    @property
    def runs_to_come(self) -> int:
        """How often the program runs after the trace, as warm as the traced run was."""
        wall = self.controls[0].wall_ns
        if self.interrupted or wall is None:
            return 0
        return _RUNS_OF_SHORT if wall < _SHORT_NS else 1

    def control(self, output: Output | None = None) -> None:
        self.controls.append(self._run(output or self.options.output, traced=False))

    def marked(self) -> None:
        """Run the program with nothing but the beginnings of its launches and copies noted."""
        quiet = Output(subprocess.DEVNULL, subprocess.DEVNULL)
        instead = None
        if self.run_traced is not None:
            first = self.run_traced.pool
            instead = Mark(tuple(marked_calls(driver_calls(first.memory, first.layout))))
        ran = self._run(quiet, traced=True, instead=instead)
        self.controls.append(ran)
        marks = read_marks(ran.pool.memory, ran.pool.layout)
        if marks is not None:
            self.marks.append(marks)

    def choose(self) -> None:
        """Find a tracer for this driver; why there is none stands in `tracer`."""
        if not self.options.trace:
            return
        paths = places.candidates(sys.path, os.environ)
        self.libraries, reasons = ask.usable(paths, self.options.driver_cuda, self.options.driver_limit_s)
        if not self.libraries:
            self.tracer = Tracer(state="refused", reason="; ".join(reasons) or "no libcupti was found")
            return
        try:
            self.native = compile_callbacks(self.layout)
        except NoNativeCodeError as error:
            self.tracer = Tracer(state="refused", reason=str(error))

    def traced(self) -> None:
        """Run the program traced, with the GPU's clocks watched."""
        with self.watch:
            self.watch.mark("run")
            self.run_traced = self._traced()
            self.watch.mark("")

    def _traced(self) -> Ran:
        with tempfile.TemporaryFile() as stderr:
            # Its output was shown once.
            return self._run(Output(subprocess.DEVNULL, stderr), traced=True)

    @property
    def differs(self) -> bool:
        """Whether the traced run is no like of the untraced ones, and a short program may be run again."""
        replay = None if self.analysis is None else self.analysis.replay
        if self.analysis is None or not self.analysis.used_gpu or self.runs_to_come < _RUNS_OF_SHORT:
            return False
        if replay is None or replay.error is None:
            return False
        return abs(replay.error) > MISMATCH_LIMIT and bool(replay.why_no_what_if)

    def again(self, trace: Trace) -> Trace:
        """Run the program once more untraced and traced; return the trace that is nearer to an untraced run."""
        before, run_before, tracer_before = self.analysis, self.run_traced, self.tracer
        self.marked()
        self.run_traced = self._traced()
        found = read_run(self.run_traced)
        if found.trace is not None and self.run_traced.exit_code is not None:
            self.tracer = found.tracer
            self.analyse(found.trace._replace(cost=trace.cost))
            if _mismatch(self.analysis) < _mismatch(before):
                return found.trace._replace(cost=trace.cost)
        self.run_traced, self.tracer = run_before, tracer_before
        self.analyse(trace)
        return trace

    def decode(self) -> Trace | None:
        """Return the trace, if there is one; what became of it stands in `tracer`."""
        if self.native is None or self.run_traced is None:
            return None
        found = read_run(self.run_traced)
        self.tracer = found.tracer
        self.notes += found.notes
        return found.trace

    def calibrate(self, trace: Trace) -> Trace:
        """Measure the tracer's cost and the machine's rates; return the trace with the former."""
        options = self.options
        measured = calibration.measure([self.tracer.library], options.device, options.driver_limit_s)
        cost = NO_COST
        if isinstance(measured, str):
            self.notes.append(f"what the tracer costs was not measured: {measured}")
        else:
            cost = measured.cost
            self.peaks = self.peaks._replace(
                multiprocessors=measured.multiprocessors, fp32_per_fp64=measured.fp32_per_fp64
            )
        rates, why = options.rates(options.device, options.driver_limit_s)
        if why:
            self.notes.append(f"what the link carries was not all measured: {why}")
        self.peaks = self.peaks._replace(
            to_device=rates.get("to_device"), to_host=rates.get("to_host"), device_memory=rates.get("device_memory")
        )
        return trace._replace(cost=cost)

    def probes(self, trace: Trace) -> list[probe.Plan]:
        """Return what to probe."""
        ran = self.run_traced
        if ran is None:
            return []
        steps = None if self.analysis is None else self.analysis.steps
        found = probe.plans(trace, driver_calls(ran.pool.memory, ran.pool.layout), steps)
        if not found:
            self.notes.append("nothing was probed: no class of calls is called often enough")
        return found

    def probe(self, plan: probe.Plan) -> None:
        """Run the program with delays, and keep the slope."""
        quiet = Output(subprocess.DEVNULL, subprocess.DEVNULL)
        ran = self._run(quiet, traced=True, instead=Delay(plan.ids, plan.delay, plan.block))
        moments = read_marks(ran.pool.memory, ran.pool.layout)
        found = probe.slope(plan, moments, count_delayed(ran.pool.memory))
        if found is None:
            self.notes.append(f"{plan.calls} could not be delayed")
        else:
            self.found_probes.append(found)

    def _warm(self) -> list[Ran]:
        """Return the untraced runs; without the first, which may have filled caches for the others, if there are."""
        return self.controls[1:] or self.controls

    def analyse(self, trace: Trace) -> None:
        walls = tuple(ran.wall_ns for ran in self._warm() if ran.wall_ns is not None and ran.exit_code is not None)
        self.analysis = analyse(trace, Control(walls, tuple(self.marks)), self.peaks)
        self.timeline = timeline(trace, None if self.analysis is None else self.analysis.steps)

    def profile(self, tracer: Tracer) -> Profile:
        asked = self.options.asked
        told = self.controls[0].told
        return Profile(
            program=Program(
                script=asked.target,
                arguments=len(asked.arguments),
                module=asked.form == "module",
                python_version="" if told is None else told.python,
            ),
            tracer=tracer,
            control=tuple(_fact(ran) for ran in self.controls),
            traced=None if self.run_traced is None else _fact(self.run_traced),
            analysis=self.analysis,
            timeline=self.timeline,
            untraced_processes=() if self.run_traced is None else self.run_traced.untraced,
            readings=self.watch.readings(),
            violations=self.watch.violations(),
            window_s=self.watch.window_s(),
            probes=tuple(self.found_probes),
            notes=tuple(self.notes),
        )

    def _run(self, output: Output, *, traced: bool, instead: Delay | Mark | None = None) -> Ran:
        try:
            return run(
                self.options.asked,
                output,
                layout=self.layout,
                native=self.native if traced else None,
                libraries=self.libraries if traced else (),
                instead=instead,
                limit_s=self.options.limit_s,
                started=self.watch.ours,
            )
        except OSError as error:
            raise StudyError(f"the program could not be started: {error.strerror or error}") from error


def _mismatch(analysis: Analysis | None) -> float:
    error = None if analysis is None or analysis.replay is None else analysis.replay.error
    return float("inf") if error is None else abs(error)


def _fact(ran: Ran) -> Run:
    wall = ran.wall_ns
    return Run(
        wall_s=0.0 if wall is None else wall / 1e9,
        exit_code=ran.exit_code,
        signal=ran.signal,
        complete=not ran.signal and not ran.timed_out,
    )
