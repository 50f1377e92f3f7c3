"""A bandwidth measurement as a part of the page: copies, curves over size, latencies, between GPUs, the link."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, CurvePoint, ExpectedLink, Latency, PeerResult
from cudadoctor.facts.bandwidth import SizeCurve as Measured
from cudadoctor.findings import BandwidthComparison
from cudadoctor.report.bandwidth.comparison import MARKED, change_cells, figure_name, group_title
from cudadoctor.report.bandwidth.curves import fit_sentences
from cudadoctor.report.bandwidth.link import link_sentences
from cudadoctor.report.bandwidth.names import duration, extremes, kind, shown
from cudadoctor.report.bandwidth.side_by_side import Pair, numa_heads, numa_pairs, together_pairs
from cudadoctor.report.bandwidth.table import ON_THE_LINK, grouped, how_sentences
from cudadoctor.report.bandwidth.whole import left_out
from cudadoctor.report.html.charts import Bar, Reference, Scale, Series, bars_with_intervals, curve
from cudadoctor.report.html.parts import Cell, Figure, Part, Row, Table, charts, group, numbers
from cudadoctor.units import format_size

_RATE = Scale(label="GB/s", show=lambda value: f"{value:.3g}")
RATES = Scale(
    label="GB/s",
    show=lambda value: f"{value:.2f}" if value < 1000 else f"{value:.0f}",
    tick=lambda value: f"{value:g}",
)
"""Of bars that each have their figure beside them."""

_FAR = 50
"""Where the longest latency is more than that many times the shortest, bars from zero would not show the short ones."""
_SIZE = Scale(label="size of one copy", show=lambda value: format_size(round(value)), log=True, base=2)
_MODEL_POINTS = 60


def bandwidth_parts(bandwidth: Bandwidth, comparison: BandwidthComparison | None = None) -> list[Part]:
    """Return the measurement, and before it what changed since another one, where one was asked for."""
    figures = [
        *_copies(bandwidth),
        *_curves(bandwidth.curves),
        *_latencies(bandwidth.latencies),
        *_peers(bandwidth.peers),
        *_together(bandwidth),
        *_numa(bandwidth),
        *_left_out(bandwidth),
    ]
    where = f"{bandwidth.device_name}, GPU {bandwidth.device}, {bandwidth.pci_address}."
    lead = (where, *(_closed(text) for text in link_sentences(bandwidth)))
    parts = [Part(title="Bandwidth", lead=lead, figures=tuple(figures))]
    return parts if comparison is None else [_comparison(comparison), *parts]


def _copies(bandwidth: Bandwidth) -> list[Figure]:
    results = shown(bandwidth.results)
    if not results:
        return []
    link = bandwidth.expected.gb_per_s if isinstance(bandwidth.expected, ExpectedLink) else 0.0
    references = [Reference(link, f"line rate {link:.1f} GB/s")] if link > 0 else []
    # Copies within the device are a hundred times as fast: beside them, those on the link would all look alike.
    across = [result for result in results if result.key.startswith(ON_THE_LINK)]
    within = [result for result in results if result not in across]
    drawn = charts(
        bars_with_intervals(
            "Copies between host and device", _bars(across, bandwidth.device), RATES, references=references
        ),
        bars_with_intervals("Copies within the device", _bars(within, bandwidth.device), RATES),
    )
    heads = ("copy", "moved by", "size", "GB/s", "lowest", "highest", "of link")
    rows: list[Row | Sequence[str]] = []
    for title, members in grouped(results):
        rows.append(group(title.capitalize(), len(heads)))
        rows += [_copy_row(result, link, bandwidth.device) for result in members]
    table = numbers("Copies", heads, rows, texts=2)
    return [Figure(title="Copies", charts=drawn, notes=tuple(map(_closed, how_sentences(results))), tables=(table,))]


def _bars(results: Sequence[BandwidthResult], device: int) -> list[Bar]:
    return [
        Bar(
            label=_label(result, device),
            value=result.gb_per_s,
            interval=extremes(result.samples_gb_per_s, result.gb_per_s),
            style=1 if "d2h" in result.key else 0,
        )
        for result in results
    ]


def _label(result: BandwidthResult, device: int) -> str:
    by_numba = "numba's " if result.key.startswith("numba_") else ""
    return by_numba + _name(result, device) + (", by a kernel" if _by_kernel(result) else "")


def _by_kernel(result: BandwidthResult) -> bool:
    return result.mover == "kernel" and "kernel" not in kind(result.key)


def _name(result: BandwidthResult, device: int) -> str:
    return kind(result.key) if result.device == device else f"{kind(result.key)}, GPU {result.device}"


def _copy_row(result: BandwidthResult, link: float, device: int) -> tuple[str, ...]:
    low, high = extremes(result.samples_gb_per_s, result.gb_per_s)
    on_link = link > 0 and result.key.startswith(ON_THE_LINK)
    share = f"{100 * result.gb_per_s / link:.0f} %" if on_link else "-"
    rates = (f"{rate:.2f}" for rate in (result.gb_per_s, low, high))
    return (_name(result, device), result.mover, format_size(result.size_bytes), *rates, share)


def _curves(curves: Sequence[Measured]) -> list[Figure]:
    found = [each for each in curves if each.points]
    if not found:
        return []
    rate = [Series(name=kind(each.key), points=_points(each, rates=True)) for each in found]
    time = [
        Series(name=kind(each.key), points=_points(each), intervals=_intervals(each), model=_model(each))
        for each in found
    ]
    seconds = Scale(label="time of one copy", show=duration, log=True)
    drawn = charts(
        curve("Rate over size", rate, _SIZE, _RATE),
        curve("Time over size, with the fit t0 + n/B", time, _SIZE, seconds),
    )
    heads = ["size", *(f"{kind(each.key)}: {what}" for each in found for what in ("time", "GB/s"))]
    by_size: list[dict[int, CurvePoint]] = [{point.size_bytes: point for point in each.points} for each in found]
    rows = []
    for size in sorted({size for points in by_size for size in points}):
        cells = [format_size(size)]
        for points in by_size:
            point = points.get(size)
            cells += ("-", "-") if point is None else (duration(point.seconds), f"{_gb_per_s(point):.3g}")
        rows.append(cells)
    notes = tuple(fit_sentences(each) for each in found)
    return [Figure(title="One copy of each size", charts=drawn, notes=notes, tables=(numbers("Sizes", heads, rows),))]


def _gb_per_s(point: CurvePoint) -> float:
    return point.size_bytes / point.seconds / 1e9 if point.seconds > 0 else 0.0


def _points(measured: Measured, *, rates: bool = False) -> tuple[tuple[float, float | None], ...]:
    points = sorted(measured.points, key=lambda point: point.size_bytes)
    return tuple((float(point.size_bytes), _gb_per_s(point) if rates else point.seconds) for point in points)


def _intervals(measured: Measured) -> tuple[tuple[float, float] | None, ...]:
    points = sorted(measured.points, key=lambda point: point.size_bytes)
    return tuple(extremes(point.samples_seconds, point.seconds) for point in points)


def _model(measured: Measured) -> tuple[tuple[float, float], ...]:
    """Return the fit as points, over the sizes that were measured."""
    fit = measured.fit
    sizes = [point.size_bytes for point in measured.points if point.size_bytes > 0]
    if fit is None or fit.gb_per_s <= 0 or not sizes:
        return ()
    low, high = min(sizes), max(sizes)
    steps = [low * (high / low) ** (place / _MODEL_POINTS) for place in range(_MODEL_POINTS + 1)]
    return tuple((size, fit.overhead_s + size / (fit.gb_per_s * 1e9)) for size in steps)


def _latencies(latencies: Sequence[Latency]) -> list[Figure]:
    if not latencies:
        return []
    spreads = [(each, *extremes(each.samples_seconds, each.seconds)) for each in latencies]
    bars = [Bar(label=kind(each.key), value=each.seconds, interval=(low, high)) for each, low, high in spreads]
    far = max(high for _, _, high in spreads) > _FAR * min(each.seconds for each in latencies)
    chart = bars_with_intervals("Latencies", bars, Scale(label="time", show=duration, log=far))
    rows = [(kind(each.key), duration(each.seconds), duration(low), duration(high)) for each, low, high in spreads]
    table = numbers("Latencies", ("what", "median", "lowest", "highest"), rows)
    return [Figure(title="Latencies", charts=charts(chart), tables=(table,))]


def _peers(peers: Sequence[PeerResult]) -> list[Figure]:
    verified = [peer for peer in peers if peer.verified]
    tables: list[Table] = []
    for key, access in dict.fromkeys((peer.key, peer.access) for peer in verified):
        rates = {
            (peer.source, peer.target): peer.gb_per_s for peer in verified if (peer.key, peer.access) == (key, access)
        }
        gpus = sorted({gpu for pair in rates for gpu in pair})
        rows = []
        for source in gpus:
            found = (rates.get((source, target)) for target in gpus)
            rows.append((f"GPU {source}", *("-" if rate is None else f"{rate:.2f}" for rate in found)))
        caption = f"{kind(key)}, peer access {'on' if access else 'off'}"
        tables.append(numbers(caption, ("from, to", *(f"GPU {gpu}" for gpu in gpus)), rows))
    note = "GB/s, from the GPU of the row to the GPU of the column."
    return [Figure(title="Between GPUs", notes=(note,), tables=tuple(tables))] if tables else []


def _together(bandwidth: Bandwidth) -> list[Figure]:
    heads = ("copy", "alone", "at once", "kept")
    rows: list[Row | Sequence[str]] = []
    for key, pairs in together_pairs(bandwidth).items():
        rows += [group(kind(key), len(heads)), *(_pair(pair) for pair in pairs)]
    return [Figure(title="All GPUs at once", tables=(numbers("GB/s", heads, rows),))] if rows else []


def _numa(bandwidth: Bandwidth) -> list[Figure]:
    rows = [_pair(pair) for pair in numa_pairs(bandwidth)]
    table = numbers("GB/s", ("copy", *numa_heads(bandwidth), "kept"), rows)
    return [Figure(title="NUMA node of the memory", tables=(table,))] if rows else []


def _pair(pair: Pair) -> tuple[str, ...]:
    name, first, second = pair
    kept = f"{100 * second / first:.0f} %" if first and second is not None else "-"
    return (name, *("-" if rate is None else f"{rate:.2f}" for rate in (first, second)), kept)


def _left_out(bandwidth: Bandwidth) -> list[Figure]:
    rows = [("; ".join(names), reason) for reason, names in left_out(bandwidth).items()]
    return (
        [Figure(title="Not reported", tables=(numbers("Not reported", ("what", "why"), rows, texts=2),))]
        if rows
        else []
    )


def _comparison(comparison: BandwidthComparison) -> Part:
    heads = ("figure", "now", "then", "change", "")
    rows: list[Row | Sequence[str]] = []
    title, notes = "", []
    for change in comparison.changes:
        if change.group != title:
            title = change.group
            rows.append(group(group_title(title).capitalize(), len(heads)))
        *figures, mark = change_cells(change)
        state = {"slower": "warning", "faster": "ok"}.get(mark, "")
        name = figure_name(change.group, change.key)
        rows.append(Row((*(Cell(text) for text in (name, *figures)), Cell(mark, state=state))))
        notes += [f"{name}: {change.note}."] if change.note else []
    for word, names in (("now", comparison.only_now), ("then", comparison.only_then)):
        notes += [f"Measured only {word}: {'; '.join(names)}."] if names else []
    notes += [MARKED] if any(change.marked for change in comparison.changes) else []
    figure = Figure(title="", notes=tuple(notes), tables=(numbers("Now and then", heads, rows, folds=False),))
    lead = tuple(_closed(note) for note in comparison.notes)
    return Part(title=f"Compared with {comparison.file}", lead=lead, figures=(figure,) if rows else ())


def _closed(text: str) -> str:
    """Return a phrase as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
