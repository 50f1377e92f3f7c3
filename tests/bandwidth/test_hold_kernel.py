from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cudadoctor.bandwidth.hold import KERNEL, PTX


def test_the_ptx_defines_the_kernel_that_is_launched() -> None:
    assert re.search(rf"\.entry {KERNEL}\(\.param \.u64 \w+, \.param \.u64 \w+\)", PTX)


@pytest.mark.skipif(shutil.which("ptxas") is None, reason="no ptxas on the search path")
def test_ptxas_accepts_the_kernel(tmp_path: Path) -> None:
    source = tmp_path / "hold.ptx"
    source.write_text(PTX)
    made = subprocess.run(
        ["ptxas", "-arch=sm_80", str(source), "-o", str(tmp_path / "hold.cubin")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
