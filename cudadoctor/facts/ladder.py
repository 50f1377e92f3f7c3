"""The driver ladder: the steps from the PCI bus to kernels whose results were checked.

Steps, in order: `pci-device`, `kernel-driver`, `kernel-module`, `device-nodes`, `nvml`, `libcuda`, `cu-init`,
`device-count`, `context`, `kernel-compile`, `kernel-result`, `copy`, `reduction`, `matmul`, `memory`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cudadoctor.facts.base import Section

StepState = Literal["passed", "failed", "timed out", "crashed", "not reached"]

STEP_NAMES = (
    "pci-device",
    "kernel-driver",
    "kernel-module",
    "device-nodes",
    "nvml",
    "libcuda",
    "cu-init",
    "device-count",
    "context",
    "kernel-compile",
    "kernel-result",
    "copy",
    "reduction",
    "matmul",
    "memory",
)


KERNEL_STEPS = STEP_NAMES[STEP_NAMES.index("kernel-compile") :]
"""Those that compile and run kernels; facts that were saved by older releases end with `copy`."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step.

    `call` is the function or file that decided it. `code` and `code_name` are the error of a failed call
    (18, `NVML_ERROR_LIB_RM_VERSION_MISMATCH`); `signal` is that of a crashed process (`SIGSEGV`). `detail` is a
    phrase: what was seen, or why the step was not reached. `device` is the driver API's index of the device on which a
    step from `context` on was tried.
    """

    name: str
    state: StepState
    call: str
    detail: str
    code: int | None = None
    code_name: str | None = None
    signal: str | None = None
    seconds: float | None = None
    device: int | None = None


class Ladder(Section, frozen=True, kw_only=True):
    """All steps, in order; the first that did not pass is where the road ends.

    `steps` are those of one GPU, the first or the one that was asked for. `further` are those from `context` on of the
    other GPUs that were tried, each step with its `device`.
    """

    steps: tuple[Step, ...]
    further: tuple[Step, ...] = ()

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """The steps of all GPUs, those of the first before the others."""
        return self.steps + self.further

    def step(self, name: str) -> Step | None:
        """Return the step of that name, or None if this ladder does not have it."""
        for step in self.steps:
            if step.name == name:
                return step
        return None

    def passed(self, name: str) -> bool:
        """Say whether the step of that name was reached and passed."""
        step = self.step(name)
        return step is not None and step.state == "passed"
