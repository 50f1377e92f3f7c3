"""Commands of rules on systems that are not Linux: put into PowerShell's words on Windows, or left out.

Rules are written for Linux, where most machines are, and name what only Linux has. A rule that knows better words for
Windows or macOS gives them itself, and they pass unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from cudadoctor.facts.base import Missing
from cudadoctor.facts.host import Host
from cudadoctor.findings import Finding
from cudadoctor.rules.commands import LOOK_AT_DRIVER_LOG
from cudadoctor.rules.reading import system_of

LOOK_AT_WINDOWS_LOG = (
    "Get-WinEvent -FilterHashtable @{LogName='System'; ProviderName='nvlddmkm'} -MaxEvents 20 | Format-List"
)
"""The display driver writes its errors, Xid numbers too, to the System log under the name of its service."""

_EVERYWHERE = ("python", "pip", "conda", "mamba", "uv", "cudadoctor", "nvcc", "docker")
_WINDOWS = (*_EVERYWHERE, "nvidia-smi", "wsl", "wsl.exe", "powershell", "setx", "where.exe", "$env:", "[Environment]")
_MACOS = (*_EVERYWHERE, "kextstat", "kextload", "system_profiler", "pmset", "sw_vers", "csrutil", "open", "unset", "ls")
_CMDLET = re.compile(r"(Get|Set|Remove|Test|Restart|Start|New)-[A-Z][A-Za-z]+\b")


def for_its_system(found: tuple[Finding, ...], host: Host | Missing) -> tuple[Finding, ...]:
    """Return the findings with commands that the machine's own system has."""
    system = system_of(host)
    if system not in ("Windows", "Darwin"):
        return found
    translate = _windows if system == "Windows" else _macos
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
        return (f"Remove-Item Env:{name}", f"[Environment]::SetEnvironmentVariable('{name}', $null, 'User')")
    keeps = bare.startswith(_WINDOWS) or _CMDLET.match(bare) is not None
    # A line that goes on in a program of Linux (a pipe into grep, a list joined by &&) is none for PowerShell 5.
    return (bare,) if keeps and not re.search(r"\| *(grep|awk|sed|tail|head)\b|&&|/dev/", bare) else ()


def _macos(command: str) -> tuple[str, ...]:
    bare = command.removeprefix("sudo ")
    keeps = bare.startswith((*_MACOS, "/usr/local/cuda/", "export DYLD_LIBRARY_PATH"))
    return (command,) if keeps and "/dev/nvidia" not in bare else ()
