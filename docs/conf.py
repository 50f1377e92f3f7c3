"""Settings of the site: `poe site` builds it from this folder into docs/_site."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from cudadoctor import __version__  # noqa: E402

project = "cudadoctor"
author = "the cudadoctor authors"
copyright = "the cudadoctor authors, Apache-2.0"
version = release = __version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_site", "changelog.d", "generators"]
nitpicky = True
# Titles become anchors that other pages link to, as they do where the repository itself is read.
myst_heading_anchors = 4
# A pair of hyphens is an option more often than a dash.
smartquotes = False
suppress_warnings: list[str] = []

html_theme = "furo"
html_title = f"cudadoctor {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"

_FINDINGS = "findings/README"
_TREE = "\n```{toctree}\n:hidden:\n:glob:\n\n*\n```\n"


def _with_tree(app: Any, document: str, source: list[str]) -> None:
    """Hang the pages of the findings below their list, where readers of the repository need no such block."""
    if document == _FINDINGS:
        source[0] += _TREE


def setup(app: Any) -> None:
    """Register what the settings alone cannot say."""
    app.connect("source-read", _with_tree)
