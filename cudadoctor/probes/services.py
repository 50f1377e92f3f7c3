"""Gather the driver's services from their process files, units and control groups; none is asked, none is started."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.services import Services
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown

_PERSISTENCED = "/run/nvidia-persistenced/nvidia-persistenced.pid"
_MPS_DIRECTORY = "/tmp/nvidia-mps"
_FABRIC_PID = "/run/nvidia-fabricmanager/nv-fabricmanager.pid"
_FABRIC = "nvidia-fabricmanager.service"
_UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_GROUPS = ("/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice")
_DPKG_STATUS = "/var/lib/dpkg/status"
_PACKAGE = re.compile(
    rb"^Package: nvidia-fabricmanager(?:-\d{3})?\n(?:[^\n]+\n)*?Version: (?:\d+:)?(\d{3}(?:\.\d{1,4})+)", re.MULTILINE
)
_WANTED = f"/etc/systemd/system/multi-user.target.wants/{_FABRIC}"


@never_raises
def gather(root: Root, host: Host | Missing, environ: Mapping[str, str] | None = None) -> Services | Missing:
    """Gather the services section."""
    if root.system != "Linux":
        return Missing(f"{root.system} has none of these services")
    variables = root.variables(environ)
    directory = variables.get("CUDA_MPS_PIPE_DIRECTORY") or _MPS_DIRECTORY
    inside = isinstance(host, Host) and isinstance(host.container, Known) and host.container.value != ""
    hidden = Missing("this is a container: the service is the host's")
    return Services(
        persistence_daemon=hidden if inside else _runs(root, _PERSISTENCED),
        mps_control=_mps(root, directory),
        mps_pipe_directory=shown(directory)[:400],
        fabric_manager=hidden if inside else _fabric_manager(root),
        fabric_manager_release=hidden if inside else _fabric_manager_release(root),
    )


def _runs(root: Root, path: str) -> Fact[bool]:
    """Say whether the process whose number a file holds is alive."""
    text = root.read(path, 64)
    if isinstance(text, Missing):
        return Known(False, f"there is no {path}") if not root.exists(path) else text
    if not re.fullmatch(r"[1-9]\d{0,9}", text):
        return Missing(f"{path} holds no process number")
    return Known(root.is_dir(f"/proc/{text}"), path)


def _mps(root: Root, directory: str) -> Fact[bool]:
    if not root.exists(f"{directory}/control"):
        return Known(False, f"there is no {shown(directory)}/control")
    path = f"{directory}/nvidia-cuda-mps-control.pid"
    # The pipe may be mounted from the host, where the process has another number.
    return _runs(root, path) if root.is_file(path) else Missing(f"there is no {shown(path)}")


def _fabric_manager(root: Root) -> Fact[str]:
    unit = next((path for folder in _UNITS if root.exists(path := f"{folder}/{_FABRIC}")), None)
    for folder in _GROUPS:
        if root.is_dir(f"{folder}/{_FABRIC}"):
            return Known("running", f"{folder}/{_FABRIC}")
    if known(_runs(root, _FABRIC_PID)):
        return Known("running", _FABRIC_PID)
    if unit is None:
        return Known("not installed", f"there is no {_FABRIC}")
    if not any(root.is_dir(folder) for folder in _GROUPS):
        return Missing("control groups do not show which services run")
    if isinstance(root.stat(_WANTED, follow=False), Missing):
        return Known("installed", unit)
    return Known("enabled but not running", _WANTED)


def _fabric_manager_release(root: Root) -> Fact[str]:
    if not any(root.exists(f"{folder}/{_FABRIC}") for folder in _UNITS):
        return Missing(f"there is no {_FABRIC}")
    status = root.read_bytes(_DPKG_STATUS, 32 << 20)
    if isinstance(status, Missing):
        return Missing(f"there is no readable {_DPKG_STATUS}; rpm is not asked")
    start = status.find(b"Package: nvidia-fabricmanager")
    found = _PACKAGE.search(status[start : start + 16384]) if start >= 0 else None
    return Known(found[1].decode(), _DPKG_STATUS) if found else Missing(f"{_DPKG_STATUS} does not have its package")
