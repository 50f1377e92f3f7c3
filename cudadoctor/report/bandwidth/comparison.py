"""A measurement beside a saved one: what changed, by how many percent, and whether two runs differ by as much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, ExpectedLink
from cudadoctor.findings import BandwidthComparison, Change
from cudadoctor.report.bandwidth.names import LABEL, duration, extremes, kind, row, shown, wrapped
from cudadoctor.report.identifiers import without_identifiers
from cudadoctor.text import printable
from cudadoctor.units import format_size

# Samples of one run lie closer together than two runs do: below this nothing is marked, however close they lie. Three
# runs of one H100 within two minutes differed by 2 % (4 % where a kernel copied), with both directions at once by 10 %,
# and by 27 % where the host copies page by page; runs on other days by 4 % (docs/measurements.md).
_LEAST_PERCENT = 5.0
_BOTH_WAYS_PERCENT = 12.0
_PAGED_PERCENT = 30.0
_PAGED = ("pageable", "managed", "numba_h2d", "numba_d2h")
MARKED = (
    "Marked is what lies apart from the other run: no sample (of a fit, the 95 % interval) between them, and "
    f"{_LEAST_PERCENT:.0f} % or more; {_BOTH_WAYS_PERCENT:.0f} % for both directions at once, and "
    f"{_PAGED_PERCENT:.0f} % where the host copies pages: so much do two runs of one machine differ."
)
_TITLES = {
    "results": "copies",
    "curves": "fit over sizes",
    "latencies": "latencies",
    "peers": "between GPUs",
    "alone": "each GPU alone",
    "together": "all GPUs at once",
    "near": "memory on the near NUMA node",
    "far": "memory on a far NUMA node",
}


class _Figure(msgspec.Struct, frozen=True):
    value: float
    interval: tuple[float, float]
    unit: Literal["GB/s", "s"]
    size_bytes: int | None = None


def compare(now: Bandwidth, then: Bandwidth, file: str) -> BandwidthComparison:
    """Compare two measurements figure by figure.

    Args:
        now: The measurement of this report.
        then: The saved one.
        file: What the user called it.
    """
    here, there = dict(_figures(now)), dict(_figures(then))
    both = [place for place in here if place in there]
    return BandwidthComparison(
        file=file,
        device_name=then.device_name,
        same_model=now.device_name == then.device_name,
        changes=tuple(_change(place, here[place], there[place]) for place in both),
        only_now=tuple(figure_name(*place) for place in here if place not in there),
        only_then=tuple(figure_name(*place) for place in there if place not in here),
        notes=tuple(_notes(now, then)),
    )


def _figures(run: Bandwidth) -> Iterator[tuple[tuple[str, str], _Figure]]:
    """Yield all figures of a run, each with its group and its key there."""
    # Those of other GPUs stand in `alone`: which GPU was asked for is the user's choice.
    for result in shown(run.results):
        if result.device == run.device:
            yield ("results", _by(result)), _speed(result)
    for curve in run.curves:
        if curve.fit is not None:
            fit = curve.fit
            yield ("curves", f"{curve.key} overhead"), _Figure(fit.overhead_s, fit.overhead_interval_s, "s")
            yield ("curves", f"{curve.key} rate"), _Figure(fit.gb_per_s, fit.gb_per_s_interval, "GB/s")
    for latency in run.latencies:
        interval = extremes(latency.samples_seconds, latency.seconds)
        yield ("latencies", latency.key), _Figure(latency.seconds, interval, "s")
    for peer in run.peers:
        if peer.verified:
            access = "on" if peer.access else "off"
            interval = extremes(peer.samples_gb_per_s, peer.gb_per_s)
            figure = _Figure(peer.gb_per_s, interval, "GB/s", peer.size_bytes)
            yield ("peers", f"{peer.key} {peer.source} {peer.target} {access}"), figure
    for group, results in (("alone", run.alone), ("together", run.together)):
        for result in shown(results):
            yield (group, f"{_by(result)} {result.device}"), _speed(result)
    for group, results in (("near", run.near), ("far", run.far)):
        for result in shown(results):
            yield (group, _by(result)), _speed(result)


def _by(result: BandwidthResult) -> str:
    return result.key if result.mover == "copy engine" else f"{result.key} kernel"


def _speed(result: BandwidthResult) -> _Figure:
    return _Figure(result.gb_per_s, extremes(result.samples_gb_per_s, result.gb_per_s), "GB/s", result.size_bytes)


def _change(place: tuple[str, str], now: _Figure, then: _Figure) -> Change:
    percent = 100 * (now.value / then.value - 1) if then.value > 0 else None
    apart = max(now.interval[0], then.interval[0]) > min(now.interval[1], then.interval[1])
    sizes = [size for size in (now.size_bytes, then.size_bytes) if size is not None]
    note = f"copies of {format_size(sizes[0])} now, of {format_size(sizes[1])} then" if len(set(sizes)) == 2 else ""
    return Change(
        group=place[0],
        key=place[1],
        unit=now.unit,
        now=now.value,
        now_interval=now.interval,
        then=then.value,
        then_interval=then.interval,
        change_percent=percent,
        marked=apart and percent is not None and abs(percent) >= _least_percent(place[1]),
        note=note,
    )


def _least_percent(key: str) -> float:
    """Return by how much two runs of one machine differ in this figure."""
    if "bidirectional" in key:
        return _BOTH_WAYS_PERCENT
    return _PAGED_PERCENT if any(word in key for word in _PAGED) and "pinned" not in key else _LEAST_PERCENT


def _notes(now: Bandwidth, then: Bandwidth) -> Iterator[str]:
    if now.device_name != then.device_name:
        yield f"another model of GPU: {now.device_name} now, {then.device_name} then"
    elif without_identifiers(now.device_uuid) != without_identifiers(then.device_uuid):  # saved files hold stand-ins
        yield "another GPU of the same model"
    links = [
        f"Gen{run.expected.generation} x{run.expected.width}" if isinstance(run.expected, ExpectedLink) else "unknown"
        for run in (now, then)
    ]
    if links[0] != links[1]:
        yield f"another narrowest hop: {links[0]} now, {links[1]} then"


def figure_name(group: str, key: str) -> str:
    """Return what a figure is called in its group."""
    first, _, rest = key.partition(" ")
    words = rest.split()
    if group == "peers" and len(words) == 3:
        verb = "read" if first == "p2p_read" else "written"
        return f"GPU {words[0]} to {words[1]}, {verb}, access {words[2]}"
    if group in ("alone", "together") and words:
        moved = ", kernel" if words[0] == "kernel" else ""
        return f"GPU {words[-1]}, {kind(first)}{moved}"
    return f"{kind(first)}, {rest}" if rest else kind(first)


def comparison_lines(comparison: BandwidthComparison, width: int = 80) -> list[str]:
    """Return the figures of both runs, their change, and a word where samples do not explain it."""
    lines = wrapped(f"COMPARED WITH {comparison.file}", width)
    lines += [line for note in comparison.notes for line in wrapped(f"Note: {note}", width)]
    group = ""
    for change in comparison.changes:
        if change.group != group:
            group = change.group
            lines.append(f"{group_title(group).upper():{LABEL}}{'now':>10}{'then':>10}{'change':>10}".rstrip())
        *figures, word = change_cells(change)
        mark = f"  {word}" if word else ""
        name = figure_name(change.group, change.key)
        wide = min(10, max(0, len(name) + 2 - LABEL))  # a long name takes its room from the first cell
        lines.append(
            row(name, *(f"{figure:>{10 - (wide if place == 0 else 0)}}" for place, figure in enumerate(figures)), mark)
        )
        lines += wrapped(change.note, width, indent="    ") if change.note else []
    for word, names in (("now", comparison.only_now), ("then", comparison.only_then)):
        lines += wrapped(f"Measured only {word}: {'; '.join(names)}", width) if names else []
    if any(change.marked for change in comparison.changes):
        lines += wrapped(MARKED, width)
    return lines


def group_title(group: str) -> str:
    """Return what a group of figures is called."""
    return _TITLES.get(group, group)


def change_cells(change: Change) -> tuple[str, str, str, str]:
    """Return now, then and the change as text, and `faster` or `slower` if it is marked."""
    mark = _mark(change) if change.marked else ""
    figures = (_written(change.now, change.unit), _written(change.then, change.unit))
    return (*figures, _percent(change.change_percent), mark)


def _written(value: float, unit: str) -> str:
    return f"{value:.2f}" if unit == "GB/s" else duration(value)


def _percent(percent: float | None) -> str:
    if percent is None:
        return "-"
    return "0.0 %" if abs(percent) < 0.05 else f"{percent:+.1f} %"


def _mark(change: Change) -> str:
    better = (change.now > change.then) == (change.unit == "GB/s")
    return "faster" if better else "slower"


def comparison_sentence(comparison: BandwidthComparison) -> str:
    """Return the answer: how many figures changed by more than two runs differ, and the one that lost most."""
    file = printable(comparison.file)
    model = "" if comparison.same_model else f" (of another model of GPU, {printable(comparison.device_name)})"
    if not comparison.changes:
        return f"{file}{model} holds no figure that was measured now too."
    marked = [change for change in comparison.changes if change.marked]
    count = len(comparison.changes)
    if not marked:
        figures = "the one figure that both have" if count == 1 else f"none of {count} figures"
        verb = "has not changed" if count == 1 else "has changed"
        return f"Compared with {file}{model}, {figures} {verb} by more than two runs of one machine differ."
    slower = [change for change in marked if _mark(change) == "slower"]
    worst = max(slower or marked, key=_factor)
    what = figure_name(worst.group, worst.key)
    if worst.group != "results":
        what = f"{group_title(worst.group)}, {what}"
    return (
        f"Compared with {file}{model}, {len(slower)} of {count} figures are slower and {len(marked) - len(slower)} "
        f"faster by more than two runs of one machine differ, most of all {what} ({_percent(worst.change_percent)})."
    )


def _factor(change: Change) -> float:
    """Return by what factor a figure changed, in whichever direction."""
    if change.now <= 0:
        return float("inf")
    return max(change.now / change.then, change.then / change.now)
