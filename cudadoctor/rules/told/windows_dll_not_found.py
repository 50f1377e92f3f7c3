"""# A CUDA library is not on the search path of Windows

## What it checks
Whether a text says that a DLL of CUDA or cuDNN was not found, or that one could not be loaded (WinError 126, 127,
1114).

## Why it matters
Windows searches PATH, and Python from 3.8 on only folders that were added for extension modules. The version is in
the name: cudart64_110.dll belongs to CUDA 11.x.

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

## Sources
- <https://learn.microsoft.com/windows/win32/dlls/dynamic-link-library-search-order>
"""

from __future__ import annotations

from cudadoctor.findings import Confirm
from cudadoctor.rules.base import cause

windows_dll_not_found = cause(
    id="windows-dll-not-found",
    title="A CUDA library is not on the search path of Windows",
    page=__doc__,
    shows={"dll-missing": 8, "dll-failed": 6, "dll-missing dll-failed": 1, "libnvvm-missing dll-missing": -6},
    confirm=Confirm(
        "where.exe cudart64_*.dll cudnn64_*.dll",
        "no file, or another number than the message names",
    ),
)
