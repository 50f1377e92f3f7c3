"""# The measurement used memory of the far socket

## What it checks
Whether this process's pinned memory lies on a NUMA node that the GPU is not attached to, and copies are slower for it.
Pinned copies are measured with memory on the GPU's own node, on the node farthest from it, and with memory that was
taken as any program takes it: if the last are as slow as the far ones, this process is bound to the wrong socket.

## Why it matters
What goes to a GPU of the other socket crosses the link between the processors, which is slower and shared.
A job that is bound to the wrong socket is slow for as long as it runs, and the GPU is not to blame.

## How to fix it
Bind the process to the socket of the GPU, or let the batch system do so (`--gpu-bind=closest` with Slurm).
For a GPU on NUMA node 0:

```sh
nvidia-smi topo -m
numactl --cpunodebind=0 --membind=0 cudadoctor bandwidth
```

## Limits
Judged only where the measurement told the nodes apart: the kernel must say where the pages are.
Copies that are as fast as they should be all the same are no finding; where that rate is not known, it is a note.

## Sources
/sys/bus/pci/devices: numa_node of the GPU; `nvidia-smi topo -m` shows the same as CPU and NUMA affinity.
move_pages(2), which tells the node of each page. The bands of bandwidth-below-link.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cudadoctor.facts.bandwidth import Bandwidth, BandwidthResult, ExpectedLink
from cudadoctor.facts.base import Fact, Missing, known
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.bandwidth.hops import PINNED, largest, measured, same_address
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import seen

_FINE_FROM = 0.75
_FASTER = 1.1


@rule(
    id="far-numa-node",
    title="The measurement used memory of the far socket",
    severity=Severity.WARNING,
    explains=("bandwidth-below-link",),
    confirm=Confirm(
        "nvidia-smi topo -m; grep -E 'Cpus_allowed_list|Mems_allowed_list' /proc/self/status",
        "CPUs or memory of another node than the GPU's NUMA affinity",
    ),
)
def far_numa_node(bandwidth: Bandwidth, pci: Pci | Missing) -> Iterator[Finding]:
    """Fire where this process's memory is that of another node: as slow as it, or the only one that could be had."""
    far = tuple(result for result in bandwidth.far if result.key in PINNED and result.verified)
    near = {result.key: result for result in bandwidth.near if result.verified}
    found = _slowed(bandwidth, far, near) if near else _only_far(bandwidth, far)
    if found is None:
        return
    expected = bandwidth.expected
    share = found.gb_per_s / expected.gb_per_s if isinstance(expected, ExpectedLink) and expected.gb_per_s > 0 else None
    if share is not None and share >= _FINE_FROM:
        return
    node = _node(bandwidth, pci)
    number = known(node)
    on = f" (the GPU is on node {number})" if number is not None else ""
    rate = f", {100 * share:.0f} % of what the link carries" if share is not None else ""
    target = number if number is not None else 0
    faster = near.get(found.key)
    if faster is None:
        what = f"could only be had on a far NUMA node{on}: {found.key} reaches {found.gb_per_s:.1f} GB/s{rate}."
    else:
        what = (
            f"is on a far NUMA node{on}: {found.key} reaches {found.gb_per_s:.1f} GB/s{rate}, and "
            f"{faster.gb_per_s:.1f} GB/s with memory near the GPU."
        )
    own = () if faster is None else (measured(found), *(_on_node(result, "near") for result in near.values()))
    yield finding(
        far_numa_node,
        severity=Severity.NOTE if share is None else Severity.WARNING,
        summary=f"Host memory for {bandwidth.device_name} {what}",
        cause="This process is bound to the other socket, by taskset, numactl, a container or the batch system.",
        confidence="proven" if faster is not None else "possible" if share is None else "supported",
        evidence=(*own, *(_on_node(result, "far") for result in far), *seen("NUMA node of the GPU", node)),
        fix=Fix(
            "Bind the process to the GPU's socket and measure again."
            + ("" if number is not None else " `nvidia-smi topo -m` shows the node; 0 stands for it here."),
            ("nvidia-smi topo -m", f"numactl --cpunodebind={target} --membind={target} cudadoctor bandwidth"),
        ),
    )


def _only_far(bandwidth: Bandwidth, far: Sequence[BandwidthResult]) -> BandwidthResult | None:
    """Return the slowest far copy where none could be measured near, unless any other memory is faster."""
    if not far:
        return None
    slowest = min(far, key=lambda result: result.gb_per_s)
    usual = largest(bandwidth, slowest.key)
    # Memory that was taken without asking for a node is near enough.
    return None if usual is not None and usual.gb_per_s > _FASTER * slowest.gb_per_s else slowest


def _slowed(
    bandwidth: Bandwidth, far: Sequence[BandwidthResult], near: Mapping[str, BandwidthResult]
) -> BandwidthResult | None:
    """Return the slowest usual copy that is as slow as a far one, and slower than the near one."""
    slow = []
    for result in far:
        usual, fast = largest(bandwidth, result.key), near.get(result.key)
        if usual is None or fast is None or fast.gb_per_s <= _FASTER * usual.gb_per_s:
            continue
        if abs(usual.gb_per_s - result.gb_per_s) < abs(fast.gb_per_s - usual.gb_per_s):
            slow.append(usual)
    return min(slow, key=lambda result: result.gb_per_s, default=None)


def _on_node(result: BandwidthResult, where: str) -> Evidence:
    evidence = measured(result)
    node = f" (node {result.numa_node})" if result.numa_node is not None else ""
    return Evidence(f"{evidence.name}, {where} memory{node}", evidence.value, evidence.source)


def _node(bandwidth: Bandwidth, pci: Pci | Missing) -> Fact[int]:
    for device in pci.devices if isinstance(pci, Pci) else ():
        if same_address(device.address, bandwidth.pci_address):
            return device.numa_node
    return Missing("the GPU was not found on the PCI bus")
