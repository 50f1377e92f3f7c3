"""The rows of a GPU: what each is called, how its value reads, and which calls it came from. Pure: facts in, text out.

The table, the Markdown and `--diff` are all made from these rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.devices import Computed, Device, Devices, DriverView, NvmlView
from cudadoctor.facts.pci import Hop
from cudadoctor.report.device_words import (
    Row,
    attribute_names,
    clock_reasons,
    count,
    exact_size,
    khz_as_mhz,
    large_size,
    mhz,
    named,
    on_off,
    row_of,
    watts,
    yes_no,
)
from cudadoctor.units import pcie_generation

NOW = "at this moment"
"""The group of readings that differ from one moment to the next."""


def rows_of(device: Device, devices: Devices, *, everything: bool = False) -> list[Row]:
    """Return all rows of one GPU, in the order of the report.

    Args:
        device: The GPU.
        devices: Its section, for what holds for the whole machine.
        everything: Also the attributes that have no row of their own.
    """
    rows = [*_identity(device, devices), *_compute(device), *_memory(device), *_limits(device)]
    rows += [*_link(device), *_modes(device, devices), *_health(device), *_now(device)]
    if everything and isinstance(device.driver, DriverView):
        told = {name for row in rows for source in row.sources for name in attribute_names(source)}
        rows += (
            row_of("other attributes", item.name, (item.value, str))
            for item in device.driver.attributes
            if item.name not in told
        )
    return rows


def _attributes(device: Device, name: str) -> Fact[int]:
    return device.driver.attribute(name) if isinstance(device.driver, DriverView) else device.driver


def _of_driver(device: Device, field: str) -> Fact[Any]:
    fact: Fact[Any] = getattr(device.driver, field) if isinstance(device.driver, DriverView) else device.driver
    return fact


def _of_nvml(device: Device, field: str) -> Fact[Any]:
    fact: Fact[Any] = getattr(device.nvml, field) if isinstance(device.nvml, NvmlView) else device.nvml
    return fact


def _identity(device: Device, devices: Devices) -> Iterator[Row]:
    group = "identity"
    for name, field in (
        ("name", "name"),
        ("UUID", "uuid"),
        ("PCI address", "pci_address"),
        ("compute capability", "compute_capability"),
    ):
        # The name of a broken card may hold anything; what is shown is made printable later, with the whole report.
        yield row_of(group, name, (_of_driver(device, field), str), (_of_nvml(device, field), str))
    yield row_of(group, "VBIOS", (_of_nvml(device, "vbios"), str))
    yield row_of(group, "GSP firmware", (_of_nvml(device, "gsp_firmware"), str))
    yield row_of(group, "board part number", (_of_nvml(device, "board_part_number"), str))
    yield row_of(group, "device node", (_of_nvml(device, "minor_number"), "/dev/nvidia{}".format))
    yield row_of(group, "driver release", (devices.driver_release, str))
    yield row_of(group, "driver CUDA version", (devices.driver_cuda_version, str))
    yield row_of(group, "toolkit version", (devices.toolkit_version, str))


def _compute(device: Device) -> Iterator[Row]:
    group = "compute"
    yield row_of(group, "multiprocessors", (_attributes(device, "MULTIPROCESSOR_COUNT"), count))
    yield _lanes(device.fp32_peak_tflop_per_s)
    yield row_of(group, "CUDA cores", (_of_nvml(device, "cores"), count))
    # Two rows: on a GeForce the driver API gives the rated boost clock, which is not the highest.
    yield row_of(group, "highest SM clock", (_of_nvml(device, "sm_clock_max_mhz"), mhz))
    yield row_of(group, "SM clock, as CUDA tells it", (_attributes(device, "CLOCK_RATE"), khz_as_mhz))
    yield from _computed(group, "FP32 peak (computed)", device.fp32_peak_tflop_per_s, "TFLOP/s")
    yield row_of(
        group, "FP32 to FP64 rate", (_attributes(device, "SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO"), "{} : 1".format)
    )


def _computed(group: str, name: str, computed: Computed, unit: str) -> Iterator[Row]:
    if isinstance(computed.value, Missing):
        yield Row(group=group, name=name, text=None, sources=(computed.value.reason,))
        return
    factors = " x ".join(f"{item.value:g} {item.unit}" for item in computed.inputs)
    eighth = " / 8" if any(item.unit == "bit" for item in computed.inputs) else ""
    yield Row(
        group=group,
        name=name,
        text=f"{computed.value.value:.1f} {unit}",
        sources=(f"computed: 2 x {factors}{eighth}",),
    )


def _lanes(computed: Computed) -> Row:
    found = next((item for item in computed.inputs if item.unit == "lanes"), None)
    text, source = (f"{found.value:g}", found.source) if found is not None else (None, "not known for this GPU")
    return Row(group="compute", name="FP32 lanes per SM", text=text, sources=(source,))


def _memory(device: Device) -> Iterator[Row]:
    group = "memory"
    yield row_of(group, "memory, all of it", (_of_nvml(device, "memory_total_bytes"), large_size))
    yield row_of(group, "memory for CUDA programs", (_of_driver(device, "memory_total_bytes"), large_size))
    yield row_of(group, "reserved by the driver", (_of_nvml(device, "memory_reserved_bytes"), exact_size))
    yield row_of(
        group,
        "memory clock",
        (_of_nvml(device, "memory_clock_max_mhz"), mhz),
        (_attributes(device, "MEMORY_CLOCK_RATE"), khz_as_mhz),
    )
    yield row_of(
        group,
        "memory bus width",
        (_attributes(device, "GLOBAL_MEMORY_BUS_WIDTH"), "{} bit".format),
        (_of_nvml(device, "memory_bus_width_bits"), "{} bit".format),
    )
    yield from _computed(group, "memory bandwidth (computed)", device.memory_bandwidth_gb_per_s, "GB/s")
    yield row_of(group, "L2 cache", (_attributes(device, "L2_CACHE_SIZE"), exact_size))
    yield row_of(group, "L2 persistence, at most", (_attributes(device, "MAX_PERSISTING_L2_CACHE_SIZE"), exact_size))
    yield row_of(group, "L2 access window, at most", (_attributes(device, "MAX_ACCESS_POLICY_WINDOW_SIZE"), exact_size))
    yield row_of(group, "constant memory", (_attributes(device, "TOTAL_CONSTANT_MEMORY"), exact_size))
    yield row_of(group, "BAR1", (_of_nvml(device, "bar1_total_bytes"), exact_size))
    for name, attribute in (
        ("unified addressing", "UNIFIED_ADDRESSING"),
        ("managed memory", "MANAGED_MEMORY"),
        ("managed, used by both", "CONCURRENT_MANAGED_ACCESS"),
        ("managed, host reads directly", "DIRECT_MANAGED_MEM_ACCESS_FROM_HOST"),
        ("pageable memory access", "PAGEABLE_MEMORY_ACCESS"),
        ("pageable by host page tables", "PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES"),
        ("maps page-locked host memory", "CAN_MAP_HOST_MEMORY"),
        ("registers host memory", "HOST_REGISTER_SUPPORTED"),
        ("native atomics with the host", "HOST_NATIVE_ATOMIC_SUPPORTED"),
        ("memory pools", "MEMORY_POOLS_SUPPORTED"),
        ("GPUDirect RDMA", "GPU_DIRECT_RDMA_SUPPORTED"),
        ("integrated with the host", "INTEGRATED"),
    ):
        yield row_of(group, name, (_attributes(device, attribute), yes_no))
    yield row_of(group, "addressing mode", (_of_nvml(device, "addressing_mode"), named("none", "HMM", "ATS")))


def _limits(device: Device) -> Iterator[Row]:
    group = "limits of a kernel"
    for name, attribute, show in (
        ("warp size", "WARP_SIZE", count),
        ("threads per block", "MAX_THREADS_PER_BLOCK", count),
        ("threads per SM", "MAX_THREADS_PER_MULTIPROCESSOR", count),
        ("blocks per SM", "MAX_BLOCKS_PER_MULTIPROCESSOR", count),
        ("registers per block", "MAX_REGISTERS_PER_BLOCK", count),
        ("registers per SM", "MAX_REGISTERS_PER_MULTIPROCESSOR", count),
        ("shared memory per block", "MAX_SHARED_MEMORY_PER_BLOCK", exact_size),
        ("shared memory, opt-in", "MAX_SHARED_MEMORY_PER_BLOCK_OPTIN", exact_size),
        ("shared memory, reserved", "RESERVED_SHARED_MEMORY_PER_BLOCK", exact_size),
        ("shared memory per SM", "MAX_SHARED_MEMORY_PER_MULTIPROCESSOR", exact_size),
        ("longest memory pitch", "MAX_PITCH", exact_size),
        ("texture alignment", "TEXTURE_ALIGNMENT", exact_size),
        ("surface alignment", "SURFACE_ALIGNMENT", exact_size),
        ("copy engines", "ASYNC_ENGINE_COUNT", count),
        ("kernels at once", "CONCURRENT_KERNELS", yes_no),
        ("run time limit on kernels", "KERNEL_EXEC_TIMEOUT", yes_no),
        ("compute preemption", "COMPUTE_PREEMPTION_SUPPORTED", yes_no),
        ("cooperative launch", "COOPERATIVE_LAUNCH", yes_no),
        ("cooperative, several GPUs", "COOPERATIVE_MULTI_DEVICE_LAUNCH", yes_no),
        ("cluster launch", "CLUSTER_LAUNCH", yes_no),
        ("stream priorities", "STREAM_PRIORITIES_SUPPORTED", yes_no),
    ):
        yield row_of(group, name, (_attributes(device, attribute), show))
    for name, prefix, parts in (
        ("block", "MAX_BLOCK_DIM_", "XYZ"),
        ("grid", "MAX_GRID_DIM_", "XYZ"),
    ):
        yield _product(device, group, name, [prefix + part for part in parts])
    texture = "MAXIMUM_TEXTURE"
    for name, ends in (
        ("texture 1D", ("1D_WIDTH",)),
        ("texture 2D", ("2D_WIDTH", "2D_HEIGHT")),
        ("texture 3D", ("3D_WIDTH", "3D_HEIGHT", "3D_DEPTH")),
        ("texture 1D, layers", ("1D_LAYERED_WIDTH", "1D_LAYERED_LAYERS")),
        ("texture 2D, layers", ("2D_LAYERED_WIDTH", "2D_LAYERED_HEIGHT", "2D_LAYERED_LAYERS")),
    ):
        yield _product(device, group, name, [texture + end for end in ends])


def _product(device: Device, group: str, name: str, attributes: list[str]) -> Row:
    """Make one row of several attributes: `1024 x 1024 x 64`."""
    facts = [_attributes(device, attribute) for attribute in attributes]
    for fact in facts:
        if isinstance(fact, Missing):
            return row_of(group, name, (fact, str))
    text = " x ".join(count(fact.value) for fact in facts if isinstance(fact, Known))
    return Row(group=group, name=name, text=text, sources=(f"cuDeviceGetAttribute({', '.join(attributes)})",))


def _link(device: Device) -> Iterator[Row]:
    group = "link and place"
    for place, hop in enumerate(device.path):
        name = "link of the GPU" if place == 0 else f"link of hop {place} above"
        text, facts = _hop(hop)
        missing = tuple(fact.reason for fact in facts if isinstance(fact, Missing))
        sources = tuple(fact.source for fact in facts if isinstance(fact, Known)) or missing
        files = tuple(dict.fromkeys(source.rpartition("/")[0] for source in sources if source.startswith("/")))
        lasting = place > 0  # an idle GPU trains its own link down
        yield Row(group=group, name=name, text=text, sources=files or sources, lasting=lasting)
    if not device.path:
        yield Row(group=group, name="link of the GPU", text=None, sources=(device.path_missing,))
    yield row_of(group, "link generation in this slot", (_of_nvml(device, "link_generation_max"), "Gen{}".format))
    yield row_of(group, "link generation of the card", (_of_nvml(device, "gpu_link_generation_max"), "Gen{}".format))
    yield row_of(group, "link width, at most", (_of_nvml(device, "link_width_max"), "x{}".format))
    yield row_of(group, "NUMA node", (device.numa_node, str), (_host_numa(device), str))
    yield row_of(group, "CPUs near it", (device.numa_cpus, str))


def _host_numa(device: Device) -> Fact[int] | None:
    """Return the driver's word on the nearest host node; -1 stands for a system without such nodes."""
    fact = _attributes(device, "HOST_NUMA_ID")
    return fact if isinstance(fact, Known) and fact.value >= 0 and isinstance(device.numa_node, Missing) else None


def _hop(hop: Hop) -> tuple[str | None, list[Fact[float] | Fact[int]]]:
    facts: list[Fact[float] | Fact[int]] = [
        hop.current_speed_gt_s,
        hop.current_width,
        hop.max_speed_gt_s,
        hop.max_width,
    ]
    if all(isinstance(fact, Missing) for fact in facts):
        return None, facts
    now, most = _link_text(facts[0], facts[1]), _link_text(facts[2], facts[3])
    return f"{hop.address} {now}" + (f" of {most}" if most != now else ""), facts


def _link_text(speed: Fact[Any], width: Fact[Any]) -> str:
    value = known(speed)
    generation = pcie_generation(value) if value is not None else None
    told = f"Gen{generation}" if generation else f"{value:g} GT/s" if value is not None else "Gen?"
    return f"{told} x{known(width) or '?'}"


def _modes(device: Device, devices: Devices) -> Iterator[Row]:
    group = "modes and power"
    modes = named("default", "exclusive thread", "prohibited", "exclusive process")
    yield row_of(
        group, "compute mode", (_of_nvml(device, "compute_mode"), modes), (_attributes(device, "COMPUTE_MODE"), modes)
    )
    yield row_of(group, "persistence mode", (_of_nvml(device, "persistence_mode"), on_off))
    yield row_of(group, "ECC", (_of_nvml(device, "ecc_enabled"), on_off), (_attributes(device, "ECC_ENABLED"), on_off))
    yield row_of(group, "ECC after the next reset", (_of_nvml(device, "ecc_pending"), on_off))
    yield row_of(group, "MIG", (_of_nvml(device, "mig_enabled"), on_off))
    yield row_of(group, "MIG after the next reset", (_of_nvml(device, "mig_pending"), on_off))
    yield row_of(group, "MPS", (_attributes(device, "MPS_ENABLED"), on_off))
    yield row_of(group, "confidential compute", (devices.confidential_compute, on_off))
    yield row_of(group, "confidential, debug tools", (devices.confidential_compute_devtools, on_off))
    virtual = named("none", "passed through to a VM", "vGPU", "host of vGPUs", "host of vSGA")
    yield row_of(group, "virtualization", (_of_nvml(device, "virtualization_mode"), virtual))
    yield row_of(group, "drives a display", (_of_nvml(device, "display_active"), yes_no))
    yield row_of(group, "TCC driver model", (_attributes(device, "TCC_DRIVER"), yes_no))
    yield row_of(group, "on a board with other GPUs", (_attributes(device, "MULTI_GPU_BOARD"), yes_no))
    yield row_of(group, "power limit, as set", (_of_nvml(device, "power_limit_w"), watts))
    yield row_of(group, "power limit that holds", (_of_nvml(device, "power_limit_enforced_w"), watts))
    yield row_of(group, "power limit by default", (_of_nvml(device, "power_limit_default_w"), watts))
    yield row_of(group, "lowest power limit", (_of_nvml(device, "power_limit_min_w"), watts))
    yield row_of(group, "highest power limit", (_of_nvml(device, "power_limit_max_w"), watts))


def _health(device: Device) -> Iterator[Row]:
    group = "health"
    for name, field in (
        ("ECC errors, corrected", "ecc_corrected"),
        ("ECC errors, uncorrected", "ecc_uncorrected"),
        ("corrected in its life", "ecc_corrected_aggregate"),
        ("uncorrected in its life", "ecc_uncorrected_aggregate"),
        ("rows remapped, correctable", "remapped_rows_correctable"),
        ("rows remapped, uncorrectable", "remapped_rows_uncorrectable"),
        ("PCIe replays", "pcie_replays"),
    ):
        yield row_of(group, name, (_of_nvml(device, field), count))
    yield row_of(group, "row remap waits for a reset", (_of_nvml(device, "row_remap_pending"), yes_no))
    yield row_of(group, "row remap failed", (_of_nvml(device, "row_remap_failed"), yes_no))


def _now(device: Device) -> Iterator[Row]:
    for name, field, show in (
        ("performance state", "performance_state", "P{}".format),
        ("SM clock", "sm_clock_mhz", mhz),
        ("memory clock", "memory_clock_mhz", mhz),
        ("reasons for the clocks", "clock_event_reasons", clock_reasons),
        ("link generation", "link_generation", "Gen{}".format),
        ("link width", "link_width", "x{}".format),
        ("temperature", "temperature_c", "{} °C".format),
        ("power draw", "power_draw_w", watts),
        ("memory in use", "memory_used_bytes", large_size),
        ("BAR1 in use", "bar1_used_bytes", exact_size),
        ("compute processes", "compute_processes", count),
        ("MPS processes", "mps_processes", count),
    ):
        yield row_of(NOW, name, (_of_nvml(device, field), show), lasting=False)
