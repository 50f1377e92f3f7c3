"""# Data arrived wrong

## What it checks
Whether what arrived was what was sent, after every sample of every copy.

## Why it matters
A link or memory that changes data without an error ruins every result.
The bandwidth of such a copy is not reported.

## How to fix it
Measure again.
If it happens again, do not trust this GPU: undo overclocking of GPU and host memory, reseat the card, test the host's
memory.

```sh
nvidia-smi -q -d ECC
sudo dmesg | grep -iE 'nvrm|nvidia|xid'
```

## Limits
Whether host memory, link or device memory is at fault cannot be told from one copy.

## Sources
Source and destination hold different seeded patterns that are compared after each sample.
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG


@rule(
    id="bandwidth-not-verified",
    title="Data arrived wrong",
    severity=Severity.ERROR,
    confirm=Confirm(
        "journalctl -k -b | grep -iE 'nvrm|xid|aer:|mce:'",
        "errors of the card, of the link or of memory",
    ),
)
def bandwidth_not_verified(bandwidth: Bandwidth) -> Iterator[Finding]:
    """Fire where a measurement was thrown away because its data differed."""
    wrong = tuple(each for each in bandwidth.skipped if each.reason.startswith("verification failed"))
    if not wrong:
        return
    keys = ", ".join(dict.fromkeys(each.key for each in wrong))
    yield finding(
        bandwidth_not_verified,
        summary=f"Data that was copied on {bandwidth.device_name} arrived changed: {keys}. These copies have no "
        "bandwidth.",
        cause="Host memory, the link or the GPU's memory changed data without reporting an error.",
        confidence="proven",
        evidence=tuple(Evidence(each.key, each.reason, f"comparison on GPU {each.device}") for each in wrong),
        fix=Fix(
            "Measure again. If it happens again, undo overclocking, reseat the card, and test host and device memory.",
            ("nvidia-smi -q -d ECC", LOOK_AT_DRIVER_LOG),
        ),
    )
