"""How the cards, drivers and toolkits that a text names fit together: signs that no single line shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from cudadoctor.rules.pasted.text import Pasted
from cudadoctor.rules.reading import version_of
from cudadoctor.tables.builds import host_limits
from cudadoctor.tables.card_names import capability_of, names_in
from cudadoctor.tables.cards import pci_card
from cudadoctor.tables.drivers import minimum_driver
from cudadoctor.tables.support import capability_support

_MOST_LINES = 3000

_WHEEL = re.compile(r"(?:\+|[-_]|\b)cu(\d{2})(\d)\b(?!\d)")
_TOOLKIT = re.compile(
    r"\b(?:cuda(?:toolkit)?|nvcc|toolkit|runtime)(?:[ =:/_v-]{1,3}|[ -](?:toolkit|version|release|runtime)[ =:v]{1,3})"
    r"(\d{1,2}\.\d)(?!\d)"
)
# The CUDA version in nvidia-smi's header is that of the driver; a capability is no toolkit.
_NOT_A_TOOLKIT = re.compile(r"driver version|cuda capability|compute capability|download and install")
_RUNTIME_API = re.compile(r"\bruntime api version: ?(\d{1,2}\.\d)")
_CAPABILITY = re.compile(r"\bdevice: ?\d.{0,160}\b(?:cuda|compute) ?capability: ?(\d{1,2})\.?(\d)\b")
_DRIVER = re.compile(
    r"\b(?:driver(?: version)?|nvidia(?:-driver)?|nvidia-smi)[ :=-]{1,3}(\d{3})(?:\.(\d{2,3}))?\b(?!\.\d\.)"
)
# How the kernel module names a card that it does not take.
_REFUSED = re.compile(r"nvrm: .{0,80}\bpci id: 10de:([0-9a-f]{4})\b")
_HALF = re.compile(r"\b(libcuda|kernel) reported version is: ?([\d.]{3,20})")
_MISSING_LIBRARY = re.compile(
    r"\b(?:lib)?(cudart|cublas|cufft|cusolver|cusparse|curand|nvrtc)(?:64_|\.so\.)(\d{1,3})(?:[._](\d))?"
)

_NVCC = re.compile(r"\bcuda compilation tools, release (\d{1,2}\.\d)")
_TORCH_CUDA = re.compile(
    r"\b(?:cuda used to build pytorch: |torch\.version\.cuda\W{1,6}|torch[\w.=-]{1,20}\+cu|- cuda runtime )"
    r"(\d{1,2})\.?(\d)\b"
)
_GCC = re.compile(
    r"\b(?:gcc|g\+\+)(?:[- ]version)?(?: \((?:gcc|ubuntu|debian|red hat)[^)]{0,60}\)|[ :=v]{1,3}|-)[ =:v]{0,2}"
    r"(\d{1,2})(?:\.\d{1,2}){1,2}\b"
    r"|\bcompiler identification is gnu (\d{1,2})\."
)
# What a kernel, a Python or a driver was built with is not what nvcc would take.
_NOT_FOR_NVCC = re.compile(r"\[gcc|\(gcc [\d.]+[^)]*\) #|linux version|kernel module|nvrm|built with|was built by")

_TORCH_RELEASE = re.compile(r"\b(?:py)?torch(?:\.__version__| version)?\W{1,12}v?(\d\.\d{1,2})\.\d\b(?![+.\w])")
_CUDA_OF_TORCH = (
    ((1, 3), (10, 1)),
    ((1, 5), (10, 2)),
    ((1, 13), (11, 7)),
    ((2, 1), (12, 1)),
    ((2, 5), (12, 4)),
    ((2, 7), (12, 6)),
    ((2, 8), (12, 8)),
    ((2, 11), (13, 0)),
)
"""From which release of PyTorch on its wheels on PyPI, those for Linux, were built with which CUDA.

Source: release notes and RELEASE.md of github.com/pytorch/pytorch.
"""

Version = tuple[int, ...]


def note_fits(pasted: Pasted, note: Callable[[str, int], None]) -> None:
    """Note `card-beyond-toolkit`, `card-before-toolkit`, `driver-beyond-card`, `driver-below-toolkit` and the like."""
    cards: dict[str, int] = {}
    refused: dict[str | None, int] = {}
    toolkits: dict[Version, int] = {}
    drivers: dict[Version, int] = {}
    libraries: dict[Version, int] = {}
    for index, line in enumerate(pasted.lines[:_MOST_LINES]):
        low = line.lower()
        if not any(character.isdigit() for character in low):
            continue
        for name in names_in(low):
            capability = capability_of(name)
            if capability is not None:
                cards.setdefault(capability, index)
        for match in _REFUSED.finditer(low):
            # The module writes this on three lines, each of which may come alone.
            if "not supported by" in " ".join(pasted.lines[index : index + 3]).lower():
                refused.setdefault(_of_id(match[1]), index)
        for match in _CAPABILITY.finditer(low):
            cards.setdefault(f"{match[1]}.{match[2]}", index)
        for version in _toolkits_in(low):
            toolkits.setdefault(version, index)
        for match in _DRIVER.finditer(low):
            drivers.setdefault((int(match[1]), *((int(match[2]),) if match[2] else ())), index)
        for match in _MISSING_LIBRARY.finditer(low):
            libraries.setdefault(_library_version(*match.groups()), index)
    if not toolkits:
        toolkits = _cuda_of_torch(pasted)
    _halves_of_the_driver(pasted, note)
    _nvcc_and_torch(pasted, note)
    for place in cards.values():
        note("card-named", place)
    for place in drivers.values():
        note("driver-told", place)
    _cards_and_toolkits(cards, toolkits, note)
    _cards_and_drivers(cards, drivers, note)
    _refused_by_the_driver(refused, drivers, note)
    _drivers_and_toolkits(drivers, toolkits, note)
    _libraries_and_toolkits(libraries, toolkits, note)
    _compilers_and_toolkits(pasted, toolkits, note)


def _halves_of_the_driver(pasted: Pasted, note: Callable[[str, int], None]) -> None:
    """Compare the releases of libcuda and of the kernel module, which TensorFlow and XLA print on two lines."""
    told: dict[str, tuple[str, int]] = {}
    for index, line in enumerate(pasted.lines[:_MOST_LINES]):
        match = _HALF.search(line.lower())
        if match is not None:
            told[match[1]] = (match[2], index)
    if len(told) == 2:
        (library, place), (kernel, other) = told["libcuda"], told["kernel"]
        if version_of(library) and version_of(kernel) and _release(library) != _release(kernel):
            note("dso-mismatch", place)
            note("dso-mismatch", other)


def _nvcc_and_torch(pasted: Pasted, note: Callable[[str, int], None]) -> None:
    """Compare the release that nvcc tells with the CUDA that torch was built with, each where it is first told."""
    compilers: dict[Version, int] = {}
    builds: dict[Version, int] = {}
    for index in range(min(len(pasted.lines), _MOST_LINES)):
        low = pasted.two_lines(index).lower()
        for match in _NVCC.finditer(low):
            compilers.setdefault(version_of(match[1]) or (), index)
        for match in _TORCH_CUDA.finditer(low):
            builds.setdefault((int(match[1]), int(match[2])), index)
    if len(compilers) == len(builds) == 1 and compilers.keys() != builds.keys():
        for place in (*compilers.values(), *builds.values()):
            note("nvcc-of-another-release", place)


def _cuda_of_torch(pasted: Pasted) -> dict[Version, int]:
    """Return the CUDA of the one PyTorch that a text names: what it says itself, else that of the release's wheel."""
    said: dict[Version, int] = {}
    releases: dict[Version, int] = {}
    for index in range(min(len(pasted.lines), _MOST_LINES)):
        low = pasted.two_lines(index).lower()
        for match in _TORCH_CUDA.finditer(low):
            said.setdefault((int(match[1]), int(match[2])), index)
        for match in _TORCH_RELEASE.finditer(low):
            releases.setdefault(version_of(match[1]) or (), index)
    if said or len(releases) != 1:
        return said
    ((release, line),) = releases.items()
    cuda = [toolkit for first, toolkit in _CUDA_OF_TORCH if release >= first]
    return {cuda[-1]: line} if cuda else {}


def _release(text: str) -> Version:
    """Return a release without the zero that some print behind two components."""
    version = version_of(text) or ()
    return version[:2] if len(version) == 3 and version[2] == 0 else version


def _toolkits_in(low: str) -> Iterable[Version]:
    for match in _WHEEL.finditer(low):
        yield int(match[1]), int(match[2])
    for match in _RUNTIME_API.finditer(low):
        yield version_of(match[1]) or ()
    if _NOT_A_TOOLKIT.search(low) is None:
        for match in _TOOLKIT.finditer(low):
            version = version_of(match[1])
            if version is not None and 5 <= version[0] <= 14:
                yield version


def _library_version(name: str, first: str, second: str | None) -> Version:
    """Return the toolkit of a library's number: `101` is 10.1, `110` any 11, `12` any 12, `10` and `0` are 10.0."""
    if len(first) == 3:
        return (int(first[:2]), int(first[2])) if int(first[:2]) < 11 else (int(first[:2]),)
    # NVRTC kept the minor release in its name up to 11.2.
    exact = int(first) < 11 or (name == "nvrtc" and int(first) == 11)
    return (int(first), int(second)) if second is not None and exact else (int(first),)


def _cards_and_toolkits(cards: dict[str, int], toolkits: dict[Version, int], note: Callable[[str, int], None]) -> None:
    if not toolkits:
        return
    newest, oldest = max(toolkits), min(toolkits)
    for capability, line in cards.items():
        support = capability_support(capability)
        if support is None:
            continue
        first, last = version_of(support.first_toolkit), version_of(support.last_toolkit)
        if first is not None and newest < first:
            note("card-beyond-toolkit", line)
            note("card-beyond-toolkit", toolkits[newest])
        if last is not None and oldest > last:
            note("card-before-toolkit", line)
            note("card-before-toolkit", toolkits[oldest])


def _of_id(device_id: str) -> str | None:
    card = pci_card(device_id)
    return card.compute_capability if card is not None else None


def _refused_by_the_driver(
    cards: dict[str | None, int], drivers: dict[Version, int], note: Callable[[str, int], None]
) -> None:
    """Note `card-newer-than-driver` for a card, from Turing on, that a driver from before its days refused."""
    for capability, line in cards.items():
        support = capability_support(capability or "")
        first = minimum_driver(support.first_toolkit, "Linux") if support is not None else None
        branch = version_of(first.corresponding) if first is not None else None
        recent = branch is not None and (version_of(capability) or (0,)) >= (7, 5)
        if recent and branch is not None and drivers and all(driver[0] < branch[0] for driver in drivers):
            note("card-newer-than-driver", line)
        else:
            note("legacy-driver", line)


def _cards_and_drivers(cards: dict[str, int], drivers: dict[Version, int], note: Callable[[str, int], None]) -> None:
    for capability, line in cards.items():
        support = capability_support(capability)
        if support is None or support.last_driver_branch is None:
            continue
        if support.last_driver_branch <= 470:
            note("old-card", line)
        for driver, place in drivers.items():
            if driver[0] > support.last_driver_branch:
                note("driver-beyond-card", line)
                note("driver-beyond-card", place)


def _drivers_and_toolkits(
    drivers: dict[Version, int], toolkits: dict[Version, int], note: Callable[[str, int], None]
) -> None:
    if len(drivers) != 1 or len(toolkits) != 1:
        return
    ((driver, driver_line),), ((toolkit, toolkit_line),) = drivers.items(), toolkits.items()
    needed = minimum_driver(".".join(map(str, toolkit)), "Linux")
    minimum = version_of(needed.run) if needed is not None else None
    # Of the drivers for CUDA 11 and later, the branch decides.
    parts = 1 if toolkit >= (11,) else len(driver)
    if minimum is not None and driver[:parts] < minimum[:parts]:
        note("driver-below-toolkit", driver_line)
        note("driver-below-toolkit", toolkit_line)


def _libraries_and_toolkits(
    libraries: dict[Version, int], toolkits: dict[Version, int], note: Callable[[str, int], None]
) -> None:
    for library, line in libraries.items():
        fitting = [toolkit for toolkit in toolkits if toolkit[: len(library)] == library]
        if toolkits and not fitting:
            note("library-of-another-toolkit", line)
            note("library-of-another-toolkit", next(iter(toolkits.values())))
    if len({library[0] for library in libraries}) > 1:
        for line in libraries.values():
            note("libraries-of-two-majors", line)


def _compilers_and_toolkits(pasted: Pasted, toolkits: dict[Version, int], note: Callable[[str, int], None]) -> None:
    """Compare the one gcc that a text names with what nvcc of the one toolkit takes."""
    compilers: dict[int, int] = {}
    for index, line in enumerate(pasted.lines[:_MOST_LINES]):
        low = line.lower()
        if not any(word in low for word in ("gcc", "gnu", "g++")) or _NOT_FOR_NVCC.search(low):
            continue
        for match in _GCC.finditer(low):
            compilers.setdefault(int(match[1] or match[2]), index)
    if len(compilers) != 1 or len(toolkits) != 1:
        return
    ((major, named),), ((toolkit, place),) = compilers.items(), toolkits.items()
    limits = host_limits(".".join(map(str, toolkit)))
    if limits is not None and limits.gcc is not None and major > limits.gcc:
        note("gcc-beyond-toolkit", named)
        note("gcc-beyond-toolkit", place)
