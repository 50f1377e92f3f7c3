"""Gather the job that this process runs in: which batch system, and which GPUs it says it gave."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.scheduler import Scheduler
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown

# What tells of a job, in the order in which one may stand inside another.
_JOBS = (
    ("slurm", "SLURM_JOB_ID"),
    ("pbs", "PBS_JOBID"),
    ("lsf", "LSB_JOBID"),
    ("kubernetes", "KUBERNETES_SERVICE_HOST"),
)
_SLURM_INDICES = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")  # "0" is the first GPU
_SLURM_COUNTS = ("SLURM_GPUS_ON_NODE", "SLURM_GPUS")  # "0" is none
_LONGEST = 400


@never_raises
def gather(root: Root, environ: Mapping[str, str] | None = None) -> Scheduler | Missing:
    """Gather the scheduler section."""
    if not root.is_live and environ is None:
        return Missing("--sysroot: the variables of this process are not those of that machine")
    variables = root.variables(environ)
    system = next((system for system, variable in _JOBS if variables.get(variable)), "")
    job = variables.get(dict(_JOBS).get(system, ""), "")
    if not system and variables.get("SGE_ROOT") and variables.get("JOB_ID"):
        system, job = "sge", variables["JOB_ID"]
    if not system and any(name in variables for name in ("COLAB_GPU", "COLAB_RELEASE_TAG")):
        system, job = "colab", ""
    return Scheduler(
        system=system,
        # What follows the first point of a PBS job is the name of its server.
        job=shown(job).partition(".")[0][:100] if system != "kubernetes" else "",
        gpus=_given(root, system, variables),
        device_rules=_device_rules(root),
    )


def _given(root: Root, system: str, variables: Mapping[str, str]) -> Fact[str]:
    if system == "slurm":
        for name in (*_SLURM_INDICES, *_SLURM_COUNTS):
            value = variables.get(name, "")
            if value and not (value == "0" and name in _SLURM_COUNTS):
                return Known(shown(value)[:_LONGEST], name)
        return Known("", f"none of {', '.join((*_SLURM_INDICES, *_SLURM_COUNTS))} names a GPU")
    if system == "kubernetes":
        # Images of NVIDIA set the variable to "all" themselves; only what the device plugin writes tells of the pod.
        listed = variables.get("NVIDIA_VISIBLE_DEVICES")
        if listed in ("void", "none", ""):
            return Known("", f"NVIDIA_VISIBLE_DEVICES={listed}")
        if listed is None or listed == "all":
            return Missing("no variable tells which GPUs the pod was given")
        return Known(shown(listed)[:_LONGEST], "NVIDIA_VISIBLE_DEVICES")
    if system == "colab":
        value = variables.get("COLAB_GPU", "")
        return Known("" if value == "0" else shown(value)[:_LONGEST], "COLAB_GPU")
    if not system:
        return Missing("this is no job of a batch system that is known here")
    names = [name for name in ("CUDA_VISIBLE_DEVICES", "SGE_HGR_gpu") if variables.get(name)]
    # LSF sets one for each task: CUDA_VISIBLE_DEVICES1 and so on.
    names += sorted(name for name in variables if re.fullmatch(r"CUDA_VISIBLE_DEVICES\d{1,4}", name))
    for name in names:
        return Known(shown(variables[name])[:_LONGEST], name)
    lines = root.read(variables["PBS_GPUFILE"], 1 << 16) if variables.get("PBS_GPUFILE") else None
    if isinstance(lines, str) and lines:
        # A line is the name of the node, and the GPU: node17-gpu0.
        gpus = (line.rpartition("-")[2] for line in lines.split())
        return Known(" ".join(gpus)[:_LONGEST], "PBS_GPUFILE")
    return Known("", "no variable of the job names a GPU")


def _device_rules(root: Root) -> Fact[tuple[str, ...]]:
    groups = root.read("/proc/self/cgroup", 1 << 16)
    if isinstance(groups, Missing):
        return groups
    own = re.search(r"^\d+:devices:(/.*)$", groups, re.MULTILINE)
    if own is None:
        return Missing("cgroup v2 keeps its device rules in a program of the kernel, which no file shows")
    # A container with a name space of its own finds its group at the top.
    for path in (f"/sys/fs/cgroup/devices{own[1].rstrip('/')}/devices.list", "/sys/fs/cgroup/devices/devices.list"):
        text = root.read(path, 1 << 16)
        if isinstance(text, str) and text:
            return Known(tuple(printed for line in text.splitlines()[:128] if (printed := shown(line.strip()))), path)
    return Missing("the cgroup's devices.list could not be read")
