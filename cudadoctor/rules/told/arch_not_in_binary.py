"""# The program holds no code for this GPU

## What it checks
Whether a text says that no kernel image fits the device (CUDA 209, 48 in old runtimes; 98 and 200 in some cases), or
a framework says that it does not support this compute capability.

## Why it matters
A binary holds machine code for some compute capabilities and perhaps PTX for newer ones.
A card that is newer than all of them without PTX, or older than the oldest, finds nothing to run; the driver is fine,
and a call such as is_available() still answers True.

## How to fix it
Install a build of the framework that was made for this compute capability: a newer one for a new card, an older one
for a card that was dropped (CUDA 13 builds hold nothing below 7.5; builds of CUDA 12.6 and before hold nothing for
12.0).
What you compile yourself: name the capability (`-arch=native`, `TORCH_CUDA_ARCH_LIST`, `CMAKE_CUDA_ARCHITECTURES`).
With PyTorch, Blackwell (sm_100, sm_120, 5070, 5080, 5090, B200):

```sh
python -m pip install --upgrade --force-reinstall torch --index-url https://download.pytorch.org/whl/cu128
```

With PyTorch, Maxwell, Pascal, Volta (sm_50, sm_52, sm_60, sm_61, sm_70, 1080, P100, V100):

```sh
python -m pip install --upgrade --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126
```

## Limits
A text does not always name card and build; compare `torch.cuda.get_arch_list()` or `cuobjdump --list-elf` with the
compute capability.

## Sources
- CUDA_ERROR_NO_BINARY_FOR_GPU, cudaErrorNoKernelImageForDevice (cuda.h, driver_types.h).
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

arch_not_in_binary = cause(
    id="arch-not-in-binary",
    title="The program holds no code for this GPU",
    page=__doc__,
    shows={
        "cuda:209": 9,
        "arch-unsupported": 9,
        "cuda:98": 6,
        "cuda:200": 5,
        "arch-flag": 2,
        "cuda:209 arch-unsupported": 2,
    },
    confirm=Confirm(
        'python -c "import torch; print(torch.cuda.get_device_capability(), torch.cuda.get_arch_list())"',
        "a capability such as (12, 0) whose sm_120 is not in the list",
    ),
)
