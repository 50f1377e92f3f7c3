"""A check makes a context while it asks NVML: its own child is no neighbour on the GPU."""

from __future__ import annotations

from types import SimpleNamespace

from cudadoctor.facts.base import known
from cudadoctor.probes.drivers import CUDA_LIBRARY, NVML_LIBRARY, DriverContact
from tests.rules import build as b

OWN, OTHER = b.process(421, 2**29, "compute"), b.process(4001, 2**30, "compute")


def contact() -> DriverContact:
    made = DriverContact(absent=frozenset({NVML_LIBRARY, CUDA_LIBRARY}))
    made._driver = SimpleNamespace(pid=421)  # type: ignore[assignment]
    return made


def test_the_child_that_makes_a_context_is_left_out() -> None:
    left = contact()._without_own(b.nvml_device(processes=(OWN, OTHER), compute_processes=2))
    assert known(left.processes) == (OTHER,)
    assert known(left.compute_processes) == 1


def test_what_nvml_does_not_tell_stays_untold_and_others_stay() -> None:
    untold = b.nvml_device(processes=b.NONE)
    assert contact()._without_own(untold) is untold
    others = b.nvml_device(processes=(OTHER,), compute_processes=1)
    assert contact()._without_own(others) is others
