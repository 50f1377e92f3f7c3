"""What the builder of the site looks for in the pages that it has built."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.docs.fences import DOCS, ROOT


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_site", DOCS / "build_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FOUND = builder().loaded_from_elsewhere


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example/x.js"></script>'),
        ("a.html", '<link rel="stylesheet" href="//fonts.example/css?family=X">'),
        ("a.html", '<link rel="preconnect" href="https://fonts.example">'),
        ("a.html", '<img alt="" src="http://badge.example/x.svg">'),
        ("a.html", '<p style="background: url(https://x.example/a.png)">'),
        ("a.html", "<style>@import 'https://x.example/a.css';</style>"),
        ("a.css", "@font-face { src: url( 'https://x.example/a.woff2' ) }"),
        ("a.svg", '<svg><image href="x"/><style>@import url(//x.example/a.css);</style></svg>'),
    ],
)
def test_what_a_page_would_fetch_from_elsewhere_is_found(name: str, text: str) -> None:
    assert FOUND(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<a href="https://github.com/x">issue</a>'),
        ("a.html", '<script src="_static/x.js"></script><img src="data:image/png;base64,AA">'),
        ("a.html", '<link rel="canonical" href="https://docs.example/">'),
        ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"></svg>'),
        ("a.css", "a { background: url(data:image/svg+xml;base64,AA) } /* https://example.org */"),
    ],
)
def test_links_and_own_files_are_not(name: str, text: str) -> None:
    assert FOUND(name, text) == []


def test_ci_builds_the_site_with_warnings_as_errors() -> None:
    assert "poe site" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert '"-W"' in (DOCS / "build_site.py").read_text(encoding="utf-8")
