"""Whether someone else computes on the GPU: to load its link would slow both, and measure neither."""

from __future__ import annotations

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.nvml import NvmlDevice


def others_computing(machine: Machine, index: int) -> str:
    """Return one line about the processes that compute on the driver API's device `index`, "" if there are none.

    On a GPU parted by MIG all instances count, since they share its link. Under Windows the desktop itself computes;
    with MPS, one process may be its server, which does nothing by itself. Neither is held against the GPU.
    """
    device = _in_nvml(machine, index)
    if device is None or (not isinstance(machine.host, Missing) and known(machine.host.system) == "Windows"):
        return ""
    others = [process for process in known(device.processes) or () if process.kind == "compute"]
    served = not isinstance(machine.services, Missing) and known(machine.services.mps_control)
    if not others or (served and len(others) == 1):
        return ""
    pids = ", ".join(str(process.pid) for process in others[:4]) + (", ..." if len(others) > 4 else "")
    who = f"another process (pid {pids}) computes" if len(others) == 1 else f"other processes (pid {pids}) compute"
    name = known(device.name) or "the GPU"
    return f"{who} on {name} (GPU {index}); `--force` measures all the same, and then both are slower"


def idle_gpus(machine: Machine, *, force: bool) -> tuple[int, ...]:
    """Return the driver API's indices of the GPUs that may be loaded: all with `force`, else those of nobody else."""
    if isinstance(machine.driver, Missing):
        return ()
    return tuple(gpu.index for gpu in machine.driver.devices if force or not others_computing(machine, gpu.index))


def _in_nvml(machine: Machine, index: int) -> NvmlDevice | None:
    if isinstance(machine.driver, Missing) or isinstance(machine.nvml, Missing):
        return None
    address = next((known(gpu.pci_address) for gpu in machine.driver.devices if gpu.index == index), None)
    if address is None:
        return None
    return next((device for device in machine.nvml.devices if known(device.pci_address) == address), None)
