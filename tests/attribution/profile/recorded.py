"""Traces that were recorded on a GPU, as small files: `recorded/<cause>-<program>.json.xz`.

To add one, run this where the GPU is, with the name that `tests/planted/manifest.py` has for the program:

    python -m tests.attribution.profile.recorded uncoalesced-access/numba [--steps 200]

It times the slow and the fixed program by their own clocks, profiles the slow one, cuts steps out of the middle of the
trace if `--steps` says how many to keep, and writes the file. Then it is named in `test_recorded.py` with what is said
of it, and in `recorded/provenance.md`.

A file is JSON, packed by xz. Its tables hold one list a column: a single value stands for all rows, and times and
correlations stand as differences to the row before, ends as differences to their starts.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.attribution.profile.code import KernelCode
from cudadoctor.attribution.profile.trace import (
    CALLS,
    CPU_TIMES,
    DEVICE_OPS,
    OVERHEADS,
    RANGES,
    READS,
    SAMPLES,
    SYNCS,
    Control,
    Peaks,
    SourceLine,
    Trace,
    TracerCost,
)
from cudadoctor.profile.host_rows import marks as marks_of

FOLDER = Path(__file__).parent / "recorded"

_TABLES = {
    "ops": DEVICE_OPS,
    "calls": CALLS,
    "syncs": SYNCS,
    "overheads": OVERHEADS,
    "ranges": RANGES,
    "cpu": CPU_TIMES,
    "samples": SAMPLES,
    "reads": READS,
}
_RISING = ("start", "at", "correlation")


class Recorded(NamedTuple):
    """One traced program. `loop_s` and `fixed_loop_s` are what the program and its fixed counterpart print.

    `kept` is the part of the loop that is left where steps were cut out, by the time that they take untraced.
    """

    trace: Trace
    control: Control
    peaks: Peaks
    loop_s: float
    fixed_loop_s: float | None = None
    kept: float = 1.0

    @property
    def measured(self) -> float | None:
        """The part of the loop that the fixed program saves."""
        return None if self.fixed_loop_s is None else 1 - self.fixed_loop_s / self.loop_s


def path_of(name: str) -> Path:
    """Return the file of a program such as `uncoalesced-access/numba`."""
    return FOLDER / f"{name.replace('/', '-')}.json.xz"


def read(path: Path) -> Recorded:
    """Read a file."""
    found = json.loads(lzma.decompress(path.read_bytes()))
    told = found["trace"]
    tables = {name: _table(told[name], kind) for name, kind in _TABLES.items()}
    trace = Trace(
        **tables,
        marks=marks_of(tables["calls"]) if told["marks"] is None else np.cumsum(np.array(told["marks"], np.int64)),
        names=tuple(told["names"]),
        lines=tuple(SourceLine(*line) for line in told["lines"]),
        end=told["end"],
        main_thread=told["main_thread"],
        dropped=told["dropped"],
        complete_until=told["complete_until"],
        cost=TracerCost(*told["cost"]),
        codes={int(number): KernelCode(*code) for number, code in told["codes"].items()},
    )
    marks = tuple(np.cumsum(np.array(each, np.int64)) for each in found["control"]["marks"])
    control = Control(tuple(found["control"]["walls"]), marks)
    return Recorded(trace, control, Peaks(**found["peaks"]), found["loop_s"], found["fixed_loop_s"], found["kept"])


def write(path: Path, recorded: Recorded) -> None:
    """Write a file; of the source lines' paths only the files' names are kept."""
    trace, control = recorded.trace, recorded.control
    told = {name: _columns(getattr(trace, name)) for name in _TABLES}
    told |= {
        "marks": None if np.array_equal(trace.marks, marks_of(trace.calls)) else _steps(trace.marks),
        "names": trace.names,
        "lines": [(Path(line.file).name, line.line, line.function) for line in trace.lines],
        "end": int(trace.end),
        "main_thread": int(trace.main_thread),
        "dropped": int(trace.dropped),
        "complete_until": None if trace.complete_until is None else int(trace.complete_until),
        "cost": trace.cost,
        "codes": {str(number): code for number, code in trace.codes.items()},
    }
    document = {
        "trace": told,
        "control": {
            "walls": [int(wall) for wall in control.walls],
            "marks": [_steps(each) for each in control.marks],
        },
        "peaks": recorded.peaks._asdict(),
        "loop_s": recorded.loop_s,
        "fixed_loop_s": recorded.fixed_loop_s,
        "kept": recorded.kept,
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    path.write_bytes(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))


def _columns(rows: NDArray[Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"rows": len(rows)}
    for name in rows.dtype.names or ():
        column = rows[name].astype(np.int64)
        if name == "end":
            column = column - rows["start"].astype(np.int64)
        elif name in _RISING:
            column = np.diff(column, prepend=0)
        same = len(column) and (column == column[0]).all()
        made[name] = int(column[0]) if same else column.tolist()
    return made


def _table(columns: Mapping[str, int | Sequence[int]], kind: np.dtype[Any]) -> NDArray[Any]:
    rows = np.zeros(columns["rows"], kind)
    for name in kind.names or ():
        column = np.zeros(len(rows), np.int64)
        column[:] = columns[name]
        if name == "end":
            column = column + rows["start"]
        elif name in _RISING:
            column = np.cumsum(column)
        rows[name] = column
    return rows


def _steps(moments: NDArray[Any]) -> list[int]:
    made: list[int] = np.diff(moments.astype(np.int64), prepend=0).tolist()
    return made


if __name__ == "__main__":
    from tests.attribution.profile.recording import main

    raise SystemExit(main())
