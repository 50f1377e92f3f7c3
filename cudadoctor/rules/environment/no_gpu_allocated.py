"""# This job was given no GPU

## What it checks
Whether this is a job of Slurm, PBS, LSF or Grid Engine whose variables name no GPU, a Kubernetes pod that was told to
get none, or a Colab notebook without one, while no driver shows a GPU.

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
Only the variables of the job are looked at; sites may name GPUs in others, above all outside of Slurm.
Where devices are not fenced off, a job works without asking, and nothing is reported.
Which device rules the job's cgroup has is shown where the kernel tells it (cgroup v1).

## Sources
srun(1), gres.html of Slurm: SLURM_JOB_GPUS, SLURM_STEP_GPUS, SLURM_GPUS_ON_NODE; IBM LSF, GPU access enforcement;
NVIDIA Container Toolkit, NVIDIA_VISIBLE_DEVICES.
Met by users in:
- <https://github.com/3dem/model-angelo/issues/60>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.scheduler import Scheduler
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import CUDA_STEPS, nvml_error, passed, said, step_of

_NAMES = {"slurm": "Slurm job", "pbs": "PBS job", "lsf": "LSF job", "sge": "Grid Engine job"}
_COMMANDS = {
    "slurm": ("sinfo -o '%P %G'", "srun --gres=gpu:1 nvidia-smi -L"),
    "pbs": ("qsub -I -l select=1:ngpus=1",),
    "lsf": ('bsub -gpu "num=1" -I nvidia-smi -L',),
    "sge": ("qrsh -l gpu=1 nvidia-smi -L",),
    "kubernetes": ("kubectl describe nodes | grep nvidia.com/gpu",),
}
# 195 is the number of /dev/nvidia0 and /dev/nvidiactl: admin-guide/devices.txt of the Linux kernel.
_ALLOWING = ("a ", "c 195:", "c *:")


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
        "slurm smi-not-found": 9,
        "smi-no-driver smi-works": 6,
        "no-gres": 6,
        "slurm": 1,
        "colab no-nvidia-driver": 7,
        "colab smi-no-driver": 6,
        "colab cuda:100": 12,
        "colab-cpu": 3,
        "colab smi-not-found": 6,
        "slurm not-available": 6,
        "slurm no-gpu-devices": 5,
        "slurm cuda:100 cvd": -1,
        "slurm gres-asked": 1,
        "colab no-gpu-devices": 7,
        "slurm no-card-said": 3,
        "gres-asked no-gpu-devices": 4,
        "gres-asked cuda:100": 3,
        "slurm cuda:46": -2,
        "colab not-available": 7,
        "colab": 3,
        "tegra": -5,
        "slurm smi-works !smi-no-driver": -4,
    },
    confirm=Confirm(
        "env | grep -E '^(SLURM|COLAB).*GPU'; nvidia-smi -L",
        "no variable with the number of a GPU, and no GPU",
    ),
)
def no_gpu_allocated(
    scheduler: Scheduler,
    ladder: Ladder,
    environment: Environment | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
) -> Iterator[Finding]:
    """Fire in a job that was given no GPU where no driver shows a device."""
    if not scheduler.system or known(scheduler.gpus) != "" or passed(ladder, "context"):
        return
    # A GPU that a driver shows was given to this job, whatever the variables say.
    if isinstance(driver, Driver) and (known(driver.device_count) or 0) > 0:
        return
    variables = environment.variables if isinstance(environment, Environment) else {}
    if isinstance(nvml, Nvml) and (known(nvml.device_count) or 0) > 0 and variables.get("CUDA_VISIBLE_DEVICES") != "":
        return
    failed = _ended(ladder)
    if not failed:
        return
    system = scheduler.system
    source = scheduler.gpus.source if isinstance(scheduler.gpus, Known) else "environment"
    batch = system in _NAMES
    who = f"{_NAMES[system]} {scheduler.job}" if batch else "This pod" if system == "kubernetes" else "This notebook"
    yield finding(
        no_gpu_allocated,
        summary=f"{who} has no GPU among its resources, and no driver shows one.",
        cause="The job did not ask for a GPU, so the batch system hides those of the node."
        if batch
        else "The pod has no limit of nvidia.com/gpu, so it gets none of the node's GPUs."
        if system == "kubernetes"
        else "The notebook runs on a runtime without a GPU.",
        confidence="supported" if system in ("slurm", "kubernetes", "colab") else "possible",
        evidence=(
            Evidence("batch system", f"{system} {scheduler.job}".strip(), "environment"),
            Evidence("GPUs that it names", "none", source),
            *without_gpus(scheduler),
            *failed,
        ),
        fix=Fix(
            "Ask for a GPU when you submit the job."
            if batch
            else "Give the container a limit of nvidia.com/gpu: 1."
            if system == "kubernetes"
            else "Choose a runtime type with a GPU.",
            _COMMANDS.get(system, ()),
        ),
    )


def without_gpus(scheduler: Scheduler | Missing) -> tuple[Evidence, ...]:
    """Return the device rules of the cgroup as evidence where they leave the GPUs out."""
    rules = scheduler.device_rules if isinstance(scheduler, Scheduler) else Missing("no section")
    if isinstance(rules, Missing) or any(rule.startswith(_ALLOWING) for rule in rules.value):
        return ()
    return (Evidence("device rules of the cgroup", f"{len(rules.value)}, none for 195:*", rules.source),)


def _ended(ladder: Ladder) -> tuple[Evidence, ...]:
    """Return how NVML and the driver API ended, if they ended as they do without any device."""
    step = nvml_error(ladder, 4, 9, 12, 999)
    found = (said(step),) if step is not None else ()
    for name in CUDA_STEPS:
        each = step_of(ladder, name)
        if each is not None and each.state == "failed" and each.code in (None, 3, 34, 100, 304, 999):
            return (*found, said(each))
    return found
