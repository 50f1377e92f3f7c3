"""The timeline as lines of letters: one for each device, one for the host. ASCII, so that it survives any terminal."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.timeline import Excerpt, StripRow, Timeline
from cudadoctor.report.profile.words import seconds

_LABEL = 8
_MOST_DEVICES = 4
_BUSY, _SOME, _LITTLE = 0.5, 0.05, 0.005
_LETTERS = {
    "launching": "L",
    "copying": "C",
    "synchronizing": "S",
    "allocating": "A",
    "compiling and loading": "M",
    "context": "X",
    "other calls": "O",
    "Python": "P",
    "waiting": "W",
    "reading files": "R",
    "importing": "I",
    "host": "?",
}
_MEANS = {"?": "not known", "M": "compiling, loading", "X": "making the context", "O": "other calls"}
_COPIES = ("to device", "to host", "on device", "between devices", "on host", "set")


def timeline_lines(timeline: Timeline, width: int) -> list[str]:
    """Return the whole run, and some steps, each as a line a device and one for the host."""
    columns = max(20, width - _LABEL - 2)
    strip = timeline.strip
    whole = max((len(row.shares) for row in strip.rows), default=0) * strip.bucket_s
    if whole <= 0:
        return []
    lines = [f"the whole run: {seconds(whole)}, {seconds(whole / columns)} a letter"]
    drawn = _rows(strip.rows, columns)
    lines += _drawn(drawn)
    excerpt = timeline.excerpt
    if excerpt is not None and excerpt.spans:
        lines.append(f"{excerpt_words(excerpt)}, {seconds(excerpt.length_us / 1e6 / columns)} a letter")
        steps = _rows(excerpt_rows(excerpt, columns), columns)
        lines += _drawn(steps)
        drawn = [*drawn, *steps]
    legend = _legend({letter for _, letters in drawn for letter in letters}, width)
    return [*(line[:width] for line in lines), *legend]


def excerpt_words(excerpt: Excerpt) -> str:
    """Return what an excerpt shows."""
    length = seconds(excerpt.length_us / 1e6)
    at = f"{excerpt.start_s:.3f} s after the start"
    if excerpt.steps is None:
        return f"{length} from the middle, {at}"
    if excerpt.steps < 1:
        return f"{excerpt.steps:.2g} of a step: {length}, {at}"
    return f"{excerpt.steps:g} step{'' if excerpt.steps == 1 else 's'}: {length}, {at}"


def excerpt_rows(excerpt: Excerpt, buckets: int) -> list[StripRow]:
    """Return the spans as shares of buckets; of the host, those of the first thread."""
    sums: dict[tuple[int | None, str], list[float]] = {}
    each = excerpt.length_us / buckets
    if not each > 0:
        return []
    threads = [place for place, lane in enumerate(excerpt.lanes) if lane.kind == "thread"]
    for lane in excerpt.lanes:
        if lane.kind == "stream":
            sums.setdefault((lane.device, "kernels"), [0.0] * buckets)
    for span in excerpt.spans:
        if not 0 <= span.lane < len(excerpt.lanes):
            continue  # a file that was changed
        lane = excerpt.lanes[span.lane]
        if lane.kind == "thread" and span.lane != threads[0]:
            continue
        name = span.kind if lane.kind == "thread" else "copies" if span.kind in _COPIES else "kernels"
        row = sums.setdefault((lane.device, name), [0.0] * buckets)
        first, last = (min(buckets - 1, max(0, int(at / each))) for at in (span.start_us, span.end_us))
        for place in range(first, last + 1):
            inside = min(span.end_us, (place + 1) * each) - max(span.start_us, place * each)
            row[place] += max(0.0, inside) / each * span.filled
    return [
        StripRow(name=name, device=device, shares=tuple(min(1.0, share) for share in row))
        for (device, name), row in sums.items()
    ]


def _rows(rows: Sequence[StripRow], columns: int) -> list[tuple[str, str]]:
    """Return each line's label and letters."""
    devices = sorted({row.device for row in rows if row.device is not None})
    made = []
    for device in devices[:_MOST_DEVICES]:
        shares = {row.name: _resampled(row.shares, columns) for row in rows if row.device == device}
        nothing = [0.0] * columns
        pairs = zip(shares.get("kernels", nothing), shares.get("copies", nothing), strict=True)
        made.append((f"GPU {device}", "".join(_device_letter(kernels, copies) for kernels, copies in pairs)))
    host = {row.name: _resampled(row.shares, columns) for row in rows if row.device is None}
    letters = []
    for place in range(columns):
        name = max(host, key=lambda name: host[name][place], default="")
        letters.append(_LETTERS.get(name, "O") if name and host[name][place] >= _SOME else ".")
    made.append(("host", "".join(letters)))
    return made


def _device_letter(kernels: float, copies: float) -> str:
    busy = kernels + copies
    if busy < _LITTLE:
        return "."
    letter = "k" if kernels >= copies else "c"
    return letter.upper() if busy >= _BUSY else letter


def _resampled(shares: Sequence[float], columns: int) -> list[float]:
    """Return the mean of the shares in each of that many equal columns."""
    each = len(shares) / columns
    made = []
    for column in range(columns):
        low, high = column * each, (column + 1) * each
        total, place = 0.0, int(low)
        while place < high and place < len(shares):
            total += shares[place] * (min(high, place + 1) - max(low, place))
            place += 1
        made.append(total / each if each > 0 else 0.0)
    return made


def _drawn(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {label:{_LABEL}.{_LABEL}}{letters}" for label, letters in rows]


def _legend(letters: set[str], width: int) -> list[str]:
    told: list[str] = []
    if letters & set("Kk"):
        told.append("K kernels")
    if letters & set("Cc"):
        told.append("C copies")
    if letters & set("kc"):
        told.append("small: busy for less than half")
    for name, letter in _LETTERS.items():
        if letter in letters and letter != "C":
            told.append(f"{letter} {_MEANS.get(letter, name)}")
    if "." in letters:
        told.append(". nothing, or between calls")
    lines: list[str] = []
    for each in told:
        if lines and len(lines[-1]) + len(each) + 2 <= width:
            lines[-1] += f"; {each}"
        else:
            lines.append(f"  {each}")
    return lines
