"""# The measurement used memory of the far socket

## What it checks
Whether pinned memory could only be had on a NUMA node that the GPU is not attached to, because this process is bound
there.

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
Judged only where the measurement told the nodes apart.
Copies that are as fast as they should be all the same are no finding; where that rate is not known, it is a note.

## Sources
/sys/bus/pci/devices: numa_node of the GPU; `nvidia-smi topo -m` shows the same as CPU and NUMA affinity.
The bands of bandwidth-below-link.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth, ExpectedLink
from cudadoctor.facts.base import Fact, Missing, known
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Finding, Fix, Severity
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
    """Fire where copies were measured with memory of another node, and none with that of the GPU's own."""
    far = tuple(result for result in bandwidth.far if result.key in PINNED and result.verified)
    if not far or bandwidth.near:
        return
    slowest = min(far, key=lambda result: result.gb_per_s)
    usual = largest(bandwidth, slowest.key)
    if usual is not None and usual.gb_per_s > _FASTER * slowest.gb_per_s:
        return  # memory that was taken without asking for a node is near enough
    expected = bandwidth.expected
    share = (
        slowest.gb_per_s / expected.gb_per_s if isinstance(expected, ExpectedLink) and expected.gb_per_s > 0 else None
    )
    if share is not None and share >= _FINE_FROM:
        return
    node = _node(bandwidth, pci)
    number = known(node)
    on = f" (the GPU is on node {number})" if number is not None else ""
    rate = f", {share:.0%} of what the link carries" if share is not None else ""
    target = number if number is not None else 0
    yield finding(
        far_numa_node,
        severity=Severity.NOTE if share is None else Severity.WARNING,
        summary=f"Host memory of {bandwidth.device_name} could only be had on a far NUMA node{on}: {slowest.key} "
        f"reaches {slowest.gb_per_s:.1f} GB/s{rate}.",
        cause="This process is bound to the other socket, by taskset, numactl, a container or the batch system.",
        confidence="possible" if share is None else "supported",
        evidence=(*(measured(result) for result in far), *seen("NUMA node of the GPU", node)),
        fix=Fix(
            "Bind the process to the GPU's socket and measure again."
            + ("" if number is not None else " `nvidia-smi topo -m` shows the node; 0 stands for it here."),
            ("nvidia-smi topo -m", f"numactl --cpunodebind={target} --membind={target} cudadoctor bandwidth"),
        ),
    )


def _node(bandwidth: Bandwidth, pci: Pci | Missing) -> Fact[int]:
    for device in pci.devices if isinstance(pci, Pci) else ():
        if same_address(device.address, bandwidth.pci_address):
            return device.numa_node
    return Missing("the GPU was not found on the PCI bus")
