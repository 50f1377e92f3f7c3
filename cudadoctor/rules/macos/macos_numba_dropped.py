"""# numba has no CUDA on macOS any more

## What it checks
Whether this is a Mac of the days of CUDA, macOS 10.13 or before, whose CUDA driver is at work.

## Why it matters
Driver, toolkit and samples may all be right, and `deviceQuery` passes; but no kernel can be compiled from Python here
with what this tool uses, so nothing here proves that a kernel computes.

## How to fix it
The samples of the toolkit prove it instead: `deviceQuery` and `bandwidthTest` must end with "Result = PASS".
Programs of those days, such as gnumpy with cudamat, run with the Python of those days.
numba up to 0.53 still ran CUDA on macOS (deprecated there), with Python 3.9 at most, and with CUDA 10.2 at most.

```sh
/usr/local/cuda/extras/demo_suite/deviceQuery
/usr/local/cuda/extras/demo_suite/bandwidthTest
```

## Limits
That numba 0.53 runs on this Mac was not tried.

## Sources
- The deprecation, February 2021: <https://github.com/numba/numba/pull/6666>
- numba 0.56, "CUDA is supported on 64-bit Linux and Windows":
  <https://github.com/numba/numba/blob/0.56.0/docs/source/cuda/overview.rst>
- numba-cuda for macOS, discontinued: <https://anaconda.org/main/numba-cuda>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.macos import MacOS
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.macos.road import card_of, road_of, version_of_macos
from cudadoctor.rules.reading import card_evidence, cards, passed, seen

SAMPLES = "/usr/local/cuda/samples/bin/x86_64/darwin/release"


@rule(
    id="macos-numba-dropped",
    title="numba has no CUDA on macOS any more",
    severity=Severity.NOTE,
    confirm=Confirm(
        "/usr/local/cuda/extras/demo_suite/deviceQuery | tail -1",
        "Result = PASS: the road is complete, and only numba is missing",
    ),
)
def macos_numba_dropped(
    macos: MacOS | Missing, host: Host | Missing, pci: Pci | Missing, ladder: Ladder | Missing
) -> Iterator[Finding]:
    """Fire on a Mac whose CUDA driver works; it says how the end of that road is proven instead."""
    mac = road_of(host, macos, pci)
    if mac is None:
        return
    context = passed(ladder, "context")
    if not context and known(mac.kernel_extension_loaded) is not True:
        return  # where the road does not come so far, this is not what the user has to hear
    driver = known(mac.cuda_driver)
    works = f"The CUDA driver{f' {driver}' if driver else ''} made a context on {card_of(pci)}" if context else ""
    yield finding(
        macos_numba_dropped,
        summary=(f"{works}. What can" if works else "What can")
        + f"not be run on macOS {version_of_macos(host, macos)} any more is a kernel compiled by numba.",
        cause="numba gave up CUDA on macOS after 0.53 (2021), and numba-cuda has no build for it.",
        confidence="proven",
        evidence=(
            *seen("macOS", mac.version),
            *seen("CUDA driver", mac.cuda_driver),
            *seen("kernel extension loaded", mac.kernel_extension_loaded),
            *(card_evidence(card) for card in cards(pci)),
        ),
        fix=Fix(
            "Nothing is wrong. The toolkit's samples prove the rest of the road: both must end with Result = PASS. "
            "Programs of those days, such as gnumpy with cudamat, use the GPU as they did.",
            (f"{SAMPLES}/deviceQuery", f"{SAMPLES}/bandwidthTest"),
        ),
    )
