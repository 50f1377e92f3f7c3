"""# The CUDA plugin of JAX is installed but did not start

## What it checks
Whether a text shows that the CUDA plugin or the backend cuda of JAX failed to initialise.

## Why it matters
JAX loads its CUDA support as a plugin of its own version. If that fails, JAX goes on with the CPU and its last line
is that of a CPU install.

## How to fix it
Read the error of the plugin: it names a library that is missing or a version that differs. Install jax, jaxlib and
the plugin of one version, and keep CUDA folders out of LD_LIBRARY_PATH.

```sh
unset LD_LIBRARY_PATH
python -m pip install -U "jax[cuda12]"
```

## Limits
A driver that cannot start fails the backend too; the error code beside the line tells.

## Sources
- <https://docs.jax.dev/en/latest/installation.html>
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

jax_plugin_load_failure = cause(
    id="jax-plugin-load-failure",
    title="The CUDA plugin of JAX is installed but did not start",
    page=__doc__,
    shows={
        "jax-plugin": 9,
        "jax-plugin jax-cpu-build": 2,
        "jax-plugin cudnn-versions": -1,
        "jax-plugin cuda:999": -4,
        "jax-plugin cuda:100": -4,
        "jax-plugin cuda:35": -3,
        "jax-plugin cuda:803": -4,
        "jax-plugin cuda:804": -4,
        "jax-plugin cuda:802": -4,
        "jax-plugin cuda:46": -4,
        "jax-cpu-build": 3,
    },
    confirm=Confirm(
        'python -m pip list | grep -iE "^jax|^nvidia"; echo "$LD_LIBRARY_PATH"',
        "a jax-cuda plugin of another version than jaxlib, or CUDA folders in the last line",
    ),
)
