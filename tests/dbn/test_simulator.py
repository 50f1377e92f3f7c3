"""Run the tests of tests/dbn/device in numba's simulator, unless they run on a GPU anyway."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(os.environ.get("CUDADOCTOR_TEST_DEVICE") == "gpu", reason="they run on the GPU in this session")
def test_kernels_agree_with_their_references_in_the_simulator() -> None:
    root = Path(__file__).parent.parent.parent
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/dbn/device"]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
