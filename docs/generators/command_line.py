"""The page of the command line, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from cudadoctor.cli.app import app


def page() -> str:
    """Return the page."""
    parts = ["# The command line\n"]
    for name, sub in commands():
        parts.append(f"## cudadoctor {name}\n\n{_paragraphs(sub.help)}\n\n| option | what it does |\n|---|---|")
        for parameter in sub.params:
            help_text = getattr(parameter, "help", "") or ""
            names = ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])
            value = (
                "" if getattr(parameter, "is_flag", False) or getattr(parameter, "count", False) else _value(parameter)
            )
            parts.append(f"| {names}{value} | {help_text} |")
        parts.append("")
    parts.append("`--version` prints the version; `--help` after a command prints its options.\n")
    parts.append(
        "`--install-completion` adds completion of commands and options to the start-up file of the shell that it is "
        "called from (bash, zsh, fish, PowerShell); `--show-completion` prints it instead, to be put where you like. "
        "Both take the name of another shell: `--show-completion fish`.\n"
    )
    return "\n".join(parts)


def commands(group: Any = None, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield all commands by name, those of a group after its name."""
    group = typer.main.get_command(app) if group is None else group
    for name, sub in sorted(group.commands.items()):
        if hasattr(sub, "commands"):
            yield from commands(sub, f"{before}{name} ")
        else:
            yield f"{before}{name}", sub


def _value(parameter: Any) -> str:
    if parameter.metavar:
        return " " + parameter.metavar.replace("|", "\\|")
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return " " + "\\|".join(str(getattr(choice, "value", choice)) for choice in choices)
    return f" {parameter.type.name.upper().split()[0]}"


def _paragraphs(text: str | None) -> str:
    return "\n\n".join(" ".join(block.split()) for block in (text or "").split("\n\n"))
