"""The ladder as rows of a table: the steps of one GPU, and a row for each other GPU that was tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cudadoctor.facts.ladder import Ladder, Step, StepState


class Row(NamedTuple):
    """One row: how it ended, what it is called, and a phrase."""

    state: StepState
    name: str
    detail: str


def rows(ladder: Ladder) -> list[Row]:
    """Return all rows, those of the other GPUs last."""
    by_device: dict[int, list[Step]] = {}
    for step in ladder.further:
        by_device.setdefault(step.device or 0, []).append(step)
    found = [Row(step.state, step.name, detail_of(step)) for step in ladder.steps]
    return found + [_of_gpu(device, steps) for device, steps in by_device.items()]


def detail_of(step: Step) -> str:
    """Return the phrase of a step, with the name of its error where it has one."""
    return step.detail if step.code_name is None else f"{step.detail} ({step.call}: {step.code_name})"


def _of_gpu(device: int, steps: Sequence[Step]) -> Row:
    bad = next((step for step in steps if step.state != "passed"), None)
    if bad is not None:
        told = bad.detail if bad.state == "not reached" else f"{bad.name}: {detail_of(bad)}"
        return Row(bad.state, f"GPU {device}", told)
    return Row("passed", f"GPU {device}", ", ".join(step.name for step in steps))
