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
    try:
        import msgspec  # noqa: F401 - beside typer the one package that no command does without

        from cudadoctor.cli.app import run
    except ModuleNotFoundError as missing:
        if (missing.name or "cudadoctor").partition(".")[0] == "cudadoctor":
            raise
        print(
            f"cudadoctor: the Python package {missing.name} is not installed for {sys.executable}; in a checkout of "
            "cudadoctor run: python -m pip install .",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    raise SystemExit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
