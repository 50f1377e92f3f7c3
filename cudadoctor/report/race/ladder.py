"""The ladder of rungs and the decomposition as tables of 80 columns."""

from __future__ import annotations

import itertools
import textwrap

from cudadoctor.attribution.statistics import has_effect, paired_difference
from cudadoctor.facts.explanation import Decomposition, Explanation, Part, Prediction, Rung
from cudadoctor.report.race.words import IDLE_WORDS, WIDTH, error, us, wrapped
from cudadoctor.text import printable

_KERNELS_SHOWN = 3
_NUMBERS = 53
"""Columns of a row of the ladder that hold numbers."""


def ladder_lines(explanation: Explanation) -> list[str]:
    """Return a row for each rung: what it removes, µs a minibatch, how many times faster, and what was predicted."""
    if not explanation.rungs:
        return []
    first = next((r for r in explanation.rungs if r.device.startswith("gpu") and r.median_us), None)
    lines = [
        "the ladder: each rung removes one cause (µs a minibatch, 95 % interval)",
        f"{'rung':5} {'µs':>8} {'interval':>15} {'factor':>6} {'predicted':>15}  without",
    ]
    lines += [line for rung in explanation.rungs for line in _row(rung, first, prediction_of(explanation, rung))]
    lines += wrapped(f"factor: times as fast as {first.id}. {how_good(explanation)}".strip()) if first else []
    for line in without_effect(explanation.rungs):
        lines += wrapped(line)
    if any(rung.changes_training for rung in explanation.rungs):
        lines.append("*: trains on other minibatches, so it learns something else.")
    ended: dict[str, list[str]] = {}
    for rung in explanation.rungs:
        if rung.state != "measured":
            why = f"{'failed' if rung.state == 'failed' else 'skipped'}: {rung.reason or 'no reason was given'}"
            ended.setdefault(why, []).append(rung.id)
    for why, ids in ended.items():
        lines += wrapped(f"{', '.join(ids)} {why}", hang="  ")
    return lines


def decomposition_lines(made: Decomposition) -> list[str]:
    """Return where a minibatch's wall time goes; the rows sum to the last."""
    kernels = [part for part in made.parts if part.kind == "kernels"]
    title = f"where a minibatch of {made.rung} ({made.lane}) goes"
    lines = [f"{printable(title):55.55} {'µs':>10} {'share':>8}"]
    if kernels:
        total = sum(part.us for part in kernels)
        lines.append(_part(f"the GPU computes ({len(kernels)} kinds of kernels)", total, made.wall_us))
        longest = sorted(kernels, key=lambda part: -part.us)[:_KERNELS_SHOWN]
        if len(kernels) > 1:
            told = ", ".join(f"{part.name} {us(part.us)}" for part in longest)
            lines += wrapped(f"longest: {told}", "    ")
    lines += [_part(_name(part), part.us, made.wall_us) for part in made.parts if part.kind != "kernels"]
    lines.append(_part("not explained", made.residual_us, made.wall_us))
    lines.append(_part("wall time, without any timer", made.wall_us, made.wall_us))
    lines += wrapped(
        f"Played again, the recorded calls take {us(made.replayed_us)} µs; the timers that recorded them made a "
        f"minibatch {made.dilation:.2f} times as long."
    )
    return lines


def _row(rung: Rung, first: Rung | None, prediction: Prediction | None) -> list[str]:
    interval = "" if rung.low_us is None or rung.high_us is None else f"{us(rung.low_us)} to {us(rung.high_us)}"
    factor = f"{first.median_us / rung.median_us:.2f}" if first and first.median_us and rung.median_us else ""
    if prediction is None:
        told = ""
    elif prediction.bound:
        told = f"at least {us(prediction.predicted_us)}"
    else:
        told = f"{us(prediction.predicted_us)} ± {error(prediction.error_us)}"
    shown = us(rung.median_us) if rung.state == "measured" else rung.state
    numbers = f"{printable(rung.id):5.5} {shown:>8} {interval:>15} {factor:>6} {told:>15}"
    what = f"{rung.removes or rung.lane}{'*' if rung.changes_training else ''}"
    words = textwrap.wrap(printable(what), WIDTH - _NUMBERS - 2) or [""]
    return [f"{numbers}  {words[0]}".rstrip(), *(f"{'':{_NUMBERS}}  {more}" for more in words[1:])]


def prediction_of(explanation: Explanation, rung: Rung) -> Prediction | None:
    """Return what was predicted for a rung, None if nothing was."""
    return next((each for each in explanation.predictions if each.to_rung == rung.id), None)


def how_good(explanation: Explanation) -> str:
    """Return how far off the predictions are, "" where none was measured."""
    if explanation.mean_absolute_error is None:
        return ""
    return f"The predictions are off by {100 * explanation.mean_absolute_error:.1f} % in the mean."


def without_effect(rungs: tuple[Rung, ...]) -> list[str]:
    """Name the steps of the ladder whose interval holds zero."""
    on_gpu = [rung for rung in rungs if rung.device.startswith("gpu") and rung.state == "measured"]
    steps = [pair for pair in itertools.pairwise(on_gpu) if not pair[1].changes_training]
    return [
        f"No effect was measured from {before.id} to {after.id}: the interval of the difference holds zero."
        for before, after in steps
        if len(before.samples_us) == len(after.samples_us) > 1
        and not has_effect(paired_difference(before.samples_us, after.samples_us))
    ]


def _name(part: Part) -> str:
    if part.kind == "copies":
        return f"the GPU copies ({part.name})"
    return f"the GPU waits while {IDLE_WORDS.get(part.name, part.name)}"


def _part(name: str, value: float, wall_us: float) -> str:
    share = f"{100 * value / wall_us:.1f} %" if wall_us > 0 else ""
    return f"  {printable(name):53.53} {value:10.1f} {share:>8}".rstrip()
