"""The host: operating system, processor, memory, Python, and what kind of machine it is."""

from __future__ import annotations

from cudadoctor.facts.base import Fact, Section


class Host(Section, frozen=True, kw_only=True):
    """The machine that the report is about.

    `system` is `Linux`, `Darwin` or `Windows`; `kernel_release` is `uname -r`. `distribution_family` lists the ids
    of /etc/os-release, own id first (`ubuntu debian`). `container` names the container runtime, or "" outside one.
    """

    system: Fact[str]
    kernel_release: Fact[str]
    architecture: Fact[str]
    distribution: Fact[str]
    distribution_family: Fact[str]
    cpu_name: Fact[str]
    cpu_count: Fact[int]
    memory_total_bytes: Fact[int]
    python_version: Fact[str]
    container: Fact[str]
    wsl: Fact[bool]
    jetson_model: Fact[str]
