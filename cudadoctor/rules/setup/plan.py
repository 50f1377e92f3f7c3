"""From this machine's state to a GPU that computes: steps in order, each with its state, what to do, and a check.

The steps are those of the road. What stands in the way of a step are the findings about it, and their fixes are what
to do; a step behind an open one can only be planned, since what it finds may change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from cudadoctor.facts.base import Known, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.findings import Finding, Plan, PlanStep
from cudadoctor.rules.base import Rule
from cudadoctor.rules.commands import install_compiler
from cudadoctor.rules.reading import card_name, cards, cuda_error, on_wsl, passed, system_of, text_of, version_of
from cudadoctor.rules.setup import macos
from cudadoctor.rules.setup.shell import path_line, set_line, shell_of, start_up_file
from cudadoctor.rules.setup.step import from_findings
from cudadoctor.rules.toolkits.choice import fitting_extra, selected

# Which folder of rules speaks of which step; a finding of any other is of the step that it was found on.
_CARD = ("pci", "host")
_DRIVER = (
    *("kernel_driver", "device_nodes", "libraries", "driver", "nvml", "ladder"),
    *("module_build", "kernel_log", "services", "containers"),
)
_COMPILER = ("toolkits", "compilers")
_PYTHON = ("packages",)
_ENVIRONMENT = ("environment",)
# What these measured costs speed, or trust in a measurement: no step of a set-up waits for it.
_MEASURED = ("bandwidth", "race", "profile", "fleet", "devices")
# Rules whose folder is named after a fact of another step.
_EXCEPTIONS = {
    "other-driver-bound": "driver",
    "container-no-gpu-flag": "driver",
    "container-driver-capabilities": "driver",
    "container-ldcache-stale": "driver",
    "hyperv-gpupv-files-missing": "driver",
    "wsl-driver-model-tcc": "driver",
    "gpu-too-old-for-driver": "card",
    "wsl-libcuda-path": "driver",
    "wsl-linux-driver-inside": "driver",
    "driver-too-old": "compiler",
    "kernel-compile-failed": "compiler",
    "kernel-result-wrong": "kernel",
    "app-fault-xid": "kernel",
    "hybrid-gpu-powered-off": "card",
} | dict.fromkeys(
    # These cost speed, or trust in the hardware: no step of a set-up waits for them.
    (
        "battery-power-limit",
        "nvlink-error",
        "pcie-bus-errors",
        "persistence-mode-off",
        "power-cap",
        "thermal-throttle",
    ),
    "",
)


def make_plan(machine: Machine, findings: Sequence[Finding], rules: Sequence[Rule]) -> Plan:
    """Return the plan for a machine.

    Args:
        machine: Its facts.
        findings: What the rules found, root causes first.
        rules: Those rules, to know what each finding is about.
    """
    about = {rule.id: _EXCEPTIONS.get(rule.id, _topic(rule)) for rule in rules}
    open_findings = {
        name: tuple(f for f in findings if about.get(f.id) == name and f.severity.value != "note") for name in _STEPS
    }
    if system_of(machine.host) == "Darwin":
        serious = [found for found in findings if found.severity.value != "note"]
        first, *others = macos.steps_of(machine, serious)
    else:
        first, *others = (make(machine, open_findings[name]) for name, make in _STEPS.items())
    if first.state == "to do":
        # Nothing is worth a command before there is a card.
        why = "It waits for a card." if system_of(machine.host) != "Darwin" else "It waits for the first step."
        others = [PlanStep(title=step.title, state="later", why=why) for step in others]
    steps = [first]
    for step in others:
        waits = any(earlier.state == "to do" for earlier in steps)
        if waits and step.state == "to do" and not step.findings:
            step = msgspec.structs.replace(step, state="later")
        steps.append(step)
    return Plan(steps=tuple(steps), start_up_file=start_up_file(machine))


def _topic(rule: Rule) -> str:
    folder = rule.judge.__module__.split(".")[2]
    for name, folders in (
        ("card", _CARD),
        ("driver", _DRIVER),
        ("compiler", _COMPILER),
        ("python", _PYTHON),
        ("", _MEASURED),
    ):
        if folder in folders:
            return name
    return "environment" if folder in _ENVIRONMENT else "kernel"


def _card(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, (check, shows) = "An NVIDIA GPU that CUDA serves", _look_for_card(machine)
    if any(found.id == "gpu-too-old-for-driver" for found in findings):
        shows = "a card of Maxwell (GTX 750 Ti) or later"
    if findings:
        return from_findings(title, findings, check, shows)
    found = cards(machine.pci)
    if found or passed(machine.ladder, "pci-device"):
        names = ", ".join(sorted({card_name(card) for card in found}))
        return PlanStep(title=title, state="done", why=names or "The driver sees a GPU.")
    return PlanStep(
        title=title, state="not known", why="The PCI bus could not be read.", check=check, check_shows=shows
    )


def _look_for_card(machine: Machine) -> tuple[str, str]:
    """Return the command that shows the card, and what it shows; WSL2 asks Windows, which has the card."""
    if system_of(machine.host) == "Windows":
        return "Get-CimInstance Win32_VideoController | Select-Object Name", "a name that begins with NVIDIA"
    if on_wsl(machine.host, machine.device_nodes):
        command = "powershell.exe -Command 'Get-CimInstance Win32_VideoController | Select-Object Name'"
        return command, "a name that begins with NVIDIA"
    return "lspci -nn -d 10de:", "a line with a VGA or 3D controller"


def _driver(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, check, shows = "A driver that works", "nvidia-smi", "the card and the driver's release"
    if findings:
        return from_findings(title, findings, check, shows)
    if passed(machine.ladder, "context"):
        release = getattr(machine.nvml, "driver_release", None)
        told = f"Driver release {release.value}." if isinstance(release, Known) else "A context was created."
        lent = " It is that of Windows; install none inside WSL2." if on_wsl(machine.host, machine.device_nodes) else ""
        return PlanStep(title=title, state="done", why=told + lent)
    answers = isinstance(machine.nvml, Nvml) and (known(machine.nvml.device_count) or 0) > 0
    if answers and cuda_error(machine.ladder, 100) is not None and isinstance(machine.nvml, Nvml):
        # Nothing of the driver is found to be wrong: what hides its GPU from CUDA is a step of its own.
        told = f"Driver release {text_of(machine.nvml.driver_release) or 'unknown'} shows the GPU to NVML."
        return PlanStep(title=title, state="done", why=f"{told} What hides it from CUDA comes below.")
    why = "The driver was not asked, or gave no context."
    if on_wsl(machine.host, machine.device_nodes):
        why += " It belongs in Windows (nvidia.com/drivers); install none inside WSL2."
    return PlanStep(
        title=title,
        state="not known",
        why=why,
        check=check,
        check_shows=shows,
    )


def _compiler(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title = "A compiler for this card, for numba"
    check = 'python -c "from numba import cuda; cuda.detect()"'
    shows = "the card, marked as supported"
    if findings:
        return from_findings(title, findings, check, shows)
    if passed(machine.ladder, "kernel-compile"):
        return PlanStep(title=title, state="done", why="numba compiled a kernel for this card.")
    toolkit = selected(machine.toolkits)
    if toolkit is not None:
        version = known(toolkit.version) or "of unknown version"
        return PlanStep(
            title=title,
            state="not known",
            why=f"CUDA {version} in {toolkit.root} was not tried.",
            check=check,
            check_shows=shows,
        )
    extra = fitting_extra(machine.driver, machine.nvml, machine.pci)
    lines = _toolkit_lines(machine)
    why = "numba finds no NVVM and NVRTC of one toolkit; the wheels bring them, with no administrator."
    if lines:
        why += " Or let numba find the toolkit that is there, by the line below."
    return PlanStep(
        title=title,
        state="to do",
        why=why,
        commands=(install_compiler(extra),),
        start_up_lines=lines,
        check=check,
        check_shows=shows,
    )


def _toolkit_lines(machine: Machine) -> tuple[str, ...]:
    """Return the lines that make an installed toolkit known to programs, if one is where its installer puts it."""
    if not isinstance(machine.toolkits, Toolkits):
        return ()
    shell = shell_of(machine)
    if system_of(machine.host) == "Windows":
        versions = [version_of(known(kit.version)) for kit in machine.toolkits.found if isinstance(kit.nvcc, Known)]
        newest = max((version[:2] for version in versions if version is not None and len(version) > 1), default=None)
        if newest is None:
            return ()
        folder = rf"$env:ProgramFiles\NVIDIA GPU Computing Toolkit\CUDA\v{newest[0]}.{newest[1]}"
        return (set_line(shell, "CUDA_PATH", folder), path_line(shell, rf"{folder}\bin", windows=True))
    if not any("/usr/local/cuda" in toolkit.found_via.split(", ") for toolkit in machine.toolkits.found):
        return ()
    return (set_line(shell, "CUDA_HOME", "/usr/local/cuda"), path_line(shell, "/usr/local/cuda/bin"))


def _python(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, check, shows = (
        "Python packages that work together",
        "python -m pip check",
        "no line about numba, numpy or nvidia",
    )
    if findings:
        return from_findings(title, findings, check, shows)
    if isinstance(machine.packages, Packages):
        version = machine.packages.version_of("numba-cuda")
        told = f"numba-cuda {version}." if version else "numba-cuda is not installed here."
        return PlanStep(title=title, state="done", why=told)
    return PlanStep(
        title=title, state="not known", why="The packages were not looked at.", check=check, check_shows=shows
    )


def _environment(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, check, shows = "Nothing that hides the GPU", "env | grep -E 'CUDA|NUMBA|NVIDIA'", "no line named above"
    if shell_of(machine) == "powershell":
        check = "Get-ChildItem Env: | Where-Object Name -Match 'CUDA|NUMBA|NVIDIA'"
    if findings:
        step = from_findings(title, findings, check, shows)
        return msgspec.structs.replace(step, why=f"{step.why} Look for it in the start-up file too.")
    if isinstance(machine.host, Host):
        return PlanStep(title=title, state="done", why="No variable hides a GPU or leads programs elsewhere.")
    return PlanStep(
        title=title, state="not known", why="The variables were not looked at.", check=check, check_shows=shows
    )


def _kernel(machine: Machine, findings: Sequence[Finding]) -> PlanStep:
    title, check, shows = "A kernel whose result is right", "cudadoctor check", "The GPU works"
    if findings:
        return from_findings(title, findings, check, shows)
    if passed(machine.ladder, "kernel-result") and passed(machine.ladder, "copy"):
        return PlanStep(title=title, state="done", why="A kernel ran, and its result was right.")
    return PlanStep(
        title=title,
        state="to do",
        why="The kernel whose result is checked has not run yet.",
        commands=("cudadoctor check",),
        check=check,
        check_shows=shows,
    )


_STEPS: dict[str, Callable[[Machine, Sequence[Finding]], PlanStep]] = {
    "card": _card,
    "driver": _driver,
    "python": _python,
    "compiler": _compiler,
    "environment": _environment,
    "kernel": _kernel,
}
