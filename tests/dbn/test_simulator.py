"""Run the tests of tests/dbn/device in numba's simulator, unless they run on a GPU anyway."""

from __future__ import annotations

import pytest

from tests.simulator import ON_GPU, run_tests


@pytest.mark.skipif(ON_GPU, reason="they run on the GPU in this session")
def test_kernels_agree_with_their_references_in_the_simulator() -> None:
    run = run_tests("tests/dbn/device")
    assert run.returncode == 0, run.stdout + run.stderr
