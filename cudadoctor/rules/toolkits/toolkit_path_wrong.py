"""# A variable names a CUDA toolkit that is not there

## What it checks
Whether `CUDA_HOME` or `CUDA_PATH` names a folder that does not exist, or one without any part of a toolkit.

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
Variables of other programs' start scripts are not seen.

## Sources
The search order of cuda.pathfinder.
Met by users in:
- <https://github.com/NVIDIA/cudf/issues/1992>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.reading import passed, said, step_of

_VARIABLES = ("CUDA_HOME", "CUDA_PATH")


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
def toolkit_path_wrong(toolkits: Toolkits, environment: Environment, ladder: Ladder | Missing) -> Iterator[Finding]:
    """Fire where a variable names a toolkit without parts: an error if compiling a kernel failed, else a warning."""
    stale = tuple(
        (name, kit)
        for name in _VARIABLES
        if environment.variables.get(name)
        for kit in toolkits.found
        if name in kit.found_via.replace(",", " ").split() and _is_empty(kit)
    )
    if not stale:
        return
    name, kit = stale[0]
    step = step_of(ladder, "kernel-compile")
    failed = step is not None and step.state == "failed"
    others = tuple(each.root for each in toolkits.found if not _is_empty(each))
    reason = kit.version.reason if isinstance(kit.version, Missing) else "it holds no compiler"
    works = " numba-cuda found another compiler and works, but builds and frameworks may not." if not failed else ""
    yield finding(
        toolkit_path_wrong,
        summary=f"{name} names {kit.root}, which holds no CUDA toolkit: {reason}."
        f"{works if passed(ladder, 'kernel-result') else ''}",
        cause="The toolkit was removed, updated or never installed there, and the variable stayed.",
        confidence="proven",
        severity=Severity.ERROR if failed else Severity.WARNING,
        evidence=(
            *(Evidence(variable, each.root, "environment") for variable, each in stale),
            *(Evidence("toolkit that is there", root, "search") for root in others[:4]),
            *((said(step),) if step is not None and failed else ()),
        ),
        fix=Fix(
            f"Unset {' and '.join(dict.fromkeys(variable for variable, _ in stale))} where it is set"
            + (", or let it name a toolkit that is there." if others else "."),
            (
                *(f"unset {variable}" for variable in dict.fromkeys(variable for variable, _ in stale)),
                "grep -nE 'CUDA_(HOME|PATH)' ~/.bashrc ~/.profile ~/.zshrc /etc/environment /etc/profile.d/*.sh",
            ),
        ),
    )


def _is_empty(kit: Toolkit) -> bool:
    return not any(isinstance(part, Known) for part in (kit.nvcc, kit.libnvvm, kit.libdevice, kit.nvrtc, kit.nvjitlink))
