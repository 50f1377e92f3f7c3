"""Causes that only a pasted text shows so far; a machine's facts are judged by the rules of `catalogue`."""

from __future__ import annotations

from cudadoctor.rules.base import Rule
from cudadoctor.rules.told.container_toolkit_missing import container_toolkit_missing
from cudadoctor.rules.told.device_ordinal_out_of_range import device_ordinal_out_of_range
from cudadoctor.rules.told.docker_snap_or_other_daemon import docker_snap_or_other_daemon
from cudadoctor.rules.told.fabric_manager_not_needed import fabric_manager_not_needed
from cudadoctor.rules.told.hyperv_gpupv_files_missing import hyperv_gpupv_files_missing
from cudadoctor.rules.told.mig_single_instance_limit import mig_single_instance_limit
from cudadoctor.rules.told.persistence_mode_off import persistence_mode_off
from cudadoctor.rules.told.wsl_driver_model_tcc import wsl_driver_model_tcc
from cudadoctor.rules.told.wsl_pinned_memory_limit import wsl_pinned_memory_limit

CAUSES: tuple[Rule, ...] = (
    container_toolkit_missing,
    device_ordinal_out_of_range,
    docker_snap_or_other_daemon,
    fabric_manager_not_needed,
    hyperv_gpupv_files_missing,
    mig_single_instance_limit,
    persistence_mode_off,
    wsl_driver_model_tcc,
    wsl_pinned_memory_limit,
)
