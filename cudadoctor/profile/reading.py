"""What a traced run left behind: which of its processes is explained, and what became of the tracer."""

from __future__ import annotations

import os
from typing import NamedTuple

from cudadoctor.attribution.profile.trace import Trace
from cudadoctor.facts.profile import RecordCount, Tracer
from cudadoctor.gpu.cupti import ask
from cudadoctor.gpu.cupti.binding import LAST
from cudadoctor.profile.decode import decode, taken_over
from cudadoctor.profile.runs import Ran
from cudadoctor.profile.told import Told

_TAKEN = "the program took the trace records itself, as torch.profiler does; profile it without its own profiler"
_HELD_BY_ANOTHER = "(39)"


class Reading(NamedTuple):
    """The trace that is to be explained, None if there is none, and what the tracer came to."""

    trace: Trace | None
    tracer: Tracer
    notes: tuple[str, ...] = ()


class _Process(NamedTuple):
    told: Told
    trace: Trace
    counts: dict[str, int]

    @property
    def device_ns(self) -> int:
        return int((self.trace.ops["end"] - self.trace.ops["start"]).sum())

    @property
    def name(self) -> str:
        return f"{self.told.name or 'the first process'} (process {self.told.pid})"


def read_run(ran: Ran) -> Reading:
    """Decode what a traced run recorded; of several processes the one is explained that kept the GPU busy longest."""
    told = ran.told
    if told is None or told.begin is None:
        return Reading(None, Tracer(state="failed", reason=f"the traced process did not begin: {_last_words(ran)}"))
    found = [
        _Process(pool.told, *decode(pool.memory, pool.layout, ran.cpu, ran.reads, ran.ended))
        for pool in (ran.pool, *ran.others)
        if pool.told is not None and pool.told.begin is not None and pool.told.tracer is not None
    ]
    if not found or told.tracer is None:
        holder = os.environ.get("CUDA_INJECTION64_PATH", "") if _HELD_BY_ANOTHER in told.refusal else ""
        return Reading(None, Tracer(state="refused", reason=told.refusal, holder=holder))
    busiest = max(found, key=lambda each: each.device_ns)
    tracer = _tracer(busiest)
    if taken_over(busiest.told, busiest.trace, busiest.counts):
        return Reading(None, Tracer(state="failed", library=tracer.library, version=tracer.version, reason=_TAKEN))
    notes = [*busiest.told.notes]
    if busiest.told is not told:
        notes.append(f"what is explained is {busiest.name}, which kept the GPU busy longest")
    others = [each.name for each in found if each is not busiest and each.device_ns]
    if others:
        notes.append(f"also traced, and not explained: {', '.join(others)}")
    return Reading(busiest.trace, tracer, tuple(notes))


def _tracer(process: _Process) -> Tracer:
    about = process.told.tracer
    assert about is not None
    toolkit = ask.toolkit_of(about["version"])
    until = process.trace.complete_until
    return Tracer(
        state="traced",
        library=about["path"],
        version=".".join(map(str, toolkit)) if toolkit else str(about["version"]),
        records=tuple(RecordCount(kind=kind, count=n) for kind, n in process.counts.items() if kind not in LAST),
        dropped=process.trace.dropped,
        full_at_s=None if until is None else until / 1e9,
    )


def _last_words(ran: Ran) -> str:
    if ran.last_words:
        return ran.last_words.splitlines()[-1]
    return ran.signal or f"exit code {ran.exit_code}"
