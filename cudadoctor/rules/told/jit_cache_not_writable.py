"""# The driver cannot write its cache of compiled kernels

## What it checks
Whether a text shows that the folder ~/.nv/ComputeCache or CUDA_CACHE_PATH cannot be written.

## Why it matters
The driver keeps what it compiled from PTX in that folder. Where it cannot, each start compiles anew, and some
programs fail.

## How to fix it
Give the folder to its user, or name another one.

```sh
sudo chown -R "$USER" ~/.nv
export CUDA_CACHE_PATH=/tmp/cuda-cache-$USER
```

## Limits
A text that only mentions the folder need not be about this.

## Sources
- <https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/environment-variables.html>
"""

from __future__ import annotations

from cudadoctor.findings import Severity
from cudadoctor.rules.base import cause

jit_cache_not_writable = cause(
    id="jit-cache-not-writable",
    title="The driver cannot write its cache of compiled kernels",
    page=__doc__,
    severity=Severity.WARNING,
    shows={"jit-cache": 3, "jit-cache-denied": 5},
)
