"""All rules, in the order of what explains what: a rule stands before those whose findings it explains."""

from __future__ import annotations

from cudadoctor.rules.bandwidth.bandwidth_below_link import bandwidth_below_link
from cudadoctor.rules.bandwidth.bandwidth_not_verified import bandwidth_not_verified
from cudadoctor.rules.bandwidth.far_numa_node import far_numa_node
from cudadoctor.rules.bandwidth.gpu_lost_while_measured import gpu_lost_while_measured
from cudadoctor.rules.bandwidth.link_flapping import link_flapping
from cudadoctor.rules.bandwidth.low_power_state import low_power_state
from cudadoctor.rules.bandwidth.no_problem_coherent_link import no_problem_coherent_link
from cudadoctor.rules.bandwidth.no_problem_normal_bandwidth import no_problem_normal_bandwidth
from cudadoctor.rules.bandwidth.pageable_transfer import pageable_transfer
from cudadoctor.rules.bandwidth.pcie_card_better_than_slot import pcie_card_better_than_slot
from cudadoctor.rules.bandwidth.pcie_chipset_lanes import pcie_chipset_lanes
from cudadoctor.rules.bandwidth.pcie_link_degraded import pcie_link_degraded
from cudadoctor.rules.bandwidth.pcie_link_idle_downtrain import pcie_link_idle_downtrain
from cudadoctor.rules.bandwidth.peer_access_slow import peer_access_slow
from cudadoctor.rules.bandwidth.pinned_allocation_limited import pinned_allocation_limited
from cudadoctor.rules.bandwidth.shared_uplink import shared_uplink
from cudadoctor.rules.bandwidth.wsl_pinned_memory_limit import wsl_pinned_memory_limit
from cudadoctor.rules.base import Rule
from cudadoctor.rules.compilers.host_compiler_too_new import host_compiler_too_new
from cudadoctor.rules.containers.container_toolkit_missing import container_toolkit_missing
from cudadoctor.rules.containers.docker_snap_or_other_daemon import docker_snap_or_other_daemon
from cudadoctor.rules.cuda_libraries.cudnn_mismatch import cudnn_mismatch
from cudadoctor.rules.cuda_libraries.ld_library_path_override import ld_library_path_override
from cudadoctor.rules.cuda_libraries.toolkit_version_wrong_for_framework import toolkit_version_wrong_for_framework
from cudadoctor.rules.cuda_libraries.windows_dll_not_found import windows_dll_not_found
from cudadoctor.rules.device_nodes.container_cgroup_lost import container_cgroup_lost
from cudadoctor.rules.device_nodes.device_node_permission import device_node_permission
from cudadoctor.rules.device_nodes.uvm_node_missing import uvm_node_missing
from cudadoctor.rules.devices.device_sources_disagree import device_sources_disagree
from cudadoctor.rules.driver.driver_too_old import driver_too_old
from cudadoctor.rules.driver.fabric_manager_not_running import fabric_manager_not_running
from cudadoctor.rules.environment.cuda_simulator_enabled import cuda_simulator_enabled
from cudadoctor.rules.environment.cuda_visible_devices_hides_gpu import cuda_visible_devices_hides_gpu
from cudadoctor.rules.environment.device_ordinal_out_of_range import device_ordinal_out_of_range
from cudadoctor.rules.environment.no_gpu_allocated import no_gpu_allocated
from cudadoctor.rules.frameworks.arch_not_in_binary import arch_not_in_binary
from cudadoctor.rules.frameworks.framework_cannot_use_gpu import framework_cannot_use_gpu
from cudadoctor.rules.frameworks.framework_device_count_bug import framework_device_count_bug
from cudadoctor.rules.frameworks.jax_plugin_load_failure import jax_plugin_load_failure
from cudadoctor.rules.host.container_driver_capabilities import container_driver_capabilities
from cudadoctor.rules.host.container_ldcache_stale import container_ldcache_stale
from cudadoctor.rules.host.container_no_gpu_flag import container_no_gpu_flag
from cudadoctor.rules.host.hyperv_gpupv_files_missing import hyperv_gpupv_files_missing
from cudadoctor.rules.host.macos_unsupported import macos_unsupported
from cudadoctor.rules.host.wsl_driver_model_tcc import wsl_driver_model_tcc
from cudadoctor.rules.host.wsl_libcuda_path import wsl_libcuda_path
from cudadoctor.rules.host.wsl_linux_driver_inside import wsl_linux_driver_inside
from cudadoctor.rules.jit_cache.jit_cache_not_writable import jit_cache_not_writable
from cudadoctor.rules.kernel_driver.gpu_too_new_for_driver import gpu_too_new_for_driver
from cudadoctor.rules.kernel_driver.gpu_too_old_for_driver import gpu_too_old_for_driver
from cudadoctor.rules.kernel_driver.kernel_module_flavour_wrong import kernel_module_flavour_wrong
from cudadoctor.rules.kernel_driver.kernel_module_missing import kernel_module_missing
from cudadoctor.rules.kernel_driver.kernel_module_not_loaded import kernel_module_not_loaded
from cudadoctor.rules.kernel_driver.no_driver_installed import no_driver_installed
from cudadoctor.rules.kernel_log.app_fault_xid import app_fault_xid
from cudadoctor.rules.kernel_log.bar_or_bios_resources import bar_or_bios_resources
from cudadoctor.rules.kernel_log.gsp_timeout import gsp_timeout
from cudadoctor.rules.kernel_log.nvlink_error import nvlink_error
from cudadoctor.rules.kernel_log.pcie_bus_errors import pcie_bus_errors
from cudadoctor.rules.kernel_log.suspend_uvm_broken import suspend_uvm_broken
from cudadoctor.rules.ladder.driver_call_crashed import driver_call_crashed
from cudadoctor.rules.ladder.driver_call_failed import driver_call_failed
from cudadoctor.rules.ladder.driver_call_hung import driver_call_hung
from cudadoctor.rules.ladder.kernel_compile_failed import kernel_compile_failed
from cudadoctor.rules.ladder.kernel_result_wrong import kernel_result_wrong
from cudadoctor.rules.ladder.mps_server_unreachable import mps_server_unreachable
from cudadoctor.rules.libraries.compat_libs_mismatch import compat_libs_mismatch
from cudadoctor.rules.libraries.driver_library_mismatch import driver_library_mismatch
from cudadoctor.rules.libraries.forward_compat_unsupported_gpu import forward_compat_unsupported_gpu
from cudadoctor.rules.libraries.libcuda_missing import libcuda_missing
from cudadoctor.rules.libraries.stub_libcuda_loaded import stub_libcuda_loaded
from cudadoctor.rules.libraries.wrong_driver_library_loaded import wrong_driver_library_loaded
from cudadoctor.rules.macos.macos_cuda_driver_missing import macos_cuda_driver_missing
from cudadoctor.rules.macos.macos_dyld_path import macos_dyld_path
from cudadoctor.rules.macos.macos_graphics_switching import macos_graphics_switching
from cudadoctor.rules.macos.macos_kext_not_loaded import macos_kext_not_loaded
from cudadoctor.rules.macos.macos_numba_dropped import macos_numba_dropped
from cudadoctor.rules.macos.macos_web_driver_missing import macos_web_driver_missing
from cudadoctor.rules.module_build.dkms_build_failed import dkms_build_failed
from cudadoctor.rules.module_build.secure_boot_unsigned_module import secure_boot_unsigned_module
from cudadoctor.rules.nvml.confidential_compute_not_ready import confidential_compute_not_ready
from cudadoctor.rules.nvml.device_name_unprintable import device_name_unprintable
from cudadoctor.rules.nvml.ecc_uncorrectable import ecc_uncorrectable
from cudadoctor.rules.nvml.exclusive_compute_mode import exclusive_compute_mode
from cudadoctor.rules.nvml.gpu_needs_reset import gpu_needs_reset
from cudadoctor.rules.nvml.gpu_shared_with_others import gpu_shared_with_others
from cudadoctor.rules.nvml.memory_held_by_other_process import memory_held_by_other_process
from cudadoctor.rules.nvml.mig_single_instance_limit import mig_single_instance_limit
from cudadoctor.rules.nvml.mig_without_instance import mig_without_instance
from cudadoctor.rules.nvml.persistence_mode_off import persistence_mode_off
from cudadoctor.rules.nvml.power_cap import power_cap
from cudadoctor.rules.nvml.row_remap_pending import row_remap_pending
from cudadoctor.rules.nvml.thermal_throttle import thermal_throttle
from cudadoctor.rules.nvml.vgpu_unlicensed import vgpu_unlicensed
from cudadoctor.rules.packages.cpu_only_wheel import cpu_only_wheel
from cudadoctor.rules.packages.legacy_python2_package import legacy_python2_package
from cudadoctor.rules.packages.mixed_cuda_packages import mixed_cuda_packages
from cudadoctor.rules.packages.python_packages_incompatible import python_packages_incompatible
from cudadoctor.rules.packages.tegra_wrong_build import tegra_wrong_build
from cudadoctor.rules.pci.gpu_fallen_off_bus import gpu_fallen_off_bus
from cudadoctor.rules.pci.no_nvidia_gpu_active import no_nvidia_gpu_active
from cudadoctor.rules.pci.other_driver_bound import other_driver_bound
from cudadoctor.rules.power.battery_power_limit import battery_power_limit
from cudadoctor.rules.power.hybrid_gpu_powered_off import hybrid_gpu_powered_off
from cudadoctor.rules.profile.compile_every_step import compile_every_step
from cudadoctor.rules.profile.dataloader_bound import dataloader_bound
from cudadoctor.rules.profile.fp64_on_consumer_gpu import fp64_on_consumer_gpu
from cudadoctor.rules.profile.program_not_traced import program_not_traced
from cudadoctor.rules.profile.storage_bound import storage_bound
from cudadoctor.rules.profile.transfer_bound import transfer_bound
from cudadoctor.rules.profile.uncoalesced_access import uncoalesced_access
from cudadoctor.rules.race.allocation_in_loop import allocation_in_loop
from cudadoctor.rules.race.clock_ramp import clock_ramp
from cudadoctor.rules.race.cpu_baseline_blas import cpu_baseline_blas
from cudadoctor.rules.race.cpu_threads_oversubscribed import cpu_threads_oversubscribed
from cudadoctor.rules.race.host_bound_not_gpu import host_bound_not_gpu
from cudadoctor.rules.race.implicit_host_copies import implicit_host_copies
from cudadoctor.rules.race.launch_bound_small_work import launch_bound_small_work
from cudadoctor.rules.race.low_end_gpu import low_end_gpu
from cudadoctor.rules.race.low_occupancy_grid import low_occupancy_grid
from cudadoctor.rules.race.ptx_jit_first_run import ptx_jit_first_run
from cudadoctor.rules.race.race_lane_failed import race_lane_failed
from cudadoctor.rules.race.race_lanes_disagree import race_lanes_disagree
from cudadoctor.rules.race.readback_every_step import readback_every_step
from cudadoctor.rules.race.small_transfers import small_transfers
from cudadoctor.rules.race.sync_every_step import sync_every_step
from cudadoctor.rules.race.training_learned_nothing import training_learned_nothing
from cudadoctor.rules.race.warmup_in_timing import warmup_in_timing
from cudadoctor.rules.services.fabric_manager_not_needed import fabric_manager_not_needed
from cudadoctor.rules.toolkits.nvcc_runtime_mismatch import nvcc_runtime_mismatch
from cudadoctor.rules.toolkits.nvvm_not_found import nvvm_not_found
from cudadoctor.rules.toolkits.ptx_newer_than_driver import ptx_newer_than_driver
from cudadoctor.rules.toolkits.toolkit_arch_unsupported import toolkit_arch_unsupported
from cudadoctor.rules.toolkits.toolkit_path_wrong import toolkit_path_wrong

RULES: tuple[Rule, ...] = tuple(
    function.rule
    for function in (
        # Is there anything to work with?
        macos_unsupported,
        no_gpu_allocated,
        hybrid_gpu_powered_off,
        bar_or_bios_resources,
        gpu_fallen_off_bus,
        no_nvidia_gpu_active,
        # A Mac that has CUDA.
        macos_web_driver_missing,
        macos_cuda_driver_missing,
        macos_kext_not_loaded,
        macos_graphics_switching,
        # The kernel half of the driver.
        gpu_too_old_for_driver,
        gpu_too_new_for_driver,
        kernel_module_flavour_wrong,
        secure_boot_unsigned_module,
        dkms_build_failed,
        other_driver_bound,
        container_no_gpu_flag,
        hyperv_gpupv_files_missing,
        wsl_libcuda_path,
        wsl_driver_model_tcc,
        no_driver_installed,
        kernel_module_missing,
        kernel_module_not_loaded,
        # Calls into the driver.
        gsp_timeout,
        driver_call_hung,
        driver_call_crashed,
        # The user-space half, and the nodes between the two.
        wsl_linux_driver_inside,
        driver_library_mismatch,
        compat_libs_mismatch,
        forward_compat_unsupported_gpu,
        container_ldcache_stale,
        stub_libcuda_loaded,
        container_driver_capabilities,
        libcuda_missing,
        container_cgroup_lost,
        device_node_permission,
        uvm_node_missing,
        suspend_uvm_broken,
        confidential_compute_not_ready,
        fabric_manager_not_running,
        mps_server_unreachable,
        # What hides a GPU that works.
        cuda_visible_devices_hides_gpu,
        mig_without_instance,
        vgpu_unlicensed,
        exclusive_compute_mode,
        memory_held_by_other_process,
        # Memory and state of the card.
        ecc_uncorrectable,
        row_remap_pending,
        nvlink_error,
        gpu_needs_reset,
        # Compiling for it.
        cuda_simulator_enabled,
        toolkit_arch_unsupported,
        driver_too_old,
        ptx_newer_than_driver,
        python_packages_incompatible,
        toolkit_path_wrong,
        nvvm_not_found,
        kernel_result_wrong,
        # What no other rule knows.
        driver_call_failed,
        kernel_compile_failed,
        app_fault_xid,
        # Frameworks.
        tegra_wrong_build,
        arch_not_in_binary,
        cpu_only_wheel,
        jax_plugin_load_failure,
        framework_device_count_bug,
        mixed_cuda_packages,
        legacy_python2_package,
        framework_cannot_use_gpu,
        # Libraries and compilers of other programs than this one.
        wrong_driver_library_loaded,
        ld_library_path_override,
        cudnn_mismatch,
        toolkit_version_wrong_for_framework,
        windows_dll_not_found,
        nvcc_runtime_mismatch,
        host_compiler_too_new,
        jit_cache_not_writable,
        device_name_unprintable,
        device_sources_disagree,
        # What costs speed, and what an administrator or a launcher left.
        pcie_bus_errors,
        battery_power_limit,
        thermal_throttle,
        power_cap,
        persistence_mode_off,
        gpu_shared_with_others,
        mig_single_instance_limit,
        device_ordinal_out_of_range,
        container_toolkit_missing,
        docker_snap_or_other_daemon,
        fabric_manager_not_needed,
        macos_dyld_path,
        macos_numba_dropped,
        # Measurements.
        gpu_lost_while_measured,
        bandwidth_not_verified,
        wsl_pinned_memory_limit,
        pinned_allocation_limited,
        low_power_state,
        pcie_link_degraded,
        link_flapping,
        far_numa_node,
        pcie_chipset_lanes,
        pcie_card_better_than_slot,
        bandwidth_below_link,
        shared_uplink,
        peer_access_slow,
        pageable_transfer,
        pcie_link_idle_downtrain,
        no_problem_coherent_link,
        no_problem_normal_bandwidth,
        training_learned_nothing,
        race_lanes_disagree,
        race_lane_failed,
        program_not_traced,
        # Why a lane of the race, or a program, takes as long as it does.
        cpu_threads_oversubscribed,
        low_end_gpu,
        launch_bound_small_work,
        implicit_host_copies,
        small_transfers,
        readback_every_step,
        sync_every_step,
        allocation_in_loop,
        host_bound_not_gpu,
        compile_every_step,
        transfer_bound,
        dataloader_bound,
        storage_bound,
        low_occupancy_grid,
        uncoalesced_access,
        fp64_on_consumer_gpu,
        clock_ramp,
        warmup_in_timing,
        ptx_jit_first_run,
        cpu_baseline_blas,
    )
)
