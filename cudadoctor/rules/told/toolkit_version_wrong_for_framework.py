"""# The framework wants CUDA libraries of another version than those installed

## What it checks
Whether a text names a CUDA library of an exact version that was not found, or says that GPUs are skipped for want of
libraries.

## Why it matters
The name of a CUDA library carries its version (libcudart.so.11.0, cudart64_101.dll). A program looks for the one that
it was built with; another version does not take its place.

## How to fix it
Install the toolkit and cuDNN that this release of the framework names, beside what is there; or a release of the
framework that brings its libraries.
With TensorFlow (tf):

```sh
python -m pip install --upgrade "tensorflow[and-cuda]"
```

With PyTorch (torch):

```sh
python -m pip install --upgrade --force-reinstall torch
```

With CuPy:

```sh
python -m pip install --upgrade "cupy-cuda12x[ctk]"
```

With JAX (jaxlib):

```sh
python -m pip install --upgrade "jax[cuda12]"
```

## Limits
The library may be there and off the search path.

## Sources
- <https://www.tensorflow.org/install/source#gpu>
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

toolkit_version_wrong_for_framework = cause(
    id="toolkit-version-wrong-for-framework",
    title="The framework wants CUDA libraries of another version than those installed",
    page=__doc__,
    shows={
        "lib-of-a-toolkit": 5,
        "tf lib-of-a-toolkit": 3,
        "tf-skips-gpu": 6,
        "lib:libcudart": 2,
        "lib:libcudnn": 3,
        "only-cpu-device": 4,
        "no-gpu-list": 3,
        "num-gpus-0": 3,
        "tf dll-missing": 4,
        "cupy lib-of-a-toolkit": -1,
    },
    confirm=Confirm(
        '/sbin/ldconfig -p | grep -E "libcudart|libcudnn|libcublas"; python -m pip list | grep -iE '
        '"tensorflow|torch|nvidia"',
        "other numbers in the names than the message asks for, or none",
    ),
    confirm_on_windows=Confirm(
        "where.exe cudart64_*.dll cudnn64_*.dll",
        "no file, or other numbers than the message names",
    ),
)
