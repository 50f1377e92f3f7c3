"""The plan of `setup`: its answer, and its steps for the terminal and for Markdown. Pure."""

from __future__ import annotations

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from cudadoctor.findings import Plan, PlanStep
from cudadoctor.text import printable

_MARK = {"done": "done", "to do": "TO DO", "later": "later", "not known": "not known"}


def plan_sentence(plan: Plan) -> str:
    """Return the answer: done, or what comes next."""
    if plan.done:
        return "Nothing is left to do: this machine's GPU computes."
    left = [step for step in plan.steps if step.state != "done"]
    first = left[0]
    if plan.hopeless:
        return f"{first.title} is missing, and no command can add one. The rest waits for it."
    if all(step.state in ("done", "not known") for step in plan.steps):
        count = sum(step.state == "not known" for step in plan.steps)
        told = (
            "one step cannot be seen from here: its check tells"
            if count == 1
            else (f"{count} steps cannot be seen from here: their checks tell")
        )
        return f"Nothing is known to be left to do; {told}. Nothing below was run."
    if len(left) == 1:
        return f"1 of {len(plan.steps)} steps is left: {first.title}. Nothing below was run."
    known = all(step.state != "not known" for step in left)
    told = f"{len(left)} of {len(plan.steps)} steps are {'left' if known else 'left or not known'}"
    return f"{told}; the next: {first.title}. Nothing below was run."


def plan_for_terminal(plan: Plan) -> list[RenderableType]:
    """Return the steps, numbered; commands stand alone on their lines and are never wrapped."""
    parts: list[RenderableType] = []
    for number, step in enumerate(plan.steps, start=1):
        parts += [Text(), Text(printable(f"{number}. {step.title}: {_MARK[step.state]}"), style="bold")]
        parts.append(_indented(step.why))
        parts += _commands(step.commands)
        if step.start_up_lines:
            parts.append(_indented(f"In {plan.start_up_file}:"))
            parts += _commands(step.start_up_lines)
        if wants_check(step):
            parts.append(_indented(f"Then check; it shows {step.check_shows}:"))
            parts += _commands((step.check,))
    return parts


def plan_for_markdown(plan: Plan) -> str:
    """Return the steps as plain text for a code block."""
    lines: list[str] = []
    for number, step in enumerate(plan.steps, start=1):
        lines.append(f"{number}. {step.title}: {_MARK[step.state]}. {step.why}")
        lines += [f"     {command}" for command in step.commands]
        if step.start_up_lines:
            lines += [f"   In {plan.start_up_file}:", *(f"     {line}" for line in step.start_up_lines)]
        if wants_check(step):
            lines += [f"   Then check; it shows {step.check_shows}:", f"     {step.check}"]
    return "\n".join(lines)


def wants_check(step: PlanStep) -> bool:
    """Say whether the check of a step is to be shown: it is not done, and the check is not one of its commands."""
    return step.state != "done" and bool(step.check) and step.check not in step.commands


def _indented(text: str) -> RenderableType:
    return Padding(Text(printable(text)), (0, 0, 0, 3))


def _commands(commands: tuple[str, ...]) -> list[RenderableType]:
    return [Text(f"      {printable(command)}", no_wrap=True, style="bold") for command in commands]
