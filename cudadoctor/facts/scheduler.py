"""The batch system or notebook service that this process runs under, and the GPUs that it gave."""

from __future__ import annotations

from cudadoctor.facts.base import Fact, Section


class Scheduler(Section, frozen=True, kw_only=True):
    """The job that this process is part of.

    Attributes:
        system: `slurm`, `pbs`, `lsf`, `sge`, `kubernetes`, `colab`, or "" where nothing speaks of one.
        job: The job's number, "" where the system has none.
        gpus: What the system says it gave, in its own words; "" where it names none.
        device_rules: Devices that the cgroup allows (`c 195:* rwm`), as far as cgroup v1 shows them.
    """

    system: str
    job: str
    gpus: Fact[str]
    device_rules: Fact[tuple[str, ...]]
