"""All rules, in the order of what explains what: a rule stands before those whose findings it explains."""

from __future__ import annotations

from cudadoctor.rules.bandwidth.bandwidth_below_link import bandwidth_below_link
from cudadoctor.rules.bandwidth.bandwidth_not_verified import bandwidth_not_verified
from cudadoctor.rules.bandwidth.pcie_link_degraded import pcie_link_degraded
from cudadoctor.rules.base import Rule
from cudadoctor.rules.device_nodes.container_cgroup_lost import container_cgroup_lost
from cudadoctor.rules.device_nodes.device_node_permission import device_node_permission
from cudadoctor.rules.device_nodes.uvm_node_missing import uvm_node_missing
from cudadoctor.rules.driver.driver_too_old import driver_too_old
from cudadoctor.rules.driver.fabric_manager_not_running import fabric_manager_not_running
from cudadoctor.rules.environment.cuda_simulator_enabled import cuda_simulator_enabled
from cudadoctor.rules.environment.cuda_visible_devices_hides_gpu import cuda_visible_devices_hides_gpu
from cudadoctor.rules.host.container_driver_capabilities import container_driver_capabilities
from cudadoctor.rules.host.container_ldcache_stale import container_ldcache_stale
from cudadoctor.rules.host.container_no_gpu_flag import container_no_gpu_flag
from cudadoctor.rules.host.macos_unsupported import macos_unsupported
from cudadoctor.rules.kernel_driver.gpu_too_old_for_driver import gpu_too_old_for_driver
from cudadoctor.rules.kernel_driver.kernel_module_missing import kernel_module_missing
from cudadoctor.rules.kernel_driver.kernel_module_not_loaded import kernel_module_not_loaded
from cudadoctor.rules.kernel_driver.no_driver_installed import no_driver_installed
from cudadoctor.rules.ladder.driver_call_crashed import driver_call_crashed
from cudadoctor.rules.ladder.driver_call_failed import driver_call_failed
from cudadoctor.rules.ladder.driver_call_hung import driver_call_hung
from cudadoctor.rules.ladder.kernel_compile_failed import kernel_compile_failed
from cudadoctor.rules.ladder.kernel_result_wrong import kernel_result_wrong
from cudadoctor.rules.libraries.compat_libs_mismatch import compat_libs_mismatch
from cudadoctor.rules.libraries.driver_library_mismatch import driver_library_mismatch
from cudadoctor.rules.libraries.forward_compat_unsupported_gpu import forward_compat_unsupported_gpu
from cudadoctor.rules.libraries.libcuda_missing import libcuda_missing
from cudadoctor.rules.libraries.stub_libcuda_loaded import stub_libcuda_loaded
from cudadoctor.rules.nvml.device_name_unprintable import device_name_unprintable
from cudadoctor.rules.nvml.exclusive_compute_mode import exclusive_compute_mode
from cudadoctor.rules.nvml.mig_without_instance import mig_without_instance
from cudadoctor.rules.packages.python_packages_incompatible import python_packages_incompatible
from cudadoctor.rules.pci.gpu_fallen_off_bus import gpu_fallen_off_bus
from cudadoctor.rules.pci.no_nvidia_gpu_active import no_nvidia_gpu_active
from cudadoctor.rules.pci.other_driver_bound import other_driver_bound
from cudadoctor.rules.race.race_lane_failed import race_lane_failed
from cudadoctor.rules.race.race_lanes_disagree import race_lanes_disagree
from cudadoctor.rules.race.training_learned_nothing import training_learned_nothing
from cudadoctor.rules.toolkits.nvvm_not_found import nvvm_not_found
from cudadoctor.rules.toolkits.ptx_newer_than_driver import ptx_newer_than_driver
from cudadoctor.rules.toolkits.toolkit_arch_unsupported import toolkit_arch_unsupported

RULES: tuple[Rule, ...] = tuple(
    function.rule
    for function in (
        # Is there anything to work with?
        macos_unsupported,
        no_nvidia_gpu_active,
        # The kernel half of the driver.
        gpu_too_old_for_driver,
        other_driver_bound,
        container_no_gpu_flag,
        no_driver_installed,
        kernel_module_missing,
        kernel_module_not_loaded,
        # Calls into the driver.
        driver_call_hung,
        driver_call_crashed,
        gpu_fallen_off_bus,
        # The user-space half, and the nodes between the two.
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
        fabric_manager_not_running,
        # What hides a GPU that works.
        cuda_visible_devices_hides_gpu,
        mig_without_instance,
        exclusive_compute_mode,
        # Compiling for it.
        cuda_simulator_enabled,
        toolkit_arch_unsupported,
        driver_too_old,
        ptx_newer_than_driver,
        python_packages_incompatible,
        nvvm_not_found,
        kernel_result_wrong,
        # What no other rule knows.
        driver_call_failed,
        kernel_compile_failed,
        device_name_unprintable,
        # Measurements.
        bandwidth_not_verified,
        pcie_link_degraded,
        bandwidth_below_link,
        training_learned_nothing,
        race_lanes_disagree,
        race_lane_failed,
    )
)
