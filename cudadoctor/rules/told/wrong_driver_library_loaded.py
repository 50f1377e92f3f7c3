"""# Another file than the driver's is loaded as libcuda

## What it checks
Whether a text shows a variable that names libcuda, or a libcuda without the driver's functions.

## Why it matters
NUMBA_CUDA_DRIVER and like variables name the file that is loaded as the driver. A toolkit's library, a library of
another architecture or an empty file is none.

## How to fix it
Unset the variable, or let it name the libcuda.so.1 that the driver installed.

```sh
unset NUMBA_CUDA_DRIVER NUMBAPRO_CUDA_DRIVER
ldconfig -p | grep libcuda.so.1
```

## Limits
An empty file can also be left by an image that was saved in a container.

## Sources
- <https://numba.readthedocs.io/en/stable/reference/envvars.html>
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

wrong_driver_library_loaded = cause(
    id="wrong-driver-library-loaded",
    title="Another file than the driver's is loaded as libcuda",
    page=__doc__,
    shows={
        "driver-library-broken": 7,
        "numba-driver-variable": 4,
        "numba-driver-variable driver-library-broken": 2,
        "stub": 2,
        "macos": -3,
    },
    confirm=Confirm(
        "env | grep -i NUMBA; /sbin/ldconfig -p | grep libcuda.so",
        "a variable that names another file than the libcuda.so.1 below it",
    ),
)
