"""Open NVML for one GPU: the child's side of whatever reads it again and again."""

from __future__ import annotations

from typing import Any

from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.errors import nvml_error


def open_device(pci_address: str, reporter: Reporter) -> Any:
    """Start NVML and return its handle of the GPU at a PCI address.

    Raises:
        RuntimeError: NVML does not start, or does not know the GPU.
    """
    import pynvml as nvml

    with reporter.step("nvmlInit"):
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            raise RuntimeError(f"nvmlInit failed with {nvml_error(error.value).name}") from None
    with reporter.step("nvmlDeviceGetHandleByPciBusId"):
        try:
            handle = nvml.nvmlDeviceGetHandleByPciBusId(pci_address)
        except nvml.NVMLError as error:
            name = nvml_error(error.value).name
            raise RuntimeError(f"NVML does not know the GPU at {pci_address} ({name})") from None
    return handle
