"""The timeline of a profiled run as charts: the whole run, and some steps of it."""

from __future__ import annotations

from cudadoctor.facts.timeline import Excerpt, Lane, Span, Strip, Timeline
from cudadoctor.report.html.charts import Paint, Scale, Stretch, Svg, Track, lanes
from cudadoctor.report.html.parts import Figure, charts
from cudadoctor.report.profile.strip import excerpt_words
from cudadoctor.report.profile.words import DIRECTIONS, seconds
from cudadoctor.text import printable
from cudadoctor.units import format_percent

_PAINTS = {
    "kernels": Paint("kernels", 0),
    "copies": Paint("copies", 1),
    "launching": Paint("launching", 2),
    "copying": Paint("calling copies", 1, True),
    "synchronizing": Paint("synchronizing", 5),
    "allocating": Paint("allocating", 4),
    "Python": Paint("Python", 3),
    "reading files": Paint("reading files", 3, True),
    "compiling and loading": Paint("compiling, loading", 6),
    "importing": Paint("importing", 6, True),
    "context": Paint("context", 4, True),
    "other calls": Paint("other calls", 7),
    "waiting": Paint("waiting", 7, True),
    "host": Paint("not known", 5, True),
}
_OTHER = Paint("other", 7)
_KERNELS = ("kernel", "graph")
_MOST_DEVICES = 8


def timeline_figures(timeline: Timeline | None) -> list[Figure]:
    """Return the charts; none where nothing was traced."""
    if timeline is None:
        return []
    excerpt = timeline.excerpt
    drawn = charts(_strip(timeline.strip), None if excerpt is None else _excerpt(excerpt))
    notes = ["The whole run: how much of each moment the GPU worked, and what the thread was at that issues the work."]
    until = timeline.strip.known_until_s
    if until is not None:
        notes.append(f"Nothing is drawn after {until:.2f} s: from there on records were lost.")
    if excerpt is not None:
        notes.append(
            f"In detail: {excerpt_words(excerpt)}. Between its calls a thread runs Python or waits. What is too close "
            "to be drawn apart is one, as high as it is filled."
        )
        if excerpt.lanes_left_out:
            notes.append(f"{excerpt.lanes_left_out} more threads or streams had something to do and are not drawn.")
    return [Figure(title="", charts=drawn, notes=tuple(notes))] if drawn else []


def _strip(strip: Strip) -> Svg | None:
    tracks, told = [], []
    devices = sorted({row.device for row in strip.rows if row.device is not None})
    for device in [*devices[:_MOST_DEVICES], None]:
        label = f"thread {strip.thread} of the host" if device is None else f"GPU {device}"
        rows = [row for row in strip.rows if row.device == device]
        order = list(_PAINTS)
        rows.sort(key=lambda row: order.index(row.name) if row.name in order else len(order))
        shares = tuple((_PAINTS.get(row.name, _OTHER), row.shares) for row in rows)
        tracks.append(Track(label=label, shares=shares, bucket=strip.bucket_s))
        means = (f"{row.name} {format_percent(sum(row.shares) / len(row.shares))}" for row in rows if row.shares)
        told.append(f"{label}: {', '.join(means) or 'nothing'}.")
    length = max((len(row.shares) for row in strip.rows), default=0) * strip.bucket_s
    scale = Scale(label="time since the program's first line", show=_seconds)
    return lanes("The whole run", tracks, length, scale, " ".join(told))


def _excerpt(excerpt: Excerpt) -> Svg | None:
    tracks, told = [], []
    several = len({lane.device for lane in excerpt.lanes if lane.device is not None}) > 1
    for place, lane in enumerate(excerpt.lanes):
        spans = [span for span in excerpt.spans if span.lane == place]
        label = _label(lane, several)
        tracks.append(Track(label=label, stretches=tuple(_stretch(span) for span in spans)))
        sums: dict[str, tuple[int, float]] = {}
        for span in spans:
            count, took = sums.get(span.kind, (0, 0.0))
            sums[span.kind] = count + span.count, took + (span.end_us - span.start_us) * span.filled
        told.append(
            f"{label}: {', '.join(f'{_kind(kind)} {_micro(took)} in {count}' for kind, (count, took) in sums.items())}."
        )
    title = "A part of a step" if excerpt.steps is not None and excerpt.steps < 1 else "In detail"
    if excerpt.steps is not None and excerpt.steps >= 1:
        title = f"{excerpt.steps:g} step{'' if excerpt.steps == 1 else 's'} in detail"
    scale = Scale(label=f"time from {excerpt.start_s:.3f} s on", show=_micro)
    return lanes(title, tracks, excerpt.length_us, scale, " ".join(told))


def _label(lane: Lane, several: bool) -> str:
    if lane.kind == "thread":
        return f"host thread {lane.number}{' (main)' if lane.main else ''}"
    return f"GPU {lane.device}, stream {lane.number}" if several else f"stream {lane.number}"


def _stretch(span: Span) -> Stretch:
    paint = _PAINTS["kernels" if span.kind in _KERNELS else "copies" if span.kind in DIRECTIONS else span.kind]
    many = f"{span.count} x " if span.count > 1 else ""
    name = f" {span.name}" if span.name else ""
    told = f"{many}{_kind(span.kind)}{name}: {_micro(span.end_us - span.start_us)}"
    return Stretch(start=span.start_us, end=span.end_us, paint=paint, told=printable(told), filled=span.filled)


def _kind(kind: str) -> str:
    return f"copy {DIRECTIONS[kind]}" if kind in DIRECTIONS and kind != "set" else DIRECTIONS.get(kind, kind)


def _seconds(value: float) -> str:
    return f"{value:g} s"


def _micro(value: float) -> str:
    return seconds(value / 1e6)
