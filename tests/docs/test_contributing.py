"""The rule of docs/contributing.md is a rule, its test passes, and it would not without the rule."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cudadoctor.rules import catalogue
from cudadoctor.rules import diagnose as judging
from tests.docs.fences import DOCS, ROOT, blocks_of
from tests.rules import build as b

EXAMPLES = {
    block.comment.removeprefix("example: "): block.text
    for block in blocks_of((DOCS / "contributing.md").read_text(encoding="utf-8"), "docs/contributing.md")
    if block.comment.startswith("example: ")
}


def loaded(name: str, text: str, folder: Path) -> ModuleType:
    path = folder / f"{name.rpartition('.')[2]}.py"
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def modules(tmp_path: Path) -> Iterator[tuple[ModuleType, ModuleType]]:
    names = ("cudadoctor.rules.nvml.ecc_switched_off", "tests.rules.test_ecc_switched_off")
    yield loaded(names[0], EXAMPLES["rule"], tmp_path), loaded(names[1], EXAMPLES["test"], tmp_path)
    for name in names:
        del sys.modules[name]


def sentences_of(module: ModuleType) -> list[str]:
    return [name for name in vars(module) if name.startswith("test_")]


def test_the_example_rule_passes_its_own_test_once_it_is_in_the_catalogue(
    modules: tuple[ModuleType, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, test = modules
    assert len(sentences_of(test)) == 2
    rules = (*catalogue.RULES, rule.ecc_switched_off.rule)
    monkeypatch.setattr(b, "diagnose", lambda machine: judging.diagnose(machine, rules))
    for name in sentences_of(test):
        getattr(test, name)()


def test_the_example_test_fails_without_the_rule(modules: tuple[ModuleType, ModuleType]) -> None:
    with pytest.raises(AssertionError):
        modules[1].test_a_gpu_with_ecc_switched_off_gets_a_note()


def test_what_the_page_names_is_there() -> None:
    text = (DOCS / "contributing.md").read_text(encoding="utf-8")
    for path in ("cudadoctor/rules/catalogue.py", "cudadoctor/rules/base.py", "tests/on_gpu.py", "docs/changelog.d"):
        assert path in text or path.rpartition("/")[2] in text
        assert (ROOT / path).exists(), path
    assert hasattr(judging, "_STAND_ALONE")
    assert "_STAND_ALONE" in text
