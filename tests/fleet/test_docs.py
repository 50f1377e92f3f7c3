"""The one-liners of docs/fleet.md work: with stand-ins for srun, mpirun and ssh that run the command here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cudadoctor.doctor import diagnose
from cudadoctor.fleet.digest import Digest
from cudadoctor.fleet.reading import read_one

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```sh\n(.*?)^```", (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)
BASH = shutil.which("bash") or ""
pytestmark = pytest.mark.skipif(not BASH, reason="these are lines for a POSIX shell")

STAND_INS = {
    # Runs the command as two nodes would, whose host names differ.
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; for n in 1 2; do NODE=$n "$@" || exit; done',
    "mpirun": 'while [ "${1#--}" != "$1" ]; do shift; [ "$1" = ppr:1:node ] && shift; done; '
    'for n in 1 2; do NODE=$n "$@"; done',
    "hostname": 'echo "gpu-$NODE"',
    "ssh": 'while [ "${1#-}" != "$1" ]; do [ "$1" = -o ] && shift; shift; done; host=$1; shift; '
    '[ "$host" = unreachable ] && exit 255; exec sh -c "$*"',
}


def line(word: str) -> str:
    (found,) = (block for block in BLOCKS if block.startswith(word))
    return found


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a folder with `facts/`, in which the stand-ins are on the path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "facts").mkdir()
    own = f'exec "{sys.executable}" -m cudadoctor "$@"'
    for name, script in {**STAND_INS, "cudadoctor": own}.items():
        (programs / name).write_text(f"#!{BASH}\n{script}\n")
        (programs / name).chmod(0o755)
    return tmp_path


def run(site: Path, text: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{site / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.run([BASH, "-c", text], cwd=site, env=environment, capture_output=True, text=True, check=False)


def names(site: Path) -> list[str]:
    found = sorted((site / "facts").iterdir())
    return [path.stem for path in found if isinstance(read_one(str(path), diagnose), Digest)]


@pytest.mark.parametrize("word", ["srun", "mpirun"])
def test_a_launcher_leaves_one_file_a_node(site: Path, word: str) -> None:
    done = run(site, line(word).replace("check", "check --only host"))
    assert done.returncode == 0, done.stderr
    assert names(site) == ["gpu-1", "gpu-2"]


def test_ssh_leaves_one_file_a_host_and_an_empty_one_for_a_host_that_is_away(site: Path) -> None:
    (site / "hosts").write_text("unreachable\nalpha\nbeta\n")
    run(site, line("xargs").replace("-P 32", "-P 1").replace("check", "check --only host"))
    assert names(site) == ["alpha", "beta"]
    assert (site / "facts" / "unreachable.json").read_bytes() == b""
    report = run(site, line("cudadoctor fleet report"))
    assert "unreachable.json (broken): is empty" in report.stdout


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split()[0])
def test_every_line_parses_in_a_shell(block: str) -> None:
    subprocess.run([BASH, "-n", "-c", block], check=True)
