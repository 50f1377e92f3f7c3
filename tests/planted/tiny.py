"""Run many programs at tiny sizes in one process, so that their framework is imported once.

Reads `[[path, {"STEPS": ..., "SIZE": ...}], ...]` as JSON from standard input and writes `{path: [output, error]}`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
import traceback


def main() -> None:
    """Run them one after the other; one that fails leaves its traceback and the rest runs on."""
    done = {}
    for path, sizes in json.load(sys.stdin):
        os.environ.update(sizes)
        output, error = io.StringIO(), ""
        with contextlib.redirect_stdout(output):
            try:
                runpy.run_path(path, run_name="__main__")
            except Exception:  # noqa: BLE001 - whatever it is belongs to that program
                error = traceback.format_exc()
        done[path] = [output.getvalue(), error]
    json.dump(done, sys.stdout)


if __name__ == "__main__":
    main()
