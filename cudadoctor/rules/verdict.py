"""What a diagnosis comes to: its status, and one sentence that says what was proven and what was not reached."""

from __future__ import annotations

from cudadoctor.attribution.profile.causes import judge
from cudadoctor.facts.bandwidth import Bandwidth, ExpectedLink
from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.devices import Devices
from cudadoctor.facts.driver import Driver, DriverDevice
from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.ladder import KERNEL_STEPS, STEP_NAMES, Ladder, Step
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import Finding, Severity, SkippedRule, Status
from cudadoctor.rules.bandwidth.hops import PINNED, largest
from cudadoctor.rules.reading import system_of, tried_device
from cudadoctor.text import listed, printable

# Facts that were saved by older releases end with these.
_ALWAYS = ("context", "kernel-compile", "kernel-result", "copy")

# How a step reads in a sentence that says how far the road was gone.
_SPOKEN = {
    "pci-device": "a card on the PCI bus",
    "kernel-driver": "the kernel driver",
    "kernel-module": "the kernel module",
    "device-nodes": "the device nodes",
    "nvml": "NVML",
    "libcuda": "loading libcuda",
    "cu-init": "cuInit",
    "device-count": "counting devices",
    "context": "creating a context",
    "kernel-compile": "compiling a kernel",
    "kernel-result": "running a kernel",
    "copy": "copying data",
    "reduction": "summing numbers",
    "matmul": "multiplying matrices",
    "memory": "trying the memory",
}


def status(machine: Machine, findings: tuple[Finding, ...], skipped: tuple[SkippedRule, ...] = ()) -> Status:
    """Return `error` or `warning` after the worst finding, `ok` if enough was proven, else `unknown`.

    Enough is: a kernel whose result was right and a copy that was; a context where an option asked for no more; or, for
    facts of a command that only measures, a measurement that ended well, and whose copies were not too slow to be
    judged.
    """
    worst = min((finding.severity.rank for finding in findings), default=Severity.NOTE.rank)
    if worst == Severity.ERROR.rank:
        return "error"
    if worst == Severity.WARNING.rank:
        return "warning"
    if isinstance(machine.profile, Profile):
        return "unknown" if judge(machine.profile).unknown else "ok"
    if isinstance(machine.ladder, Ladder) and not _left_for_a_measurement(machine, machine.ladder):
        return "ok" if _kernel_ran(machine.ladder) or _ended_as_asked(machine.ladder) else "unknown"
    return "ok" if _measured(machine) and not _slow_for_no_known_reason(machine, skipped) else "unknown"


def summary_sentence(machine: Machine, findings: tuple[Finding, ...]) -> str:
    """Return one sentence for the head of a report."""
    serious = tuple(finding for finding in findings if finding.severity is not Severity.NOTE)
    if serious:
        return _troubles(serious)
    if isinstance(machine.profile, Profile):
        return _program(machine.profile)
    if isinstance(machine.ladder, Ladder):
        return _road(machine, machine.ladder)
    return _measured(machine) or "Nothing was found, and nothing was tried that could prove that the GPU works."


def _troubles(findings: tuple[Finding, ...]) -> str:
    counts = []
    for severity in (Severity.ERROR, Severity.WARNING):
        count = sum(finding.severity is severity for finding in findings)
        if count:
            counts.append(f"{count} {severity.value}{'s' if count > 1 else ''}")
    first = printable(findings[0].title)
    return f"{' and '.join(counts)}{', the first' if len(findings) > 1 else ''}: {first}."


def _road(machine: Machine, ladder: Ladder) -> str:
    device = tried_device(ladder, machine.driver)
    gpu = _described(machine, device)
    if _kernel_ran(ladder):
        capability = known(device.compute_capability) if device is not None else None
        target = f" compiled for {printable(capability)}" if capability else ""
        several = ladder.passed("reduction")
        ran = f"kernels{target} ran and their results were" if several else f"a kernel{target} ran and its result was"
        too = _frameworks(machine)
        used = f"; {too} used it too" if too else ""
        return f"The GPU works: {gpu}: {ran} right{_others(machine, ladder)}{used}."
    option = _ended_as_asked(ladder)
    if option:
        none = f"No kernel was compiled or run ({option})"
        proven = _frameworks(machine)
        if proven:
            return f"The GPU works: {gpu}: {proven} computed on it and the result was right. {none}."
        return f"The driver works: {gpu}: a context was created. {none}, so it is not proven that the GPU computes."
    if _left_for_a_measurement(machine, ladder):
        return f"The driver works: {gpu}: a context was created. {_measured(machine)} No kernel was tried by itself."
    if ladder.passed("context") and system_of(machine.host) == "Darwin":
        return (
            f"The road of this Mac is complete as far as it can be seen: {gpu}: a context was created. No kernel was "
            "compiled or run: numba has no CUDA on macOS any more."
        )
    last, stop = _end_of_road(ladder)
    if last is None:
        reached = "No step of the way to the GPU was proven"
    else:
        reached = f"The way to the GPU was proven as far as {_SPOKEN.get(last.name, printable(last.name))}"
    why = f": {printable(stop.detail)}" if stop is not None and stop.detail else ""
    not_reached = f"; {_SPOKEN.get(stop.name, printable(stop.name))} was {stop.state}{why}" if stop is not None else ""
    return f"Nothing wrong was found, but it is not known whether the GPU works. {reached}{not_reached}."


def _kernel_ran(ladder: Ladder) -> bool:
    reached = (ladder.step(name) for name in KERNEL_STEPS)
    return all(ladder.passed(name) for name in _ALWAYS) and all(
        step is None or step.state == "passed" for step in reached
    )


def _ended_as_asked(ladder: Ladder) -> str:
    """Return the option (`--quick`) that ended the ladder at its context, "" if none did."""
    steps = [step for name in KERNEL_STEPS if (step := ladder.step(name)) is not None]
    if not ladder.passed("context") or any(step.state != "not reached" for step in steps):
        return ""
    return next((printable(step.detail.partition(":")[0]) for step in steps if step.detail.startswith("--")), "")


def _left_for_a_measurement(machine: Machine, ladder: Ladder) -> bool:
    """Say whether no kernel was tried by itself, and something was measured on the GPU instead."""
    steps = [step for name in KERNEL_STEPS if (step := ladder.step(name)) is not None]
    if not ladder.passed("context") or not steps or any(step.state != "not reached" for step in steps):
        return False
    copied = isinstance(machine.bandwidth, Bandwidth) and bool(_copies(machine.bandwidth))
    raced = isinstance(machine.race, Race) and any(
        lane.state == "finished" and lane.device.startswith("gpu") for lane in machine.race.lanes
    )
    return copied or raced


def _end_of_road(ladder: Ladder) -> tuple[Step | None, Step | None]:
    """Return the last step that passed, and the first after it that did not."""
    order = {name: place for place, name in enumerate(STEP_NAMES)}
    steps = sorted(ladder.steps, key=lambda step: order.get(step.name, len(order)))
    last = next((step for step in reversed(steps) if step.state == "passed"), None)
    after = steps[steps.index(last) + 1 :] if last is not None else steps
    return last, next(iter(after), None)


def _described(machine: Machine, device: DriverDevice | None) -> str:
    name = known(device.name) if device is not None else None
    release = known(machine.nvml.driver_release) if isinstance(machine.nvml, Nvml) else None
    cuda = known(machine.driver.cuda_version) if isinstance(machine.driver, Driver) else None
    told = (
        f"driver release {printable(release)}" if release else f"driver CUDA version {printable(cuda)}" if cuda else ""
    )
    index = "" if device is None or _count(machine) < 2 else f"GPU {device.index}, "
    return index + printable(name or "GPU 0") + (f" ({told})" if told else "")


def _count(machine: Machine) -> int:
    """Return how many devices the driver API shows."""
    return (known(machine.driver.device_count) or 0) if isinstance(machine.driver, Driver) else 0


def _others(machine: Machine, ladder: Ladder) -> str:
    """Say how many GPUs work as well, and how many were seen but not tried."""
    count = _count(machine)
    if count < 2:
        return ""
    tried = {step.device for step in ladder.further}
    work = tried - {step.device for step in ladder.further if step.state != "passed"}
    as_well = f"; {'the other GPU' if len(work) == 1 else f'the other {len(work)} GPUs'} as well" if work else ""
    untried = count - 1 - len(work)
    if not untried:
        return as_well
    return f"{as_well}; {untried} more {'GPU was' if untried == 1 else 'GPUs were'} seen but not tried"


def _frameworks(machine: Machine) -> str:
    """Name the frameworks that used the GPU, "" for none."""
    asked = machine.frameworks.asked if isinstance(machine.frameworks, Frameworks) else ()
    return listed([printable(framework.name) for framework in asked if framework.works])


def _measured(machine: Machine) -> str:
    """Return a sentence on what was measured, "" if nothing was measured to its end."""
    sentences = []
    if isinstance(machine.bandwidth, Bandwidth):
        sentences.append(_copies(machine.bandwidth))
    if isinstance(machine.race, Race):
        sentences.append(_lanes(machine.race))
    if isinstance(machine.devices, Devices):
        count = len(machine.devices.devices)
        sentences.append(f"{count} {'GPU was' if count == 1 else 'GPUs were'} described." if count else "")
    return " ".join(sentence for sentence in sentences if sentence)


def _slow_for_no_known_reason(machine: Machine, skipped: tuple[SkippedRule, ...]) -> bool:
    """Say whether copies are slow beside a link that is known, and nothing tells whether that is right."""
    if not isinstance(machine.bandwidth, Bandwidth) or isinstance(machine.bandwidth.expected, Missing):
        return False
    return any(skip.rule == "bandwidth-below-link" for skip in skipped)


def _program(profile: Profile) -> str:
    judgement = judge(profile)
    if judgement.unknown:
        return f"It is not known what the program's time goes to: {printable(judgement.unknown)}."
    share = judgement.steady.share("kernels") if judgement.steady is not None else 0.0
    if judgement.busy:
        return (
            f"Nothing is wrong: kernels run for {100 * share:.0f} % of a step, so the program is as fast as they are."
        )
    if judgement.causes:
        return f"Kernels run for {100 * share:.0f} % of a step; no single cause takes a quarter of it."
    return f"Kernels run for {100 * share:.0f} % of a step, and no cause was found that takes 5 % of it."


def _copies(bandwidth: Bandwidth) -> str:
    found = {key: result.gb_per_s for key in PINNED if (result := largest(bandwidth, key)) is not None}
    if not found:
        return ""
    words = {"h2d_pinned": "to the device", "d2h_pinned": "from the device"}
    rates = " and ".join(f"{rate:.1f} GB/s {words[key]}" for key, rate in found.items())
    against = ", which was compared with nothing: what the link can carry is not known"
    if isinstance(bandwidth.expected, ExpectedLink) and bandwidth.expected.gb_per_s > 0:
        share = min(found.values()) / bandwidth.expected.gb_per_s
        against = f", at least {100 * share:.0f} % of the line rate of the narrowest hop"
    return f"Pinned copies reach {rates}{against}; what arrived was right."


def _lanes(race: Race) -> str:
    finished = [lane for lane in race.lanes if lane.state == "finished"]
    if not finished:
        return ""
    idle = len(race.lanes) - len(finished) + len(race.skipped)
    skipped = f"; {idle} did not run to the end" if idle else ""
    return f"{len(finished)} {'lane' if len(finished) == 1 else 'lanes'} of the race finished and learned{skipped}."
