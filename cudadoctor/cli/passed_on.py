"""Options of cudadoctor's own that stand after a program and so go to the program, as they do after `python`."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MOST_BYTES = 4_000_000


def passed_on(arguments: Iterable[str], own: Iterable[str], script: str | None) -> tuple[str, ...]:
    """Return the options of cudadoctor among a program's arguments that the program does not seem to know.

    `--help` is every program's, and so is a short option. A script knows an option that its text holds, as `--save` or
    as the name of a parameter or field (`save:`, `save=`), from which many parsers make one.

    Args:
        arguments: What follows the program.
        own: The option names of the command.
        script: The program's path; None where its text cannot be read, as that of a module.
    """
    long = {name for name in own if name.startswith("--") and name != "--help"}
    found: dict[str, None] = {}
    for argument in arguments:
        if argument == "--":
            break
        name = argument.partition("=")[0]
        if name in long:
            found[name] = None
    text = _text(script) if found and script is not None else ""
    return tuple(name for name in found if not _known(name, text))


def _text(script: str) -> str:
    try:
        with open(script, encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_BYTES)
    except OSError:  # a folder with a __main__.py
        return ""


def _known(name: str, text: str) -> bool:
    parameter = re.escape(name.removeprefix("--").replace("-", "_"))
    return name in text or re.search(rf"(?<!\w){parameter}\s*[:=](?!=)", text) is not None
