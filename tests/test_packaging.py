"""What the package promises to those who install it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_every_extra_of_the_design_is_there() -> None:
    extras = set(re.findall(r'extra == "(\w+)"|extra == \'(\w+)\'', "\n".join(requires("cudadoctor") or [])))
    assert {name for pair in extras for name in pair if name} == {"cu12", "cu13", "report", "fleet", "dev"}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a checkout knows what belongs to it")
def test_the_top_level_holds_nothing_else() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = {path.split("/")[0] for path in listed.splitlines() if not path.startswith(".")}
    assert there == {"pyproject.toml", "README.md", "LICENSE", "cudadoctor", "tests", "docs"}


def test_the_readme_has_two_set_up_commands_and_ci_runs_the_second() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    first, second = (line for line in lines if line.startswith("python3 -m venv"))
    assert first.endswith("cudadoctor check --fail-on never")
    assert "-m pytest" in second
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_wheel_and_the_sdist_hold_every_file_of_the_package(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the build tool is not installed here")
    build = (
        "import sys; from hatchling.build import build_sdist, build_wheel;"
        "print(build_wheel(sys.argv[1])); print(build_sdist(sys.argv[1]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    wheel, sdist = (tmp_path / name for name in run.stdout.split())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "cudadoctor").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {path for path in wanted if path.startswith("cudadoctor/report/html/templates/")}
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        assert wanted <= {name.partition("/")[2] for name in archive.getnames()}


def test_light_modules_import_nothing_heavy() -> None:
    code = (
        "import sys; import cudadoctor.cli.app, cudadoctor.probes.gather, cudadoctor.rules.catalogue, "
        "cudadoctor.report.terminal, cudadoctor.bandwidth.measure, cudadoctor.dbn.race;"
        "print([m for m in ('numpy', 'numba', 'pynvml', 'llvmlite', 'cuda', 'pydantic', 'jinja2') if m in sys.modules])"
    )
    code = f"import sys; sys.path[:] = {sys.path!r}; {code}"
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    assert run.stdout == "[]\n", run.stderr


def test_without_its_packages_it_says_in_a_line_what_to_install() -> None:
    run = subprocess.run(
        [sys.executable, "-S", "-m", "cudadoctor", "check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert re.fullmatch(
        r"cudadoctor: the Python package (typer|msgspec) is not installed .*pip install \.\n", run.stderr
    )
