"""Ask each libcupti that was found for its version, in a child: loading one loads the driver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.cupti.binding import Cupti, CuptiError
from cudadoctor.gpu.worker import Worker

TASK = "cudadoctor.gpu.cupti.ask:work"

# CUPTI_API_VERSION counted up to 12.9 (cupti_version.h); from 13.0 on it is the toolkit's version, as 130001.
_COUNTED = {
    13: (11, 0),
    14: (11, 1),
    15: (11, 2),
    16: (11, 5),
    17: (11, 6),
    18: (11, 8),
    19: (12, 0),
    20: (12, 2),
    21: (12, 3),
    22: (12, 4),
    23: (12, 5),
    24: (12, 6),
    25: (12, 7),
    26: (12, 8),
    27: (12, 9),
    28: (12, 9),
}
_FIRST_SPELLED_OUT = 100_000


def work(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Send a `library` with `path`, and `version` or `reason`, for each of the `paths`."""
    for path in arguments["paths"]:
        try:
            with reporter.step(path):
                reporter.send("library", path=path, version=Cupti(path).version(), reason="")
        except (OSError, CuptiError) as error:  # noqa: PERF203 - a few libraries
            reporter.send("end", step=path)
            reporter.send("library", path=path, version=None, reason=str(error))


def toolkit_of(version: int) -> tuple[int, int] | None:
    """Return the CUDA version that a CUPTI_API_VERSION came with, the first of those that share it; None if unknown."""
    if version >= _FIRST_SPELLED_OUT:
        return version // 10_000, version // 100 % 100
    return _COUNTED.get(version)


def usable(paths: Sequence[str], driver: tuple[int, int] | None, limit_s: float) -> tuple[list[str], list[str]]:
    """Return the libraries that this driver can be traced with, the newest first, and why others cannot.

    A libcupti that is newer than the driver knows calls that the driver does not have, and may crash the program.

    Args:
        paths: Where a libcupti lies, the preferred first among equals.
        driver: The CUDA version of the driver, None if it is not known.
        limit_s: Longest silence of one library.
    """
    versions: dict[str, tuple[int, int] | None] = {}
    reasons: list[str] = []
    left = list(paths)
    while left:
        worker = Worker(TASK, {"paths": left}, limit_s=limit_s, hooks=False)
        for message in worker:
            if message.get("kind") == "library":
                path, version = message["path"], message["version"]
                left.remove(path)
                if version is None:
                    reasons.append(f"{path}: {message['reason']}")
                else:
                    versions[path] = toolkit_of(version)
        if worker.ending.state == "finished" or not left:
            break
        reasons.append(f"{left[0]}: {worker.ending.state} while it was loaded")
        left.pop(0)
    fit = []
    for path, toolkit in versions.items():
        if driver is not None and toolkit is not None and toolkit > driver:
            reasons.append(f"{path}: of CUDA {_dotted(toolkit)}, newer than the driver's {_dotted(driver)}")
        else:
            fit.append((toolkit or (0, 0), path))
    order = {path: i for i, path in enumerate(paths)}
    return [path for _, path in sorted(fit, key=lambda each: (*(-n for n in each[0]), order[each[1]]))], reasons


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
