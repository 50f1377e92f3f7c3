"""The names of Arm cores: the kernel gives numbers only."""

from __future__ import annotations

import re

from cudadoctor.tables.reader import rows

_CORE = re.compile(
    r"^CPU implementer[ \t]*: (0x[0-9a-f]{1,2})\n(?:CPU (?!part).*\n){0,4}CPU part[ \t]*: (0x[0-9a-f]{1,3})$",
    re.MULTILINE,
)

NO_MODEL = re.compile(r"ARMv\d|AArch64 Processor")
"""What kernels of Jetson and old ones write where others have a model: the architecture, which is no name."""


def core_names(cpuinfo: str) -> str:
    """Return the kinds of cores in /proc/cpuinfo, each once: `Neoverse-V2`, `Cortex-A725 and Cortex-X925`; "" for none.

    A core that the table does not have is named by its numbers: `core 0x41/0xfff`.
    """
    known = {(implementer, part): name for implementer, part, name in rows("arm_cores.tsv")}
    cores = dict.fromkeys(_CORE.findall(cpuinfo))
    return " and ".join(known.get(core, f"core {core[0]}/{core[1]}") for core in cores)
