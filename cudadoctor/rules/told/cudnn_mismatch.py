"""# The cuDNN that is loaded is not the one that the program was built for

## What it checks
Whether a text names two cuDNN versions, one loaded and one compiled against, or cuDNN itself reports a version
mismatch.

## Why it matters
cuDNN keeps compatibility within a major version only upwards: the loaded one must be as new as the one at build time,
and its parts must be of one version.
A second copy earlier on the search path is loaded in its place.

## How to fix it
Leave one copy on the search path: take the older folder out of `PATH` or `LD_LIBRARY_PATH`, or install the version
that the message asks for.
To try without the variable, with your program in place of program.py:

```sh
env -u LD_LIBRARY_PATH python program.py
```

## Limits
CUDNN_STATUS_NOT_INITIALIZED is also what a full memory looks like.

## Sources
- <https://docs.nvidia.com/deeplearning/cudnn/backend/latest/developer/misc.html>
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

cudnn_mismatch = cause(
    id="cudnn-mismatch",
    title="The cuDNN that is loaded is not the one that the program was built for",
    page=__doc__,
    shows={
        "cudnn-versions": 10,
        "cudnn-broken": 6,
        "lib:libcudnn": 4,
        "lib:libcudnn_ops_infer": 4,
        "lib:libcudnn_cnn_infer": 4,
    },
    confirm=Confirm(
        'python -m pip list | grep -i cudnn; /sbin/ldconfig -p | grep libcudnn; echo "$LD_LIBRARY_PATH"',
        "a second cuDNN of another version, in the loader's cache or in a folder of the last line",
    ),
    confirm_on_windows=Confirm(
        "where.exe cudnn64_*.dll",
        "more than one file, the older one first",
    ),
)
