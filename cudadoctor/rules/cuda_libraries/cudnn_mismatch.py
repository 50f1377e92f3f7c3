"""# The cuDNN that is loaded is not the one that the program was built for

## What it checks
Whether `LD_LIBRARY_PATH` puts a cuDNN of another release before the one that a framework's wheel brought; whether the
first cuDNN that the loader finds is older than the one that this TensorFlow was built with; and whether an older copy
stands before a newer one. A text shows it by two versions, one loaded and one compiled against, or by a `libcudnn` that
is asked for and not there.

## Why it matters
cuDNN keeps compatibility within a major version only upwards: the loaded one must be as new as the one at build time.
It loads its own parts by name, and all must be of one version: a second copy earlier on the search path gives a
mixture.

## How to fix it
Leave one copy on the search path: take the older folder out of `PATH` or `LD_LIBRARY_PATH`, or install the version
that the message asks for.
To try without the variable, with your program in place of program.py:

```sh
env -u LD_LIBRARY_PATH python program.py
```

## Limits
Copies that are not on the search path, and a newer one of the same major version before an older one, are no finding.
Where no framework says which cuDNN it wants, an older copy before a newer one is a note.
CUDNN_STATUS_NOT_INITIALIZED is also what a full memory looks like.

## Sources
- <https://docs.nvidia.com/deeplearning/cudnn/backend/latest/developer/misc.html>
- <https://www.tensorflow.org/install/source#gpu>
Met by users in:
- <https://github.com/tensorflow/tensorflow/issues/50217>
"""

from __future__ import annotations

from collections.abc import Iterator

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.cuda_libraries import CudaLibraries, CudaLibrary
from cudadoctor.facts.host import Host
from cudadoctor.facts.packages import Packages
from cudadoctor.findings import Confidence, Confirm, Evidence, Finding, Fix, Severity
from cudadoctor.rules.base import finding, rule
from cudadoctor.rules.cuda_libraries.copies import (
    WHERE_IT_IS_SET,
    WITHOUT_VARIABLE,
    copy_evidence,
    framework_of,
    mapped_evidence,
    of_framework,
    order,
    shadows,
)
from cudadoctor.rules.reading import system_of, text_of, version_of
from cudadoctor.tables.builds import tensorflow_build


@rule(
    id="cudnn-mismatch",
    title="The cuDNN that is loaded is not the one that the program was built for",
    severity=Severity.WARNING,
    shows={
        "cudnn-versions": 10,
        "cudnn-broken": 6,
        "lib:libcudnn": 6,
        "lib:libcudnn_ops_infer": 4,
        "lib:libcudnn_cnn_infer": 4,
        "insufficient-driver cudnn-broken": -4,
        "lib:libcudnn several-libraries-missing": -2,
        "lib:libcudnn tf-skips-gpu": -2,
        "lib:libcudnn lib-of-a-toolkit": -3,
        "lib:libcudnn_adv": 5,
        "lib:libcudnn_ops": 5,
        "lib:libcudnn_graph": 5,
        "cudnn-not-here": 9,
    },
    confirm=Confirm(
        'python -m pip list | grep -i cudnn; /sbin/ldconfig -p | grep libcudnn; echo "$LD_LIBRARY_PATH"',
        "a second cuDNN of another version, in the loader's cache or in a folder of the last line",
    ),
    confirm_on_windows=Confirm(
        "where.exe cudnn64_*.dll",
        "more than one file, the older one first",
    ),
)
def cudnn_mismatch(
    cuda_libraries: CudaLibraries, packages: Packages | Missing, host: Host | Missing
) -> Iterator[Finding]:
    """Fire for the first cuDNN on the search path that is not the one a framework wants."""
    framework = framework_of(packages)
    if framework is None:
        return
    found = cuda_libraries.copies("libcudnn")
    for own in of_framework(cuda_libraries):
        first = shadows(cuda_libraries, own) if own.base_name == "libcudnn" else None
        if first is not None and order(first, own) in (-1, 1):
            yield _told(
                cuda_libraries,
                host,
                first,
                found,
                f"{first.found_via} puts cuDNN {text_of(first.version)} before {text_of(own.version)}, which "
                f"{framework} was installed with.",
                confidence="supported",
            )
            return
    on_path = [file for file in found if file.by_name]
    # What came in wheels or conda is found by a path that is written into the framework.
    if not on_path or any(file.found_via in ("CUDA wheels", "torch", "CONDA_PREFIX") for file in found):
        return
    first = on_path[0]
    wanted = _of_tensorflow(packages)
    loaded = version_of(known(first.version))
    if wanted is not None and loaded is not None and loaded[0] == wanted[0][0] and loaded[:2] < wanted[0]:
        dotted = ".".join(map(str, wanted[0]))
        yield _told(
            cuda_libraries,
            host,
            first,
            found,
            f"The first cuDNN on the search path is {text_of(first.version)}, and {framework} was built with {dotted}.",
            evidence=(Evidence("cuDNN that TensorFlow was built with", dotted, wanted[1]),),
            confidence="supported",
        )
        return
    newer = [file for file in on_path[1:] if file.name == first.name and order(first, file) == -1]
    if newer:
        yield _told(
            cuda_libraries,
            host,
            first,
            found,
            f"cuDNN {text_of(first.version)} stands before {text_of(newer[0].version)} on the search path, so "
            f"{framework} gets the older one.",
            severity=Severity.NOTE,
        )


def _of_tensorflow(packages: Packages | Missing) -> tuple[tuple[int, ...], str] | None:
    """Return the cuDNN that the installed TensorFlow was built with, and who says so."""
    version = packages.version_of("tensorflow") if isinstance(packages, Packages) else None
    build = tensorflow_build(version) if version is not None and "+" not in version else None
    numbers = version_of(build.cudnn) if build is not None else None
    return (numbers, build.source) if build is not None and numbers is not None else None


def _told(
    cuda_libraries: CudaLibraries,
    host: Host | Missing,
    first: CudaLibrary,
    found: tuple[CudaLibrary, ...],
    summary: str,
    *,
    evidence: tuple[Evidence, ...] = (),
    confidence: Confidence = "possible",
    severity: Severity = Severity.WARNING,
) -> Finding:
    folder = first.path.replace("\\", "/").rpartition("/")[0]
    commands: tuple[str, ...] = ("ldconfig -p | grep libcudnn", 'echo "$LD_LIBRARY_PATH"')
    if system_of(host) == "Windows":
        commands = (f"where.exe {first.name}",)
    elif first.found_via == "LD_LIBRARY_PATH":
        commands = (WITHOUT_VARIABLE, WHERE_IT_IS_SET)
    return finding(
        cudnn_mismatch,
        summary=summary,
        cause="Programs ask for cuDNN by a name that only carries its major version, and take the first copy of it.",
        confidence=confidence,
        severity=severity,
        evidence=(
            *(copy_evidence(file) for file in found[:6]),
            *mapped_evidence(cuda_libraries, "libcudnn"),
            *evidence,
        ),
        fix=Fix(f"Leave one cuDNN on the search path: take {folder} out of it, or update what lies there.", commands),
    )
