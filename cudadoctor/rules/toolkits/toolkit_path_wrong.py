"""# A variable names a CUDA toolkit that is not there

## What it checks
Whether `CUDA_HOME`, `CUDA_PATH` or `CUDA_ROOT` names a folder that does not exist, or one without any part of a
toolkit; whether `NUMBAPRO_NVVM` or `NUMBAPRO_LIBDEVICE` does; and whether the folder that `XLA_FLAGS` names
(`--xla_gpu_cuda_data_dir`) holds no libdevice.

## Why it matters
numba-cuda, build systems and frameworks trust the variable before they look anywhere else.
After a toolkit was removed or updated, the stale name makes them fail though another toolkit is there.

## How to fix it
Unset the variable where it was set (shell profile, container image, job script), or let it name a toolkit that exists.
On Linux:

```sh
unset CUDA_HOME CUDA_PATH
grep -nE 'CUDA_(HOME|PATH)' ~/.bashrc ~/.profile /etc/environment
```

On Windows:

```powershell
Remove-Item Env:CUDA_HOME, Env:CUDA_PATH
```

## Limits
A folder with the CUDA runtime alone, as in small container images, is no finding before a compilation fails there.
`NUMBAPRO_` variables are read by old numba only, so about them it is a note.
Variables of other programs' start scripts are not seen.

## Sources
The search order of cuda.pathfinder; <https://openxla.org/xla/flags_guidance>.
Met by users in:
- <https://github.com/NVIDIA/cudf/issues/1992>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.cuda_libraries import CudaLibraries
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import passed, said, step_of, system_of

_OF_NUMBA = ("CUDA_HOME", "CUDA_PATH")  # where a compilation failed, the others are not why
_VARIABLES = (*_OF_NUMBA, "CUDA_ROOT", "XLA_FLAGS", "NUMBAPRO_NVVM", "NUMBAPRO_LIBDEVICE")


@rule(
    id="toolkit-path-wrong",
    title="A variable names a CUDA toolkit that is not there",
    severity=Severity.WARNING,
    explains=("nvvm-not-found", "kernel-compile-failed"),
    shows={
        "cuda-home-missing": 8,
        "nvvm-path-missing": 8,
        "nvvm-path-missing libnvvm-missing": 3,
        "cuda-folder-missing": 6,
        "cuda-home libnvvm-missing": 4,
        "cuda-home libdevice-missing": 2,
        "cuda-home nvrtc-missing": 2,
        "ptxas-missing": 5,
        "nvcc-asked": 5,
        "cuda-undefined-reference": 6,
        "rtc-missing": 7,
        "lib32-skipped": 6,
        "lcuda !wsl": 5,
        "nvrtc-builtins-missing": 6,
    },
    confirm=Confirm(
        'echo "$CUDA_HOME $CUDA_PATH"; ls -d "${CUDA_HOME:-$CUDA_PATH}/bin/nvcc" "${CUDA_HOME:-$CUDA_PATH}/nvvm"',
        'a folder, and "No such file or directory"',
    ),
    confirm_on_windows=Confirm(
        '"$env:CUDA_HOME $env:CUDA_PATH"; Test-Path "$env:CUDA_PATH/bin"',
        "a folder, and False",
    ),
)
def toolkit_path_wrong(
    toolkits: Toolkits,
    environment: Environment,
    ladder: Ladder | Missing,
    cuda_libraries: CudaLibraries | Missing,
    host: Host | Missing,
) -> Iterator[Finding]:
    """Fire where a variable names a toolkit without parts: an error if compiling a kernel failed, else a warning."""
    step = step_of(ladder, "kernel-compile")
    failed = step is not None and step.state == "failed"
    stale = tuple(
        (name, kit)
        for name in (_OF_NUMBA if failed else _VARIABLES)
        if environment.variables.get(name)
        for kit in toolkits.found
        if name in kit.found_via.replace(",", " ").split()
        and (isinstance(kit.libdevice, Missing) if name == "XLA_FLAGS" else _is_empty(kit))
        and (failed or not _holds_a_runtime(kit, cuda_libraries))
    )
    if not stale:
        return
    name, kit = stale[0]
    old = name.startswith("NUMBAPRO_")
    others = tuple(each.root for each in toolkits.found if not _is_empty(each))
    reason = kit.version.reason if isinstance(kit.version, Missing) else "it holds no compiler"
    if name == "XLA_FLAGS" and isinstance(kit.libdevice, Missing):
        reason = kit.libdevice.reason
    works = " numba-cuda found another compiler and works, but builds and frameworks may not." if not failed else ""
    yield finding(
        toolkit_path_wrong,
        summary=f"{name} names {kit.root}, which holds no {'libdevice' if name == 'XLA_FLAGS' else 'CUDA toolkit'}: "
        f"{reason}."
        f"{works if passed(ladder, 'kernel-result') else ''}",
        cause="The toolkit was removed, updated or never installed there, and the variable stayed.",
        confidence="proven",
        severity=Severity.NOTE if old else Severity.ERROR if failed else Severity.WARNING,
        evidence=(
            *(Evidence(variable, each.root, "environment") for variable, each in stale),
            *(Evidence("toolkit that is there", root, "search") for root in others[:4]),
            *((said(step),) if step is not None and failed else ()),
        ),
        fix=Fix(
            f"Unset {' and '.join(dict.fromkeys(variable for variable, _ in stale))} where it is set"
            + (", or let it name a toolkit that is there." if others else "."),
            _unset(tuple(dict.fromkeys(variable for variable, _ in stale)), windows=system_of(host) == "Windows"),
        ),
    )


def _is_empty(kit: Toolkit) -> bool:
    return not any(isinstance(part, Known) for part in (kit.nvcc, kit.libnvvm, kit.libdevice, kit.nvrtc, kit.nvjitlink))


def _holds_a_runtime(kit: Toolkit, cuda_libraries: CudaLibraries | Missing) -> bool:
    """Say whether CUDA libraries without a compiler lie there, which is what small container images have."""
    files = cuda_libraries.files if isinstance(cuda_libraries, CudaLibraries) else ()
    return any(file.real_path.startswith(kit.root.rstrip("/\\") + sign) for file in files for sign in "/\\")


def _unset(variables: tuple[str, ...], *, windows: bool) -> tuple[str, ...]:
    if windows:
        return (
            *(f"Remove-Item Env:{name}" for name in variables),
            *(f"[Environment]::SetEnvironmentVariable('{name}', $null, 'User')" for name in variables),
        )
    names = "|".join(variables)
    where = f"grep -nE '{names}' ~/.bashrc ~/.profile ~/.zshrc /etc/environment /etc/profile.d/*.sh"
    return (*(f"unset {name}" for name in variables), where)
