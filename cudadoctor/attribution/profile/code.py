"""What a kernel's PTX says of it: how far apart neighbouring threads read, whether it loops, and in which precision.

For each address in global memory the coefficient of `tid.x` is worked out, register by register: 4 bytes for
`a[i]` of floats, a number of bytes for `a[8 * i]`, and "unknown" where it is multiplied by what is known only at run
time, such as the width of a table in `a[i, j]`. A quotient of `tid.x` counts as 0 and a remainder as what it is of.

Source: PTX ISA, state spaces and arithmetic instructions.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_ENTRY = re.compile(r"\.entry\s+([\w$]+)")
_LABEL = re.compile(r"^([$\w]+):")
_BRANCH = re.compile(r"\bbra(?:\.uni)?\s+([$\w]+)")
_ACCESS = re.compile(
    r"^(ld|st|red|atom)(?:\.volatile|\.relaxed|\.weak)*\.global\S*?((?:\.v[24])?)\.([bsuf])(8|16|32|64)\s"
)
_OF_FLOATS = re.compile(r"^\S*\.f(?:32|64)\s")
_ADDRESS = re.compile(r"\[\s*(%\w+)")
_FAR = 32
"""Bytes between neighbouring threads from which on each has a piece of memory of its own: a sector."""
_RUN_TIME = 1 << 20
"""Stands for a factor that is known only at run time."""
_PASSES = 3
_COPIES = ("mov", "cvt", "cvta", "neg", "abs")
_SUMS = ("add", "sub", "min", "max", "selp", "or", "xor")


class KernelCode(NamedTuple):
    """What a kernel's code says.

    `bytes` are those that a thread reads and writes in global memory in one pass of the code, `far_bytes` those of them
    whose neighbours lie 32 bytes and more apart. `loops` says that the code goes back, so that these may come again.
    `float64` and `float32` are how many instructions compute in each. Of what stands within loops, `loop_bytes` and
    `loop_far_bytes` are as those of all, `loop_far` is how many such accesses there are, and `loop_sums` how many
    instructions compute in either precision. `least_bytes` are `bytes` where each array's elements are counted once of
    which neighbours in y read what a thread reads in x: a stencil with its axes swapped.
    """

    bytes: int
    far_bytes: int
    loops: bool
    float64: int
    float32: int
    loop_bytes: int = 0
    loop_far_bytes: int = 0
    loop_far: int = 0
    loop_sums: int = 0
    least_bytes: int = 0


def read_ptx(text: str) -> dict[str, KernelCode]:
    """Return what the code of each entry says, by its name; entries that cannot be read are left out."""
    found = list(_ENTRY.finditer(text))
    made = {}
    for place, entry in enumerate(found):
        upto = found[place + 1].start() if place + 1 < len(found) else len(text)
        begin = text.find("{", entry.end(), upto)
        if begin >= 0:
            made[entry.group(1)] = _read(_lines(text[begin + 1 : upto]))
    return made


def _lines(body: str) -> list[str]:
    made = []
    for line in body.splitlines():
        line = line.partition("//")[0].strip()
        if line.startswith("@"):
            line = line.partition(" ")[2].strip()
        if line and not line.startswith("."):
            made.append(line)
    return made


def _read(lines: list[str]) -> KernelCode:
    apart, in_y, arrays = _distances(lines, "%tid.x"), _distances(lines, "%tid.y"), _arrays(lines)
    shared: set[tuple[str, str, int]] = set()
    looped = _looped(lines)
    moved, far, double, single, least = 0, 0, 0, 0, 0
    loop_bytes, loop_far_bytes, loop_far, loop_sums = 0, 0, 0, 0
    for place, line in enumerate(lines):
        access, address = _ACCESS.match(line), _ADDRESS.search(line)
        if access and address:
            size = int(access.group(4)) // 8 * (int(access.group(2)[2:]) if access.group(2) else 1)
            distance = abs(apart.get(address.group(1), 0))
            if distance:  # what all threads read alike counts once
                apart_bytes = size if distance >= max(_FAR, 2 * size) else 0
                moved += size
                far += apart_bytes
                element = (access.group(1), arrays.get(address.group(1), line), size)
                beside = apart_bytes > 0 and abs(in_y.get(address.group(1), 0)) == size
                least += 0 if beside and element in shared else size
                shared |= {element} if beside else set()
                if looped[place]:
                    loop_bytes += size
                    loop_far_bytes += apart_bytes
                    loop_far += apart_bytes > 0
        operation = line.split(None, 1)[0]
        if not operation.startswith(("ld", "st", "mov", "cvt", "setp", "selp")):
            double += operation.endswith(".f64")
            single += operation.endswith(".f32")
            loop_sums += looped[place] and operation.endswith((".f32", ".f64"))
    return KernelCode(moved, far, any(looped), double, single, loop_bytes, loop_far_bytes, loop_far, loop_sums, least)


def _distances(lines: list[str], thread: str) -> dict[str, int]:
    """Return for each register how far it is apart in neighbouring threads, which the register `thread` counts."""
    apart: dict[str, int] = {thread: 1}
    for _ in range(_PASSES):
        for line in lines:
            _follow(line, apart)
    return apart


def _arrays(lines: list[str]) -> dict[str, str]:
    """Return for each address the register with the beginning of its array."""
    made: dict[str, str] = {}
    for _ in range(_PASSES):
        for line in lines:
            name, target, operands = _operands(line)
            if name == "cvta":
                made.setdefault(target, target)
            elif name in ("add", "sub", "mov"):
                begin = next((made[each] for each in operands if each in made), None)
                if begin is not None:
                    made.setdefault(target, begin)
    return made


def _looped(lines: list[str]) -> list[bool]:
    """Say of each line whether it stands between a label and a branch back to it."""
    labels: dict[str, int] = {}
    made = [False] * len(lines)
    for place, line in enumerate(lines):
        label = _LABEL.match(line)
        if label:
            labels[label.group(1)] = place
        branch = _BRANCH.search(line)
        if branch is not None and branch.group(1) in labels:
            begin = labels[branch.group(1)]
            made[begin : place + 1] = [True] * (place + 1 - begin)
    return made


def _follow(line: str, apart: dict[str, int]) -> None:
    """Work out how far a result is apart in neighbouring threads."""
    name, target, operands = _operands(line)
    if not target.startswith("%") or not operands:
        return
    told = [apart.get(each, 0) for each in operands]
    if name in _COPIES:
        made = told[0]
    elif name in _SUMS:
        made = told[0] - told[1] if name == "sub" else told[0] + told[1] if name == "add" else max(told[:2], key=abs)
    elif name in ("mul", "mad", "fma") and not _OF_FLOATS.match(line):
        made = _product(operands[0], operands[1], told[0], told[1]) + (told[2] if len(told) > 2 else 0)
    elif name == "shl":
        made = told[0] << min(_number(operands[1]) or 0, 40)
    elif name == "rem":
        made = told[0]
    elif name == "and":
        made = max(told[:2], key=abs) if _number(operands[1]) is not None else 0
    else:
        made = 0  # a quotient, a sign, a value that was loaded: not known to differ with the thread
    made = max(-(1 << 40), min(made, 1 << 40))
    apart[target] = made if abs(made) >= abs(apart.get(target, 0)) else apart[target]


def _operands(line: str) -> tuple[str, str, list[str]]:
    """Return what an instruction does, where its result goes, and what it is of."""
    operation, _, rest = line.partition("\t") if "\t" in line else line.partition(" ")
    target, *operands = [each.strip() for each in rest.rstrip(";").split(",")]
    return operation.split(".")[0], target, operands


def _product(left: str, right: str, of_left: int, of_right: int) -> int:
    for number, other in ((_number(right), of_left), (_number(left), of_right)):
        if number is not None:
            return other * number
    return _RUN_TIME * max(abs(of_left), abs(of_right))


def _number(operand: str) -> int | None:
    try:
        return int(operand, 0)
    except ValueError:
        return None
