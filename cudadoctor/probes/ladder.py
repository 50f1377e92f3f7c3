"""The ladder: steps read from files, and those that the driver's children reported, in one row."""

from __future__ import annotations

from collections.abc import Mapping

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import STEP_NAMES, Ladder, Step
from cudadoctor.facts.pci import Pci


def build(
    *,
    pci: Pci | Missing,
    kernel_driver: KernelDriver | Missing,
    device_nodes: DeviceNodes | Missing,
    asked: Mapping[str, Step],
    not_asked: str,
    further: tuple[Step, ...] = (),
) -> Ladder:
    """Return the whole ladder.

    Args:
        pci: Decides `pci-device` and `kernel-driver`, with `asked` where the bus is hidden (containers, WSL2).
        kernel_driver: Decides `kernel-module`.
        device_nodes: Decides `device-nodes`.
        asked: Steps that the driver's children reported.
        not_asked: Why the others were not reached.
        further: The steps of other GPUs than the first.
    """
    steps = {
        "pci-device": _pci_device(pci, asked),
        "kernel-driver": _kernel_driver(pci),
        "kernel-module": _kernel_module(kernel_driver, device_nodes),
        "device-nodes": _device_nodes(device_nodes),
        **asked,
    }
    rows: list[Step] = []
    stopped = not_asked
    for name in STEP_NAMES:
        step = steps.get(name) or Step(name=name, state="not reached", call="", detail=stopped)
        rows.append(step)
        # The steps of the driver API and of numba build on each other; those before are looked at one by one.
        if step.state in ("failed", "timed out", "crashed") and name not in _INDEPENDENT:
            stopped = f"{name} {'hung' if step.state == 'timed out' else step.state}"
    return Ladder(steps=tuple(rows), further=further)


_INDEPENDENT = frozenset({"pci-device", "kernel-driver", "kernel-module", "device-nodes", "nvml"})


def _pci_device(pci: Pci | Missing, asked: Mapping[str, Step]) -> Step:
    count = asked.get("device-count")
    answered = [name for name in ("nvml", "device-count") if name in asked and asked[name].state == "passed"]
    if isinstance(pci, Pci) and pci.devices:
        names = [known(device.name) for device in pci.devices]
        cards = [
            (name or "NVIDIA card") + (f" at {device.address}" if device.address else "")
            for name, device in zip(names, pci.devices, strict=True)
        ]
        shown = ", ".join(cards[:4]) + (f" and {len(cards) - 4} more" if len(cards) > 4 else "")
        return Step(name="pci-device", state="passed", call=pci.source, detail=shown)
    if answered:
        call = count.call if count is not None and "device-count" in answered else "NVML"
        return Step(
            name="pci-device", state="passed", call=call, detail="the PCI bus shows none, but the driver sees a GPU"
        )
    if isinstance(pci, Missing):
        return Step(name="pci-device", state="not reached", call="", detail=pci.reason)
    return Step(
        name="pci-device", state="failed", call=pci.source, detail="no NVIDIA display controller on the PCI bus"
    )


def _kernel_driver(pci: Pci | Missing) -> Step:
    name = "kernel-driver"
    if isinstance(pci, Missing) or not pci.devices:
        reason = pci.reason if isinstance(pci, Missing) else "no NVIDIA GPU on the PCI bus"
        return Step(name=name, state="not reached", call="", detail=reason)
    bound = {device.address or f"card {n}": device.bound_driver for n, device in enumerate(pci.devices)}
    # On Windows the driver's service is called nvlddmkm.
    ours = ("nvidia", "nvlddmkm")
    wrong = {a: f.value or "none" for a, f in bound.items() if isinstance(f, Known) and f.value not in ours}
    if wrong:
        shown = ", ".join(f"{address}: {driver}" for address, driver in wrong.items())
        return Step(name=name, state="failed", call="/sys/bus/pci/devices/*/driver", detail=f"driver bound to {shown}")
    if not any(isinstance(fact, Known) for fact in bound.values()):
        return Step(name=name, state="not reached", call="", detail="the bound driver could not be read")
    return Step(
        name=name,
        state="passed",
        call="/sys/bus/pci/devices/*/driver",
        detail=f"{next(f.value for f in bound.values() if isinstance(f, Known))} is bound",
    )


def _kernel_module(kernel_driver: KernelDriver | Missing, device_nodes: DeviceNodes | Missing) -> Step:
    name = "kernel-module"
    if isinstance(device_nodes, DeviceNodes) and any(node.path == "/dev/dxg" for node in device_nodes.nodes):
        return Step(name=name, state="not reached", call="", detail="the kernel half of WSL2's driver is in Windows")
    if isinstance(kernel_driver, Missing):
        return Step(name=name, state="not reached", call="", detail=kernel_driver.reason)
    release = kernel_driver.loaded_release
    if isinstance(release, Known):
        flavour = kernel_driver.flavour
        kind = f" ({flavour.value})" if isinstance(flavour, Known) else ""
        detail = f"nvidia {release.value}{kind} is loaded"
        return Step(name=name, state="passed", call=release.source, detail=detail)
    if isinstance(kernel_driver.loaded, Missing):
        return Step(name=name, state="not reached", call="", detail=kernel_driver.loaded.reason)
    if kernel_driver.loaded.value:
        return Step(
            name=name, state="passed", call=kernel_driver.loaded.source, detail="nvidia is loaded, release unknown"
        )
    return Step(name=name, state="failed", call=kernel_driver.loaded.source, detail="the module nvidia is not loaded")


def _device_nodes(device_nodes: DeviceNodes | Missing) -> Step:
    name = "device-nodes"
    if isinstance(device_nodes, Missing):
        return Step(name=name, state="not reached", call="", detail=device_nodes.reason)
    if not device_nodes.nodes:
        return Step(
            name=name, state="failed", call=device_nodes.source, detail="there is no /dev/nvidia* and no /dev/dxg"
        )
    closed = {
        node.path: node.error.value for node in device_nodes.nodes if isinstance(node.error, Known) and node.error.value
    }
    if closed:
        shown = ", ".join(f"{path}: {error}" for path, error in closed.items())
        return Step(name=name, state="failed", call="open(O_RDWR)", detail=f"cannot be opened: {shown}")
    if not any(isinstance(node.error, Known) for node in device_nodes.nodes):
        return Step(name=name, state="not reached", call="", detail="the nodes were not opened")
    shown = ", ".join(node.path.rpartition("/")[2] for node in device_nodes.nodes[:6])
    return Step(name=name, state="passed", call="open(O_RDWR)", detail=f"{shown} open for reading and writing")
