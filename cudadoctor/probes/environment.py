"""Gather the environment variables that change how CUDA programs run.

Only names on a list are read, because a report is meant to be shown to others and a variable may hold a secret
(`NVIDIA_API_KEY`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cudadoctor.facts.base import Missing
from cudadoctor.facts.environment import Environment
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown

_LONGEST_VALUE = 4096

_NAMES = frozenset(
    {
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "DYLD_LIBRARY_PATH",
        "CONDA_PREFIX",
        "VIRTUAL_ENV",
        "SHELL",
        "CUDACXX",
        "CUDNN_PATH",
        "NVCC_APPEND_FLAGS",
        "NVCC_PREPEND_FLAGS",
        "NVCC_CCBIN",
        "NVIDIA_VISIBLE_DEVICES",
        "NVIDIA_DRIVER_CAPABILITIES",
        "NVIDIA_DISABLE_REQUIRE",
        "NVIDIA_REQUIRE_CUDA",
        "NVIDIA_TF32_OVERRIDE",
        "NVIDIA_MIG_CONFIG_DEVICES",
        "NVIDIA_MIG_MONITOR_DEVICES",
        "NVIDIA_CTK_LIBCUDA_DIR",
        "NVIDIA_CUDA_VERSION",
        "NUMBA_DISABLE_CUDA",
        "NUMBA_DISABLE_JIT",
        "NUMBA_ENABLE_CUDASIM",
        "NUMBA_FORCE_CUDA_CC",
        "NUMBA_NUM_THREADS",
        "NUMBA_THREADING_LAYER",
        "NUMBA_CACHE_DIR",
        "NUMBA_OPT",
        "NUMBA_DEBUG",
        "NUMBA_DEBUGINFO",
        "NUMBA_BOUNDSCHECK",
        "NUMBAPRO_CUDA_DRIVER",
        "NUMBAPRO_NVVM",
        "NUMBAPRO_LIBDEVICE",
        "SLURM_JOB_ID",
        "SLURM_JOB_GPUS",
        "SLURM_STEP_GPUS",
        "SLURM_GPUS",
        "SLURM_GPUS_ON_NODE",
        "SLURM_GPUS_PER_NODE",
        "SLURM_GPUS_PER_TASK",
        "SLURM_CPUS_PER_TASK",
        "SLURM_CPUS_ON_NODE",
        "LOCAL_RANK",
        "LOCAL_WORLD_SIZE",
        "PBS_JOBID",
        "SGE_HGR_gpu",
        "LSB_JOBID",
        "COLAB_GPU",
        "COLAB_RELEASE_TAG",
        "KAGGLE_KERNEL_RUN_TYPE",
        "JAX_PLATFORMS",
        "JAX_PLATFORM_NAME",
        "XLA_FLAGS",
        "XLA_PYTHON_CLIENT_PREALLOCATE",
        "XLA_PYTHON_CLIENT_MEM_FRACTION",
        "TF_FORCE_GPU_ALLOW_GROWTH",
        "TF_CUDNN_USE_AUTOTUNE",
        "TF_XLA_FLAGS",
        "TF_GPU_ALLOCATOR",
        "TF_ENABLE_ONEDNN_OPTS",
        "PYTORCH_NVML_BASED_CUDA_CHECK",
        "PYTORCH_CUDA_ALLOC_CONF",
        "PYTORCH_ALLOC_CONF",
        "TORCH_CUDA_ARCH_LIST",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    }
)
_PREFIXES = ("CUDA_", "NUMBA_CUDA_")
_SECRET = re.compile(r"TOKEN|SECRET|PASS(WORD|WD|PHRASE)|(^|_)KEY|CREDENTIAL|(^|_)AUTH", re.IGNORECASE)
_URL_CREDENTIALS = re.compile(r"://[^/\s]*@")


@never_raises
def gather(root: Root, environ: Mapping[str, str] | None = None) -> Environment | Missing:
    """Gather the environment section: the listed variables of this process that are set."""
    if not root.is_live and environ is None:
        return Missing("--sysroot: the variables of this process are not those of that machine")
    variables = root.variables(environ)
    return Environment(
        variables={name: _presentable(variables[name]) for name in sorted(variables) if _matters(name)},
        source="os.environ",
    )


def _matters(name: str) -> bool:
    return (name in _NAMES or name.startswith(_PREFIXES)) and name.isascii() and not _SECRET.search(name)


def _presentable(value: str) -> str:
    """Return a value without the user and password of a URL, and no longer than a report can bear."""
    value = _URL_CREDENTIALS.sub("://***@", shown(value))
    if len(value) <= _LONGEST_VALUE:
        return value
    return f"{value[:_LONGEST_VALUE]}... (cut: {len(value)} characters)"
