"""What a processor is called in /proc/cpuinfo; of Arm cores, kernels tell numbers only."""

from __future__ import annotations

import re

from cudadoctor.tables.reader import rows

_CORE = re.compile(
    r"^CPU implementer[ \t]*: (0x[0-9a-f]{1,2})\n(?:CPU (?!part).*\n){0,4}CPU part[ \t]*: (0x[0-9a-f]{1,3})$",
    re.MULTILINE,
)

_MODEL = re.compile(r"^(?:model name|cpu model|Processor|cpu)[ \t]*:[ \t]*(\S.*)$", re.MULTILINE)

_NO_MODEL = re.compile(r"ARMv\d|AArch64 Processor")
"""What kernels of Jetson and old ones write where others have a model: the architecture, which is no name."""


def cpu_name(cpuinfo: str) -> str:
    """Return the name of the processor in the text of /proc/cpuinfo: its model, or else the kinds of its cores.

    Of Arm the text has to be whole: a machine may have two kinds of cores.

    Returns:
        `AMD Ryzen 9 7950X`, `Neoverse-V2`, `Cortex-A725 and Cortex-X925`; "" for none.
    """
    match = _MODEL.search(cpuinfo)
    return match[1].strip() if match and not _NO_MODEL.match(match[1]) else _core_names(cpuinfo)


def _core_names(cpuinfo: str) -> str:
    """Return the kinds of cores, each once.

    A core that the table does not have is named by its numbers: `core 0x41/0xfff`.
    """
    known = {(implementer, part): name for implementer, part, name in rows("arm_cores.tsv")}
    cores = dict.fromkeys(_CORE.findall(cpuinfo))
    return " and ".join(known.get(core, f"core {core[0]}/{core[1]}") for core in cores)
