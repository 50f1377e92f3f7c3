"""The areas of `check`: which rule belongs to which, and how each area ended, in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.ladder import KERNEL_STEPS, Ladder, Step
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.findings import Area, AreaState, Finding, Severity, SkippedRule
from cudadoctor.rules.base import Rule
from cudadoctor.rules.diagnose import RULE_FAILED
from cudadoctor.rules.reading import driver_release, names_of, sign_of_driver, system_of, text_of

_FOLDERS = {
    "host": ("host", "containers", "environment"),
    "pci": ("pci", "power"),
    "driver": (
        *("kernel_driver", "module_build", "kernel_log", "device_nodes", "libraries"),
        *("driver", "nvml", "services", "macos"),
    ),
    "toolkit": ("toolkits", "compilers", "cuda_libraries", "jit_cache"),
    "python": ("packages", "frameworks"),
    "kernel": ("ladder",),
}
_EXCEPTIONS = dict.fromkeys(
    ("driver-call-failed", "driver-call-hung", "driver-call-crashed", "mps-server-unreachable"), "driver"
)
_DRIVER_STEPS = ("nvml", "libcuda", "cu-init", "device-count", "context")


def area_of(rule: Rule) -> str:
    """Return the area of a rule, "" for one that judges what only another command measures."""
    folder = rule.judge.__module__.split(".")[2]
    of_folder = next((area for area, folders in _FOLDERS.items() if folder in folders), "")
    return _EXCEPTIONS.get(rule.id, of_folder)


def areas_of(
    machine: Machine, findings: Sequence[Finding], skipped: Sequence[SkippedRule], rules: Sequence[Rule]
) -> tuple[Area, ...]:
    """Return how each area ended, in the order of the road.

    What was left out, not reached or not judged for want of a GPU is skipped, and never passed.
    """
    about = {rule.id: area_of(rule) for rule in rules}
    everything = {rule.id for rule in rules if "*" in rule.explains}
    # What explains all else leaves nothing to be judged behind it.
    root = next((finding for finding in findings if finding.id in everything), None)
    faults = {about.get(skip.rule, ""): skip for skip in skipped if skip.reason.startswith(RULE_FAILED)}
    made = []
    for name, judge in _JUDGES.items():
        own = [finding for finding in findings if about.get(finding.id) == name]
        crashed = _crashed(name, machine.ladder)
        serious = [finding for finding in own if finding.severity is not Severity.NOTE]
        if crashed:
            made.append(Area(name, "crashed", crashed))
        elif serious:
            worst: AreaState = "error" if any(f.severity is Severity.ERROR for f in serious) else "warning"
            more = f", and {len(serious) - 1} more" if len(serious) > 1 else ""
            made.append(Area(name, worst, f"{serious[0].title}{more}"))
        elif name in faults:
            made.append(Area(name, "crashed", f"{faults[name].rule}: {faults[name].reason}"))
        elif root is not None and name != "host":
            why = root.title[:1].lower() + root.title[1:] if root.title[1:2].islower() else root.title
            made.append(Area(name, "skipped", f"not judged: {why}"))
        else:
            made.append(Area(name, *judge(machine)))
    return tuple(made)


def _crashed(area: str, ladder: Ladder | Missing) -> str:
    names = {"driver": _DRIVER_STEPS, "kernel": KERNEL_STEPS}.get(area, ())
    for step in ladder.all_steps if isinstance(ladder, Ladder) else ():
        if step.name in names and step.state in ("crashed", "timed out"):
            return f"{step.name} {step.state}{f' ({step.signal})' if step.signal else ''}"
    return ""


def _host(machine: Machine) -> tuple[AreaState, str]:
    if not isinstance(machine.host, Host):
        return "skipped", machine.host.reason
    told = (machine.host.distribution, machine.host.kernel_release, machine.host.architecture)
    inside = text_of(machine.host.container)
    return "passed", ", ".join([text for fact in told if (text := text_of(fact))] + ([inside] if inside else []))


def _pci(machine: Machine) -> tuple[AreaState, str]:
    if not isinstance(machine.pci, Pci):
        return "skipped", machine.pci.reason
    if machine.pci.devices:
        return "passed", names_of(machine.pci.devices)
    if sign_of_driver(machine.ladder, machine.nvml, machine.driver) is not None:
        return "passed", "the bus shows no card, but the driver sees one"
    return "skipped", "the bus shows no NVIDIA card"


def _driver(machine: Machine) -> tuple[AreaState, str]:
    ladder = machine.ladder
    if isinstance(ladder, Missing):
        return "skipped", ladder.reason
    if not ladder.passed("context"):
        return "skipped", _first_stop(ladder, _DRIVER_STEPS)
    loaded = machine.kernel_driver.loaded_release if isinstance(machine.kernel_driver, KernelDriver) else None
    release = text_of(driver_release(machine.nvml, loaded))
    cuda = text_of(machine.driver.cuda_version) if isinstance(machine.driver, Driver) else ""
    told = [f"release {release}"] if release else []
    return "passed", ", ".join(told + ([f"driver CUDA version {cuda}"] if cuda else [])) or "a context was created"


def _toolkit(machine: Machine) -> tuple[AreaState, str]:
    if not isinstance(machine.toolkits, Toolkits):
        return "skipped", machine.toolkits.reason
    chosen = machine.toolkits.selected()
    if chosen is None:
        others = len(machine.toolkits.found)
        return ("passed", f"numba would use none of {others} found") if others else ("skipped", "none is installed")
    return "passed", f"CUDA {text_of(chosen.version) or 'of unknown version'} in {chosen.root}"


def _python(machine: Machine) -> tuple[AreaState, str]:
    if not isinstance(machine.packages, Packages):
        return "skipped", machine.packages.reason
    versions = [(name, machine.packages.version_of(name)) for name in ("numba-cuda", "numba", "numpy")]
    return "passed", ", ".join(f"{name} {version}" for name, version in versions if version) or "no numba"


def _kernel(machine: Machine) -> tuple[AreaState, str]:
    ladder = machine.ladder
    if isinstance(ladder, Missing):
        return "skipped", ladder.reason
    if system_of(machine.host) != "Darwin" and all(ladder.passed(name) for name in ("kernel-result", "copy")):
        device = machine.driver.devices[0] if isinstance(machine.driver, Driver) and machine.driver.devices else None
        capability = known(device.compute_capability) if device is not None else None
        target = f" for {capability}" if isinstance(capability, str) else ""
        return "passed", f"compiled{target}, and the results were right"
    return "skipped", _first_stop(ladder, KERNEL_STEPS)


def _first_stop(ladder: Ladder, names: Sequence[str]) -> str:
    step: Step | None = next((s for s in ladder.steps if s.name in names and s.state != "passed"), None)
    return step.detail or f"{step.name} {step.state}" if step is not None else "it was not tried"


_JUDGES: dict[str, Callable[[Machine], tuple[AreaState, str]]] = {
    "host": _host,
    "pci": _pci,
    "driver": _driver,
    "toolkit": _toolkit,
    "python": _python,
    "kernel": _kernel,
}
AREAS = tuple(_JUDGES)
"""In the order of the road; the same as what `--only` and `--skip` take."""
