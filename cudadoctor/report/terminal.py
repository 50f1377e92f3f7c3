"""The report for a terminal, as Rich renderables. Colour is decoration: the text says it all without."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cudadoctor.facts.ladder import Ladder
from cudadoctor.findings import SAID_BY_TEXT, Area, Diagnosis, Finding, Severity, by_reason
from cudadoctor.report.frameworks import TITLE as FRAMEWORKS_TITLE
from cudadoctor.report.frameworks import rows as framework_rows
from cudadoctor.report.plan import plan_for_terminal
from cudadoctor.report.road import rows
from cudadoctor.text import printable

_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
_MARK = {
    "passed": ("ok", "green"),
    "failed": ("FAILED", "red"),
    "timed out": ("HUNG", "red"),
    "crashed": ("CRASHED", "red"),
}

_AREA_STYLE = {"passed": "green", "warning": "bold yellow", "error": "bold red", "skipped": "dim", "crashed": "red"}


def render_terminal(
    diagnosis: Diagnosis, sentence: str, lines: Sequence[str] = (), *, verbose: int = 0, quiet: bool = False
) -> list[RenderableType]:
    """Return the whole report, part by part: the answer first, then findings, then the road.

    Args:
        diagnosis: What was found.
        sentence: The answer in one or two sentences.
        lines: A measurement, as plain lines.
        verbose: 1 shows every step and the rules that were skipped.
        quiet: Only the answer and the titles of the findings.
    """
    parts: list[RenderableType] = []
    if lines and not quiet:
        parts += [*(_plain(line) for line in lines), Text()]
    parts.append(_plain(sentence, style="bold"))
    if diagnosis.plan is not None and not quiet:
        # What the findings say stands in the steps, as what to do and why.
        parts += plan_for_terminal(diagnosis.plan)
    for finding in diagnosis.findings if diagnosis.plan is None or quiet else ():
        parts.append(Text())
        in_short = not verbose and is_far_behind(diagnosis, finding)
        parts += [_title(finding)] if quiet else _in_short(finding) if in_short else _finding(finding)
    if not quiet and isinstance(diagnosis.facts.ladder, Ladder) and diagnosis.command == "check":
        parts += [Text(), _areas(diagnosis.areas, verbose)] if diagnosis.areas else []
        parts += [Text(), _road(diagnosis.facts.ladder, verbose)]
        told = framework_rows(diagnosis.facts.frameworks, brief=not verbose)
        parts += [Text(), _frameworks(told)] if told else []
    if verbose and diagnosis.skipped:
        parts += [Text(), _plain("Not judged", style="bold")]
        for reason, rules in by_reason(diagnosis.skipped).items():
            parts.append(Padding(_plain(f"{', '.join(rules)}: {reason}"), (0, 0, 0, 2)))
    return parts


def is_far_behind(diagnosis: Diagnosis, finding: Finding) -> bool:
    """Say whether a cause of a text is no more than possible while the first is more than that."""
    first = diagnosis.findings[0]
    return diagnosis.command == "why" and first.confidence != "possible" and finding.confidence == "possible"


def _in_short(finding: Finding) -> list[RenderableType]:
    """Return a cause that is not likely: what would tell, and where its page is."""
    parts: list[RenderableType] = [_title(finding)]
    table = _labelled(finding)
    if finding.confirm is not None:
        table.add_row("To tell", _plain(f"Less likely. If this is the cause, you see {finding.confirm.shows}:"))
        parts += [Padding(table, (0, 0, 0, 2)), _command(finding.confirm.command)]
        table = _labelled(finding)
    table.add_row("More", _plain(f"cudadoctor why {finding.id}"))
    return [*parts, Padding(table, (0, 0, 0, 2))]


def _finding(finding: Finding) -> list[RenderableType]:
    parts: list[RenderableType] = [_title(finding)]
    parts.append(Padding(_plain(finding.summary), (0, 0, 0, 2)))
    table = _labelled(finding)
    table.add_row("Cause", _plain(f"{finding.cause} ({finding.confidence})"))
    for number, item in enumerate(finding.evidence):
        value = item.text
        seen = f"{item.source}: {value}" if item.name == SAID_BY_TEXT else f"{item.name}: {value}  [{item.source}]"
        table.add_row("Seen" if number == 0 else "", _plain(seen))
    if finding.confirm is not None:
        table.add_row("To tell", _plain(f"If this is the cause, you see {finding.confirm.shows}:"))
        parts += [Padding(table, (0, 0, 0, 2)), _command(finding.confirm.command)]
        table = _labelled(finding)
    table.add_row("Fix", _plain(finding.fix.text))
    parts.append(Padding(table, (0, 0, 0, 2)))
    parts += [_command(command) for command in finding.fix.commands]
    return parts


def _labelled(finding: Finding) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="dim", min_width=len("Cause" if finding.confirm is None else "To tell"))
    table.add_column(overflow="fold")
    return table


def _command(command: str) -> Text:
    """Return a command alone on its line and not wrapped, so that it can be pasted."""
    return Text(f"      {printable(command)}", no_wrap=True, style="bold")


def _title(finding: Finding) -> Text:
    text = Text()
    text.append(finding.severity.value, style=_STYLE[finding.severity])
    text.append(f"  {printable(finding.title)}  ", style="bold")
    text.append(f"[{finding.id}]", style="dim")
    return text


def _areas(areas: Sequence[Area], verbose: int) -> RenderableType:
    table = _Areas(areas, bool(verbose))
    return Group(_plain("Area by area", style="bold"), Padding(table, (0, 0, 0, 2)))


class _Areas:
    """A line an area, cut where the terminal ends, or with all of its detail."""

    def __init__(self, areas: Sequence[Area], whole: bool) -> None:
        self._areas, self._whole = areas, whole

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = [max(map(len, column)) + 2 for column in (tuple(_AREA_STYLE), tuple(area.name for area in self._areas))]
        room = max(1, options.max_width - sum(wide))
        table = Table.grid()
        for width in wide:
            table.add_column(width=width, no_wrap=True)
        table.add_column(width=room, overflow="fold")
        for area in self._areas:
            told = printable(area.detail)
            if not self._whole and len(told) > room:
                told = f"{told[: room - 3].rstrip(' ,;:')}..."
            detail = Text(told)
            table.add_row(Text(area.state, style=_AREA_STYLE[area.state]), area.name, detail)
        yield table


def _road(ladder: Ladder, verbose: int) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    unreached: list[str] = []
    unseen: list[str] = []
    last = max((place for place, step in enumerate(ladder.steps) if step.state == "passed"), default=-1)
    no_card = any(step.name == "pci-device" and step.state == "failed" for step in ladder.steps)
    for place, row in enumerate(rows(ladder)):
        # Without a card, that nothing else is there follows from it and need not be read.
        follows = no_card and row.name != "pci-device" and row.state == "failed"
        if (follows or row.state == "not reached") and not verbose:
            # What later steps have left behind is on their way in spite of it: Windows has no device nodes.
            (unseen if place < last and row.state == "not reached" else unreached).append(row.name)
            continue
        mark, style = _MARK.get(row.state, ("-", "dim"))
        table.add_row(Text(mark, style=style), row.name, _plain(row.detail))
    parts: list[RenderableType] = [_plain("The road from the PCI bus to a kernel", style="bold")]
    if table.row_count:
        parts.append(Padding(table, (0, 0, 0, 2)))
    if unseen:
        parts.append(Padding(_plain("not seen on this system: " + ", ".join(unseen)), (0, 0, 0, 2)))
    if unreached:
        parts.append(
            Padding(
                _plain(("not there, or not reached: " if no_card else "not reached: ") + ", ".join(unreached)),
                (0, 0, 0, 2),
            )
        )
    return Group(*parts)


def _frameworks(rows: Sequence[tuple[str, str, str]]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, state, text in rows:
        mark, style = _MARK.get(state, (state, "dim"))
        table.add_row(Text(mark, style=style), _plain(name), _plain(text))
    return Group(_plain(FRAMEWORKS_TITLE, style="bold"), Padding(table, (0, 0, 0, 2)))


def _plain(text: str, style: str = "") -> Text:
    return Text(printable(text), style=style)


def to_text(report: Sequence[RenderableType], *, colour: bool, width: int | None = None) -> str:
    """Return the report as text with or without escape codes.

    Args:
        report: What `render_terminal` returned.
        colour: Whether the text is for a terminal; NO_COLOR and TERM=dumb still take colour away.
        width: Columns; by default those of the terminal, 80 where there is none.
    """
    console = Console(
        file=io.StringIO(), force_terminal=colour, width=width, highlight=False, emoji=False, markup=False
    )
    with console.capture() as capture:
        for part in report:
            whole = isinstance(part, Text) and bool(part.no_wrap)
            if isinstance(part, Text) and not whole and max(map(len, part.plain.split()), default=0) > console.width:
                part, whole = _unbroken(part, console.width), True
            console.print(part, soft_wrap=whole)
    return "".join(line.rstrip() + "\n" for line in capture.get().split("\n")[:-1])


def _unbroken(text: Text, width: int) -> Text:
    """Return a paragraph with a word that is longer than a line, such as a path, whole on a line of its own."""
    lines = textwrap.wrap(text.plain, width, break_long_words=False, break_on_hyphens=False)
    return Text("\n".join(lines), style=text.style)
