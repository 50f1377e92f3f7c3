"""The plan for a Mac: the road of 2014, from a card that CUDA serves to samples that pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from cudadoctor.facts.base import Known, known
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.macos import MacOS
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.findings import Finding, PlanState, PlanStep
from cudadoctor.rules.macos.macos_dyld_path import is_stripped
from cudadoctor.rules.macos.macos_numba_dropped import SAMPLES
from cudadoctor.rules.macos.road import ARCHIVE, card_of, fitting_toolkit, version_of_macos
from cudadoctor.rules.reading import cards, passed, text_of
from cudadoctor.rules.setup.shell import list_line, path_line, shell_of
from cudadoctor.rules.setup.step import from_findings

_STEP_OF = {
    "no-nvidia-gpu-active": "card",
    "macos-unsupported": "card",
    "macos-web-driver-missing": "driver",
    "macos-cuda-driver-missing": "driver",
    "driver-too-old": "driver",
    "macos-kext-not-loaded": "extension",
    "macos-graphics-switching": "switching",
    "toolkit-arch-unsupported": "toolkit",
    "toolkit-path-wrong": "toolkit",
    "macos-dyld-path": "paths",
}
_AFTER_ALL = ("samples", "numba")
_TOOLKITS = "https://developer.nvidia.com/cuda-toolkit-archive"


def steps_of(machine: Machine, findings: Sequence[Finding]) -> list[PlanStep]:
    """Return the steps in order; a finding that no step names stands in the way of the samples."""
    steps: list[PlanStep] = []
    for name, make in _STEPS.items():
        step = make(machine, tuple(found for found in findings if _STEP_OF.get(found.id, "samples") == name))
        if step.state == "not known" and name in _AFTER_ALL and any(each.state == "to do" for each in steps):
            step = msgspec.structs.replace(step, state="later")
        steps.append(step)
    return steps


def _card(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, check = "A Mac that CUDA serves", "system_profiler SPDisplaysDataType"
    shows = "Vendor: NVIDIA (0x10de)"
    if any(found.id == "macos-unsupported" for found in findings):
        return from_findings(title, findings, "sw_vers -productVersion; uname -m", "10.13.6 or before, and x86_64")
    if findings:
        return from_findings(title, findings, check, shows)
    version = version_of_macos(machine.host, machine.macos)
    if cards(machine.pci):
        return PlanStep(title=title, state="done", why=f"macOS {version}, {card_of(machine.pci)}.")
    why = f"Which cards this Mac has is not known; CUDA was made for macOS {version}."
    return PlanStep(title=title, state="not known", why=why, check=check, check_shows=shows)


def _driver(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, shows = "The CUDA driver for this macOS", "its version, 6.5 or later"
    check = "defaults read /Library/Frameworks/CUDA.framework/Versions/A/Resources/Info CFBundleVersion"
    if findings:
        return from_findings(title, findings, check, shows)
    mac = machine.macos
    if isinstance(mac, MacOS) and isinstance(mac.cuda_driver, Known):
        return PlanStep(title=title, state="done", why=f"CUDA driver {mac.cuda_driver.value}.")
    why = "Its version is not known. It must be one whose page names this macOS."
    return PlanStep(
        title=title, state="not known", why=why, commands=(f"open {ARCHIVE}",), check=check, check_shows=shows
    )


def _extension(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, check, shows = "Its kernel extension is loaded", "kextstat | grep -i cuda", "a line with com.nvidia.CUDA"
    if findings:
        return from_findings(title, findings, check, shows)
    loaded = known(machine.macos.kernel_extension_loaded) if isinstance(machine.macos, MacOS) else None
    if loaded:
        return PlanStep(title=title, state="done", why="kextstat lists com.nvidia.CUDA.")
    # After a start the extension is there, if the driver is.
    state: PlanState = "to do" if loaded is False else "not known"
    why = (
        "It is loaded when the Mac starts with the driver installed." if loaded is False else "kextstat was not asked."
    )
    return PlanStep(title=title, state=state, why=why, check=check, check_shows=shows)


def _switching(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, check = "The NVIDIA card stays on", "pmset -g | grep gpuswitch"
    shows = "gpuswitch 1, or nothing on a Mac with one GPU"
    if findings:
        return from_findings(title, findings, check, shows)
    mac = machine.macos
    found = (known(mac.cards) or ()) if isinstance(mac, MacOS) else ()
    if isinstance(mac, MacOS) and known(mac.graphics_switching) == "discrete":
        return PlanStep(title=title, state="done", why="Automatic graphics switching is off.")
    if len(found) == 1:
        return PlanStep(title=title, state="done", why="There is one GPU, so nothing is switched.")
    why = "On a Mac with two GPUs, automatic graphics switching must be off (System Preferences, Energy Saver)."
    return PlanStep(title=title, state="not known", why=why, check=check, check_shows=shows)


def _toolkit(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, check, shows = "A CUDA toolkit", "/usr/local/cuda/bin/nvcc --version", "its release"
    if findings:
        return from_findings(title, findings, check, shows)
    kit = _built_with(machine)
    if kit is not None:
        return PlanStep(title=title, state="done", why=f"CUDA {text_of(kit.version) or '?'} in {kit.root}.")
    if not isinstance(machine.toolkits, Toolkits):
        return PlanStep(title=title, state="not known", why="It was not looked for.", check=check, check_shows=shows)
    version = version_of_macos(machine.host, machine.macos)
    return PlanStep(
        title=title,
        state="to do",
        why=f"None is in /Developer/NVIDIA or /usr/local/cuda. Install {fitting_toolkit(version)}, with its samples, "
        "and the Xcode that its guide names.",
        commands=(f"open {_TOOLKITS}",),
        check=check,
        check_shows=shows,
    )


def _paths(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, check = "PATH and DYLD_LIBRARY_PATH", 'which nvcc; echo "$DYLD_LIBRARY_PATH"'
    shows = "nvcc of the toolkit, and its lib folder"
    shell = shell_of(machine)
    lines = (
        path_line(shell, "/usr/local/cuda/bin"),
        list_line(shell, "DYLD_LIBRARY_PATH", "/usr/local/cuda/lib"),
    )
    stripped = isinstance(machine.macos, MacOS) and is_stripped(machine.macos, machine.host)
    taken = (
        " System Integrity Protection takes DYLD_LIBRARY_PATH away from what /bin/sh, /usr/bin/env or a program of "
        "Apple's starts: such a program needs its own path to the libraries (install_name_tool -add_rpath)."
        if stripped
        else ""
    )
    variables = machine.environment.variables if isinstance(machine.environment, Environment) else {}
    led = any("cuda" in folder.lower() for folder in variables.get("DYLD_LIBRARY_PATH", "").split(":"))
    kits = machine.toolkits.found if isinstance(machine.toolkits, Toolkits) else ()
    on_path = any("PATH" in kit.found_via.split(", ") or "PATH (" in kit.found_via for kit in kits)
    if on_path and led and not findings:
        return PlanStep(title=title, state="done", why=f"Both lead to the toolkit.{taken}")
    lacking = [name for name, there in (("PATH", on_path), ("DYLD_LIBRARY_PATH", led)) if not there]
    return PlanStep(
        title=title,
        state="to do" if not stripped or not on_path else "not known",
        why=f"{' and '.join(lacking)} {'do' if len(lacking) > 1 else 'does'} not lead to the toolkit.{taken}",
        start_up_lines=lines,
        check=check,
        check_shows=shows,
        findings=tuple(found.id for found in findings),
    )


def _samples(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, check, shows = "The samples pass", f"{SAMPLES}/deviceQuery", "Result = PASS"
    if findings:
        return from_findings(title, findings, check, shows)
    told = "The CUDA driver made a context on the card. " if passed(machine.ladder, "context") else ""
    return PlanStep(
        title=title,
        state="not known",
        why=f"{told}Build deviceQuery and bandwidthTest, and run both: each must end with Result = PASS.",
        commands=(
            "sudo make -C /usr/local/cuda/samples/1_Utilities/deviceQuery",
            "sudo make -C /usr/local/cuda/samples/1_Utilities/bandwidthTest",
            f"{SAMPLES}/bandwidthTest",
        ),
        check=check,
        check_shows=shows,
    )


def _numba(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    return PlanStep(
        title="numba, which is not needed for gnumpy and cudamat",
        state="not known",
        why="numba gave up CUDA on macOS after 0.53, which ran with Python 3.9 and CUDA 10.2 at most; the numba "
        "of this tool has none here.",
        check='python -c "from numba import cuda; cuda.detect()"',
        check_shows="the card, marked as supported",
    )


def _built_with(machine: Machine) -> Toolkit | None:
    kits = machine.toolkits.found if isinstance(machine.toolkits, Toolkits) else ()
    return next((kit for kit in kits if isinstance(kit.nvcc, Known)), None)


_STEPS: dict[str, Callable[[Machine, Sequence[Finding]], PlanStep]] = {
    "card": _card,
    "driver": _driver,
    "extension": _extension,
    "switching": _switching,
    "toolkit": _toolkit,
    "paths": _paths,
    "samples": _samples,
    "numba": _numba,
}
