"""Why the GPU was as fast as it was: a verdict in two sentences, then the numbers behind it."""

from __future__ import annotations

from cudadoctor.attribution.causes import Cause, Judgement, judge
from cudadoctor.attribution.circumstances import low_end
from cudadoctor.attribution.ladder import best_rung
from cudadoctor.facts.explanation import Decomposition
from cudadoctor.facts.race import Race
from cudadoctor.report.race.ladder import decomposition_lines, ladder_lines
from cudadoctor.report.race.surroundings import break_even_lines, clock_lines, cpu_lines, neighbour_line
from cudadoctor.report.race.words import ADVICE, WAITS_FOR, us, wrapped


def verdict(race: Race) -> str:
    """Return two sentences: why the judged lane takes as long as it does, and what would help; "" without evidence."""
    judgement = judge(race)
    if judgement is None:
        return ""
    if judgement.unknown:
        return (
            f"Why {judgement.rung.lane} takes {us(judgement.rung.median_us)} µs a minibatch is not known: "
            f"{judgement.unknown}. {_what_helps(race, judgement)}"
        ).strip()
    return f"{_why(judgement)} {_what_helps(race, judgement)}".strip()


def explanation_lines(race: Race) -> list[str]:
    """Return the explanation of a race, in 80 columns; nothing for a race that was not explained."""
    explanation = race.explanation
    if explanation is None:
        return []
    blocks: list[list[str]] = [wrapped(verdict(race)), ladder_lines(explanation)]
    judgement = judge(race)
    if judgement is not None and judgement.decomposition is not None:
        blocks.append(decomposition_lines(as_told(race, judgement.decomposition)))
    blocks += [break_even_lines(found) for found in explanation.break_even]
    around = [*clock_lines(explanation), *wrapped(neighbour_line(race), hang="  ")] if on_gpu(race) else []
    blocks.append(around + (cpu_lines(explanation.cpu) if explanation.cpu is not None else []))
    blocks.append(_advice(judgement))
    blocks.append([line for note in explanation.notes for line in wrapped(note, hang="  ")])
    return [line for block in blocks if block for line in ("", *block)]


def on_gpu(race: Race) -> bool:
    """Say whether a rung on a GPU was measured."""
    rungs = race.explanation.rungs if race.explanation is not None else ()
    return any(rung.device.startswith("gpu") and rung.state == "measured" for rung in rungs)


def as_told(race: Race, made: Decomposition) -> Decomposition:
    """Return the decomposition that the facts hold, which may be of other calls, or the one made here."""
    told = race.explanation.decompositions if race.explanation is not None else ()
    return next((each for each in told if each.rung == made.rung), made)


def _why(judgement: Judgement) -> str:
    made = judgement.decomposition
    wall = us(judgement.rung.median_us)
    if made is None:
        return ""
    work = sum(part.us for part in made.parts if part.kind == "kernels")
    against = "is slower than the CPU" if judgement.lost else "beats the CPU, and could do better"
    if judgement.cpu_us is None:
        against = "could be faster"
    lead = judgement.lead
    if judgement.busy:
        end = f", and the CPU is faster all the same ({us(judgement.cpu_us)} µs)" if judgement.lost else ""
        return f"Nothing is wrong: the GPU computes for {us(work)} of the {wall} µs of a minibatch{end}."
    if lead is None:
        many = [each.id for each in judgement.causes]
        end = f"; {' and '.join(many)} cost something" if many else ""
        return f"No single cause costs a quarter of the {wall} µs that a minibatch takes{end}."
    return (
        f"{judgement.rung.lane} {against}: of the {wall} µs that a minibatch takes, its GPU computes for {us(work)} "
        f"({100 * work / made.wall_us:.0f} %), and {us(lead.saving_us)} pass while {WAITS_FOR.get(lead.id, lead.id)}."
    )


def _what_helps(race: Race, judgement: Judgement) -> str:
    best = best_rung(race.explanation) if race.explanation is not None else None
    cpu = judgement.cpu_us
    slower = low_end(race)
    if slower is not None:
        return (
            f"With everything removed that can be ({slower[0].id}) it takes {us(slower[0].median_us)} µs, and the CPU "
            f"{us(slower[1])}: for work of this size this GPU is not faster."
        )
    told = _predicted(judgement, judgement.lead) if judgement.lead is not None else ""
    if best is None or best.median_us is None or best.id == judgement.rung.id:
        return told
    beside = f", and the CPU {us(cpu)}" if cpu is not None else ""
    measured = f"the best way that was tried ({best.id}) takes {us(best.median_us)} µs{beside}."
    return f"{told[:-1]}; {measured}" if told else f"{measured[:1].upper()}{measured[1:]}"


def _predicted(judgement: Judgement, cause: Cause) -> str:
    left = cause.saving_us / cause.share - cause.saving_us
    made = judgement.decomposition
    # However large the error, the kernels that stay take their time.
    computes = sum(part.us for part in made.parts if part.kind == "kernels") if made is not None else 0.0
    low, high = max(left - cause.error_us, min(computes, left)), left + cause.error_us
    return f"Without that it would take {us(left)} µs (predicted; {us(low)} to {us(high)})."


def _advice(judgement: Judgement | None) -> list[str]:
    if judgement is None or not judgement.causes:
        return []
    lines = ["what to change in your own code"]
    for cause in judgement.causes[:3]:
        lines += wrapped(f"{cause.id} ({100 * cause.share:.0f} % of the time, {cause.confidence}):", "  ")
        lines += [line for advice in ADVICE.get(cause.id, ()) for line in wrapped(advice, "    ")]
    return lines
