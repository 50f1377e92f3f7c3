"""What this machine's link can carry: the narrowest hop between the GPU and the root of its PCI tree.

A path holds ports, and two ports share a link: the GPU and the port above it, the upper port of that switch and the
port above that one, and so on. A link runs as its two ports negotiated, so both tell the same, and it is named by its
lower end. An idle GPU trains its own link down; so that link is taken as NVML read it during copies, and where nothing
was read, at the most that its two ends can do. Links above it are taken as they are, but a link that reads slower than
what was measured through it was at rest when it was read, and is taken at the most that its two ends can do.

Virtual machines put ports of their own making above a GPU. What such a port says of its link is not the link that the
copies take, so the path counts as hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from cudadoctor.facts.bandwidth import ExpectedLink, LinkUnderLoad
from cudadoctor.facts.base import Fact, Missing, known
from cudadoctor.facts.pci import Hop, PciDevice
from cudadoctor.units import pcie_generation, pcie_line_rate_gb_per_s

# A port that claims less than was measured through it is not telling the truth (see `expected_link`); the margin is
# for the rounding of line rates.
_ROUNDING = 1.02

_EMULATED = frozenset({"1b36", "15ad", "1414"})
"""PCI vendor ids of ports that only a hypervisor makes: QEMU (Red Hat), VMware, Hyper-V (Microsoft)."""


class _Link(msgspec.Struct, frozen=True):
    address: str
    generation: int
    width: int
    source: str

    @property
    def gb_per_s(self) -> float:
        return pcie_line_rate_gb_per_s(self.generation, self.width) or 0.0

    def carries(self, gb_per_s: float) -> bool:
        return self.gb_per_s * _ROUNDING >= gb_per_s


def expected_link(
    device: PciDevice | None,
    under_load: LinkUnderLoad | None,
    *,
    address: str = "GPU",
    coherent: bool = False,
    measured_gb_per_s: float | None = None,
) -> ExpectedLink | Missing:
    """Return the line rate of the narrowest hop as the links run now.

    Args:
        device: The GPU on the PCI bus, if that was read.
        under_load: NVML's readings during pinned copies, if there are any.
        address: What to call the GPU's own link where the bus was not read.
        coherent: The GPU shares its memory system with the host (NVLink-C2C, integrated), so no PCIe link bounds it.
        measured_gb_per_s: The fastest verified copy in one direction. A link above the GPU that reads slower was at
            rest; a port that cannot do as much at all is a virtual machine's invention (an emulated root port says
            2.5 GT/s x1) and does not count.
    """
    if coherent:
        return Missing("the GPU is joined to the host by a coherent link, not by PCIe")
    own = _own_link(device, under_load, address)
    measured = measured_gb_per_s or 0.0
    told = [*_port_above(device), *_uplinks(device, measured)] if device is not None else []
    if own is None and not told:
        return Missing(_why_unknown(device))
    uplinks = [link for link in told if link.carries(measured)]
    links = ([own] if own is not None and own.carries(measured) else []) + uplinks
    if not links:
        return Missing(f"{measured:.1f} GB/s were measured, more than any link that is known can carry")
    narrowest = min(links, key=lambda link: link.gb_per_s)  # of equals, the one nearest to the GPU
    source = narrowest.source
    if own is None:
        source += "; the GPU's own link could not be read"
    elif not uplinks:
        source += "; the GPU's own link: the path above it is not visible"
    return ExpectedLink(
        gb_per_s=narrowest.gb_per_s,
        hop=narrowest.address,
        generation=narrowest.generation,
        width=narrowest.width,
        source=source,
        path_visible=bool(uplinks),
    )


def _why_unknown(device: PciDevice | None) -> str:
    if device is None:
        return "the GPU was not found on the PCI bus, and NVML gave no link generation and width"
    return "neither NVML nor the PCI bus says at which generation and width a link to the GPU runs"


def _pairs(path: Sequence[Hop]) -> Iterator[Sequence[Hop]]:
    """Yield the ports of each link, the lower one first; at the top the upper one may be out of sight."""
    for index in range(0, len(path), 2):
        yield path[index : index + 2]


def _own_link(device: PciDevice | None, under_load: LinkUnderLoad | None, address: str) -> _Link | None:
    if under_load is not None:
        link = _link(
            device.address if device else address,
            known(under_load.generation),
            known(under_load.width),
            "NVML's link generation and width during pinned copies",
        )
        if link is not None:
            return link
    return _most(device.path[:2]) if device is not None else None


def _port_above(device: PciDevice) -> Iterator[_Link]:
    """Yield what the port above the GPU can do at most: less than the GPU's link claims where one is emulated.

    Virtual machines show a GPU with the link that it has in its server under a bridge with the link that counts.
    """
    for port in device.path[1:2]:
        if _emulated(port):
            return
        link = _link(port.address, _generation(port.max_speed_gt_s), known(port.max_width), _sysfs("max"))
        if link is not None:
            yield link


def _uplinks(device: PciDevice, measured: float) -> Iterator[_Link]:
    for pair in list(_pairs(device.path))[1:]:
        now = next((link for port in pair if not _emulated(port) and (link := _current(port, pair[0].address))), None)
        if now is not None and not now.carries(measured):
            now = _most(pair) or now
        if now is not None:
            yield now


def _current(port: Hop, address: str) -> _Link | None:
    return _link(address, _generation(port.current_speed_gt_s), known(port.current_width), _sysfs("current"))


def _emulated(port: Hop) -> bool:
    return (known(port.vendor_id) or "") in _EMULATED


def _most(pair: Sequence[Hop]) -> _Link | None:
    """Return a link at the most that both its ends can do; an end that does not say so is left out."""
    generations = [value for port in pair if (value := _generation(port.max_speed_gt_s)) is not None]
    widths = [value for port in pair if (value := known(port.max_width)) is not None]
    if not generations or not widths:
        return None
    return _link(pair[0].address, min(generations), min(widths), f"{_sysfs('max')}, the most that both ends can do")


def _link(address: str, generation: int | None, width: int | None, source: str) -> _Link | None:
    if not generation or not width or pcie_line_rate_gb_per_s(generation, width) is None:
        return None
    return _Link(address, generation, width, source)


def _generation(speed: Fact[float]) -> int | None:
    value = known(speed)
    return None if value is None else pcie_generation(value)


def _sysfs(which: str) -> str:
    return f"/sys/bus/pci/devices: {which}_link_speed and {which}_link_width"
