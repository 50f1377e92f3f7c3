"""Record a planted program on this machine's GPU: the command of `recorded`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from cudadoctor.attribution.profile import analyse
from cudadoctor.cli.app import run
from tests.attribution.profile.recorded import Recorded, path_of, write
from tests.attribution.profile.shortening import shorten
from tests.planted.manifest import PLANTED, TWINS
from tests.planted.measure import CannotMeasure, plain


def profiled(script: Path) -> tuple[Any, ...]:
    """Profile a script, and return what its analysis was given last: trace, untraced runs, what the machine reaches.

    Raises:
        CannotMeasure: Nothing was traced.
    """
    with patch("cudadoctor.profile.study.analyse", side_effect=analyse) as asked:
        code = run(["profile", "--output", os.devnull, str(script)])
    if not asked.call_args:
        raise CannotMeasure(f"profile exited with {code} and traced nothing")
    given: tuple[Any, ...] = asked.call_args.args
    return given


def main() -> int:
    """Record the program that the command line names; 1 if that could not be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.attribution.profile.recorded")
    parser.add_argument("name", help="as in tests/planted/manifest.py")
    parser.add_argument("--steps", type=int, help="keep about so many steady steps")
    options = parser.parse_args()
    programs = {each.name: (each.slow, each.fixed) for each in PLANTED}
    programs |= {each.name: (each.path, None) for each in TWINS}
    if options.name not in programs:
        parser.error(f"{options.name} is none of {', '.join(programs)}")
    slow, fixed = programs[options.name]
    try:
        loops = [None if each is None else plain(each, 3, 120, {}).loop_seconds for each in (slow, fixed)]
        recorded = Recorded(*profiled(slow), *loops)
        if options.steps:
            recorded = shorten(recorded, options.steps)
    except (CannotMeasure, ValueError) as problem:
        print(f"{options.name}: {problem}", file=sys.stderr)
        return 1
    path = path_of(options.name)
    write(path, recorded)
    print(f"{path}: {path.stat().st_size} bytes, {recorded.kept:.0%} of the loop")
    return 0
