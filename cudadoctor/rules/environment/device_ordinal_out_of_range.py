"""# The program asks for a GPU of a number that there is not

## What it checks
Whether a text says that a device number is invalid (CUDA 101, 10 in old runtimes), or names a device above the count.

## Why it matters
Devices are numbered from 0 within what the process sees: with CUDA_VISIBLE_DEVICES=2 there is one device and its
number is 0.
A number written into a program or a checkpoint, or counted as nvidia-smi counts, is then past the end.

## How to fix it
Use numbers from 0 on, up to the count of visible devices; load checkpoints with `map_location`; set
`CUDA_DEVICE_ORDER=PCI_BUS_ID` if numbers are to be those of nvidia-smi.

```sh
python -c "import torch; print(torch.cuda.device_count())"
echo "$CUDA_VISIBLE_DEVICES"
```

## Limits
A GPU that has failed lowers the count too.

## Sources
- CUDA_ERROR_INVALID_DEVICE, cudaErrorInvalidDevice (cuda.h, driver_types.h).
"""

from __future__ import annotations

from cudadoctor.rules.base import cause

device_ordinal_out_of_range = cause(
    id="device-ordinal-out-of-range",
    title="The program asks for a GPU of a number that there is not",
    page=__doc__,
    shows={"cuda:101": 9, "device-missing": 8, "device-order": 2, "count-assert": 4},
)
