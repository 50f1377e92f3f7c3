"""A healthy machine gets no complaint, however unusual it looks."""

from __future__ import annotations

from cudadoctor.rules.diagnose import diagnose
from tests.devices.build import device, devices, driver_view, nvml_view
from tests.rules import build as b
from tests.rules.profiles import PROFILED, profile


def test_an_idle_h100_gets_no_finding() -> None:
    assert b.ids(b.HEALTHY) == []


def test_sixteen_gpus_of_different_names_get_no_finding() -> None:
    names = [f"NVIDIA GPU model {n}" for n in range(16)]
    machine = b.machine(
        pci=b.pci(*(b.card(name, address=f"0000:{n:02x}:00.0") for n, name in enumerate(names))),
        nvml=b.nvml(*(b.nvml_device(n, name) for n, name in enumerate(names))),
        driver=b.driver(*(b.driver_device(n, name) for n, name in enumerate(names))),
    )
    assert b.ids(machine) == []


def test_a_container_with_the_driver_mounted_under_usr_local_nvidia_gets_no_finding() -> None:
    mounted = {"folder": "/usr/local/nvidia/lib64", "found_via": "LD_LIBRARY_PATH"}
    machine = b.machine(
        host=b.host(container="docker"),
        kernel_driver=b.kernel_driver(modules=()),
        libraries=b.libraries(b.driver_file(**mounted), b.driver_file("libnvidia-ml.so.1", **mounted)),
    )
    assert b.ids(machine) == []


def test_a_container_that_hides_the_bus_gets_no_finding() -> None:
    machine = b.machine(host=b.host(container="kubernetes"), pci=b.pci(), kernel_driver=b.NONE, device_nodes=b.NONE)
    assert b.ids(machine) == []


def test_a_container_without_nvml_but_with_cuda_gets_no_finding() -> None:
    machine = b.machine(host=b.host(container="docker"), nvml=b.NONE, ladder=b.ladder(b.nvml_failed(12)))
    assert b.ids(machine) == []


def test_driver_570_with_toolkit_12_9_and_nvjitlink_gets_no_finding() -> None:
    machine = b.machine(
        kernel_driver=b.kernel_driver(release="570.124.06"),
        libraries=b.libraries(b.driver_file(release="570.124.06"), b.driver_file("libnvidia-ml.so.1", "570.124.06")),
        nvml=b.nvml(b.nvml_device(), release="570.124.06", cuda="12.8", mapped_release="570.124.06"),
        driver=b.driver(b.driver_device(), cuda="12.8", release="570.124.06"),
        toolkits=b.toolkit("12.9"),
    )
    assert b.ids(machine) == []
    quick = b.step("kernel-compile", "not reached", detail="--quick: it was left out")
    assert b.ids(b.machine(driver=machine.driver, toolkits=machine.toolkits, ladder=b.stopped(quick))) == []


def test_an_unused_older_libcuda_of_a_compat_package_gets_no_finding() -> None:
    compat = b.driver_file(release="520.61.05", folder="/usr/local/cuda/compat", found_via="not on the search path")
    stub = b.driver_file(release=b.NONE, folder="/usr/local/cuda/lib64/stubs", found_via="not on the search path")
    assert b.ids(b.machine(libraries=b.libraries(*b.BOTH_LIBRARIES.files, compat, stub))) == []


def test_a_compat_libcuda_that_works_on_a_data_centre_card_gets_no_finding() -> None:
    path = "/usr/local/cuda/compat/libcuda.so.580.159.04"
    machine = b.machine(
        kernel_driver=b.kernel_driver(release="535.230.02"),
        driver=b.driver(b.driver_device(), path=path),
        nvml=b.nvml(b.nvml_device(), release="535.230.02", mapped_release="535.230.02"),
    )
    assert b.ids(machine) == []


def test_wsl2_with_its_gpu_off_the_bus_gets_no_finding() -> None:
    machine = b.machine(
        host=b.host(wsl=True),
        pci=b.pci(),
        kernel_driver=b.no_kernel_driver(),
        device_nodes=b.nodes(b.node("/dev/dxg")),
    )
    assert b.ids(machine) == []


def test_jetson_with_its_gpu_off_the_bus_and_no_nvml_gets_no_finding() -> None:
    machine = b.machine(
        host=b.host(jetson_model="NVIDIA Jetson AGX Orin"),
        pci=b.pci(),
        kernel_driver=b.no_kernel_driver(),
        nvml=b.NONE,
        driver=b.driver(b.driver_device(name="Orin", capability="8.7")),
        ladder=b.ladder(b.nvml_failed(12)),
    )
    assert b.ids(machine) == []


def test_a_dgx_with_its_fabric_manager_running_gets_no_finding() -> None:
    cards = (b.card(address=f"0000:{n + 1:02x}:00.0") for n in range(8))
    machine = b.machine(
        pci=b.pci(*cards, nvswitches=4),
        nvml=b.nvml(*(b.nvml_device(n, fabric_state="completed") for n in range(8))),
        driver=b.driver(*(b.driver_device(n) for n in range(8))),
        services=b.services(fabric="running"),
    )
    assert b.ids(machine) == []


def test_mig_with_instances_gets_no_finding_named_or_not() -> None:
    parted = b.nvml(b.nvml_device(mig_enabled=True, mig_instances=7, processes=(b.process(41, 2**30, "compute"),)))
    assert b.ids(b.machine(nvml=parted)) == []
    named = b.environment(CUDA_VISIBLE_DEVICES="MIG-41b35014-0b2e-5a3c-8e3b-1f0c2a9d7e11")
    assert b.ids(b.machine(nvml=parted, environment=named)) == []


def test_jobs_with_their_gpu_get_no_finding() -> None:
    slurm = b.environment(SLURM_JOB_ID="17", SLURM_JOB_GPUS="5", CUDA_VISIBLE_DEVICES="0", LOCAL_RANK="0")
    rules = ("c 195:255 rw", "c 195:5 rw")
    assert b.ids(b.machine(environment=slurm, scheduler=b.scheduler("slurm", "17", gpus="5", rules=rules))) == []
    pod = b.machine(host=b.host(container="kubernetes"), scheduler=b.scheduler("kubernetes", gpus="GPU-00000000-aaaa"))
    assert b.ids(pod) == []


def test_a_licensed_virtual_gpu_gets_no_finding() -> None:
    # A guest is told little: no limits, no temperatures, no link.
    told = {"virtualization": "vgpu", "vgpu_licence": "licensed", "fabric_state": b.NONE, "persistence_mode": False}
    untold = {"power_limit_w": b.NONE, "power_limit_default_w": b.NONE, "temperature_c": b.NONE}
    assert b.ids(b.machine(nvml=b.nvml(b.nvml_device(name="GRID A100-10C", **told, **untold)))) == []


def test_mps_in_exclusive_mode_gets_no_finding() -> None:
    server = b.process(900, 2**28, "compute")
    gpu = b.nvml_device(compute_mode=3, processes=(server,), compute_processes=1, memory_used_bytes=2**29)
    assert b.ids(b.machine(nvml=b.nvml(gpu), services=b.services(mps=True))) == []


def test_a_desktop_with_docker_and_its_toolkit_gets_no_finding() -> None:
    desktop = b.nvml_device(processes=(b.process(1200, 2**29, "graphics"),), memory_used_bytes=2**30)
    docker = b.containers(b.engine(), toolkit_files=("/usr/bin/nvidia-ctk",))
    assert b.ids(b.machine(nvml=b.nvml(desktop), containers=docker, services=b.services(persistenced=False))) == []


def test_a_machine_whose_owner_signed_the_module_gets_no_finding() -> None:
    keys = {"module_signer": "build host key", "owner_keys": ("build host key",)}
    signed = b.module_build(secure_boot=True, signed=True, lockdown="integrity", **keys)
    assert b.ids(b.machine(module_build=signed)) == []


def test_facts_of_an_older_version_get_no_finding_of_what_they_could_not_know() -> None:
    older = b.machine(containers=b.NONE, scheduler=b.NONE, services=b.NONE)
    assert b.ids(older) == []


def test_one_card_set_aside_for_a_guest_beside_one_that_works_gets_no_finding() -> None:
    guest = b.card(bound="vfio-pci", address="0000:02:00.0")
    assert b.ids(b.machine(pci=b.pci(b.card(), guest))) == []


def test_healthy_measurements_get_no_finding_and_no_skip() -> None:
    lanes = (b.lane("cpu-fast", "cpu", (0.287, 0.084)), b.lane("gpu-fused", "gpu:0", (0.289, 0.085)))
    gpu = device(driver_view(), nvml_view())
    machine = b.machine(bandwidth=b.bandwidth(), race=b.race(*lanes), devices=devices(gpu), profile=profile())
    assert diagnose(machine) == ((), ())


def test_measurements_that_were_not_made_are_skipped_and_say_so() -> None:
    skipped = {skip.rule: skip.reason for skip in diagnose(b.HEALTHY)[1]}
    assert set(skipped) == {
        "gpu-lost-while-measured",
        "bandwidth-not-verified",
        "pcie-link-degraded",
        "bandwidth-below-link",
        "low-power-state",
        "wsl-pinned-memory-limit",
        "pinned-allocation-limited",
        "link-flapping",
        "far-numa-node",
        "pcie-chipset-lanes",
        "pcie-card-better-than-slot",
        "shared-uplink",
        "peer-access-slow",
        "pageable-transfer",
        "training-learned-nothing",
        "race-lanes-disagree",
        "race-lane-failed",
        "cpu-threads-oversubscribed",
        "low-end-gpu",
        "launch-bound-small-work",
        "implicit-host-copies",
        "small-transfers",
        "readback-every-step",
        "sync-every-step",
        "allocation-in-loop",
        "host-bound-not-gpu",
        "clock-ramp",
        "warmup-in-timing",
        "low-occupancy-grid",
        "ptx-jit-first-run",
        "cpu-baseline-blas",
        "device-sources-disagree",
        *PROFILED,
    }
    assert "cudadoctor devices" in skipped.pop("device-sources-disagree")
    assert all("cudadoctor profile" in skipped.pop(rule) for rule in PROFILED)
    assert all("not measured" in reason for reason in skipped.values())
