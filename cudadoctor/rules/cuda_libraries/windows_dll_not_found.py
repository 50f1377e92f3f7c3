"""# A CUDA library is not on the search path of Windows

## What it checks
On Windows, whether the DLLs that TensorFlow (up to 2.10) or CuPy of this Python environment load are on `PATH`, in
wheels or in conda; or whether a text says that a DLL of CUDA or cuDNN was not found, or that one could not be loaded
(WinError 126, 127, 1114).

## Why it matters
Windows searches `PATH`, and Python from 3.8 on, for what extension modules need, only folders that a package added
(`os.add_dll_directory`). The version is in the name: cudart64_110.dll belongs to CUDA 11.x.

## How to fix it
Install the toolkit and cuDNN of the version in the file's name and put their bin folders on PATH, or use a package
that brings them.
For the toolkit that the installer named in CUDA_PATH, in PowerShell:

```powershell
$env:Path = "$(Join-Path $env:CUDA_PATH bin);$(Join-Path $env:CUDA_PATH bin/x64);$env:Path"
where.exe cudart64_*.dll cudnn64_*.dll
```

## Limits
The DLL that is named can be there while one that it needs is not.
Where a toolkit of another version is there instead, that is `toolkit-version-wrong-for-framework`.

## Sources
- <https://learn.microsoft.com/windows/win32/dlls/dynamic-link-library-search-order>
- <https://docs.python.org/3/library/os.html#os.add_dll_directory>
Met by users in:
- <https://github.com/tensorflow/tensorflow/issues/38822>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing
from cudadoctor.facts.cuda_libraries import CudaLibraries
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.host import Host
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.cuda_libraries.copies import copy_evidence
from cudadoctor.rules.cuda_libraries.wanted import wanted_by_tensorflow, where_it_is
from cudadoctor.rules.reading import capabilities, system_of

# NVRTC, which CuPy compiles every kernel with.
_CUPY = {"cupy-cuda11x": "nvrtc64_112_0.dll", "cupy-cuda12x": "nvrtc64_120_0.dll", "cupy-cuda13x": "nvrtc64_130_0.dll"}


@rule(
    id="windows-dll-not-found",
    title="A CUDA library is not on the search path of Windows",
    severity=Severity.WARNING,
    shows={
        "dll-missing": 8,
        "dll-failed": 6,
        "dll-missing dll-failed": 1,
        "libnvvm-missing dll-missing": -6,
        "dll-failed windows": 1,
        "library-of-another-toolkit dll-missing": -2,
    },
    confirm=Confirm(
        "where.exe cudart64_*.dll cudnn64_*.dll",
        "no file, or another number than the message names",
    ),
)
def windows_dll_not_found(
    cuda_libraries: CudaLibraries,
    packages: Packages,
    host: Host | Missing,
    environment: Environment | Missing,
    pci: Pci | Missing,
    nvml: Nvml | Missing,
    driver: Driver | Missing,
) -> Iterator[Finding]:
    """Fire for each framework that names a DLL which it would not find."""
    if system_of(host) != "Windows" or not capabilities(driver, nvml, pci):
        return
    wanted = wanted_by_tensorflow(packages, host, environment)
    if wanted is not None:
        lacking = [name for name in wanted.names if where_it_is(cuda_libraries, name) != "found"]
        runtimes = cuda_libraries.copies("libcudart")
        if lacking and (not runtimes or any(file.name in wanted.names for file in runtimes)):
            needs = f"CUDA {wanted.cuda} and cuDNN {wanted.cudnn}"
            yield _told(cuda_libraries, packages, f"TensorFlow {wanted.release}", "tensorflow", lacking, needs)
    for name, dll in _CUPY.items():
        version = packages.version_of(name)
        if version is not None and all(file.name.lower() != dll for file in cuda_libraries.files):
            needs = f"CUDA {name[-3:-1]}"
            yield _told(cuda_libraries, packages, f"CuPy {version}", name, [dll], needs)


def _told(
    cuda_libraries: CudaLibraries, packages: Packages, what: str, package: str, lacking: list[str], needs: str
) -> Finding:
    copies = [file for file in cuda_libraries.files if file.name in lacking]
    off_path = f": it is at {copies[0].path}, which is not on PATH" if copies else ": that is nowhere on this machine"
    return finding(
        windows_dll_not_found,
        summary=f"{what} loads {' and '.join(lacking)}{off_path}.",
        cause="Windows looks for a DLL on PATH, and Python adds only folders that a package names.",
        confidence="supported",
        evidence=(
            Evidence(package, packages.version_of(package), packages.source),
            Evidence("DLLs that are not found", ", ".join(lacking), "PATH, wheels, conda"),
            *(copy_evidence(file) for file in copies[:4]),
        ),
        fix=Fix(
            f"Put the bin folders of {needs} on PATH{'' if copies else ', after you installed them'}, and open a new "
            "terminal.",
            tuple(f"where.exe {name}" for name in lacking),
        ),
    )
