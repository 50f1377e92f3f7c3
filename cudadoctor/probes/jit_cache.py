"""Gather the state of the driver's cache of compiled kernels.

Where it is: the chapter on environment variables of the CUDA programming guide, `CUDA_CACHE_PATH`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.jit_cache import JitCache
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown


@never_raises
def gather(root: Root, environ: Mapping[str, str] | None = None) -> JitCache | Missing:
    """Gather the cache section.

    Args:
        root: The machine's files; only this machine's own can be asked whether this user may write.
        environ: The variables to go by, this process's own by default.
    """
    if not root.is_live:
        return Missing("--sysroot: whether a folder can be written is asked of this machine only")
    variables = root.variables(environ)
    path = variables.get("CUDA_CACHE_PATH", "")
    set_by = "CUDA_CACHE_PATH" if path else "default"
    if not path:
        default = _default(root, variables)
        if isinstance(default, Missing):
            return default
        path = default
    exists = os.path.isdir(path)
    asked = path
    while not os.path.lexists(asked) and os.path.dirname(asked) != asked:
        asked = os.path.dirname(asked)
    return JitCache(
        path=shown(path),
        set_by=set_by,
        exists=exists,
        asked_path=shown(asked),
        writable=_writable(root, asked),
        owner=_owner(root, asked),
    )


def _default(root: Root, variables: Mapping[str, str]) -> str | Missing:
    if root.system == "Windows":
        base = variables.get("APPDATA", "")
        return os.path.join(base, "NVIDIA", "ComputeCache") if base else Missing("APPDATA is not set")
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        return Missing("this user's home folder is not known")
    if root.system == "Darwin":
        return os.path.join(home, "Library", "Application Support", "NVIDIA", "ComputeCache")
    return os.path.join(home, ".nv", "ComputeCache")


def _writable(root: Root, path: str) -> Fact[bool]:
    if root.system == "Windows":
        return Missing("on Windows only writing itself would tell")
    return Known(os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK), f"access({shown(path)}, W_OK)")


def _owner(root: Root, path: str) -> Fact[str]:
    about = root.stat(path)
    if isinstance(about, Missing):
        return about
    if root.system == "Windows":
        return Missing("it is not asked for on Windows")
    import pwd

    try:
        name = pwd.getpwuid(about.st_uid).pw_name
    except (KeyError, OSError):
        name = str(about.st_uid)
    return Known(name, f"stat {shown(path)}")
