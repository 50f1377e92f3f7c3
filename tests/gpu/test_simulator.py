"""Run the tests of tests/gpu/device in numba's simulator, unless they run on a GPU anyway."""

from __future__ import annotations

import pytest

from tests.simulator import ON_GPU, run_tests


@pytest.mark.skipif(ON_GPU, reason="they run on the GPU in this session")
def test_the_kernels_of_check_are_right_in_the_simulator() -> None:
    run = run_tests("tests/gpu/device")
    assert run.returncode == 0, run.stdout + run.stderr
