"""# nvcc does not support the host compiler

## What it checks
Whether a text says that the version of gcc, clang or Visual Studio is not supported, or shows the errors that a too
new one gives in its own headers.

## Why it matters
nvcc passes host code to another compiler and reads its headers. Each toolkit knows versions up to a limit
(`crt/host_config.h`); newer headers use what it cannot parse.

## How to fix it
Use an older compiler with nvcc, or a newer toolkit.
On Ubuntu and Debian, for a toolkit from 12.0 on:

```sh
sudo apt-get install -y g++-12
export NVCC_PREPEND_FLAGS="-ccbin g++-12"
```

## Limits
The flag -allow-unsupported-compiler takes the check away, not the cause.

## Sources
- <https://docs.nvidia.com/cuda/cuda-installation-guide-linux/#host-compiler-support-policy>
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

host_compiler_too_new = cause(
    id="host-compiler-too-new",
    title="nvcc does not support the host compiler",
    page=__doc__,
    shows={"host-compiler": 10},
    confirm=Confirm(
        'gcc -dumpfullversion; grep -h "unsupported GNU" "$(dirname "$(readlink -f "$(command -v '
        'nvcc)")")/../include/crt/host_config.h"',
        "a gcc newer than the line allows",
    ),
    confirm_on_windows=Confirm(
        "where.exe cl; nvcc --version",
        "a Visual Studio that is newer than the toolkit",
    ),
)
