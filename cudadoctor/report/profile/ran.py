"""What was run: the untraced runs, the traced one, and the steps that were found. In sentences."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.attribution.profile.causes import HIDDEN, ON_THE_PATH
from cudadoctor.facts.profile import Probe, Profile, Run, Steps
from cudadoctor.report.profile.where import untraced_step_ms
from cudadoctor.report.profile.words import ms, seconds, span
from cudadoctor.text import printable

_UNEVEN = 1.2


def ran_rows(profile: Profile) -> list[tuple[str, str]]:
    """Return what was run and what was found in it: name and sentence, row by row."""
    program = profile.program
    arguments = f", {program.arguments} argument{'' if program.arguments == 1 else 's'}" if program.arguments else ""
    python = f", Python {program.python_version}" if program.python_version else ""
    rows = [("program", f"{'-m ' if program.module else ''}{program.script}{arguments}{python}")]
    rows.append(("untraced", "; ".join(run_words(run) for run in profile.control) or "not run"))
    rows.append(("traced", _traced(profile)))
    if profile.analysis is not None and profile.analysis.used_gpu:
        steady = profile.analysis.steady
        mean = steady[0].own_ms / max(1, profile.analysis.steps.count) if steady else None
        if profile.analysis.replay is not None and profile.analysis.replay.host_time != 1:
            # The breakdown is of the traced run, the steps' median as untraced.
            mean = untraced_step_ms(profile.analysis)
        rows.append(("steps", steps_words(profile.analysis.steps, mean)))
        threads, streams = profile.analysis.threads, profile.analysis.streams
        if threads or streams:
            rows.append(("used", _used(threads, streams, profile.analysis.devices)))
        replay = profile.analysis.replay
        if replay is not None:
            rows.append(("replay", _replay(profile)))
    return rows


def run_words(run: Run) -> str:
    """Return how long a run took, and how it ended where that was not well."""
    told = seconds(run.wall_s)
    if run.signal:
        return f"{told}, ended by {run.signal}"
    if not run.complete:
        return f"{told}, cut off by the time limit"
    return told if run.exit_code in (0, None) else f"{told}, exit code {run.exit_code}"


def _traced(profile: Profile) -> str:
    tracer, run, analysis = profile.tracer, profile.traced, profile.analysis
    if tracer.state != "traced":
        reason = f", because {tracer.reason}" if tracer.reason else ""
        holder = f" (held by {tracer.holder})" if tracer.holder else ""
        watched = "" if run is None else f"; watched by NVML instead: {run_words(run)}"
        return f"{'failed' if tracer.state == 'failed' else 'no'}{reason}{holder}{watched}"
    told = "" if run is None else run_words(run)
    if analysis is not None and analysis.dilation is not None:
        steps = analysis.replay is not None and analysis.replay.compared == "steps"
        told += f", {'steps ' if steps else ''}{analysis.dilation:.2f} times as long as untraced"
    library = tracer.library.replace("\\", "/").rpartition("/")[2]
    records = sum(count.count for count in tracer.records)
    told += f"; {records:,} records by {library or 'CUPTI'}{f' of CUDA {tracer.version}' if tracer.version else ''}"
    told += f", {tracer.dropped:,} lost" if tracer.dropped else ""
    return told + (f", full after {seconds(tracer.full_at_s)}" if tracer.full_at_s is not None else "")


def steps_words(steps: Steps, mean_ms: float | None = None) -> str:
    """Return which steps were found, how long they take, and what the warm-up cost; the mean where steps differ."""
    if steps.found_by == "none":
        return "nothing repeats, so all from the first to the last GPU operation is one"
    how = f"marked by the NVTX range {steps.name}" if steps.found_by == "nvtx" else "found by repetition"
    told = f"{steps.count:,} steady, {how}"
    if steps.median_ms is not None:
        told += f", median {ms(steps.median_ms)}"
        if steps.low_ms is not None and steps.high_ms is not None:
            told += f" (95 %: {span(steps.low_ms, steps.high_ms)})"
    if mean_ms is not None and steps.median_ms is not None and mean_ms > _UNEVEN * steps.median_ms:
        told += f", mean {ms(mean_ms)}"
    if steps.operations:
        told += f", {steps.operations:,} GPU operation{'' if steps.operations == 1 else 's'} each"
    if steps.warm_up:
        more = f", which took {ms(steps.warm_up_ms)} more" if steps.warm_up_ms > 0 else ""
        told += f"; before them {steps.warm_up:,} of warm-up{more}"
    return told


def _used(threads: int, streams: int, devices: Sequence[int]) -> str:
    gpus = f", GPU{'s' if len(devices) > 1 else ''} {', '.join(map(str, devices))}" if devices else ""
    return (
        f"{threads} host thread{'' if threads == 1 else 's'} that called CUDA, "
        f"{streams} stream{'' if streams == 1 else 's'}{gpus}"
    )


def _replay(profile: Profile) -> str:
    replay = profile.analysis.replay if profile.analysis is not None else None
    if replay is None:
        return ""
    what = "steady steps " if replay.compared == "steps" else ""
    fast = "" if replay.host_time == 1 else f", the host as fast as untraced ({replay.host_time:.2f} of its time)"
    told = f"{what}played again without the tracer{fast}: {seconds(replay.replayed_s)}"
    if replay.control_s is not None and replay.error is not None:
        told += f", untraced {seconds(replay.control_s)}: {round(100 * replay.error, 1) + 0.0:+.1f} %"
    return told + (f"; no what-ifs, since {replay.why_no_what_if}" if replay.why_no_what_if else "")


def probe_sentence(probe: Probe) -> str:
    """Return what a delay in one class of calls did."""
    if probe.low > ON_THE_PATH:
        means = "these calls are on the critical path"
    elif probe.high < HIDDEN:
        means = "something else hides these calls"
    else:
        means = "that leaves it open whether they matter"
    return (
        f"{probe.calls}: {seconds(probe.added_us / 1e6)} more in each of {probe.count:,} calls made the run longer by "
        f"{probe.slope:.2f} of what was added (95 %: {probe.low:.2f} to {probe.high:.2f}); {means}"
    )


def other_notes(profile: Profile) -> list[str]:
    """Return what else is to be said of the profile."""
    told = list(profile.analysis.notes) if profile.analysis is not None else []
    told += profile.notes
    if profile.untraced_processes:
        names = ", ".join(map(printable, profile.untraced_processes[:5]))
        more = len(profile.untraced_processes) - 5
        told.append(f"not traced, though the program started them: {names}{f' and {more} more' if more > 0 else ''}")
    return list(dict.fromkeys(told))
