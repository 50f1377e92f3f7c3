"""Profiles of programs, as facts: healthy ones, and ones that a cause slows down."""

from __future__ import annotations

from cudadoctor.facts.profile import (
    Analysis,
    Breakdown,
    LineRow,
    Part,
    Profile,
    Program,
    Replayed,
    Sign,
    Steps,
    Tracer,
    WhatIf,
)

PROFILED = (
    "program-not-traced",
    "compile-every-step",
    "transfer-bound",
    "dataloader-bound",
    "storage-bound",
    "uncoalesced-access",
    "fp64-on-consumer-gpu",
)
"""Rules that need a profile; the others that judge one judge a race, too."""

REPLAYED = Replayed(replayed_s=1.01, control_s=1.0, error=0.01)


def what_if(cause: str, saved: float = 4.0, now: float = 10.0, **told: object) -> WhatIf:
    """Return what a step of 10 ms saves without a cause."""
    given = {
        "scope": "step",
        "assumes": "it is gone",
        "predicted_ms": now - saved,
        "low_ms": saved * 0.95,
        "high_ms": saved * 1.05,
        "run_saved_s": saved * 0.1,
        "further_ms": saved,
        "seen": (Sign(name="what was seen", value=3.0, source="trace"),),
    }
    return WhatIf(cause=cause, now_ms=now, saved_ms=saved, **{**given, **told})  # type: ignore[arg-type]


def steady(kernels: float = 9.0, wall: float = 10.0, residual: float = 0.0) -> Breakdown:
    """Return where a step goes: kernels, and else launching."""
    parts = (
        Part(kind="kernels", name="k", ms=kernels),
        Part(kind="idle", name="launching", ms=wall - kernels - residual),
    )
    return Breakdown(window="steady", device=0, wall_ms=wall, parts=parts, residual_ms=residual)


def analysis(*what_ifs: WhatIf, **told: object) -> Analysis:
    """Return an analysis with these predictions."""
    given = {
        "steps": Steps(found_by="repetition", count=100, median_ms=10.0),
        "dilation": 1.02,
        "steady": (steady(),),
        "replay": REPLAYED,
        "what_ifs": what_ifs,
        "lines": (
            LineRow(file="/home/me/train.py", line=12, function="load", doing="sleeping", samples=90, share=0.9,
                    idle_share=0.9),
        ),
    }  # fmt: skip
    return Analysis(**{**given, **told})  # type: ignore[arg-type]


def profile(*what_ifs: WhatIf, **told: object) -> Profile:
    """Return a profile; without predictions that of a healthy program."""
    given = {
        "program": Program(script="train.py"),
        "tracer": Tracer(state="traced"),
        "analysis": analysis(*what_ifs),
    }
    return Profile(**{**given, **told})  # type: ignore[arg-type]
