"""The options that commands share, with their help texts."""

from __future__ import annotations

import math
from enum import Enum
from typing import Annotated

import msgspec
import typer

from cudadoctor.cli.delivery import RefusedError


class Format(str, Enum):
    """How the report is written."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    HTML = "html"


class FailOn(str, Enum):
    """From which severity on the exit code is 1."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


def _can_be_written(format: Format) -> str:
    """Refuse at once, before anything is measured, a format whose extra is not installed.

    Raises:
        RefusedError: With the command that installs it.
    """
    if format is Format.HTML:
        try:
            import jinja2  # noqa: F401 - a package that is there and broken fails here, and not after a measurement
        except ImportError:
            raise RefusedError(
                "--format html needs the extra `report` (jinja2): run `python -m pip install '.[report]'` in a "
                "checkout of cudadoctor, or `python -m pip install 'cudadoctor[report] @ git+URL'` with the URL of its "
                "repository"
            ) from None
    return format.value  # typer makes the member of it once more


def a_number(param: typer.CallbackParam, value: float | None) -> float | None:
    """Refuse `nan`, which lies in every range.

    Raises:
        RefusedError: With the option's name.
    """
    if value is not None and math.isnan(value):
        raise RefusedError(f"{param.opts[0]} nan: give a number")
    return value


FormatOption = Annotated[
    Format, typer.Option("--format", callback=_can_be_written, help="How to write the report; html is one file.")
]
OutputOption = Annotated[
    str | None,
    typer.Option("--output", metavar="FILE", help="Write the report to FILE instead of the screen."),
]
SaveOption = Annotated[
    str | None,
    typer.Option("--save", metavar="FILE", help="Save the facts to FILE, to be read with --facts."),
]
FailOnOption = Annotated[FailOn, typer.Option("--fail-on", help="Exit with 1 from this severity on.")]
RedactOption = Annotated[
    bool | None,
    typer.Option(
        "--redact/--no-redact",
        help="Take names, home folders, serials, UUIDs, addresses and tokens out. On for all but text on the screen.",
        show_default=False,
    ),
]
VerboseOption = Annotated[
    int,
    typer.Option("-v", "--verbose", count=True, show_default=False, help="Show all steps and what was not judged."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Only the answer and the titles of findings.")]
FactsOption = Annotated[
    str | None,
    typer.Option("--facts", metavar="FILE", help="Read a saved machine; no device is touched."),
]
SysrootOption = Annotated[
    str | None,
    typer.Option(
        "--sysroot",
        metavar="DIR",
        help="Read /proc, /sys, /etc, /dev, /lib under DIR; the driver is not asked.",
    ),
]
LiveOption = Annotated[
    bool,
    typer.Option(
        "--live",
        help="With --sysroot: ask this machine's driver all the same (a container that sees its host under DIR).",
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="INDEX|UUID", help="The GPU to use, 0 by default."),
]
OnlyDeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="INDEX|UUID", help="Try this GPU alone; all by default."),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=0.5,
        max=600,
        callback=a_number,
        help="What one driver call may take.",
    ),
]


class ReportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a command was told about its report.

    `only_device` is the place, in the section `devices`, of the one GPU that is to be shown.
    """

    command: str
    format: Format = Format.TEXT
    output: str | None = None
    save: str | None = None
    fail_on: FailOn = FailOn.ERROR
    redact: bool | None = None
    verbose: int = 0
    quiet: bool = False
    only_device: int | None = None

    @property
    def redacts(self) -> bool:
        """Whether names are taken out: as told, or else for everything but text on the screen."""
        return self.redact if self.redact is not None else self.format is not Format.TEXT or self.output is not None
