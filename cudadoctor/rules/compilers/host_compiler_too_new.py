"""# nvcc does not support the host compiler

## What it checks
Whether the compiler that nvcc would take for the host's part of a program is newer than this toolkit allows; or
whether a text says that the version of gcc, clang or Visual Studio is not supported, or shows the errors that a too
new one gives in its own headers.

## Why it matters
nvcc passes host code to another compiler and reads its headers. Each toolkit knows versions up to a limit
(`crt/host_config.h`); newer headers use what it cannot parse.
It matters for builds only: what is installed already needs no compiler.

## How to fix it
Use an older compiler with nvcc, or a newer toolkit.
On Ubuntu and Debian, for a toolkit from 12.0 on:

```sh
sudo apt-get install -y g++-12
export NVCC_PREPEND_FLAGS="-ccbin g++-12"
```

## Limits
The limit is read from the toolkit's own header, and only where that is missing from a table.
A build that names its own host compiler (CMake, a Makefile) is not seen; nvcc's own variables, and links that a
distribution laid beside nvcc, are. Of another machine's files (`--sysroot`) no variable is known, so there it is only
possible.
The flag -allow-unsupported-compiler takes the check away, not the cause.

## Sources
- <https://docs.nvidia.com/cuda/cuda-installation-guide-linux/#host-compiler-support-policy>
Met by users in:
- <https://github.com/NVlabs/instant-ngp/issues/1562>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.compilers import Compilers, HostCompiler
from cudadoctor.facts.host import Host
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.findings import Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import CannotJudgeError, finding, rule
from cudadoctor.rules.commands import install_gcc, take_host_compiler
from cudadoctor.rules.reading import seen, system_of, text_of, version_of
from cudadoctor.tables import TABLE_DATE
from cudadoctor.tables.builds import first_toolkit_for

_NAMES = {"gcc": "gcc", "clang": "clang", "msvc": "Visual Studio's compiler, _MSC_VER"}


@rule(
    id="host-compiler-too-new",
    title="nvcc does not support the host compiler",
    severity=Severity.WARNING,
    shows={
        "host-compiler": 10,
        "gcc-beyond-toolkit": 6,
        "kernel-compiler-differs": 3,
    },
    confirm=Confirm(
        'gcc -dumpfullversion; grep -h "unsupported GNU" "$(dirname "$(readlink -f "$(command -v '
        'nvcc)")")/../include/crt/host_config.h"',
        "a gcc newer than the line allows",
    ),
    confirm_on_windows=Confirm(
        "where.exe cl; nvcc --version",
        "a Visual Studio that is newer than the toolkit",
    ),
)
def host_compiler_too_new(compilers: Compilers, toolkits: Toolkits, host: Host | Missing) -> Iterator[Finding]:
    """Fire where the first host compiler is newer than the toolkit's limit; a note where the check is switched off."""
    toolkit = next((kit for kit in toolkits.found if kit.root == known(compilers.nvcc_root)), None)
    # Apple counts its clang on its own, and no toolkit says which of them it takes.
    if toolkit is None or not compilers.found or system_of(host) == "Darwin":
        return
    first = compilers.found[0]
    limit, major = _limit(toolkit, first.kind), _major(first)
    if isinstance(limit, Missing) or major is None:
        raise CannotJudgeError("the version of the host compiler, or the newest that nvcc takes, is not known")
    if major <= limit.value:
        return
    name = _NAMES[first.kind]
    unchecked = known(compilers.check_disabled) is True
    newer = first_toolkit_for(first.kind, major)
    takes = f" CUDA {newer} is the first that takes {name} {major} (table of {TABLE_DATE})." if newer else ""
    yield finding(
        host_compiler_too_new,
        severity=Severity.NOTE if unchecked else Severity.WARNING,
        summary=f"nvcc of CUDA {text_of(toolkit.version) or '(version unknown)'} takes {name} up to {limit.value}, and "
        f"the one that it finds, {first.path}, is {text_of(first.version)}. This matters only for building CUDA code."
        + (" Flags for nvcc take its check away, not the cause." if unchecked else ""),
        cause="nvcc compiles the host's part of a program with this compiler, and reads its headers, which use what "
        "this nvcc does not know.",
        confidence="possible" if isinstance(compilers.check_disabled, Missing) else "supported",
        evidence=(
            *seen(f"version of {first.path}", first.version),
            Evidence("host compiler", first.path, first.found_via),
            Evidence(f"newest {first.kind} that nvcc takes", limit.value, limit.source),
            *seen("nvcc", compilers.nvcc),
        ),
        fix=_fix(compilers, toolkit, host, limit.value, takes),
    )


def _limit(toolkit: Toolkit, kind: str) -> Fact[int]:
    return {"gcc": toolkit.gcc_newest, "clang": toolkit.clang_newest}.get(kind, toolkit.msvc_newest)


def _major(compiler: HostCompiler) -> int | None:
    version = version_of(known(compiler.version))
    return version[0] if version else None


def _fix(compilers: Compilers, toolkit: Toolkit, host: Host | Missing, limit: int, takes: str) -> Fix:
    if system_of(host) == "Windows":
        return Fix(
            "Add an older set of C++ build tools in the Visual Studio installer (Individual components), and build in "
            f"its prompt; or use a newer toolkit.{takes}"
        )
    fitting = [
        major
        for compiler in compilers.found
        if compiler.kind == "gcc"
        and (major := _major(compiler)) is not None
        and isinstance(toolkit.gcc_newest, Known)
        and major <= toolkit.gcc_newest.value
        and compiler.path == f"/usr/bin/g++-{major}"
    ]
    if fitting:
        text = f"Let nvcc take g++ {max(fitting)}, which is installed; or use a newer toolkit.{takes}"
        return Fix(text, take_host_compiler(f"g++-{max(fitting)}"))
    gcc = known(toolkit.gcc_newest) or limit
    return Fix(
        f"Install g++ {gcc} beside it and let nvcc take that; or use a newer toolkit.{takes}", install_gcc(host, gcc)
    )
