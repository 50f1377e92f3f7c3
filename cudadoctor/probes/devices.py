"""Gather the section `devices`: what NVML and the driver API say of each GPU, joined, with its place on the bus."""

from __future__ import annotations

from typing import Any

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.devices import (
    Attribute,
    Device,
    Devices,
    DriverView,
    NvmlView,
    Peer,
    join,
    same,
)
from cudadoctor.facts.ladder import Step
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.pci import Pci, PciDevice
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S, Ending, Worker
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.peaks import fp32_peak, memory_bandwidth
from cudadoctor.probes.root import Root
from cudadoctor.tables.attributes import device_attributes

_STARTS = 3
"""How often a library is asked: after a call that hangs without that call, after a second one without that GPU."""


@never_raises
def gather(machine: Machine, root: Root, *, limit_s: float = DRIVER_CALL_LIMIT_S) -> Devices | Missing:
    """Ask both libraries for everything, where the examination of this machine came as far as to them.

    Args:
        machine: The machine as `check` saw it: a call that hung then is not made again.
        root: Where sysfs is.
        limit_s: Longest that one driver call may take.
    """
    nvml = _Conversation("cudadoctor.gpu.ask_devices:ask_nvml", *_known_trouble(machine, ("nvml",)), limit_s)
    driver_steps = ("libcuda", "cu-init", "device-count", "context")
    driver = _Conversation("cudadoctor.gpu.ask_devices:ask_driver", *_known_trouble(machine, driver_steps), limit_s)
    try:
        nvml.finish()
        driver.finish()
    finally:
        nvml.kill()
        driver.kill()
    nvml_views = [_nvml_view(nvml, index) for index in nvml.indexes]
    driver_views = [_driver_view(driver, index) for index in driver.indexes]
    if not nvml_views and not driver_views:
        return Missing(f"neither NVML ({nvml.reason}) nor the driver API ({driver.reason}) shows one")
    pairs = join(driver_views, nvml_views)
    why = (f"the driver API does not show this GPU to this process ({driver.reason})", f"NVML: {nvml.reason}")
    return Devices(
        devices=tuple(describe(machine, root, *pair, *why) for pair in pairs),
        peers=tuple(msgspec.convert(peer, Peer) for peer in driver.peers.values()),
        driver_release=machine.nvml.driver_release if isinstance(machine.nvml, Nvml) else machine.nvml,
        driver_cuda_version=driver.fact(None, "driver_cuda_version", str),
        toolkit_version=_toolkit_version(machine),
        confidential_compute=nvml.fact(None, "confidential_compute", bool),
        confidential_compute_devtools=nvml.fact(None, "confidential_compute_devtools", bool),
        cut_short=(*nvml.cut_short, *driver.cut_short),
    )


class _Conversation:
    """One library, asked in a child process, and again without the call that did not come back."""

    def __init__(self, task: str, skip: list[str], refused: str, limit_s: float) -> None:
        self._task, self._skip, self._limit_s = task, skip, limit_s
        self._skip_devices: list[int] = []
        self._values: dict[tuple[int | None, str], Any] = {}
        self.attributes: dict[tuple[int, int], Any] = {}
        self.peers: dict[tuple[int, int], Any] = {}
        self.indexes: list[int] = []
        self.cut_short: list[Step] = []
        self.reason = refused or "it has no value for this"
        self._worker = None if refused else self._start()

    def _start(self) -> Worker:
        arguments = {"skip": self._skip, "skip_devices": self._skip_devices}
        return Worker(self._task, arguments, limit_s=self._limit_s, hooks=False)

    def kill(self) -> None:
        if self._worker is not None:
            self._worker.kill()

    def finish(self) -> None:
        """Listen to the child to its end, and start another where it ended in a call."""
        stuck: set[int] = set()
        for start in range(_STARTS):
            if self._worker is None:
                return
            device = self._listen(self._worker)
            ending = self._worker.ending
            if ending.state == "finished":
                return
            how = f"gave no answer within {self._limit_s:g} s" if ending.state == "timed out" else "killed its process"
            self.reason = ending.detail if ending.state == "failed" else f"{ending.step or 'it'} {how}"
            self._note(ending, device)
            if ending.state == "failed" or ending.step is None or device is None or start + 1 == _STARTS:
                return
            # A second call that hangs on one GPU says that the GPU is the trouble, not the call.
            if device in stuck or ending.step == "nvmlDeviceGetHandleByIndex":
                self._skip_devices.append(device)
            stuck.add(device)
            self._skip.append(ending.step)
            self._worker.kill()
            self._worker = self._start()

    def _note(self, ending: Ending, device: int | None) -> None:
        """Keep a call that hung or killed the child: it is a finding."""
        if ending.state not in ("timed out", "crashed"):
            return
        name = "nvml" if self._task.endswith("nvml") else "devices"
        self.cut_short.append(
            Step(
                name=name,
                state="timed out" if ending.state == "timed out" else "crashed",
                call=ending.step or "",
                detail=self.reason,
                signal=ending.signal,
                seconds=ending.seconds,
                device=device,
            )
        )

    def _listen(self, worker: Worker) -> int | None:
        """Collect what the child sends; return the device that it asked last."""
        device: int | None = None
        for message in worker:
            if message["kind"] == "device":
                device = message["device"]
                if device not in self.indexes:
                    self.indexes.append(message["device"])
            elif message["kind"] == "value":
                self._keep((message["device"], message["name"]), message["fact"])
            elif message["kind"] == "attribute":
                self.attributes[message["device"], message["number"]] = message["fact"]
            elif message["kind"] == "peer":
                pair = {"device": message["device"], "peer": message["peer"]}
                self.peers[message["device"], message["peer"]] = pair | message["facts"]
        return device

    def _keep(self, key: tuple[int | None, str], fact: Any) -> None:
        if key not in self._values or fact["state"] == "known":
            self._values[key] = fact

    def fact(self, device: int | None, name: str, kind: Any) -> Any:
        """Return one value, or why it is missing."""
        found = self._values.get((device, name))
        return Missing(self.reason) if found is None else msgspec.convert(found, type=Known[kind] | Missing)


def _known_trouble(machine: Machine, steps: tuple[str, ...]) -> tuple[list[str], str]:
    """Return the calls that hung or crashed when the machine was examined, and why the library is not asked at all."""
    if isinstance(machine.ladder, Missing):
        return [], machine.ladder.reason
    found = [step for name in steps if (step := machine.ladder.step(name)) is not None and step.state != "passed"]
    if not found:
        return [], ""
    first: Step = found[0]
    if first.state == "failed" and first.call == "nvmlDeviceGetHandleByIndex":
        return [], ""  # one GPU is lost; the others answer
    if first.state in ("timed out", "crashed") and first.call.startswith(("nvmlDeviceGet", "cuDeviceGet")):
        counts = ("nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "cuDeviceGetCount")
        return ([], first.detail) if first.call in counts else ([first.call], "")
    # A context that could not be made says nothing about what can be asked without one.
    return [], "" if first.name == "context" else first.detail or f"{first.call} {first.state}"


def _nvml_view(nvml: _Conversation, index: int) -> NvmlView:
    told = {
        field.name: nvml.fact(index, field.name, _kind(field.type))
        for field in msgspec.structs.fields(NvmlView)
        if field.name != "index"
    }
    return NvmlView(index=index, **told)


def _driver_view(driver: _Conversation, index: int) -> DriverView:
    def attribute(number: int, name: str) -> Attribute:
        found = driver.attributes.get((index, number))
        value = Missing(driver.reason) if found is None else msgspec.convert(found, type=Known[int] | Missing)
        return Attribute(number=number, name=name, value=value)

    return DriverView(
        index=index,
        name=driver.fact(index, "name", str),
        uuid=driver.fact(index, "uuid", str),
        pci_address=driver.fact(index, "pci_address", str),
        compute_capability=driver.fact(index, "compute_capability", str),
        memory_total_bytes=driver.fact(index, "memory_total_bytes", int),
        attributes=tuple(attribute(number, name) for number, name in device_attributes()),
    )


def _kind(annotation: Any) -> Any:
    """Return `int` of `Known[int] | Missing`."""
    return annotation.__args__[0].__args__[0]


def describe(
    machine: Machine, root: Root, driver: DriverView | None, nvml: NvmlView | None, no_driver: str, no_nvml: str
) -> Device:
    """Return one GPU with its place on the bus and its peaks.

    Args:
        machine: Whose PCI section says where the card is.
        root: Where sysfs is.
        driver: The driver API's view, None if it has none.
        nvml: NVML's view, None if it has none.
        no_driver: Why there is no view of the driver API.
        no_nvml: Why there is none of NVML.
    """
    card, why = _card(machine, driver, nvml)
    address = card.address if card is not None else None
    return Device(
        driver=Missing(no_driver) if driver is None else driver,
        nvml=Missing(no_nvml) if nvml is None else nvml,
        path=card.path if card is not None else (),
        path_missing=why,
        numa_node=card.numa_node if card is not None else Missing(why),
        numa_cpus=Missing(why) if address is None else _numa_cpus(root, address),
        memory_bandwidth_gb_per_s=memory_bandwidth(driver, nvml),
        fp32_peak_tflop_per_s=fp32_peak(driver, nvml),
    )


def _card(machine: Machine, driver: DriverView | None, nvml: NvmlView | None) -> tuple[PciDevice | None, str]:
    """Return the card's entry in the PCI section, or why there is none."""
    if not isinstance(machine.pci, Pci):
        return None, machine.pci.reason
    views = [view for view in (driver, nvml) if view is not None]
    wanted = [address for view in views if (address := known(view.pci_address)) is not None]
    for card in machine.pci.devices:
        if any(same(card.address, address) for address in wanted):
            return card, ""
    return None, f"{machine.pci.source} does not show the address {' or '.join(dict.fromkeys(wanted)) or '(unknown)'}"


def _numa_cpus(root: Root, address: str) -> Fact[str]:
    path = f"/sys/bus/pci/devices/{address}/local_cpulist"
    text = root.read(path, 4096)
    if isinstance(text, Missing):
        return text
    return Known(text, path) if text else Missing(f"{path} is empty")


def _toolkit_version(machine: Machine) -> Fact[str]:
    if not isinstance(machine.toolkits, Toolkits):
        return machine.toolkits
    toolkit = machine.toolkits.selected()
    if toolkit is not None:
        return toolkit.version
    selected = machine.toolkits.selected_root
    return selected if isinstance(selected, Missing) else Missing("the selected toolkit was not looked at")
