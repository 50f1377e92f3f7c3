"""Read the signs of a pasted text, each with the lines that show it."""

from __future__ import annotations

import re
from collections.abc import Callable

from cudadoctor.rules.pasted import codes
from cudadoctor.rules.pasted.fits import note_fits
from cudadoctor.rules.pasted.text import Pasted
from cudadoctor.rules.pasted.vocabulary import ROWS
from cudadoctor.rules.reading import version_of
from cudadoctor.tables.drivers import cuda_version_of_driver_branch

_LINES_A_SIGN = 4
_TRIES = 800

_LIBRARY = re.compile(
    r"\b(lib[a-z][\w-]{2,30})(\.so[.\d]*)['\"]?"
    r"(?:: cannot open shared object|; dlerror|: file not found| not found\b| => not found)"
    r"|could not (?:load|find|open)(?: dynamic| shared)? library:? ['\"]?(lib[a-z][\w-]{2,30})(\.so[.\d]*)"
    r"|(?:load library failed|failed to load|unable to load):? ['\"]?(lib[a-z][\w-]{2,30})(\.so[.\d]*)"
)
# A library and, anywhere in its line, words that say that it is not there.
_NAMED = re.compile(r"\b(lib[a-z][\w-]{2,30})(\.so[.\d]*)")
_NOT_THERE = re.compile(
    r"can ?not|can't|could ?n[o']t|unable to|failed to (?:load|open|find|dlopen)|not found|no such file|\bmissing|"
    r"not able to (?:load|find|open)|does ?n[o']t exist|找不到|未找到|没有找到|无法加载|"
    r"not be (?:found|loaded|opened)|not loaded"
)
_HEADER = re.compile(
    r"nvidia-smi (\d{3})([.\d]*).{0,40}driver version: ?(\d{3})([.\d]*)(?:.{0,40}cuda version: ?(\d{1,2}\.\d))?"
)
_MEMORY = re.compile(r"(\d{1,6})mib / (\d{1,6})mib")
_NO_PROCESS = re.compile(
    r"no running processes found|"
    r"(?:no(?:ne of my)?|without(?: any)?) process(?:es)?\b.{0,30}(?:run|list|shown|found|there)"
)
_TORCH_MEMORY = re.compile(
    r"([\d.]{1,8}) ([gmk])ib total capacity; ([\d.]{1,8}) ([gmk]?)i?b(?:ytes)? already allocated; "
    r"([\d.]{1,8}) ([gmk]?)i?b(?:ytes)? free"
)
_NODE = re.compile(r"\bc([rwxst-]{9})[.+@]? .{0,60}/dev/nvidia(\d{1,3}|ctl|-uvm)(?![\w-])")
_CUPY = re.compile(r"cupy-cuda(\d\d)")
_SUFFIX = re.compile(r"nvidia-[a-z-]{3,24}-cu(1\d)\b")
_OF_A_TOOLKIT = re.compile(r"lib(?:cu(?!da$|dnn)|nvrtc|nvjitlink|nvtoolsext|npp|nvblas)")
_BYTES = {"g": 1 << 30, "m": 1 << 20, "k": 1 << 10, "": 1}

Signs = dict[str, tuple[int, ...]]
"""The signs of a text: name, and the indices of lines that show it."""


def read_signs(pasted: Pasted) -> Signs:
    """Return all signs of a text, in time linear in its size."""
    found: dict[str, dict[int, None]] = {}

    def note(sign: str, line: int) -> None:
        lines = found.setdefault(sign, {})
        if len(lines) < _LINES_A_SIGN:
            lines[line] = None

    for sign, letters, pattern in ROWS:
        for line in _places(pasted, letters):
            if (
                pattern is None
                or pattern.search(pasted.lines[line].lower())
                or pattern.search(pasted.two_lines(line).lower())
            ):
                note(sign, line)
                if len(found[sign]) >= _LINES_A_SIGN:
                    break
    for table, kind in ((codes.CUDA_SENTENCES, "cuda"), (codes.NVML_SENTENCES, "nvml")):
        for letters, code in table.items():
            for line in _places(pasted, letters, 2):
                note(f"{kind}:{code}", line)
    seen: set[str] = set()
    missing: dict[str, int] = {}
    for index, text in enumerate(pasted.lines):
        low = text.lower()
        if low in seen:
            continue
        seen.add(low)
        if "cu" in low or "error" in low or "xid" in low or "nvml" in low:
            for sign in codes.codes_in(low):
                note(sign, index)
        if ".so" in low:
            for name, version in _missing_libraries(pasted.two_lines(index).lower() if low.endswith(":") else low):
                note(f"lib:{name}", index)
                if any(character.isdigit() for character in version) and _OF_A_TOOLKIT.match(name):
                    note("lib-of-a-toolkit", index)
                    missing[name] = index
    if len(missing) > 1:
        for line in missing.values():
            note("several-libraries-missing", line)
    _tables(pasted, note)
    note_fits(pasted, note)
    return {sign: tuple(lines) for sign, lines in found.items()}


def _missing_libraries(low: str) -> list[tuple[str, str]]:
    """Return (name, suffix with version) of the libraries that a line says are not there."""
    found = [(m[1] or m[3] or m[5], m[2] or m[4] or m[6] or "") for m in _LIBRARY.finditer(low)]
    if not found and _NOT_THERE.search(low):
        named = _NAMED.search(low)
        found = [(named[1], named[2])] if named is not None else []
    return found


def _places(pasted: Pasted, letters: str, most: int = _TRIES) -> list[int]:
    """Return indices of lines in which these letters begin, each once.

    Where there are more than `most`, those from the start and as many from the end: a log ends with what went wrong.
    """
    lines: dict[int, None] = {}
    at = pasted.flat.find(letters)
    while at >= 0 and len(lines) < most:
        line = pasted.line_at(at)
        lines[line] = None
        # On to the next line: one look at a line is enough.
        at = pasted.flat.find(letters, max(pasted.start_of(line + 1), at + 1))
    forward, last = at, len(pasted.flat)
    while forward >= 0 and len(lines) < 2 * most:
        at = pasted.flat.rfind(letters, forward, last)
        if at < 0:
            break
        line = pasted.line_at(at)
        lines[line] = None
        last = pasted.start_of(line)
    return list(lines)


def _tables(pasted: Pasted, note: Callable[[str, int], None]) -> None:
    """Read what stands in more than one place: the header and memory of nvidia-smi, listings of nodes, packages."""
    nodes: dict[str, int] = {}
    cupy: dict[str, int] = {}
    suffixes: dict[str, int] = {}
    for line in _places(pasted, "driver version:"):
        match = _HEADER.search(pasted.lines[line].lower())
        if match is None:
            continue
        if match[1] + match[2] != match[3] + match[4]:
            note("smi-two-releases", line)
        offered = cuda_version_of_driver_branch(int(match[3]))
        if match[5] and offered and (version_of(match[5]) or ()) > (version_of(offered) or ()):
            note("smi-cuda-too-new", line)
    for line in _places(pasted, "mib / "):
        match = _MEMORY.search(pasted.lines[line].lower())
        if match and int(match[1]) > 0.3 * int(match[2]) and _NO_PROCESS.search(pasted.flat):
            note("memory-without-process", line)
    for line in _places(pasted, "total capacity;", 50):
        match = _TORCH_MEMORY.search(pasted.two_lines(line).lower())
        if match:
            total, own, free = (float(match[i]) * _BYTES[match[i + 1]] for i in (1, 3, 5))
            if own + free < 0.5 * total:
                note("memory-of-others", line)
    for line in _places(pasted, "/dev/nvidia"):
        match = _NODE.search(pasted.lines[line].lower())
        if match:
            nodes.setdefault(match[2], line)
            if match[1][6:8] != "rw":
                note("node-not-for-all", line)
            if match[1][:2] != "rw" or "x" in match[1] or "t" in match[1] or "s" in match[1]:
                note("node-odd-mode", line)
    if "ctl" in nodes and "0" in nodes and "-uvm" not in nodes:
        note("nodes-without-uvm", nodes["ctl"])
    for line in _places(pasted, "cupy-cuda", 200):
        for match in _CUPY.finditer(pasted.lines[line].lower()):
            cupy.setdefault(match[1], line)
    if len(cupy) > 1:
        for line in cupy.values():
            note("cupy-of-two-majors", line)
    for line in _places(pasted, "nvidia-", 2000):
        for match in _SUFFIX.finditer(pasted.lines[line].lower()):
            suffixes.setdefault(match[1], line)
    if len(suffixes) > 1:
        for line in suffixes.values():
            note("wheels-of-two-majors", line)
