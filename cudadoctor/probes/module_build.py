"""Gather how the NVIDIA kernel module was built, and what decides whether the kernel takes it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.module_build import Blacklist, ModuleBuild, ModuleBuilds
from cudadoctor.probes import signature
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown
from cudadoctor.text import printable

_DKMS = "/var/lib/dkms"
_AKMODS = "/var/cache/akmods/nvidia"
_EFI = "/sys/firmware/efi"
_SECURE_BOOT = f"{_EFI}/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_OWNER_KEYS = f"{_EFI}/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"
_ENFORCED = "/sys/module/module/parameters/sig_enforce"
_LOCKDOWN = "/sys/kernel/security/lockdown"
_SIGNATURE = b"~Module signature appended~\n"
# modprobe reads these folders, and of two files with one name the first.
_MODPROBE = tuple(f"{base}/modprobe.d" for base in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"))

# nvidia-fs and nvidia-peermem are modules of their own, which CUDA does not need.
_OF_THE_DRIVER = re.compile(r"nvidia(-(open|current|current-open|srv|srv-open|legacy.*|tesla.*|\d{3}.*))?")
_RELEASE = re.compile(r"\d{2,4}\.\d{1,4}(\.\d{1,4})*")
_MODULE_FILE = re.compile(r"nvidia(-current[\w-]*)?\.ko(\.(xz|zst|gz))?")
_LOG_BYTES = 1 << 20
_LOG_HEAD = re.compile(r"make\.log for nvidia\S*? for kernel (\S{1,100})")
_ERROR = re.compile(r"error:|\bError \d|\*\*\*|No such file or directory|\bFAILED\b", re.IGNORECASE)
_FAILED = re.compile(r"^# exit code: [1-9]|\bError \d|(fatal )?error:|\*\*\* ", re.MULTILINE)
_BLACKLISTED = re.compile(r"^\s*(?:blacklist\s+(\S+)|install\s+(\S+)\s+(?:/usr)?/bin/(?:false|true))\s*$", re.MULTILINE)
_HELD_BACK = frozenset({"nvidia", "nvidia_uvm", "nvidia-uvm", "nvidia_drm", "nvidia-drm", "nouveau", "nova_core"})
_MOST = 32


@never_raises
def gather(root: Root, host: Host | Missing, kernel_driver: KernelDriver | Missing) -> ModuleBuilds | Missing:
    """Gather the module_build section; the host tells the running kernel, the kernel driver its nvidia.ko."""
    if root.system != "Linux":
        return Missing(f"{root.system} builds no kernel module")
    kernel = known(host.kernel_release) if isinstance(host, Host) else None
    files = kernel_driver.module_files if isinstance(kernel_driver, KernelDriver) else ()
    module = next((file.path for file in files if file.kernel_release == kernel), None)
    return ModuleBuilds(
        builds=tuple(_builds(root))[:_MOST],
        headers=_headers(root, kernel),
        secure_boot=_secure_boot(root),
        signature_enforced=_enforced(root),
        lockdown=_lockdown(root),
        module_signed=_signed(root, module),
        blacklists=tuple(_blacklists(root))[:_MOST],
        module_signer=_signer(root, module),
        owner_keys=_owner_keys(root),
    )


def _builds(root: Root) -> Iterator[ModuleBuild]:
    for module in _names(root, _DKMS):
        if not _OF_THE_DRIVER.fullmatch(module):
            continue
        for release in _names(root, f"{_DKMS}/{module}"):
            if _RELEASE.fullmatch(release):
                yield from _of_dkms(root, f"{_DKMS}/{module}/{release}", release)
    for name in _names(root, _AKMODS):
        # 580.95.05-1-for-6.16.7-200.fc42.x86_64.failed.log
        release, middle, kernel = name.partition("-for-")
        if middle and kernel.endswith(".failed.log"):
            path = f"{_AKMODS}/{name}"
            yield _failed(path, release.partition("-")[0], kernel.removesuffix(".failed.log"), _log(root, path))


def _of_dkms(root: Root, folder: str, release: str) -> Iterator[ModuleBuild]:
    built = set()
    for kernel in _names(root, folder):
        if kernel in ("build", "source") or not root.is_dir(f"{folder}/{kernel}"):
            continue
        for architecture in _names(root, f"{folder}/{kernel}"):
            path = f"{folder}/{kernel}/{architecture}/module"
            if any(_MODULE_FILE.fullmatch(name) for name in _names(root, path)):
                built.add(kernel)
                yield ModuleBuild(
                    release=release, kernel_release=shown(kernel), state="built", errors=(), source=shown(path)
                )
    # DKMS leaves the folder of a build that failed, with its log; that of one that succeeded is moved away.
    path = f"{folder}/build/make.log"
    log = _log(root, path)
    head = _LOG_HEAD.search(log[:4096])
    if head is not None and head[1] not in built and _FAILED.search(log):
        yield _failed(path, release, head[1], log)
    elif not built:
        yield ModuleBuild(release=release, kernel_release="", state="added", errors=(), source=shown(folder))


def _failed(path: str, release: str, kernel: str, log: str) -> ModuleBuild:
    lines = (line.strip() for line in log.splitlines() if _ERROR.search(line))
    first = tuple(printable(line)[:200] for line in dict.fromkeys(lines))[:3]
    kernel = printable(kernel)[:100]
    return ModuleBuild(release=release, kernel_release=kernel, state="failed", errors=first, source=shown(path))


def _log(root: Root, path: str) -> str:
    text = root.read(path, _LOG_BYTES)
    return text if isinstance(text, str) else ""


def _names(root: Root, folder: str) -> list[str]:
    names = root.listdir(folder)
    return names[:256] if isinstance(names, list) else []


def _headers(root: Root, kernel: str | None) -> Fact[bool]:
    if kernel is None:
        return Missing("the release of the running kernel is not known")
    folder = f"/lib/modules/{kernel}"
    if not root.is_dir(folder):
        return Missing(f"there is no {folder}, so the kernel's files are elsewhere")
    makefile = f"{folder}/build/Makefile"
    return Known(True, makefile) if root.is_file(makefile) else Known(False, f"there is no {makefile}")


def _secure_boot(root: Root) -> Fact[bool]:
    data = root.read_bytes(_SECURE_BOOT, 16)
    if isinstance(data, bytes):
        # Four bytes of attributes, then the value: UEFI specification, Globally Defined Variables.
        return Known(data[4] == 1, _SECURE_BOOT) if len(data) == 5 else Missing(f"{_SECURE_BOOT} is not 5 bytes long")
    # A container may see an empty /sys/firmware, which says nothing of the machine's firmware.
    if _names(root, "/sys/firmware") and not root.exists(_EFI):
        return Known(False, f"there is no {_EFI}: the machine booted without UEFI")
    return data


def _enforced(root: Root) -> Fact[bool]:
    text = root.read(_ENFORCED, 16)
    if isinstance(text, Missing):
        return text
    return Known(text in ("Y", "1"), _ENFORCED)


def _lockdown(root: Root) -> Fact[str]:
    text = root.read(_LOCKDOWN, 256)
    if isinstance(text, Missing):
        return text
    chosen = re.search(r"\[(none|integrity|confidentiality)\]", text)
    return Known(chosen[1], _LOCKDOWN) if chosen else Missing(f"{_LOCKDOWN} marks no choice")


def _signed(root: Root, module: str | None) -> Fact[bool]:
    if module is None:
        return Missing("there is no nvidia.ko for the running kernel")
    if not module.endswith(".ko"):
        return Missing(f"{module} is compressed, and its signature within")
    end = root.read_tail(module, len(_SIGNATURE))
    return end if isinstance(end, Missing) else Known(end == _SIGNATURE, module)


def _signer(root: Root, module: str | None) -> Fact[str]:
    if module is None:
        return Missing("there is no nvidia.ko for the running kernel")
    if not module.endswith(".ko"):
        return Missing(f"{module} is compressed, and to unpack it would take longer than the whole check")
    end = root.read_tail(module, signature.MOST_BYTES)
    if isinstance(end, Missing):
        return end
    if not end.endswith(_SIGNATURE):
        return Missing(f"{module} has no signature")
    name = signature.signer(end.removesuffix(_SIGNATURE))
    return Known(printable(name)[:200], module) if name else Missing(f"the signature of {module} names no key")


def _owner_keys(root: Root) -> Fact[tuple[str, ...]]:
    data = root.read_bytes(_OWNER_KEYS)
    if isinstance(data, Missing):
        return data
    # Four bytes of attributes, then the lists.
    return Known(tuple(printable(name)[:200] for name in signature.certificates(data[4:])), _OWNER_KEYS)


def _blacklists(root: Root) -> Iterator[Blacklist]:
    seen = set()
    for folder in _MODPROBE:
        for name in _names(root, folder):
            if not name.endswith(".conf") or name in seen:
                continue
            seen.add(name)
            path = f"{folder}/{name}"
            text = root.read(path, 1 << 16)
            for match in _BLACKLISTED.finditer(text if isinstance(text, str) else ""):
                module = match[1] or match[2]
                if module in _HELD_BACK:
                    yield Blacklist(module=module, source=shown(path))
    line = root.read("/proc/cmdline", 1 << 14)
    for word in line.split() if isinstance(line, str) else ():
        name, _, value = word.partition("=")
        if name.endswith("blacklist"):
            for module in value.split(","):
                if module in _HELD_BACK:
                    yield Blacklist(module=module, source="/proc/cmdline")
