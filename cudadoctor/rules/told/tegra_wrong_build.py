"""# A build for Jetson on another machine, or the other way round

## What it checks
Whether a text names Jetson, or a framework that looks for system libraries as only builds for Jetson do.

## Why it matters
Builds for Jetson use the CUDA libraries of the board's system image; those for servers, ARM ones too, bring their own
or use another driver interface. Neither runs on the other.

## How to fix it
On a Jetson install NVIDIA's wheel for the JetPack release; on an ARM server the wheel from the framework's own index.
On an ARM server with PyTorch:

```sh
python -m pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126
```

## Limits
A missing CUDA library is also what a toolkit of another version looks like.

## Sources
- <https://docs.nvidia.com/deeplearning/frameworks/install-pytorch-jetson-platform/>
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

tegra_wrong_build = cause(
    id="tegra-wrong-build",
    title="A build for Jetson on another machine, or the other way round",
    page=__doc__,
    shows={
        "tegra not-compiled-with-cuda": 6,
        "tegra lib-of-a-toolkit": 5,
        "tegra cuda:209": 4,
        "tegra": 3,
        "aarch64 lib-of-a-toolkit": 4,
        "aarch64 cpu-build": 2,
        "aarch64 not-compiled-with-cuda": 3,
        "torch-load-deps lib-of-a-toolkit": 7,
        "tegra arch-unsupported": 3,
    },
    confirm=Confirm(
        'uname -m; cat /etc/nv_tegra_release; python -c "import torch; print(torch.version.cuda)"',
        "aarch64 and a release, but None; or no release, with a wheel for Jetson",
    ),
)
