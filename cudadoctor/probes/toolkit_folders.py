"""Where CUDA toolkits and Python packages may lie on a machine."""

from __future__ import annotations

import os
import re
import site
import sys
from collections.abc import Iterator, Mapping

from cudadoctor.probes.root import Root

TOOLKIT_VARIABLES = ("CUDA_PATH", "CUDA_HOME", "CUDA_ROOT", "XLA_FLAGS", "NUMBAPRO_NVVM", "NUMBAPRO_LIBDEVICE")
"""Variables that name a toolkit: the first two to every program, the others to some."""

TARGETS = ("x86_64", "sbsa", "aarch64")
"""What NVIDIA calls the processors that a toolkit is for: x86, Arm servers such as Grace, and Jetson."""

_MAC_TOOLKITS = "/Developer/NVIDIA"  # /usr/local/cuda holds links to the newest of them


def toolkit_folders(root: Root, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (folder, how it was found) of everything that may be a toolkit's root."""
    for name in TOOLKIT_VARIABLES[:2]:
        if environ.get(name):
            yield os.path.normpath(environ[name]), name
    nvcc = "nvcc.exe" if root.system == "Windows" else "nvcc"
    for folder in environ.get("PATH", "").split(os.pathsep)[:512]:
        toolkit = _toolkit_of(root, os.path.join(folder, nvcc)) if os.path.isabs(folder) else None
        if toolkit is not None:
            yield toolkit, "PATH"
    if environ.get("CONDA_PREFIX"):
        yield _conda_root(root, environ["CONDA_PREFIX"]), "CONDA_PREFIX"
    conda = own_conda(root)
    if conda is not None:
        yield _conda_root(root, conda), "the conda environment of this Python"
    for name, folder in _other_variables(environ):
        yield os.path.normpath(folder), name
    if root.system == "Windows":
        base = os.path.join(environ.get("ProgramFiles", "C:\\Program Files"), "NVIDIA GPU Computing Toolkit", "CUDA")
        names = root.listdir(base)
        yield from ((os.path.join(base, name), base) for name in names) if isinstance(names, list) else ()
        return
    if root.system == "Darwin":
        names = root.listdir(_MAC_TOOLKITS)
        for name in names if isinstance(names, list) else ():
            if name.startswith("CUDA-"):
                yield f"{_MAC_TOOLKITS}/{name}", _MAC_TOOLKITS
    names = root.listdir("/usr/local")
    kits = [f"/usr/local/{name}" for name in names if name.startswith("cuda")] if isinstance(names, list) else []
    for path in (*kits[:64], "/opt/cuda", "/usr/lib/cuda"):
        if root.is_dir(path):
            yield path, path


def _other_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (variable, folder) of toolkits that only some programs are told of."""
    if environ.get("CUDA_ROOT"):
        yield "CUDA_ROOT", environ["CUDA_ROOT"]
    match = re.search(r"--xla_gpu_cuda_data_dir=(\S+)", environ.get("XLA_FLAGS", ""))
    if match is not None and os.path.isabs(match[1]):
        yield "XLA_FLAGS", match[1]
    for name in ("NUMBAPRO_NVVM", "NUMBAPRO_LIBDEVICE"):  # a file or folder of the toolkit, for old numba
        match = re.match(r"(.+?)[/\\]nvvm(?:[/\\]|$)", environ.get(name, ""))
        if match is not None and os.path.isabs(match[1]):
            yield name, match[1]


def _toolkit_of(root: Root, nvcc: str) -> str | None:
    """Return the root of the toolkit of an nvcc on PATH; distributions put a small script there that starts it."""
    if not root.is_file(nvcc):
        return None
    folder, name = os.path.split(started_by(root, nvcc))
    if not name.startswith("nvcc"):
        return None  # ccache under another name
    # Debian: the compiler is in /usr/lib/nvidia-cuda-toolkit, its libraries and headers are in /usr.
    return re.sub(r"/lib/nvidia-cuda-toolkit$", "", os.path.dirname(folder)) or "/"


def started_by(root: Root, nvcc: str) -> str:
    """Return the real path of an nvcc; that of the program which it starts, where it is a script."""
    real_path = root.resolve(nvcc)
    head = root.read(real_path, 4096)
    if isinstance(head, str) and head.startswith("#!"):
        match = re.search(r"^\s*exec\s+[\"']?(/[^\s\"'$]{1,500}/nvcc)\b", head, re.MULTILINE)
        if match and root.is_file(match[1]):
            return root.resolve(match[1])
    return real_path


def own_conda(root: Root) -> str | None:
    """Return the conda environment that this Python is of, None where it is of none."""
    return sys.prefix if root.is_live and root.is_dir(os.path.join(sys.prefix, "conda-meta")) else None


def _conda_root(root: Root, prefix: str) -> str:
    return os.path.join(prefix, "Library") if root.system == "Windows" else os.path.normpath(prefix)


def python_site_folders() -> list[str]:
    """Return the folders in cuda.pathfinder's order: in a virtual environment the user's own folder comes second."""
    folders = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders.insert(1 if sys.prefix != sys.base_prefix else 0, site.getusersitepackages())
    return folders
