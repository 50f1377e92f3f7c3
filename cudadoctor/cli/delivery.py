"""Deliver a report: to the screen or a file, with the facts saved beside it, and an exit code."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import stat
import sys
import tempfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from cudadoctor import __version__
from cudadoctor.findings import Diagnosis, Refusal, Severity

if TYPE_CHECKING:
    from cudadoctor.cli.options import Format, ReportOptions

_MARKDOWN_COLUMNS = 100


class RefusedError(Exception):
    """The command cannot do what was asked; the message is one line that says what to do."""

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def refuse(arguments: list[str], message: str, exit_code: int) -> int:
    """Say in one line why nothing was done; with `--format json`, as a document on standard output too."""
    from cudadoctor.text import printable

    print(f"cudadoctor: {printable(message)}", file=sys.stderr)
    if _wants_json(arguments):
        from cudadoctor.report.document import render_json

        command = printable(" ".join(_command(arguments)))
        if command == "fleet" and len(arguments) > 1 and arguments[1] in ("report", "run"):
            command = f"fleet {arguments[1]}"
        error = Refusal(message, exit_code)
        diagnosis = Diagnosis(command=command, version=__version__, status="unknown", error=error)
        with contextlib.suppress(BrokenPipeError, RefusedError):
            _write_stdout(render_json(diagnosis))
    return exit_code


def _command(arguments: list[str]) -> list[str]:
    """Return the words of the command: what follows an unknown option in its place is none."""
    words = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments[:2]))
    return words if words[:1] == ["fleet"] else words[:1]


def _wants_json(arguments: list[str]) -> bool:
    return "--format=json" in arguments or ("--format", "json") in itertools.pairwise(arguments)


def check_writable(*paths: str | None) -> None:
    """Refuse at once, before anything is measured, a file that could not be written at the end.

    Raises:
        RefusedError: With the reason, for the first such path.
    """
    named = [path for path in paths if path is not None]
    if len({os.path.realpath(path) for path in named}) < len(named):
        raise RefusedError(f"{named[0]} would be written twice: give the report and the facts a file each")
    for path in named:
        if path in ("", "-"):
            raise RefusedError(f"cannot write '{path}': name a file; without --output the report is on standard output")
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            raise RefusedError(f"cannot write {path}: there is no folder {folder}")
        if os.path.isdir(path):
            raise RefusedError(f"cannot write {path}: it is a folder")
        if not os.access(path if os.path.exists(path) else folder, os.W_OK):
            raise RefusedError(f"cannot write {path}: permission denied")


def deliver(diagnosis: Diagnosis, options: ReportOptions, sentence: str = "", lines: list[str] | None = None) -> int:
    """Write the report and save the facts; return the exit code.

    Args:
        diagnosis: What to report.
        options: How.
        sentence: The answer in one or two sentences; why there is none takes its place.
        lines: The measurement as plain lines, as far as it is not on the screen already.
    """
    code = exit_code(diagnosis, options)
    if diagnosis.error is not None:
        sentence = diagnosis.error.message.rstrip(".") + "."
        # What was asked for is not known: a healthy machine does not make it well.
        if diagnosis.status == "ok":
            diagnosis = msgspec.structs.replace(diagnosis, status="unknown")
    shared = diagnosis
    if options.redacts:
        shared = _redacted(diagnosis)
        sentence, lines = _redacted_text(sentence), [_redacted_text(line) for line in lines or []]
    data = _render(shared, options, sentence, lines or [])
    unwritten: list[str] = []
    if options.save is not None:  # before the report: its reader may be gone (`| head`)
        from cudadoctor.facts.document import encode_facts

        facts = diagnosis.facts if options.redact is False else _redacted(diagnosis).facts
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        try:
            write_file(options.save, encode_facts(facts, version=__version__, recorded_at=now))
        except OSError as error:
            unwritten.append(f"cannot write {options.save}: {error.strerror}; the facts were not saved")
    try:
        if options.output is None:
            _write_stdout(data)
        else:
            try:
                write_file(options.output, data)
            except OSError as error:
                reason = f"cannot write {options.output}: {error.strerror}"
                unwritten.append(f"{reason}; the report stands on standard output")
                _write_stdout(data)
    finally:
        for message in unwritten:
            print(f"cudadoctor: {message}", file=sys.stderr)
    return 2 if unwritten else code


def report_columns(format: Format) -> int:
    """Return how wide a table may be: as wide as the report will be."""
    if format.value != "text":
        return _MARKDOWN_COLUMNS
    import io

    from rich.console import Console

    return max(60, min(200, Console(file=io.StringIO()).width))


def write_report(data: bytes, output: str | None) -> int:
    """Write what is no diagnosis (a page, a list) to a file or the screen; return the exit code."""
    if output is None:
        _write_stdout(data)
        return 0
    try:
        write_file(output, data)
    except OSError as error:
        print(f"cudadoctor: cannot write {output}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def exit_code(diagnosis: Diagnosis, options: ReportOptions) -> int:
    """Return 0, 1 for a finding at or above `--fail-on`, or the code of a refusal."""
    if diagnosis.error is not None:
        return diagnosis.error.exit_code
    if options.fail_on.value == "never":
        return 0
    limit = Severity(options.fail_on.value).rank
    return 1 if any(finding.severity.rank <= limit for finding in diagnosis.findings) else 0


def write_file(path: str, data: bytes) -> None:
    """Write a file whole or not at all; what stood there stays until the new one is complete."""
    write_pieces(path, (data,))


def write_pieces(path: str, pieces: Iterable[bytes]) -> None:
    """Write a file that is made piece by piece, whole or not at all."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            with open(path, "wb") as file:  # a pipe or a device cannot be replaced
                file.writelines(pieces)
            return
    path = os.path.realpath(path)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".cudadoctor-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _render(diagnosis: Diagnosis, options: ReportOptions, sentence: str, lines: list[str]) -> bytes:
    if options.format.value == "json":
        from cudadoctor.report.document import render_json

        return render_json(diagnosis)
    if options.format.value == "markdown":
        from cudadoctor.report.markdown import render_markdown

        return render_markdown(diagnosis, sentence, lines).encode()
    if options.format.value == "html":
        from cudadoctor.report.html.page import render_html
        from cudadoctor.rules.pages import pages_of

        page = render_html(
            diagnosis,
            sentence,
            pages=pages_of(diagnosis.findings),
            only_device=options.only_device,
            everything=options.verbose > 0,
        )
        return page.encode("utf-8", "backslashreplace")
    from cudadoctor.report.terminal import render_terminal, to_text

    report = render_terminal(diagnosis, sentence, lines, verbose=options.verbose, quiet=options.quiet)
    on_screen = options.output is None and sys.stdout is not None and sys.stdout.isatty()
    return to_text(report, colour=on_screen).encode(_encoding(on_screen), "replace")


def _encoding(on_screen: bool) -> str:
    return (sys.stdout.encoding or "utf-8") if on_screen else "utf-8"


def _redacted(diagnosis: Diagnosis) -> Diagnosis:
    from cudadoctor.report.redact import own_names, redacted

    return redacted(diagnosis, names=own_names())


def _redacted_text(text: str) -> str:
    from cudadoctor.report.redact import own_names, redacted_text

    return redacted_text(text, names=own_names())


def _write_stdout(data: bytes) -> None:
    if sys.stdout is None:  # the caller closed it (`>&-`)
        return
    try:
        sys.stdout.flush()
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:  # replaced by a test or a notebook
            sys.stdout.write(data.decode())
        else:
            buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        leave_stdout()
        raise RefusedError(f"cannot write standard output: {error.strerror}") from None


def leave_stdout() -> None:
    """Send what is still to be written nowhere: Python would complain once more when it closes standard output."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
