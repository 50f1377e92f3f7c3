"""`cudadoctor why`: the causes of a pasted error, log or traceback; or the page of one of them."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cudadoctor import __version__
from cudadoctor.cli import options as opt
from cudadoctor.cli.delivery import RefusedError, check_writable, deliver, report_columns, write_report
from cudadoctor.cli.options import FailOn, Format, ReportOptions
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S

MAX_BYTES = 8_000_000
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)+|[a-z]{3,40}")
_FILE = re.compile(r"(?:[A-Za-z]:)?[^\s:()'\"=]+\.(?:log|txt|out|err|stdout|stderr|trace)", re.IGNORECASE)


def why(
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT|FILE|ID|-]", help="An error or log, a file with one, or the id of a finding."),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List all causes that are known.")] = False,
    no_machine: Annotated[bool, typer.Option("--no-machine", help="Judge the text alone, not this machine.")] = False,
    timeout: opt.TimeoutOption = DRIVER_CALL_LIMIT_S,
    format: opt.FormatOption = Format.TEXT,
    output: opt.OutputOption = None,
    fail_on: opt.FailOnOption = FailOn.ERROR,
    redact: opt.RedactOption = None,
    verbose: opt.VerboseOption = 0,
    quiet: opt.QuietOption = False,
) -> int:
    """Name the likeliest causes of a pasted error, log or traceback, or of what `nvidia-smi` printed.

    The text is the argument, the file that it names, or standard input. The id of a finding prints its page.
    Exit code 0: no cause found at or above --fail-on; 1: one was; 2: wrong usage or bad input.
    """
    from cudadoctor.rules.pasted.answer import answer, cause_called

    check_writable(output)
    words = text or []
    if list_:
        if words:
            raise RefusedError("--list takes no text")
        return write_report(_listed(format, output), output)
    rule = cause_called(words[0]) if len(words) == 1 else None
    if rule is not None:
        return write_report(_page(rule, format), output)
    pasted = _text(words)
    here = None if no_machine else _here(timeout)
    diagnosis, sentence = answer(pasted, here, version=__version__)
    report = ReportOptions(
        command="why", format=format, output=output, fail_on=fail_on, redact=redact, verbose=verbose, quiet=quiet
    )
    return deliver(diagnosis, report, sentence)


def _here(limit_s: float) -> Any:
    """Return what `check --quick` finds on this machine."""
    from cudadoctor.doctor import AREAS, Examination, diagnose, examine

    areas = frozenset(AREAS) - {"kernel"}
    return diagnose(examine(Examination(areas=areas, left_out="why runs no kernel", limit_s=limit_s)))


def _text(words: list[str]) -> str:
    """Return the text to judge.

    Raises:
        RefusedError: There is none, it cannot be read, or it is an id that nothing has.
    """
    if not words or words == ["-"]:
        if sys.stdin is None or (not words and sys.stdin.isatty()):
            raise RefusedError("give the text, a file with it, or pipe it in: `nvidia-smi 2>&1 | cudadoctor why`")
        text = _decoded(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    elif len(words) == 1 and len(words[0]) < 4096 and "\n" not in words[0] and os.path.exists(words[0]):
        try:
            with open(words[0], "rb") as file:
                text = _decoded(file.read(MAX_BYTES + 1), words[0])
        except OSError as error:
            raise RefusedError(f"cannot read {words[0]}: {error.strerror}") from None
    else:
        text = " ".join(words)
        if len(words) == 1 and _ID.fullmatch(words[0]) and not _a_message(words[0]):
            raise RefusedError(_no_such(words[0]))
        if len(words) == 1 and _FILE.fullmatch(words[0]):
            raise RefusedError(f"cannot read {words[0]}: there is no such file")
    if not text.strip():
        raise RefusedError("the text is empty")
    return text


def _decoded(data: bytes, name: str) -> str:
    """Decode what was read; Windows shells write UTF-16 with a mark in front."""
    from cudadoctor.text import from_bytes

    if len(data) > MAX_BYTES:
        print(f"cudadoctor: {name} is long: only its first {MAX_BYTES // 1_000_000} MB are judged", file=sys.stderr)
        data = data[:MAX_BYTES]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return from_bytes(data.removeprefix(b"\xef\xbb\xbf"))


def _a_message(word: str) -> bool:
    """Say whether a plain word without a hyphen is one that programs print, such as `segfault`, and no id."""
    from cudadoctor.rules.pasted.signs import read_signs
    from cudadoctor.rules.pasted.text import Pasted
    from cudadoctor.rules.pasted.trouble import is_calm

    pasted = Pasted(word)
    return "-" not in word and (bool(read_signs(pasted)) or not is_calm(pasted))


def _no_such(id: str) -> str:
    import difflib

    from cudadoctor.rules.documented import DOCUMENTED

    ids = sorted(rule.id for rule in DOCUMENTED)
    near = difflib.get_close_matches(id, ids, n=3) or [each for each in ids if id in each.split("-")][:3]
    *others, last = near or [""]
    meant = f" Did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if near else ""
    return f"no finding is called {id}, and no such file is there.{meant} See `cudadoctor why --list`"


def _listed(format: Format, output: str | None) -> bytes:
    from cudadoctor.rules.documented import DOCUMENTED

    rules = sorted(DOCUMENTED, key=lambda rule: rule.id)
    if format is Format.JSON:
        causes = [{"id": rule.id, "severity": rule.severity.value, "title": rule.title} for rule in rules]
        return _document(causes=causes)
    if format is Format.MARKDOWN:
        rows = "".join(f"| `{rule.id}` | {rule.severity.value} | {rule.title} |\n" for rule in rules)
        return f"| id | severity | what is wrong |\n|---|---|---|\n{rows}".encode()
    if format is Format.HTML:
        from cudadoctor.report.html.page import render_list

        return render_list([(rule.id, rule.severity.value, rule.title) for rule in rules], __version__).encode()
    longest = max(len(rule.id) for rule in rules)
    heads = [f"{rule.id:{longest}}  {rule.severity.value:7}  " for rule in rules]
    # For `grep` a cause is one line; on a screen its title stays in its column.
    room = report_columns(format) - longest - 11 if output is None and sys.stdout.isatty() else 200
    titles = [f"\n{' ' * (longest + 11)}".join(textwrap.wrap(rule.title, max(20, room))) for rule in rules]
    return "".join(f"{head}{title}\n" for head, title in zip(heads, titles, strict=True)).encode()


def _page(rule: Any, format: Format) -> bytes:
    from cudadoctor.rules.pasted.answer import how_to_tell

    page = f"{rule.page.strip()}\n"
    if format is Format.JSON:
        cause = {"id": rule.id, "severity": rule.severity.value, "title": rule.title, "page": page}
        if rule.confirm is not None:
            cause["confirm"] = {"command": rule.confirm.command, "shows": rule.confirm.shows}
        return _document(causes=[cause])
    page += how_to_tell(rule)
    if format is Format.MARKDOWN:
        return page.encode()
    if format is Format.HTML:
        from cudadoctor.report.html.page import render_page

        return render_page(rule.id, rule.severity.value, page, __version__).encode()
    return ("\n".join(_plain_lines(page)).rstrip("\n") + f"\n\n{rule.id}, {rule.severity.value}\n").encode()


def _plain_lines(page: str) -> Iterator[str]:
    """Yield a page as plain lines: paragraphs as wide as the screen, commands whole."""
    width = report_columns(Format.TEXT)
    paragraph: list[str] = []
    hang = ""
    code = False
    for line in [*page.splitlines(), ""]:
        begins = line.startswith(("#", "```", "- ")) or not line.strip()
        if paragraph and (begins or code or paragraph[-1].endswith((".", ":"))):
            text = " ".join(paragraph)
            yield from textwrap.wrap(
                text, width, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False
            )
            paragraph = []
        if line.startswith("```"):
            code = not code
        elif code:
            yield f"      {line}"
        elif line.startswith("#") or not line.strip():
            yield re.sub(r"^#+ ", "", line)
        else:
            hang = "  " if line.startswith("- ") else hang if paragraph or line.startswith("  ") else ""
            paragraph.append(line.strip() if paragraph else line)


def _document(**more: Any) -> bytes:
    """Return the usual document with what was asked for beside its keys."""
    from cudadoctor.facts.document import encode_json
    from cudadoctor.findings import SCHEMA_VERSION

    head = {"schema_version": SCHEMA_VERSION, "command": "why", "version": __version__, "status": "ok"}
    return encode_json({**head, "findings": [], "skipped": [], **more})
