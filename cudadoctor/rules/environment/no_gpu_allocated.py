"""# This job was given no GPU

## What it checks
Whether this is a Slurm job without any GPU among its variables, or a Colab notebook without one, while no driver shows
a GPU.

## Why it matters
A batch system hides the GPUs that a job did not ask for, so a node full of them looks like one without a card or a
driver.

## How to fix it
Ask for a GPU when the job is submitted, or choose a runtime with one.
With Slurm:

```sh
sinfo -o '%P %G'
srun --gres=gpu:1 nvidia-smi -L
```

## Limits
Only the variables of the job are looked at; sites may name GPUs in others.
Where Slurm does not fence devices off, a job works without asking, and nothing is reported.

## Sources
srun(1), gres.html of Slurm: SLURM_JOB_GPUS, SLURM_STEP_GPUS, SLURM_GPUS_ON_NODE.
Met by users in:
- <https://github.com/3dem/model-angelo/issues/60>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import CUDA_STEPS, nvml_error, passed, said, step_of

_INDICES = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS")  # "0" is the first GPU
_COUNTS = ("SLURM_GPUS", "SLURM_GPUS_ON_NODE")  # "0" is none
_COLAB = ("COLAB_GPU", "COLAB_RELEASE_TAG")


@rule(
    id="no-gpu-allocated",
    title="This job was given no GPU",
    severity=Severity.ERROR,
    explains=(
        "no-nvidia-gpu-active",
        "container-no-gpu-flag",
        "no-driver-installed",
        "kernel-module-not-loaded",
        "libcuda-missing",
        "container-cgroup-lost",
        "device-node-permission",
        "cuda-visible-devices-hides-gpu",
        "driver-call-failed",
    ),
    shows={
        "slurm smi-no-driver": 6,
        "slurm cuda:100": 6,
        "slurm smi-no-devices": 6,
        "slurm no-nvidia-driver": 6,
        "slurm smi-not-found": 6,
        "smi-no-driver smi-works": 6,
        "no-gres": 6,
        "slurm": 1,
        "colab no-nvidia-driver": 7,
        "colab smi-no-driver": 6,
        "colab cuda:100": 6,
        "colab-cpu": 3,
        "colab smi-not-found": 6,
    },
    confirm=Confirm(
        "env | grep -E '^(SLURM|COLAB).*GPU'; nvidia-smi -L",
        "no variable with the number of a GPU, and no GPU",
    ),
)
def no_gpu_allocated(
    environment: Environment, ladder: Ladder, nvml: Nvml | Missing, driver: Driver | Missing
) -> Iterator[Finding]:
    """Fire in a job without a GPU among its variables where no driver shows a device."""
    variables = environment.variables
    given = any(variables.get(name) for name in _INDICES) or any(
        variables.get(n, "0") not in ("", "0") for n in _COUNTS
    )
    slurm = "SLURM_JOB_ID" in variables and not given
    colab = any(name in variables for name in _COLAB) and variables.get("COLAB_GPU", "") in ("", "0")
    if not (slurm or colab) or passed(ladder, "context"):
        return
    # A GPU that a driver shows was given to this job, whatever the variables say.
    if isinstance(driver, Driver) and (known(driver.device_count) or 0) > 0:
        return
    if isinstance(nvml, Nvml) and (known(nvml.device_count) or 0) > 0 and variables.get("CUDA_VISIBLE_DEVICES") != "":
        return
    failed = _ended(ladder)
    if not failed:
        return
    job = f"Slurm job {variables['SLURM_JOB_ID']}" if slurm else "This notebook"
    names = ("SLURM_JOB_ID", *_INDICES, *_COUNTS, "CUDA_VISIBLE_DEVICES") if slurm else _COLAB
    yield finding(
        no_gpu_allocated,
        summary=f"{job} has no GPU among its resources, and no driver shows one.",
        cause="The job did not ask for a GPU, so the batch system hides those of the node."
        if slurm
        else "The notebook runs on a runtime without a GPU.",
        confidence="supported",
        evidence=(
            *(Evidence(name, variables.get(name, "not set"), environment.source) for name in names),
            *failed,
        ),
        fix=Fix(
            "Ask for a GPU when you submit the job." if slurm else "Choose a runtime type with a GPU.",
            ("sinfo -o '%P %G'", "srun --gres=gpu:1 nvidia-smi -L") if slurm else (),
        ),
    )


def _ended(ladder: Ladder) -> tuple[Evidence, ...]:
    """Return how NVML and the driver API ended, if they ended as they do without any device."""
    step = nvml_error(ladder, 4, 9, 12, 999)
    found = (said(step),) if step is not None else ()
    for name in CUDA_STEPS:
        each = step_of(ladder, name)
        if each is not None and each.state == "failed" and each.code in (None, 3, 34, 100, 304, 999):
            return (*found, said(each))
    return found
