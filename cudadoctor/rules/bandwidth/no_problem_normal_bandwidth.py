"""# The bandwidth is what PCIe gives in practice

## What it checks
In a pasted text: whether someone wonders at copies that stay some 10 to 30 % below the theoretical rate of the link.

## Why it matters
The theoretical rate counts every bit on the wire.
Packet headers, acknowledgements and flow control take their part, so a healthy link gives large pinned copies 65 to
90 % of it: 10 to 12.4 GB/s of 15.75 (Gen3 x16), 24 to 27 of 31.5 (Gen4), 55 to 57 of 63 (Gen5).

## How to fix it
Nothing is wrong, if the copies were pinned and large.
Pageable memory is slower for another reason (pageable-transfer).

```sh
cudadoctor bandwidth
nvidia-smi --query-gpu=pcie.link.gen.max,pcie.link.width.max --format=csv
```

## Limits
Told from texts alone: no machine is reported for being healthy.
Copies below 0.60 of the narrowest hop are no longer normal (bandwidth-below-link).

## Sources
PCI Express line rates (cudadoctor/units.py) and the points that bandwidth-below-link names.
Met by users in:
- <https://github.com/vetter/shoc/issues/79>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.findings import Confirm, Finding, Severity
from cudadoctor.rules.base import rule


@rule(
    id="no-problem-normal-bandwidth",
    title="The bandwidth is what PCIe gives in practice",
    severity=Severity.NOTE,
    shows={
        "below-theory pcie-theory": 9,
        "pcie-theory rate-gbs": 3,
        "below-theory rate-gbs": 2,
        "far-below-theory": -14,
        "pcie-limited": -6,
        "pcie-downgraded": -4,
        "pcie-narrow": -4,
        "xid:79": -6,
    },
    confirm=Confirm("cudadoctor bandwidth", "pinned copies at 0.65 of the narrowest hop's line rate or above"),
)
def no_problem_normal_bandwidth() -> Iterator[Finding]:
    """Find nothing on any machine: only a text can ask this."""
    return iter(())
