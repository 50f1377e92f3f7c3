"""Whether a version meets a requirement (`>=1.22,<2.6`), and whether a requirement's marker applies here.

`packaging` decides; but importing it takes longer than all probes together, and nearly all requirements compare
plain release numbers. Those are compared here, and the tests hold this against `packaging`.
"""

from __future__ import annotations

import re

_RELEASE = re.compile(r"\d{1,9}(?:\.\d{1,9})*")
# A bound may carry a pre-release suffix (`>=0.50.0dev0`, meant to admit release candidates): it lies just below.
_CLAUSE = re.compile(r"(>=|<=|==|!=|<|>)\s*(\d{1,9}(?:\.\d{1,9})*)(\.\*)?((?:\.?dev|a|b|rc)\d{1,9})?")


def meets(version: str, specifier: str) -> bool | None:
    """Say whether an installed version meets a specifier; None where one of the two cannot be understood."""
    clauses = [part.strip() for part in specifier.split(",") if part.strip()]
    matches = [_CLAUSE.fullmatch(clause) for clause in clauses]
    if _RELEASE.fullmatch(version) and all(matches):
        release = _numbers(version)
        answers = [_meets_clause(release, *match.groups()) for match in matches if match]
        if None not in answers:
            return all(answers)
    return _meets_by_packaging(version, specifier)


def applies(marker: str) -> bool:
    """Say whether a marker (`sys_platform == "linux"`) holds here; one that asks for an extra does not."""
    if not marker.strip():
        return True
    if re.search(r"\bextra\b", marker):
        return False
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return Marker(marker).evaluate()
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return False


def _numbers(release: str) -> tuple[int, ...]:
    """Return the numbers without the zeros at the end, which do not count: 2.0 is 2."""
    parts = [int(part) for part in release.split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def _meets_clause(release: tuple[int, ...], sign: str, bound: str, star: str | None, suffix: str | None) -> bool | None:
    """Compare a final release with one clause; None where this is not the place to decide."""
    wanted = _numbers(bound)
    if star is not None:
        if suffix is not None or sign not in ("==", "!="):
            return None
        prefix = [int(part) for part in bound.split(".")]
        padded = [*release, *[0] * len(prefix)]
        return (padded[: len(prefix)] == prefix) == (sign == "==")
    if suffix is not None:
        # A final release equal in numbers comes after the pre-release.
        return {">=": release >= wanted, "<": release < wanted}.get(sign)
    return {
        ">=": release >= wanted,
        "<=": release <= wanted,
        "<": release < wanted,
        ">": release > wanted,
        "==": release == wanted,
        "!=": release != wanted,
    }[sign]


def _meets_by_packaging(version: str, specifier: str) -> bool | None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None
