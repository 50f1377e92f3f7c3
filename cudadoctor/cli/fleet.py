"""`cudadoctor fleet`: many machines as one, from saved files or from a Ray cluster."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from cudadoctor.cli import options as opt
from cudadoctor.cli.delivery import RefusedError, check_writable, deliver, report_columns
from cudadoctor.cli.options import FailOn, Format, ReportOptions

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


def show(merged: Merged, options: ReportOptions) -> int:
    """Judge a fleet and deliver its report; return the exit code."""
    from cudadoctor.doctor import diagnose_fleet
    from cudadoctor.fleet.pseudonyms import without_names
    from cudadoctor.report.fleet import fleet_lines, fleet_sentence

    if options.redacts:
        merged = without_names(merged)
    diagnosis = diagnose_fleet(merged, options.command)
    lines = fleet_lines(merged.fleet, report_columns(options.format), everything=options.verbose > 0)
    return deliver(diagnosis, options, fleet_sentence(merged.fleet), lines)
