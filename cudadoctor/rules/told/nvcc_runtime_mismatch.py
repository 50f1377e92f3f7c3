"""# nvcc is of another CUDA version than the framework

## What it checks
Whether a build says that the toolkit that it found and the one that the framework was compiled with differ.

## Why it matters
Extensions are compiled by the nvcc that CUDA_HOME, CUDA_PATH or PATH leads to, and linked with the framework. Of
another major version they do not fit.
It matters for builds only: an installed framework needs no nvcc.

## How to fix it
Point CUDA_HOME and PATH to a toolkit of the framework's version, or install the framework for the toolkit's.
For PyTorch, with the toolkit of its version installed:

```sh
version="$(python -c 'import torch; print(torch.version.cuda)')"
export CUDA_HOME="/usr/local/cuda-$version" PATH="/usr/local/cuda-$version/bin:$PATH"
nvcc --version
```

## Limits
A difference of the minor version alone is usually accepted with a warning.

## Sources
- torch.utils.cpp_extension
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

nvcc_runtime_mismatch = cause(
    id="nvcc-runtime-mismatch",
    title="nvcc is of another CUDA version than the framework",
    page=__doc__,
    shows={"torch-toolkit-mismatch": 10, "cuda-home": 2, "cuda-home conda": 2},
    confirm=Confirm(
        'nvcc --version | grep release; python -c "import torch; print(torch.version.cuda)"; echo "$CUDA_HOME"',
        "two different major versions",
    ),
    confirm_on_windows=Confirm(
        'nvcc --version; python -c "import torch; print(torch.version.cuda)"; $env:CUDA_PATH',
        "two different major versions",
    ),
)
