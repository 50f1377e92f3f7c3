"""`cudadoctor fleet`: many machines as one, from saved files or from a Ray cluster."""

from __future__ import annotations

import importlib.util
import os
import sys
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from cudadoctor.cli import options as opt
from cudadoctor.cli.delivery import RefusedError, check_writable, deliver, report_columns, write_file
from cudadoctor.cli.options import FailOn, Format, ReportOptions
from cudadoctor.cli.status_line import status_line
from cudadoctor.findings import Refusal

if TYPE_CHECKING:
    from cudadoctor.fleet.merge import Merged

app = typer.Typer(help="Hold many machines against each other.", no_args_is_help=True, rich_markup_mode=None)


@app.command("report", short_help="Merge saved facts of many nodes; name the worst first.")
def report(
    paths: Annotated[list[str], typer.Argument(metavar="FILES|DIR...", help="Saved facts, or folders of them.")],
    format: opt.FormatOption = Format.TEXT,
    output: opt.OutputOption = None,
    fail_on: opt.FailOnOption = FailOn.ERROR,
    redact: opt.RedactOption = None,
    verbose: opt.VerboseOption = 0,
    quiet: opt.QuietOption = False,
) -> int:
    """Merge saved facts of many nodes: what is wrong on which, who is slower than its peers, and who differs.

    A folder is read with all folders in it. Files that are broken, not cudadoctor's, twice there, or older reports of a
    node are named and left out. Exit code 2: nothing that could be read is a node.
    """
    from cudadoctor.doctor import diagnose
    from cudadoctor.facts.fleet import SkippedFile
    from cudadoctor.fleet.merge import merge
    from cudadoctor.fleet.reading import NoSuchPathError, listed, read_all
    from cudadoctor.report.fleet.words import skipped_text

    check_writable(output)
    try:
        found = list(listed(paths))
    except NoSuchPathError as error:
        raise RefusedError(str(error)) from None
    files = [item for item in found if isinstance(item, str)]
    skipped = [item for item in found if isinstance(item, SkippedFile)]
    if not found:
        where = ", ".join(paths)
        raise RefusedError(f"there is no file in {where}: `cudadoctor check --save FILE` writes one on a node")
    merged = merge(chain(skipped, read_all(files, diagnose)))
    if not merged.fleet.nodes:
        first = merged.fleet.skipped[0]
        others = len(merged.fleet.skipped) - 1
        more = f"; and {others:,} more" if others else ""
        raise RefusedError(f"no file is a node: {first.file} {skipped_text(first)}{more}")
    return show(
        merged,
        ReportOptions(
            command="fleet report",
            format=format,
            output=output,
            fail_on=fail_on,
            redact=redact,
            verbose=verbose,
            quiet=quiet,
        ),
    )


class What(str, Enum):
    """What is run on each node."""

    CHECK = "check"
    BANDWIDTH = "bandwidth"


_WORDS = {What.CHECK: ("check",), What.BANDWIDTH: ("bandwidth", "--quick")}
_SHORTEST_S, _LONGEST_S = 2.0, 3600.0


@app.command("run", short_help="Examine every node of a Ray cluster, with a deadline.")
def run(
    what: Annotated[
        What, typer.Option("--run", help="What to run on each node; bandwidth measures with --quick.")
    ] = What.CHECK,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="HOST:PORT",
            envvar="RAY_ADDRESS",
            help="The cluster's head; without it, the cluster that runs on this machine. None is ever started.",
        ),
    ] = None,
    deadline: Annotated[
        float,
        typer.Option(
            "--deadline",
            metavar="SECONDS",
            min=_SHORTEST_S,
            max=_LONGEST_S,
            callback=opt.a_number,
            help="For all nodes together.",
        ),
    ] = 60.0,
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="HOST", help="Leave out a node, such as a head without a GPU; may be repeated."),
    ] = None,
    save: Annotated[
        str | None, typer.Option("--save", metavar="DIR", help="Save the facts of each node to a file in DIR.")
    ] = None,
    format: opt.FormatOption = Format.TEXT,
    output: opt.OutputOption = None,
    fail_on: opt.FailOnOption = FailOn.ERROR,
    redact: opt.RedactOption = None,
    verbose: opt.VerboseOption = 0,
    quiet: opt.QuietOption = False,
) -> int:
    """Run a check or a measurement on every node of a Ray cluster, and merge what they say as `fleet report` does.

    No CPU and no GPU is taken, so nodes that are full of work answer too. Nodes that die or hang are findings, and what
    is suspected is examined a second time. Needs the extra `fleet`. Exit code 3: there is no cluster that can be asked.
    """
    from cudadoctor.doctor import diagnose
    from cudadoctor.fleet.run import CannotRunError, Plan, examine

    check_writable(output)
    _can_run(address)
    if save is not None and not (os.path.isdir(save) and os.access(save, os.W_OK)):
        raise RefusedError(f"--save {save}: there is no such folder that can be written to")
    plan = Plan(words=_WORDS[what], address=address or "", deadline_s=deadline, skip=tuple(skip or ()))
    tell = status_line(quiet)
    try:
        examined = examine(plan, diagnose, tell)
    except CannotRunError as error:
        raise RefusedError(f"no node was asked: {error}", 3) from None
    finally:
        tell("")
    unsaved = _save(save, examined.facts) if save is not None else 0
    code = show(
        examined.merged,
        ReportOptions(
            command="fleet run",
            format=format,
            output=output,
            fail_on=fail_on,
            redact=redact,
            verbose=verbose,
            quiet=quiet,
        ),
        interrupted=examined.interrupted,
    )
    return unsaved or code


def _can_run(address: str | None) -> None:
    """Refuse at once what cannot work.

    Raises:
        RefusedError: Ray is not installed, or the address would start a cluster or is of another kind.
    """
    if importlib.util.find_spec("ray") is None:
        raise RefusedError(
            "fleet run needs the extra `fleet` (ray): run `python -m pip install '.[fleet]'` in a checkout of "
            "cudadoctor; `fleet report` needs none"
        )
    if address is not None and (address == "local" or "://" in address):
        raise RefusedError(f"--address {address}: give HOST:PORT of a running cluster's head; none is started here")


def _save(folder: str, facts: dict[str, bytes]) -> int:
    """Write the facts of each node; return 2 if one could not be written."""
    from cudadoctor.fleet.run import file_name

    for name, data in facts.items():
        path = os.path.join(folder, file_name(name))
        try:
            write_file(path, data)
        except OSError as error:
            print(f"cudadoctor: cannot write {path}: {error.strerror}; the rest was not saved", file=sys.stderr)
            return 2
    return 0


def show(merged: Merged, options: ReportOptions, *, interrupted: bool = False) -> int:
    """Judge a fleet and deliver its report; return the exit code."""
    from cudadoctor.doctor import diagnose_fleet
    from cudadoctor.fleet.pseudonyms import without_names
    from cudadoctor.report.fleet import fleet_lines, fleet_sentence

    if options.redacts:
        merged = without_names(merged)
    diagnosis = diagnose_fleet(merged, options.command)
    sentence = fleet_sentence(merged.fleet)
    if interrupted:
        error = Refusal(f"The run was interrupted; what was heard before stands. {sentence}", 3)
        diagnosis = msgspec.structs.replace(diagnosis, error=error)
    lines = fleet_lines(merged.fleet, report_columns(options.format), everything=options.verbose > 0)
    return deliver(diagnosis, options, sentence, lines)
