"""A healthy machine gets no complaint, however unusual it looks."""

from __future__ import annotations

from cudadoctor.rules.diagnose import diagnose
from tests.devices.build import device, devices, driver_view, nvml_view
from tests.rules import build as b


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


def test_one_card_set_aside_for_a_guest_beside_one_that_works_gets_no_finding() -> None:
    guest = b.card(bound="vfio-pci", address="0000:02:00.0")
    assert b.ids(b.machine(pci=b.pci(b.card(), guest))) == []


def test_healthy_measurements_get_no_finding_and_no_skip() -> None:
    lanes = (b.lane("cpu-fast", "cpu", (0.287, 0.084)), b.lane("gpu-fused", "gpu:0", (0.289, 0.085)))
    gpu = device(driver_view(), nvml_view())
    findings, skipped = diagnose(b.machine(bandwidth=b.bandwidth(), race=b.race(*lanes), devices=devices(gpu)))
    assert (findings, skipped) == ((), ())


def test_measurements_that_were_not_made_are_skipped_and_say_so() -> None:
    skipped = {skip.rule: skip.reason for skip in diagnose(b.HEALTHY)[1]}
    assert set(skipped) == {
        "bandwidth-not-verified",
        "pcie-link-degraded",
        "bandwidth-below-link",
        "low-power-state",
        "wsl-pinned-memory-limit",
        "training-learned-nothing",
        "race-lanes-disagree",
        "race-lane-failed",
        "device-sources-disagree",
    }
    assert "cudadoctor devices" in skipped.pop("device-sources-disagree")
    assert all("not measured" in reason for reason in skipped.values())
