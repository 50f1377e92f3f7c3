"""The reference part of python.md: signatures and docstrings of what `import cudadoctor` offers."""

from __future__ import annotations

import inspect
import re
from typing import Any

import cudadoctor
from generators.marks import fill

_SECTIONS = ("Args", "Returns", "Yields", "Raises")


def filled(page: str) -> str:
    """Return python.md with its reference."""
    return fill(page, "reference", "\n".join(_entry(name) for name in cudadoctor.__all__))


def _entry(name: str) -> str:
    offered = getattr(cudadoctor, name)
    if not inspect.isclass(offered):
        return f"### {name}\n\n{_signature(name, offered)}\n\n{_words(offered)}\n"
    parts = [f"### {name}\n\n{_words(offered)}\n"]
    for member, value in vars(offered).items():
        if member.startswith("_") or not (inspect.isfunction(value) or isinstance(value, property)):
            continue
        if isinstance(value, property):
            parts.append(f"#### {name}.{member}\n\n{_words(value)}\n")
        else:
            parts.append(f"#### {name}.{member}\n\n{_signature(f'{name}.{member}', value)}\n\n{_words(value)}\n")
    return "\n".join(parts)


def _signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    shown = [str(each) for each in signature.parameters.values() if each.name != "self"]
    kinds = [each.kind for each in signature.parameters.values() if each.name != "self"]
    if inspect.Parameter.KEYWORD_ONLY in kinds:
        shown.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    text = f"{name}({', '.join(shown)}) -> {signature.return_annotation}"
    if len(text) > 88:
        text = f"{name}(\n    " + ",\n    ".join(shown) + f",\n) -> {signature.return_annotation}"
    return f"```text\n{text}\n```"


def _words(offered: Any) -> str:
    """Return a docstring of Google's form as Markdown."""
    text = re.sub(r"``?([^`]+)``?", r"`\1`", inspect.getdoc(offered) or "")
    blocks = []
    for block in text.split("\n\n"):
        head, _, rest = block.partition(":\n")
        if head in _SECTIONS:
            items = re.sub(r"\n {8,}", " ", rest)
            rows = [line.strip() for line in items.splitlines()]
            blocks.append("\n".join(f"- {_item(head, row)}" for row in rows))
        else:
            blocks.append(" ".join(block.split()))
    return "\n\n".join(blocks)


def _item(section: str, row: str) -> str:
    name, separator, rest = row.partition(": ")
    prefix = "raises " if section == "Raises" else ""
    return f"{prefix}`{name}`: {rest}" if separator and " " not in name else f"{section.lower()}: {row}"
