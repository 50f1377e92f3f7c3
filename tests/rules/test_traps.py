"""What misleads a naive doctor: machines on which the usual two answers, an old driver or none, are wrong."""

from __future__ import annotations

import msgspec
import pytest

from cudadoctor.facts.machine import Machine
from cudadoctor.rules.diagnose import diagnose
from tests.rules import build as b
from tests.rules.test_containers_jobs_and_services import hgx
from tests.rules.test_frameworks import on_card, torch

NAIVE = {"driver-too-old", "no-driver-installed"}
OLD, NEW = "470.82.01", "470.129.06"
COMPAT = "/usr/local/cuda-12.1/compat/libcuda.so.530.30.02"


def updated() -> Machine:
    """804 on bare metal: the driver was updated, and the old module is still loaded."""
    return b.machine(
        kernel_driver=b.kernel_driver(release=OLD),
        libraries=b.libraries(b.driver_file(release=NEW), b.driver_file("libnvidia-ml.so.1", NEW)),
        nvml=b.NONE,
        driver=b.NONE,
        toolkits=b.NO_TOOLKIT,
        ladder=b.stopped(b.nvml_failed(18), b.cuda_failed(804)),
    )


def injected() -> Machine:
    """A driver 470 that reports CUDA 12.1: an image brought its own libcuda."""
    return b.machine(
        host=b.host(container="docker"),
        kernel_driver=b.kernel_driver(release=OLD),
        nvml=b.nvml(b.nvml_device(name="NVIDIA GeForce GTX 1650", compute_capability="7.5"), release=OLD, cuda="12.1"),
        driver=b.driver(path=COMPAT, release="530.30.02", cuda="12.1", count=b.NONE),
        libraries=b.libraries(b.driver_file(release=OLD), b.driver_file("libnvidia-ml.so.1", OLD)),
        toolkits=b.NO_TOOLKIT,
        ladder=b.stopped(b.cuda_failed(804)),
    )


def third_component() -> Machine:
    """A mismatch that a reboot does not cure, and that two components do not show."""
    return b.machine(
        kernel_driver=b.kernel_driver(release="570.124.04", package="570.124.04"),
        libraries=b.libraries(b.driver_file(release="570.124.06"), b.driver_file("libnvidia-ml.so.1", "570.124.06")),
        nvml=b.NONE,
        driver=b.NONE,
        toolkits=b.NO_TOOLKIT,
        ladder=b.stopped(b.nvml_failed(18), b.cuda_failed(803)),
    )


def without_libcuda() -> Machine:
    """A runtime says 35 where libcuda is not there at all, though NVML works."""
    return b.machine(
        driver=b.NONE,
        libraries=b.libraries(b.driver_file("libnvidia-ml.so.1")),
        ladder=b.stopped(b.step("libcuda", detail="libcuda.so.1: cannot open shared object file")),
    )


def too_old() -> Machine:
    """A card that no update helps."""
    return b.machine(
        pci=b.pci(b.card("Tesla K40m", capability="3.5", device_id="1023", bound="")),
        kernel_driver=b.no_kernel_driver(),
        device_nodes=b.nodes(),
        libraries=b.libraries(),
        nvml=b.NONE,
        driver=b.NONE,
        ladder=b.NO_DRIVER_ANSWERS,
    )


def without_uvm() -> Machine:
    """nvidia-smi works, and CUDA cannot."""
    return b.machine(
        device_nodes=b.nodes(b.node("/dev/nvidiactl"), b.node("/dev/nvidia0")),
        driver=b.driver(count=b.NONE),
        ladder=b.stopped(b.cuda_failed(999)),
    )


def utility_only() -> Machine:
    """nvidia-smi works in the container, which was given no libcuda."""
    return msgspec.structs.replace(
        without_libcuda(),
        host=b.host(container="docker"),
        environment=b.environment(NVIDIA_VISIBLE_DEVICES="all", NVIDIA_DRIVER_CAPABILITIES="utility"),
    )


def unlicensed() -> Machine:
    """A virtual GPU that answers "busy" for want of a licence."""
    gpu = b.nvml_device(name="GRID T4-8Q", virtualization="vgpu", vgpu_licence="unlicensed")
    return b.machine(nvml=b.nvml(gpu), ladder=b.stopped(b.cuda_failed(46, at="context")))


def fallback() -> Machine:
    """nouveau holds the card because DKMS failed, and is not the cause."""
    return b.machine(
        pci=b.pci(b.card(bound="nouveau")),
        kernel_driver=b.kernel_driver(loaded=False, release=b.NONE, modules=()),
        module_build=b.module_build(b.failed_build(b.KERNEL, "error: implicit declaration of function")),
        device_nodes=b.nodes(),
        nvml=b.NONE,
        driver=b.NONE,
        ladder=b.stopped(b.nvml_failed(9), b.cuda_failed(100)),
    )


def confidential() -> Machine:
    """802 on one GPU without NVSwitch."""
    nvml = b.nvml(b.nvml_device(), confidential_compute=True, confidential_compute_ready=False)
    return b.machine(nvml=nvml, ladder=b.stopped(b.cuda_failed(802)))


@pytest.mark.parametrize(
    ("machine", "first"),
    [
        (updated, "driver-library-mismatch"),
        (injected, "forward-compat-unsupported-gpu"),
        (third_component, "driver-library-mismatch"),
        (without_libcuda, "libcuda-missing"),
        (too_old, "gpu-too-old-for-driver"),
        (without_uvm, "uvm-node-missing"),
        (utility_only, "container-driver-capabilities"),
        (unlicensed, "vgpu-unlicensed"),
        (fallback, "dkms-build-failed"),
        (confidential, "confidential-compute-not-ready"),
        (hgx, "fabric-manager-not-running"),
        (lambda: on_card("Tesla V100-SXM2-16GB", "7.0", torch("2.11.0+cu130", "13.0")), "arch-not-in-binary"),
        (lambda: on_card("GeForce GTX 1080", "6.1", torch("2.11.0+cu130", "13.0")), "arch-not-in-binary"),
    ],
)
def test_the_naive_answers_are_not_given(machine: object, first: str) -> None:
    found = [finding.id for finding in diagnose(machine())[0]]  # type: ignore[operator]
    assert found[:1] == [first]
    assert not NAIVE & set(found)


def test_the_two_components_that_nvml_prints_are_not_enough() -> None:
    summary = diagnose(third_component())[0][0].summary
    assert "570.124.04" in summary
    assert "570.124.06" in summary


def test_a_link_that_rests_and_clocks_that_rest_are_no_finding() -> None:
    resting = b.pci(b.card(path=(b.hop("0000:01:00.0", generation=1),)))
    gpu = b.nvml_device(performance_state=8, clock_event_reasons=1, sm_clock_mhz=345)
    assert b.ids(b.machine(pci=resting, nvml=b.nvml(gpu))) == []


def test_ptx_of_a_newer_toolkit_fails_in_spite_of_minor_version_compatibility() -> None:
    machine = b.machine(
        nvml=b.nvml(b.nvml_device(), release="570.124.06", cuda="12.8"),
        driver=b.driver(b.driver_device(), cuda="12.8", release="570.124.06"),
        kernel_driver=b.kernel_driver(release="570.124.06"),
        libraries=b.libraries(b.driver_file(release="570.124.06"), b.driver_file("libnvidia-ml.so.1", "570.124.06")),
        toolkits=b.toolkit("12.9", nvjitlink=b.NONE),
        ladder=b.stopped(b.cuda_failed(222, at="kernel-compile")),
    )
    found = b.ids(machine)
    assert found[:1] == ["ptx-newer-than-driver"]
    assert not NAIVE & set(found)
