"""Causes that only a pasted text shows so far; a machine's facts are judged by the rules of `catalogue`."""

from __future__ import annotations

from cudadoctor.rules.base import Rule
from cudadoctor.rules.told.arch_not_in_binary import arch_not_in_binary
from cudadoctor.rules.told.container_toolkit_missing import container_toolkit_missing
from cudadoctor.rules.told.device_ordinal_out_of_range import device_ordinal_out_of_range
from cudadoctor.rules.told.docker_snap_or_other_daemon import docker_snap_or_other_daemon
from cudadoctor.rules.told.fabric_manager_not_needed import fabric_manager_not_needed
from cudadoctor.rules.told.framework_device_count_bug import framework_device_count_bug
from cudadoctor.rules.told.hyperv_gpupv_files_missing import hyperv_gpupv_files_missing
from cudadoctor.rules.told.jax_plugin_load_failure import jax_plugin_load_failure
from cudadoctor.rules.told.legacy_python2_package import legacy_python2_package
from cudadoctor.rules.told.mig_single_instance_limit import mig_single_instance_limit
from cudadoctor.rules.told.persistence_mode_off import persistence_mode_off
from cudadoctor.rules.told.tegra_wrong_build import tegra_wrong_build
from cudadoctor.rules.told.wsl_driver_model_tcc import wsl_driver_model_tcc
from cudadoctor.rules.told.wsl_pinned_memory_limit import wsl_pinned_memory_limit

CAUSES: tuple[Rule, ...] = (
    arch_not_in_binary,
    container_toolkit_missing,
    device_ordinal_out_of_range,
    docker_snap_or_other_daemon,
    fabric_manager_not_needed,
    framework_device_count_bug,
    hyperv_gpupv_files_missing,
    jax_plugin_load_failure,
    legacy_python2_package,
    mig_single_instance_limit,
    persistence_mode_off,
    tegra_wrong_build,
    wsl_driver_model_tcc,
    wsl_pinned_memory_limit,
)
