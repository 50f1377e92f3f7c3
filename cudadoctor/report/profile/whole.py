"""All parts of a profile, in the order in which they are read. What was not measured leaves no trace."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.base import Missing
from cudadoctor.facts.profile import Analysis, Profile
from cudadoctor.report.bandwidth.names import apart, wrapped
from cudadoctor.report.profile import rows
from cudadoctor.report.profile.ran import other_notes, probe_sentence, ran_rows
from cudadoctor.report.profile.rows import Listed
from cudadoctor.report.profile.strip import timeline_lines
from cudadoctor.report.profile.table import table_lines
from cudadoctor.report.profile.where import where_lines
from cudadoctor.report.race.surroundings import clock_lines

_KERNELS, _COPIES, _CALLS, _LINES = 8, 8, 6, 6


def profile_lines(profile: Profile | Missing, width: int = 80) -> list[str]:
    """Return a profile as lines of at most that width, or no lines if there is none."""
    if isinstance(profile, Missing):
        return []
    blocks = [[line for name, text in ran_rows(profile) for line in _named(name, text, width)]]
    analysis = profile.analysis if profile.analysis is not None and profile.analysis.used_gpu else None
    if analysis is not None:
        blocks += [where_lines(analysis, width), _what_ifs(analysis, width)]
    if profile.timeline is not None and (profile.analysis is None or analysis is not None):
        blocks.append(timeline_lines(profile.timeline, width))
    if analysis is not None:
        blocks.append(_listed(rows.lines(analysis, _LINES), width))
        blocks.append(_listed(rows.kernels(analysis, _KERNELS), width))
        blocks.append(_listed(rows.copies(analysis, _COPIES), width))
        blocks.append(_listed(rows.calls(analysis, _CALLS), width))
    if profile.probes:
        blocks.append(["probed", *_sentences([probe_sentence(probe) for probe in profile.probes], width)])
    blocks.append(clock_lines(profile, width) if profile.readings else [])
    notes = other_notes(profile)
    blocks.append(["notes", *_sentences(notes, width)] if notes else [])
    return apart(blocks)


def _named(name: str, text: str, width: int) -> list[str]:
    lines = wrapped(text, width - 10)
    return [f"{name if place == 0 else '':10}{line}" for place, line in enumerate(lines)]


def _listed(table: Listed, width: int) -> list[str]:
    if not table.rows:
        return []
    lines = table_lines(table.title, table.heads, table.rows, width)
    return [*lines, *(wrapped(table.left_out, width, "  ") if table.left_out else [])]


def _what_ifs(analysis: Analysis, width: int) -> list[str]:
    lines = _listed(rows.what_ifs(analysis), width)
    return [*lines, *_sentences(rows.what_if_notes(analysis), width)] if lines else []


def _sentences(texts: Sequence[str], width: int) -> list[str]:
    return [
        f"  {line}" if place == 0 else f"    {line}"
        for text in texts
        for place, line in enumerate(wrapped(text, width - 4))
    ]
