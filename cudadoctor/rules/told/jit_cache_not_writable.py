"""# The driver cannot write its cache of compiled kernels

## What it checks
Whether a text shows that the folder ~/.nv/ComputeCache or CUDA_CACHE_PATH cannot be written.

## Why it matters
The driver keeps what it compiled from PTX in that folder. Where it cannot, each start compiles anew, and some
programs fail.

## How to fix it
Name another folder, or give this one to its user.

```sh
export CUDA_CACHE_PATH="/tmp/cuda-cache-$(id -u)"
sudo chown -R "$(id -u)" ~/.nv
```

## Limits
A text that only mentions the folder need not be about this.

## Sources
- <https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/environment-variables.html>
"""

from __future__ import annotations

from cudadoctor.findings import Confirm, Severity
from cudadoctor.rules.base import cause

jit_cache_not_writable = cause(
    id="jit-cache-not-writable",
    title="The driver cannot write its cache of compiled kernels",
    page=__doc__,
    severity=Severity.WARNING,
    shows={"jit-cache": 3, "jit-cache-denied": 5},
    confirm=Confirm(
        'd="${CUDA_CACHE_PATH:-$HOME/.nv/ComputeCache}"; ls -ld "$d"; test ! -e "$d" -o -w "$d" || echo not writable',
        '"not writable"',
    ),
)
