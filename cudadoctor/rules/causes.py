"""Causes that only a pasted text shows so far; a machine's facts are judged by the rules of `catalogue`."""

from __future__ import annotations

from cudadoctor.rules.base import Rule
from cudadoctor.rules.told.arch_not_in_binary import arch_not_in_binary
from cudadoctor.rules.told.container_toolkit_missing import container_toolkit_missing
from cudadoctor.rules.told.cudnn_mismatch import cudnn_mismatch
from cudadoctor.rules.told.device_ordinal_out_of_range import device_ordinal_out_of_range
from cudadoctor.rules.told.docker_snap_or_other_daemon import docker_snap_or_other_daemon
from cudadoctor.rules.told.fabric_manager_not_needed import fabric_manager_not_needed
from cudadoctor.rules.told.framework_device_count_bug import framework_device_count_bug
from cudadoctor.rules.told.host_compiler_too_new import host_compiler_too_new
from cudadoctor.rules.told.hyperv_gpupv_files_missing import hyperv_gpupv_files_missing
from cudadoctor.rules.told.jax_plugin_load_failure import jax_plugin_load_failure
from cudadoctor.rules.told.jit_cache_not_writable import jit_cache_not_writable
from cudadoctor.rules.told.ld_library_path_override import ld_library_path_override
from cudadoctor.rules.told.legacy_python2_package import legacy_python2_package
from cudadoctor.rules.told.mig_single_instance_limit import mig_single_instance_limit
from cudadoctor.rules.told.nvcc_runtime_mismatch import nvcc_runtime_mismatch
from cudadoctor.rules.told.persistence_mode_off import persistence_mode_off
from cudadoctor.rules.told.tegra_wrong_build import tegra_wrong_build
from cudadoctor.rules.told.toolkit_version_wrong_for_framework import toolkit_version_wrong_for_framework
from cudadoctor.rules.told.windows_dll_not_found import windows_dll_not_found
from cudadoctor.rules.told.wrong_driver_library_loaded import wrong_driver_library_loaded
from cudadoctor.rules.told.wsl_pinned_memory_limit import wsl_pinned_memory_limit

CAUSES: tuple[Rule, ...] = (
    arch_not_in_binary,
    container_toolkit_missing,
    cudnn_mismatch,
    device_ordinal_out_of_range,
    docker_snap_or_other_daemon,
    fabric_manager_not_needed,
    framework_device_count_bug,
    host_compiler_too_new,
    hyperv_gpupv_files_missing,
    jax_plugin_load_failure,
    jit_cache_not_writable,
    ld_library_path_override,
    legacy_python2_package,
    mig_single_instance_limit,
    nvcc_runtime_mismatch,
    persistence_mode_off,
    tegra_wrong_build,
    toolkit_version_wrong_for_framework,
    windows_dll_not_found,
    wrong_driver_library_loaded,
    wsl_pinned_memory_limit,
)
