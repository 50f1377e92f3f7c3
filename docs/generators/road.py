"""The page of the road: each step of `check`, what it proves, what its failure looks like, and the findings about it.

Steps are those of `facts/ladder.py` and findings those of the catalogue: a step without a row here is an error, and a
finding stands with the step of its folder (or its own, if it is named here).
"""

from __future__ import annotations

from typing import NamedTuple

from cudadoctor.doctor import AREAS
from cudadoctor.facts.ladder import STEP_NAMES
from cudadoctor.rules.base import Rule
from cudadoctor.rules.catalogue import RULES


class Row(NamedTuple):
    """One step: what it asks and whom, what failing looks like, and which rules are about it."""

    proves: str
    failure: str
    folders: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


STEPS = {
    "pci-device": Row(
        "There is an NVIDIA display controller on the PCI bus (sysfs; Windows' registry; macOS's system profiler).",
        "`lspci -d 10de:` shows nothing: no card, no power, no seat, switched off, or lost from the bus.",
        ("pci",),
        (
            "macos-unsupported",
            "no-gpu-allocated",
            "hybrid-gpu-powered-off",
            "bar-or-bios-resources",
            "pcie-bus-errors",
            "macos-graphics-switching",
        ),
    ),
    "kernel-driver": Row(
        "NVIDIA's kernel driver is bound to the card, and no other.",
        "The card is bound to nouveau, vfio-pci or nothing, so no CUDA program can have it.",
        (),
        ("other-driver-bound", "macos-web-driver-missing"),
    ),
    "kernel-module": Row(
        "The kernel module is built for this kernel, signed as it asks, and loaded.",
        "`modprobe nvidia` fails, or `/proc/driver/nvidia/version` is not there.",
        ("kernel_driver", "module_build"),
        ("gsp-timeout", "macos-kext-not-loaded", "wsl-linux-driver-inside"),
    ),
    "device-nodes": Row(
        "`/dev/nvidia*` (or `/dev/dxg`) are there and can be opened for reading and writing.",
        "Permission denied, or no such file: groups, containers, or udev.",
        ("device_nodes",),
        ("container-no-gpu-flag", "hyperv-gpupv-files-missing", "suspend-uvm-broken"),
    ),
    "nvml": Row(
        "`nvmlInit` works, so `nvidia-smi` would; it tells release, cards, health and state.",
        "“Driver/library version mismatch”, “No devices were found”, or a call that hangs or crashes.",
        ("nvml",),
        ("nvlink-error", "app-fault-xid", "fabric-manager-not-needed", "battery-power-limit"),
    ),
    "libcuda": Row(
        "The driver's own library is found and loads; all copies on the search path are kept, not only the first.",
        "“libcuda.so.1: cannot open shared object file”, a stub, or a copy of another release.",
        ("libraries",),
        (
            "macos-cuda-driver-missing",
            "wsl-libcuda-path",
            "container-ldcache-stale",
            "container-driver-capabilities",
        ),
    ),
    "cu-init": Row(
        "`cuInit` works: the two halves of the driver fit each other.",
        "Codes 803, 804, 999, 802, 100; or it hangs, which is a finding after 8 s and not a hang of the tool.",
        (),
        ("fabric-manager-not-running", "driver-call-failed", "driver-call-hung", "driver-call-crashed"),
    ),
    "device-count": Row(
        "CUDA counts at least one device for this process.",
        "`cudaGetDeviceCount` gives 0 or 100 though NVML shows a card: something hides it.",
        (),
        (
            "cuda-visible-devices-hides-gpu",
            "device-ordinal-out-of-range",
            "wsl-driver-model-tcc",
            "mig-without-instance",
            "mig-single-instance-limit",
        ),
    ),
    "context": Row(
        "A context can be made on the device; this is done for every GPU.",
        "46 (busy or unavailable), 2 (out of memory), 805: somebody else holds it, or it needs a reset.",
        (),
        (
            "exclusive-compute-mode",
            "memory-held-by-other-process",
            "mps-server-unreachable",
            "gpu-needs-reset",
            "vgpu-unlicensed",
            "confidential-compute-not-ready",
        ),
    ),
    "kernel-compile": Row(
        "numba compiles a small kernel for exactly this compute capability, and the driver loads it.",
        "NVVM or NVRTC is missing, or too old or too new for the card or the driver; numba and numpy do not fit.",
        ("toolkits",),
        ("cuda-simulator-enabled", "driver-too-old", "python-packages-incompatible", "kernel-compile-failed"),
    ),
    "kernel-result": Row(
        "a x + y of 4,096 elements, compared one by one.",
        "A wrong number. Nothing else on this page matters then.",
        (),
        ("kernel-result-wrong", "ecc-uncorrectable", "row-remap-pending"),
    ),
    "copy": Row("1 MiB goes to the device and comes back unchanged.", "A byte differs."),
    "reduction": Row("1,000,003 whole numbers are summed exactly, by blocks that work together.", "Another sum."),
    "matmul": Row(
        "A product of matrices agrees with float64 to what rounding allows.", "A larger error than rounding explains."
    ),
    "memory": Row(
        "A pattern and its complement stand in an eighth of the free memory, 1 GiB at most.", "A word that changed."
    ),
}

BESIDE = {
    "Frameworks": ("frameworks", "packages"),
    "Libraries and compilers of other programs": ("cuda_libraries", "compilers", "jit_cache"),
    "Containers and services": ("containers", "services", "host", "environment", "macos", "power"),
    "What the card says of itself": ("devices", "kernel_log", "driver"),
    "`bandwidth`": ("bandwidth",),
    "`dbn-race`": ("race",),
}
"""What is judged beside the road, by folder; a folder that is not named here gets a row of its own name."""

_INTRO = """# The road: what each check means

`cudadoctor check` walks from the PCI bus to a kernel whose result is checked, and says how each step ended:
*passed*, *failed*, *hung*, *crashed* or *not reached*.
Skipped is not passed: a step that was not reached says why, and so does a rule that could not be judged (`-v` shows
them).
What only follows from an earlier trouble is not told again; the finding that is told names it as a consequence.

Behind each cause stands how sure it is: *proven*, what was read leaves no other; *supported*, what was read speaks for
it; *possible*, it fits, and so may others. A cause that is not proven comes with the command that tells, where one runs
on this system (`To tell`).

Every call into a driver is made in a child process that may be silent for 8 s (`--timeout`).
The steps from `context` on are tried on every GPU, or on the one that `--device` names.
`--quick` ends before `kernel-compile`; `--only` and `--skip` choose among {areas}.
"""


def page() -> str:
    """Return the page."""
    if tuple(STEPS) != STEP_NAMES:
        raise ValueError(
            f"docs/generators/road.py has other steps than facts/ladder.py: {set(STEPS) ^ set(STEP_NAMES)}"
        )
    named = {id for row in STEPS.values() for id in row.ids}
    unknown = named - {rule.id for rule in RULES}
    if unknown:
        raise ValueError(f"docs/generators/road.py names rules that are not there: {', '.join(sorted(unknown))}")
    parts = [_INTRO.format(areas=", ".join(f"`{area}`" for area in AREAS)), "## The steps, in order\n"]
    placed: set[str] = set()
    for number, (name, row) in enumerate(STEPS.items(), start=1):
        # A rule that is named at another step stands there, and not with its folder.
        here = [rule for rule in RULES if rule.id in row.ids or (_folder(rule) in row.folders and rule.id not in named)]
        placed |= {rule.id for rule in here}
        parts.append(f"### {number}. {name}\n\n{row.proves}\n\n**If it fails:** {row.failure}\n")
        parts.append(f"Findings: {_links(here)}.\n" if here else "Findings: those of the step before.\n")
    parts.append("## Beside the road\n\nThese are judged too, whatever the road says.\n")
    rest = [rule for rule in RULES if rule.id not in placed]
    for title, folders in _groups(rest).items():
        here = [rule for rule in rest if _folder(rule) in folders]
        if here:
            parts.append(f"- **{title}**: {_links(here)}")
    return "\n".join(parts) + "\n"


def _groups(rules: list[Rule]) -> dict[str, tuple[str, ...]]:
    known = {folder for folders in BESIDE.values() for folder in folders}
    new = dict.fromkeys(_folder(rule) for rule in rules if _folder(rule) not in known)
    return BESIDE | {f"`{folder}`": (folder,) for folder in new}


def _folder(rule: Rule) -> str:
    return rule.judge.__module__.split(".")[2]


def _links(rules: list[Rule]) -> str:
    return ", ".join(f"[`{rule.id}`](findings/{rule.id}.md)" for rule in rules)
