"""Container engines of this host, and what lets their containers use a GPU."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Section


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """One engine: `docker` or `podman`, the program, and where it comes from (`package` or `snap`)."""

    name: str
    path: str
    origin: str


class Containers(Section, frozen=True, kw_only=True):
    """What the host's files say; inside a container they belong to the host, and the section is missing.

    Attributes:
        engines: In the order in which a shell finds them.
        daemon: Whom the command `docker` talks to: `system`, `snap`, `desktop`, `rootless` or `remote`.
        toolkit_files: Programs of NVIDIA Container Toolkit.
        runtimes: Names under `runtimes` in /etc/docker/daemon.json.
        cdi_specs: Files in /etc/cdi and /var/run/cdi that describe NVIDIA GPUs.
    """

    engines: tuple[Engine, ...]
    daemon: Fact[str]
    toolkit_files: tuple[str, ...]
    runtimes: Fact[tuple[str, ...]]
    cdi_specs: tuple[str, ...]
