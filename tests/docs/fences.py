"""The fenced blocks of the documentation, each with what the comment above it says to the tests.

`<!-- test: file node17.json = MACHINE; exit 0 or 1 -->`: the block needs the facts of a recorded machine under that
name, and its commands may end so (0 if nothing is said).
`<!-- test: not run, REASON -->`: its commands are only parsed.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(
    r"(?:^<!-- (?P<comment>[^>]*) -->\n+)?^(?P<fence>`{3,})(?P<language>[\w{}]*)\n(?P<text>.*?)^(?P=fence)$",
    re.M | re.S,
)
_WHERE = re.compile(r"file (?P<name>\S+) = (?P<machine>\S+)|exit (?P<exits>\d( or \d)*)|not run, (?P<reason>.+)")


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One fenced block. `files` are names and recorded machines; `not_run` is the reason why it is only parsed."""

    page: str
    line: int
    language: str
    text: str
    comment: str
    files: tuple[tuple[str, str], ...] = ()
    exits: tuple[int, ...] = (0,)
    not_run: str = ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One command line as a reader would paste it, and the lines that the page shows below it."""

    block: Block
    text: str
    shown: tuple[str, ...] = ()


def pages() -> list[Path]:
    """Return all pages, the README first; fragments of the changelog are no pages."""
    found = [path for path in DOCS.rglob("*.md") if not {"changelog.d", "_site"} & set(path.relative_to(DOCS).parts)]
    return [ROOT / "README.md", *sorted(found)]


def blocks() -> list[Block]:
    """Return all blocks of all pages."""
    return [block for path in pages() for block in blocks_of(path.read_text(encoding="utf-8"), _name(path))]


def blocks_of(text: str, page: str) -> list[Block]:
    """Return the blocks of a page."""
    made = []
    for found in _FENCE.finditer(text):
        comment = found["comment"] or ""
        files, exits, not_run = [], (0,), ""
        if comment.startswith("test: "):
            for part in comment.removeprefix("test: ").split("; "):
                told = _WHERE.fullmatch(part)
                assert told is not None, f"{page}: {comment!r} says nothing that the tests know"
                if told["name"]:
                    files.append((told["name"], told["machine"]))
                exits = tuple(int(each) for each in told["exits"].split(" or ")) if told["exits"] else exits
                not_run = told["reason"] or not_run
        made.append(
            Block(
                page=page,
                line=text.count("\n", 0, found.start("fence")) + 1,
                language=found["language"],
                text=found["text"],
                comment=comment,
                files=tuple(files),
                exits=exits,
                not_run=not_run,
            )
        )
    return made


def commands() -> list[Command]:
    """Return the command lines of all pages that call cudadoctor."""
    return [command for block in blocks() for command in commands_of(block) if calls(command.text)]


def commands_of(block: Block) -> list[Command]:
    """Return the command lines of a block: after `$ ` in a console, each line in a script."""
    if block.language == "console":
        made: list[tuple[str, list[str]]] = []
        for line in block.text.splitlines():
            if line.startswith("$ "):
                made.append((line.removeprefix("$ "), []))
            else:
                assert made, f"{block.place}: output without a command"
                made[-1][1].append(line)
        return [Command(block=block, text=text, shown=tuple(shown)) for text, shown in made]
    if block.language in ("sh", "bash"):
        return [Command(block=block, text=line) for line in block.text.splitlines() if line.strip()]
    return []


def calls(text: str) -> list[list[str]]:
    """Return the arguments of each call of cudadoctor in a command line."""
    import shlex

    found = []
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|&;<>()") or (word.isdigit() and not words):
            called = _arguments(words)
            found += [called] if called is not None else []
            words = []
        else:
            words.append(word)
    return found


def _arguments(words: list[str]) -> list[str] | None:
    """Return what follows `cudadoctor` (with or without a folder) or `python -m cudadoctor`."""
    for place, word in enumerate(words):
        name = word.rpartition("/")[2]
        if name == "cudadoctor" and (place == 0 or words[place - 1] == "-m" or words[0] == "numactl"):
            return words[place + 1 :]
    return None


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
