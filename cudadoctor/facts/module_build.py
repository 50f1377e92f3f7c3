"""How the NVIDIA kernel module comes to be: its builds, kernel headers, and what decides whether it may load."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Fact, Missing, Section

_NOT_READ = Missing("these facts are of a version that did not read it")


class ModuleBuild(msgspec.Struct, frozen=True, kw_only=True):
    """One build of the module by DKMS or akmods.

    `state` is `added` (sources alone), `built` or `failed`. `kernel_release` is "" for `added`. `errors` are the first
    lines of the build log that name an error.
    """

    release: str
    kernel_release: str
    state: str
    errors: tuple[str, ...]
    source: str


class Blacklist(msgspec.Struct, frozen=True, kw_only=True):
    """A line of modprobe's configuration, or of the kernel's command line, that keeps a module from loading."""

    module: str
    source: str


class ModuleBuilds(Section, frozen=True, kw_only=True):
    """Builds of the module, and what decides whether the kernel takes it.

    `headers` says whether those of the running kernel are there. `module_signed` is about the nvidia.ko of the running
    kernel; `module_signer` names the key that signed it, and `owner_keys` the keys that the machine's owner enrolled
    (MOK). The kernel and the firmware trust other keys too. `lockdown` is `none`, `integrity` or `confidentiality`.
    """

    builds: tuple[ModuleBuild, ...]
    headers: Fact[bool]
    secure_boot: Fact[bool]
    signature_enforced: Fact[bool]
    lockdown: Fact[str]
    module_signed: Fact[bool]
    blacklists: tuple[Blacklist, ...]
    module_signer: Fact[str] = _NOT_READ
    owner_keys: Fact[tuple[str, ...]] = _NOT_READ
