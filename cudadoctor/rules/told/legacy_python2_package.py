"""# The package was written for Python 2

## What it checks
Whether a text shows gnumpy or cudamat failing under Python 3.

## Why it matters
gnumpy, cudamat and what was built on them stem from 2010 to 2014; under Python 3 they do not compile, or fall back to
the CPU without saying so.

## How to fix it
Use a maintained library: CuPy, PyTorch, JAX, or numba.
For a driver of CUDA 12:

```sh
python -m pip install cupy-cuda12x
```

## Limits
The message can come from a fork that does run on Python 3.

## Sources
- <https://github.com/cudamat/cudamat>
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

legacy_python2_package = cause(
    id="legacy-python2-package",
    title="The package was written for Python 2",
    page=__doc__,
    shows={"legacy-python": 3, "legacy-python syntax-error": 4},
    confirm=Confirm(
        'python --version; python -m pip list | grep -iE "gnumpy|cudamat"',
        "Python 3, and one of these packages",
    ),
)
