"""# The framework counts GPUs otherwise than the driver

## What it checks
Whether a text shows a count of devices that contradicts the driver, as in an assertion on the device number.

## Why it matters
PyTorch can count through NVML, without a context; where NVML and the driver see different devices (MIG, variables set
late, containers), the count is wrong for the process.

## How to fix it
Set CUDA_VISIBLE_DEVICES before the framework is imported and leave it alone; unset PYTORCH_NVML_BASED_CUDA_CHECK;
update the framework.

```sh
unset PYTORCH_NVML_BASED_CUDA_CHECK
python -m pip install --upgrade torch
```

## Limits
Several MIG instances give the same assertion: a process sees one only.

## Sources
- <https://pytorch.org/docs/stable/notes/cuda.html>
"""

from __future__ import annotations

from cudadoctor.findings import Confirm, Severity
from cudadoctor.rules.base import cause

framework_device_count_bug = cause(
    id="framework-device-count-bug",
    title="The framework counts GPUs otherwise than the driver",
    page=__doc__,
    severity=Severity.WARNING,
    shows={"nvml-count-variable": 6, "count-assert": 5},
    confirm=Confirm(
        'python -c "import torch; print(torch.cuda.device_count())"; nvidia-smi -L; env | grep -E '
        '"PYTORCH_NVML|CUDA_VISIBLE"',
        "another count than GPUs in the list, with neither variable set to explain it",
    ),
)
