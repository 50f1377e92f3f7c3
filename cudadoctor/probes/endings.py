"""A step of the ladder, made of how the child process ended that was at it."""

from __future__ import annotations

from cudadoctor.facts.ladder import Step
from cudadoctor.gpu.worker import Ending


def cut_short(name: str, ending: Ending, limit_s: float, *, call: str) -> Step:
    """Return the step in which a child hung, died or failed.

    Args:
        name: Of the step.
        ending: How the child ended; it did not finish.
        limit_s: How long it was waited for.
        call: What to blame where the child does not say in which call it was.
    """
    call = ending.step or call
    if ending.state == "timed out":
        stuck = ", stuck in the kernel (state D)" if ending.process_state == "D" else ""
        detail = f"{call} gave no answer within {limit_s:g} s{stuck}"
        return Step(name=name, state="timed out", call=call, detail=detail, seconds=ending.seconds)
    if ending.state == "crashed":
        how = ending.signal or f"exit code {ending.exit_code}"
        detail = f"the process died in {call} ({how})"
        return Step(name=name, state="crashed", call=call, detail=detail, signal=ending.signal, seconds=ending.seconds)
    return Step(name=name, state="failed", call=call, detail=ending.detail)
