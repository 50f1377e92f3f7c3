"""The answer to a bandwidth measurement, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing
from cudadoctor.findings import Finding, Severity, SkippedRule

_JUDGE = "bandwidth-below-link"


def bandwidth_sentence(bandwidth: Bandwidth, findings: Sequence[Finding], skipped: Sequence[SkippedRule] = ()) -> str:
    """Return the answer: whether the link carries what it should, or why that cannot be said.

    Args:
        bandwidth: What was measured.
        findings: What the rules found in it, worst first.
        skipped: The rules that could not be judged.
    """
    worst = findings[0] if findings else None
    if worst is not None and worst.severity is not Severity.NOTE:
        return f"{worst.title}."
    found = (bandwidth.result("h2d_pinned"), bandwidth.result("d2h_pinned"))
    copies = [result for result in found if result is not None and result.verified]
    speeds = " and ".join(
        f"{result.gb_per_s:.1f} GB/s {'to' if result.key.startswith('h2d') else 'from'} the device" for result in copies
    )
    if not speeds:
        return "No pinned copy could be reported, so the link is not judged."
    if isinstance(bandwidth.expected, Missing):
        return f"Pinned copies reach {speeds}; not judged, because {bandwidth.expected.reason}."
    if bandwidth.expected.gb_per_s <= 0:
        return f"Pinned copies reach {speeds}; not judged, because the line rate is not known."
    unjudged = next((skip for skip in skipped if skip.rule == _JUDGE), None)
    if unjudged is not None:
        return f"Pinned copies reach {speeds}; not judged: {unjudged.reason}."
    share = min(result.gb_per_s for result in copies) / bandwidth.expected.gb_per_s
    where = "" if len(copies) == len(found) else " in the one direction that was measured"
    return (
        f"The link carries what it should{where}: pinned copies reach {speeds}, "
        f"{100 * share:.0f} % or more of the {bandwidth.expected.gb_per_s:.1f} GB/s line rate of the narrowest hop."
    )
