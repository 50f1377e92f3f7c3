"""# nvcc is of another CUDA version than the framework

## What it checks
Whether a build says that the toolkit that it found and the one that the framework was compiled with differ.

## Why it matters
Extensions are compiled by the nvcc that CUDA_HOME, CUDA_PATH or PATH leads to, and linked with the framework. Of
another major version they do not fit.
It matters for builds only: an installed framework needs no nvcc.

## How to fix it
Point CUDA_HOME and PATH to a toolkit of the framework's version, or install the framework for the toolkit's.

```sh
nvcc --version
python -c "import torch; print(torch.version.cuda)"
export CUDA_HOME=/usr/local/cuda-12.4 PATH=/usr/local/cuda-12.4/bin:$PATH
```

## Limits
A difference of the minor version alone is usually accepted with a warning.

## Sources
- torch.utils.cpp_extension
"""

from __future__ import annotations

from cudadoctor.rules.base import cause

nvcc_runtime_mismatch = cause(
    id="nvcc-runtime-mismatch",
    title="nvcc is of another CUDA version than the framework",
    page=__doc__,
    shows={"torch-toolkit-mismatch": 10, "cuda-home": 2, "cuda-home conda": 2},
)
