"""The examples of docs/python.md run, in order, and print what the page shows."""

from __future__ import annotations

import ast
import doctest
import shutil
from pathlib import Path

import pytest

import cudadoctor
from tests.docs.fences import DOCS, ROOT, blocks_of

PAGE = (DOCS / "python.md").read_text(encoding="utf-8")
BLOCKS = [block for block in blocks_of(PAGE, "docs/python.md") if block.language in ("python", "pycon")]


def test_all_examples_run_and_print_what_stands_below_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        for name, machine in block.files:
            shutil.copy(ROOT / "tests" / "machines" / machine / "facts.json", tmp_path / name)
        if block.language == "python":
            exec(compile(block.text, block.place, "exec"), names)  # what a reader would paste
            assert capsys.readouterr().out
            continue
        examples = doctest.DocTestParser().get_doctest(block.text, names, block.place, block.page, block.line)
        assert examples.examples
        runner = doctest.DocTestRunner(verbose=False)
        runner.run(examples, clear_globs=False)
        assert runner.failures == 0, capsys.readouterr().out
        names.update(examples.globs)


def test_the_page_has_examples_of_everything_that_it_offers() -> None:
    used = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for block in BLOCKS
        for example in (
            [each.source for each in doctest.DocTestParser().get_examples(block.text)]
            if block.language == "pycon"
            else [block.text]
        )
        for node in ast.walk(ast.parse(example))
        if isinstance(node, (ast.Attribute, ast.Name))
    }
    functions = {name for name in cudadoctor.__all__ if name[0].islower()}
    assert functions <= used
    assert all(f"### {name}\n" in PAGE for name in cudadoctor.__all__)
