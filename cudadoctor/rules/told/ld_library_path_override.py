"""# LD_LIBRARY_PATH makes a package load CUDA libraries of the system

## What it checks
Whether a text shows a symbol of a CUDA library that is missing at import, or a package's library that was resolved to
a folder of the system.

## Why it matters
Wheels bring their CUDA libraries and expect exactly those. A folder in LD_LIBRARY_PATH comes first, so that an older
libnvJitLink, libcublasLt or libcudnn of the same soname is loaded beside newer ones.

## How to fix it
Take the CUDA folders out of LD_LIBRARY_PATH; libcuda does not need them.
To try, with your program in place of program.py:

```sh
env -u LD_LIBRARY_PATH python program.py
```

## Limits
Two versions of the wheels in one environment give the same symbol errors.

## Sources
- ld.so(8); PyTorch wheels with nvidia-*-cu12 dependencies.
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

ld_library_path_override = cause(
    id="ld-library-path-override",
    title="LD_LIBRARY_PATH makes a package load CUDA libraries of the system",
    page=__doc__,
    shows={
        "wrong-nvlib": 9,
        "wrong-nvlib ld-path": 2,
        "ld-to-system": 3,
        "ld-path ld-to-system": 2,
        "cublas-failed": 4,
        "cublas-failed system-cublas": 5,
        "system-cublas": 3,
        "torch-load-deps lib-of-a-toolkit": 3,
    },
    confirm=Confirm(
        'echo "$LD_LIBRARY_PATH"; python -m pip list | grep -E "nvidia-.*-cu1[0-9]|nvidia-cu"',
        "CUDA folders in the first line, and packages of NVIDIA below",
    ),
)
