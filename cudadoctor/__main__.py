"""The entry point: `cudadoctor` and `python -m cudadoctor`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] == ["--version"]:
        # Answered before any import: a script that asks only this should not pay for the rest.
        from cudadoctor import __version__

        print(f"cudadoctor {__version__}")
        raise SystemExit(0)
    from cudadoctor.cli.app import run

    raise SystemExit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
