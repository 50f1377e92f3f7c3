"""Commands of rules on systems that are not Linux, or only half of it (WSL2): in their own words, or left out.

Rules are written for Linux, where most machines are, and name what only Linux has. A rule that knows better words for
Windows or macOS gives them itself, and they pass unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.findings import Finding
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.reading import system_of

LOOK_AT_WINDOWS_LOG = (
    "Get-WinEvent -FilterHashtable @{LogName='System'; ProviderName='nvlddmkm'} -MaxEvents 20 | Format-List"
)
"""The display driver writes its errors, Xid numbers too, to the System log under the name of its service."""

_EVERYWHERE = frozenset({"python", "pip", "conda", "mamba", "uv", "cudadoctor", "nvcc", "docker"})
_WINDOWS = _EVERYWHERE | {"nvidia-smi", "nvidia-smi.exe", "wsl", "wsl.exe", "powershell", "setx", "where.exe"}
_MACOS = _EVERYWHERE | {"kextstat", "kextload", "system_profiler", "pmset", "sw_vers", "csrutil", "open"}
_MACOS |= {"export", "unset", "ls", "grep"}
_CMDLET = re.compile(r"(Get|Set|Remove|Test|Restart|Start|New)-[A-Z][A-Za-z]+\b")


def for_its_system(found: tuple[Finding, ...], host: Host | Missing) -> tuple[Finding, ...]:
    """Return the findings with commands that the machine's own system has."""
    translate = {"Windows": _windows, "Darwin": _macos}.get(system_of(host))
    if translate is None and isinstance(host, Host) and known(host.wsl) is True:
        translate = _wsl
    if translate is None:
        return found
    return tuple(_translated(finding, translate) for finding in found)


def _translated(finding: Finding, translate: Callable[[str], tuple[str, ...]]) -> Finding:
    commands = tuple(dict.fromkeys(each for command in finding.fix.commands for each in translate(command)))
    if commands == finding.fix.commands:
        return finding
    return msgspec.structs.replace(finding, fix=msgspec.structs.replace(finding.fix, commands=commands))


def _windows(command: str) -> tuple[str, ...]:
    if command == LOOK_AT_DRIVER_LOG:
        return (LOOK_AT_WINDOWS_LOG,)
    bare = command.removeprefix("sudo ")
    if bare in ("reboot", "poweroff"):
        return ("Restart-Computer",) if bare == "reboot" else ()
    unset = re.fullmatch(r"unset ([A-Za-z_][A-Za-z0-9_]*)", bare)
    if unset:
        name = unset[1]
        # The toolkit's installer sets CUDA_PATH for the whole machine, which takes an administrator to undo.
        scope = "Machine" if name.startswith("CUDA_PATH") else "User"
        return (f"Remove-Item Env:{name}", f"[Environment]::SetEnvironmentVariable('{name}', $null, '{scope}')")
    keeps = _program(bare) in _WINDOWS or _CMDLET.match(bare) is not None or bare.startswith(("$env:", "[Environment]"))
    # A line that goes on in a program of Linux (a pipe into grep, a list joined by &&) is none for PowerShell 5.
    return (bare,) if keeps and not re.search(r"\| *(grep|awk|sed|tail|head)\b|&&|/dev/", bare) else ()


def _wsl(command: str) -> tuple[str, ...]:
    if command == LOOK_AT_DRIVER_LOG:
        return ("dmesg | grep -i dxg",)
    bare = command.removeprefix("sudo ")
    if bare in ("reboot", "poweroff"):
        return ("wsl.exe --shutdown",)
    if re.search(r"\b(modprobe|dkms|lspci|systemctl)\b|/dev/nvidia", bare):
        return ()
    # What sets something on the card is for Windows' own nvidia-smi, as administrator.
    if command.startswith("sudo nvidia-smi"):
        return (bare.replace("nvidia-smi", "nvidia-smi.exe", 1),)
    return (command,)


def _macos(command: str) -> tuple[str, ...]:
    bare = command.removeprefix("sudo ")
    keeps = _program(bare) in _MACOS or bare.startswith("/usr/local/cuda/")
    return (command,) if keeps and "/dev/nvidia" not in bare else ()


def _program(command: str) -> str:
    return command.partition(" ")[0]
