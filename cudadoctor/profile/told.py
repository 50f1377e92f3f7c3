"""What a traced process wrote about itself, as texts in the pool.

The process may have been killed as it wrote, or have written into memory that is not its own: a text that does not hold
what its kind must hold is left out.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cudadoctor.attribution.profile.trace import SourceLine
from cudadoctor.gpu.cupti import pool

_MOST = 1 << 61
"""No moment, number or count is beyond this."""

_HOLDS: dict[str, dict[str, type]] = {
    "process": {"pid": int, "thread": int, "python": str},
    "begin": {"monotonic": int},
    "end": {"monotonic": int},
    "finished": {"monotonic": int},
    "clocks": {"cupti": int, "monotonic": int},
    "tracer": {"path": str, "version": int},
    "calls": {"names": dict},
    "line": {"number": int, "file": str, "line": int, "function": str},
    "not traced": {"reason": str},
    "last call": {"name": str},
    "flush failed": {"reason": str},
    "sampler failed": {"reason": str},
    "ptx": {"text": str},
}

Texts = Sequence[Mapping[str, Any]]


class Told(NamedTuple):
    """What the child wrote about itself; times are monotonic nanoseconds, None for what did not happen.

    `last_call` is the call of the driver that was made last of all, to see it among the records. `name` is the command
    of a process that the program started.
    """

    pid: int
    thread: int
    python: str
    begin: int | None
    end: int | None
    finished: int | None
    tracer: dict[str, Any] | None
    refusal: str
    dropped: int
    last_call: str
    notes: tuple[str, ...]
    name: str = ""


def read_texts(memory: mmap.mmap, layout: pool.Layout) -> list[dict[str, Any]]:
    """Return the texts in order, without those that are not sound."""
    return [text for text in pool.texts(memory, layout) if _is_sound(text)]


def _is_sound(text: Mapping[str, Any]) -> bool:
    holds = _HOLDS.get(text["kind"], {})
    return all(_fits(text.get(name), kind) for name, kind in holds.items())


def _fits(value: object, kind: type) -> bool:
    return isinstance(value, kind) and (not isinstance(value, int) or abs(value) < _MOST)


def read_told(texts: Texts) -> Told | None:
    """Return what the child wrote about itself, None if it did not come so far."""
    process = _last(texts, "process")
    if process is None:
        return None
    dropped = (_last(texts, "dropped") or {}).get("records")
    name = process.get("name")
    return Told(
        pid=process["pid"],
        thread=process["thread"],
        python=process["python"],
        begin=_moment(texts, "begin"),
        end=_moment(texts, "end"),
        finished=_moment(texts, "finished"),
        tracer=_last(texts, "tracer"),
        refusal=(_last(texts, "not traced") or {}).get("reason", ""),
        dropped=dropped if isinstance(dropped, int) and 0 < dropped < _MOST else 0,
        last_call=(_last(texts, "last call") or {}).get("name", ""),
        notes=tuple(text["reason"] for text in texts if text["kind"] in ("flush failed", "sampler failed")),
        name=name if isinstance(name, str) else "",
    )


def _last(texts: Texts, kind: str) -> dict[str, Any] | None:
    return next((dict(text) for text in reversed(texts) if text["kind"] == kind), None)


def _moment(texts: Texts, kind: str) -> int | None:
    found = _last(texts, kind)
    return None if found is None else found["monotonic"]


def call_names(texts: Texts) -> dict[int, str]:
    """Return the names of the driver's calls by the ids that the tracer has for them."""
    told: dict[str, Any] = next((text["names"] for text in texts if text["kind"] == "calls"), {})
    return {
        int(number): name
        for number, name in told.items()
        if number.isascii() and number.isdigit() and len(number) < 10 and isinstance(name, str)
    }


def source_lines(texts: Texts) -> tuple[SourceLine, ...]:
    """Return the lines of the program by their numbers; those whose texts are lost have no name."""
    told = {text["number"]: text for text in texts if text["kind"] == "line" and 0 <= text["number"] < len(texts)}
    unknown = {"file": "", "line": 0, "function": ""}
    each = (told.get(number, unknown) for number in range(max(told, default=-1) + 1))
    return tuple(SourceLine(text["file"], text["line"], text["function"]) for text in each)
