"""Why a user's program is slow: from the records of one traced run to parts, what-ifs and causes. Pure functions.

* `trace`: the records, as `profile/` decodes them. `model` ties them together: calls to operations, waits to what they
  wait for. `host`: what a thread did between its calls. `steps`: what repeats.
* `decomposition`: parts that sum to the wall time. `replay`: play it again; `edits`: without a cause.
* `patterns`, `kernels`, `once`: what slow programs look like; `what_ifs`: what each costs, and in which order.
* `causes`: which clear the thresholds, from the facts alone, so that a saved profile is judged as a live one is.

Only `causes` can be imported without numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cudadoctor.attribution.profile.trace import Control, Peaks, Trace
    from cudadoctor.facts.profile import Analysis


def analyse(trace: Trace, control: Control, peaks: Peaks) -> Analysis:
    """Return what a trace says; see `analysis.analyse`."""
    from cudadoctor.attribution.profile.analysis import analyse as made

    return made(trace, control, peaks)
