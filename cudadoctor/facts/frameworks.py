"""What the installed frameworks said when each was asked to use the GPU, in a process of its own.

Steps of a framework, in order: `import`, `device-count`, `operation` (a small matrix product whose result is checked).
"""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Section
from cudadoctor.facts.ladder import Step


class MappedLibrary(msgspec.Struct, frozen=True, kw_only=True):
    """A CUDA library that the framework's process had loaded at the end: `libcublas`, and the file."""

    name: str
    path: str


class Framework(msgspec.Struct, frozen=True, kw_only=True):
    """One framework.

    `name` is the module (`torch`). `built_with_cuda` is the CUDA version of the build as the framework tells it, ""
    for a build without CUDA. `cuda_runtime_version` and `cudnn_version` are those that it loaded. `architectures` are
    the compute targets of the build (`sm_90`, `compute_90`). `device_count` is how many GPUs it sees. `said` are the
    last lines that it wrote, warnings among them.
    """

    name: str
    version: Fact[str]
    steps: tuple[Step, ...]
    built_with_cuda: Fact[str]
    device_count: Fact[int]
    device_capability: Fact[str]
    architectures: Fact[tuple[str, ...]]
    cuda_runtime_version: Fact[str]
    cudnn_version: Fact[str]
    libraries: tuple[MappedLibrary, ...]
    said: tuple[str, ...]

    def step(self, name: str) -> Step | None:
        """Return the step of that name."""
        return next((step for step in self.steps if step.name == name), None)

    @property
    def works(self) -> bool:
        """Whether the operation ran on the GPU and its result was right."""
        step = self.step("operation")
        return step is not None and step.state == "passed"

    @property
    def failure(self) -> Step | None:
        """The first step that was tried and did not pass, or None."""
        return next((step for step in self.steps if step.state not in ("passed", "not reached")), None)


class Frameworks(Section, frozen=True, kw_only=True):
    """All frameworks of this Python environment that were asked; none where none is installed."""

    asked: tuple[Framework, ...]

    def named(self, name: str) -> Framework | None:
        """Return the framework of that name, or None."""
        return next((framework for framework in self.asked if framework.name == name), None)
