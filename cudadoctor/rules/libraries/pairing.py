"""Do the two halves of the driver belong together?

The kernel half tells its release in `/proc/driver/nvidia/version`, the user-space half in the names of its files. NVML
prints two components only, so two releases that differ in the third look the same there; here all are compared.
"""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import Ladder, Step
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.nvml import Nvml
from cudadoctor.rules.reading import (
    container_of,
    cuda_error,
    is_compat,
    is_stub,
    mapped_libcuda,
    nvml_error,
    on_search_path,
    passed,
    step_of,
)


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """The releases of both halves, and why they are held not to fit: the failed step, or None from files alone."""

    kernel: Fact[str]
    user_space: Fact[str]
    mapped_path: str
    step: Step | None


def mismatch(
    host: Host | Missing,
    kernel_driver: KernelDriver | Missing,
    libraries: Libraries | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
    ladder: Ladder | Missing,
) -> Pairing | None:
    """Return how the halves differ, or None if they fit or nothing shows that they do not."""
    kernel: Fact[str] = kernel_driver.loaded_release if isinstance(kernel_driver, KernelDriver) else Missing("not read")
    ml_path, ml_release = _nvml_library(nvml, libraries)
    cuda_path, cuda_release = mapped_libcuda(driver, libraries)
    if (step := nvml_error(ladder, 18)) is not None:
        library, path = (ml_release, ml_path) if isinstance(ml_release, Known) else (cuda_release, cuda_path)
        return Pairing(kernel=kernel, user_space=library, mapped_path=path or "", step=step)
    refused = cuda_error(ladder, 803, 804)
    foreign = bool(container_of(host)) or is_compat(cuda_path) or is_stub(cuda_path)
    if refused is not None and not foreign and _differ(kernel, cuda_release):
        # A foreign libcuda beside a fitting NVML was put there on purpose: other rules judge that.
        if not (passed(ladder, "nvml") and known(ml_release) == known(kernel)):
            return Pairing(kernel=kernel, user_space=cuda_release, mapped_path=cuda_path or "", step=refused)
        return None
    asked = step_of(ladder, "nvml")
    if (asked is None or asked.state == "not reached") and _differ(kernel, ml_release):
        return Pairing(kernel=kernel, user_space=ml_release, mapped_path=ml_path or "", step=None)
    return None


def _nvml_library(nvml: Nvml | Missing, libraries: Libraries | Missing) -> tuple[str | None, Fact[str]]:
    """Return path and release of the NVML library that was mapped, or of the first on the search path."""
    if isinstance(nvml, Nvml) and isinstance(nvml.mapped_release, Known):
        return known(nvml.mapped_path), nvml.mapped_release
    for file in on_search_path(libraries, "libnvidia-ml"):
        if not is_stub(file.path, file.real_path):
            return file.real_path or file.path, file.release
    return None, Missing("no libnvidia-ml was found")


def _differ(kernel: Fact[str], library: Fact[str]) -> bool:
    return isinstance(kernel, Known) and isinstance(library, Known) and kernel.value != library.value
