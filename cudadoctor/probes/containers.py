"""Gather container engines and NVIDIA Container Toolkit, from files alone: no engine is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.containers import Containers, Engine
from cudadoctor.facts.host import Host
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown
from cudadoctor.text import printable

_PROGRAMS = ("/usr/local/bin", "/usr/bin", "/snap/bin", "/run/current-system/sw/bin")
_TOOLKIT = (
    "nvidia-ctk",
    "nvidia-container-cli",
    "nvidia-container-runtime",
    "nvidia-container-runtime-hook",
    "nvidia-container-toolkit",
)
# The last is where NVIDIA's GPU operator for Kubernetes puts them.
_TOOLKIT_FOLDERS = (*_PROGRAMS, "/usr/local/nvidia/toolkit")
_DAEMON_JSON = "/etc/docker/daemon.json"
_CDI = ("/etc/cdi", "/var/run/cdi")
_CONTEXTS = {"desktop-linux": "desktop", "rootless": "rootless"}


@never_raises
def gather(root: Root, host: Host | Missing, environ: Mapping[str, str] | None = None) -> Containers | Missing:
    """Gather the containers section."""
    if root.system != "Linux":
        return Missing(f"{root.system} is not looked at")
    if isinstance(host, Host) and isinstance(host.container, Known) and host.container.value:
        return Missing("this is a container: engine and toolkit are the host's")
    engines = _engines(root)
    if not engines:
        # Nothing to configure: the other folders need not be read.
        none = Missing("there is no container engine")
        return Containers(engines=(), daemon=none, toolkit_files=(), runtimes=none, cdi_specs=())
    return Containers(
        engines=engines,
        daemon=_daemon(root, engines, root.variables(environ)),
        toolkit_files=tuple(
            path for folder in _TOOLKIT_FOLDERS for name in _TOOLKIT if root.is_file(path := f"{folder}/{name}")
        ),
        runtimes=_runtimes(root),
        cdi_specs=_cdi_specs(root),
    )


def _engines(root: Root) -> tuple[Engine, ...]:
    found = []
    for folder in _PROGRAMS:
        for name in ("docker", "podman"):
            path = f"{folder}/{name}"
            if root.exists(path):
                head = root.read(path, 512)
                # The package podman-docker puts a script in the place of docker.
                is_podman = isinstance(head, str) and head.startswith("#!") and "podman" in head
                origin = "snap" if folder == "/snap/bin" else "package"
                found.append(Engine(name="podman" if is_podman else name, path=path, origin=origin))
    return tuple(found)


def _daemon(root: Root, engines: tuple[Engine, ...], environ: Mapping[str, str]) -> Fact[str]:
    docker = next((engine for engine in engines if engine.name == "docker"), None)
    if docker is None:
        return Missing("there is no docker")
    address = environ.get("DOCKER_HOST", "")
    if address:
        if not address.startswith("unix://"):
            return Known("remote", "DOCKER_HOST")
        return Known("rootless" if "/run/user/" in address else "system", "DOCKER_HOST")
    context, source = environ.get("DOCKER_CONTEXT", ""), "DOCKER_CONTEXT"
    if not context:
        context, source = _chosen_context(root)
    if context in _CONTEXTS:
        return Known(_CONTEXTS[context], source)
    if docker.origin == "snap":
        return Known("snap", docker.path)
    return Known("system", docker.path)


def _chosen_context(root: Root) -> tuple[str, str]:
    """Return the context that `docker context use` has set for this user; a tree tells nothing of this user."""
    path = os.path.expanduser("~/.docker/config.json")
    document = _json(root, path) if root.is_live else None
    context = document.get("currentContext") if isinstance(document, dict) else None
    return (context, "~/.docker/config.json") if isinstance(context, str) else ("", "")


def _runtimes(root: Root) -> Fact[tuple[str, ...]]:
    if not root.is_file(_DAEMON_JSON):
        return Missing(f"there is no {_DAEMON_JSON}")
    document = _json(root, _DAEMON_JSON)
    if not isinstance(document, dict):
        return Missing(f"{_DAEMON_JSON} could not be read")
    runtimes = document.get("runtimes")
    return Known(tuple(printable(name)[:100] for name in runtimes) if isinstance(runtimes, dict) else (), _DAEMON_JSON)


def _json(root: Root, path: str) -> object:
    text = root.read(path, 1 << 18)
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def _cdi_specs(root: Root) -> tuple[str, ...]:
    found = []
    for folder in _CDI:
        names = root.listdir(folder)
        for name in names[:64] if isinstance(names, list) else []:
            path = f"{folder}/{name}"
            data = root.read_bytes(path) if name.endswith((".yaml", ".yml", ".json")) else b""
            if isinstance(data, bytes) and b"nvidia.com/" in data:
                found.append(shown(path))
    return tuple(found)
