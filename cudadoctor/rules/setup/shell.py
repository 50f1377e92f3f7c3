"""The shell that a machine's user types into: its start-up file, and how it sets a variable and its search path."""

from __future__ import annotations

from cudadoctor.facts.environment import Environment
from cudadoctor.facts.machine import Machine
from cudadoctor.rules.reading import system_of

_FILES = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshrc",
    "fish": "~/.config/fish/config.fish",
    "ksh": "~/.kshrc",
    "powershell": "$PROFILE",
}


def shell_of(machine: Machine) -> str:
    """Return `bash`, `zsh`, `fish`, `ksh` or `powershell`; what is not known is `bash`, and on Windows PowerShell."""
    if system_of(machine.host) == "Windows":
        return "powershell"
    variables = machine.environment.variables if isinstance(machine.environment, Environment) else {}
    name = variables.get("SHELL", "").replace("\\", "/").rpartition("/")[2]
    if name in ("pwsh", "powershell"):
        return "powershell"
    return name if name in _FILES else "bash"


def start_up_file(machine: Machine) -> str:
    """Return the file whose lines the shell reads when it starts (Terminal of macOS starts login shells)."""
    shell = shell_of(machine)
    if shell == "bash" and system_of(machine.host) == "Darwin":
        return "~/.bash_profile"
    return _FILES[shell]


def set_line(shell: str, name: str, value: str) -> str:
    """Return the line that sets a variable for programs."""
    if shell == "powershell":
        return f'$env:{name} = "{value}"'
    if shell == "fish":
        return f"set -gx {name} {value}"
    return f"export {name}={value}"


def path_line(shell: str, folder: str, *, windows: bool = False) -> str:
    """Return the line that puts a folder in front of the search path for programs."""
    if shell == "powershell":
        return f'$env:Path = "{folder};$env:Path"' if windows else f'$env:PATH = "{folder}:$env:PATH"'
    if shell == "fish":
        return f"fish_add_path {folder}"
    return f'export PATH="{folder}:$PATH"'


def list_line(shell: str, name: str, folder: str) -> str:
    """Return the line that puts a folder in front of another variable that lists folders."""
    if shell == "powershell":
        return f'$env:{name} = "{folder}:$env:{name}"'
    if shell == "fish":
        return f"set -gx {name} {folder} ${name}"
    return f'export {name}="{folder}:${name}"'
