"""Fixes in the words of Windows, and cards that current software has dropped."""

from __future__ import annotations

import re
from typing import Any

import pytest

from cudadoctor.facts.windows import Windows
from cudadoctor.findings import Finding, Fix, Severity
from cudadoctor.rules.elsewhere import for_its_system
from cudadoctor.tables import last_versions
from tests.rules import build as b

WINDOWS = b.host(system="Windows", distribution="Windows 11 (10.0.26100)", distribution_family="windows", wsl=False)
FOREIGN = re.compile(
    r"^(sudo|unset|export|grep|dmesg|lspci|ps|modprobe|systemctl|ldconfig|apt|ls|cat|fuser)\b|/dev/|&&"
)
NO_LINUX = dict.fromkeys(("kernel_driver", "module_build", "kernel_log", "power", "device_nodes", "libraries"), b.NONE)


def section(**values: Any) -> Windows:
    told = {
        "cards": (),
        "nvcuda": r"C:\Windows\System32\nvcuda.dll",
        "nvcuda_release": "580.97",
        "nvml": b.NONE,
        "nvidia_smi": b.NONE,
    } | values
    return Windows(runtime_libraries=(), **{name: b.fact(value) for name, value in told.items()})


def on_windows(**sections: Any) -> Any:
    return b.machine(**({"host": WINDOWS, "windows": section()} | NO_LINUX | sections))


def found(machine: Any) -> tuple[Finding, ...]:
    return b.diagnose(machine)[0]


STALE = b.Toolkits(
    found=(
        b.msgspec.structs.replace(
            b.toolkit().found[0],
            root=r"C:\gone",
            found_via="CUDA_PATH",
            nvcc=b.NONE,
            libnvvm=b.NONE,
            libdevice=b.NONE,
            nvrtc=b.NONE,
            nvjitlink=b.NONE,
            version=b.Missing("the folder does not exist"),
        ),
    ),
    selected_root=b.NONE,
)
BROKEN = {
    "hung": {"ladder": b.stopped(b.step("nvml", "timed out", call="nvmlInit"))},
    "crashed": {"ladder": b.stopped(b.step("cu-init", "crashed", call="cuInit"))},
    "failed": {"ladder": b.stopped(b.cuda_failed(999, "CUDA_ERROR_UNKNOWN"))},
    "no compiler": {"ladder": b.stopped(b.step("kernel-compile", detail="libnvvm was not found"))},
    "stale variable": {
        "toolkits": STALE,
        "environment": b.environment(CUDA_PATH=r"C:\gone"),
        "ladder": b.stopped(b.step("kernel-compile", detail="libnvvm was not found")),
    },
    "exclusive": {"nvml": b.nvml(b.nvml_device(compute_mode=3)), "ladder": b.stopped(b.cuda_failed(46, at="context"))},
    "ecc": {"nvml": b.nvml(b.nvml_device(ecc_uncorrectable_volatile=3))},
    "reset": {"nvml": b.nvml(b.nvml_device(recovery_action="reset"))},
    "memory held": {"nvml": b.nvml(b.nvml_device(memory_used_bytes=79 * 2**30))},
    "hidden": {
        "environment": b.environment(CUDA_VISIBLE_DEVICES="-1"),
        "driver": b.driver(count=0, all_visible=1),
        "ladder": b.stopped(b.cuda_failed(100)),
    },
    "old driver": {"driver": b.driver(b.driver_device(), cuda="11.4"), "ladder": b.stopped(b.cuda_failed(35))},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_fix_on_windows_names_no_program_of_linux(name: str) -> None:
    findings = found(on_windows(**BROKEN[name]))
    assert findings, name
    for finding in findings:
        for command in finding.fix.commands:
            assert not FOREIGN.search(command), (finding.id, command)
    linux = b.machine(**BROKEN[name])
    assert found(linux), "the same trouble is one on Linux"


def test_windows_reads_its_own_log_and_unsets_variables_in_powershell() -> None:
    assert any("Get-WinEvent" in command for f in found(on_windows(**BROKEN["failed"])) for command in f.fix.commands)
    commands = [command for f in found(on_windows(**BROKEN["stale variable"])) for command in f.fix.commands]
    assert "Remove-Item Env:CUDA_PATH" in commands


def test_a_healthy_windows_machine_in_wddm_and_in_tcc_gets_no_finding() -> None:
    for model in ("WDDM", "TCC", "MCDM"):
        card = b.card(bound="nvlddmkm", address="")
        machine = on_windows(pci=b.pci(card), nvml=b.nvml(b.nvml_device(driver_model=model)))
        assert b.ids(machine) == []


def test_windows_with_a_card_and_without_nvcuda_is_sent_to_the_driver() -> None:
    card = b.card("NVIDIA GeForce RTX 4070", device_id="2786", capability="8.9", bound="BasicDisplay", address="")
    machine = on_windows(
        pci=b.pci(card), windows=section(nvcuda=b.NONE), nvml=b.NONE, driver=b.NONE, ladder=b.NO_DRIVER_ANSWERS
    )
    finding = b.only(machine)
    assert finding.id == "no-driver-installed"
    assert "nvidia.com/drivers" in finding.fix.text
    assert "distribution" not in finding.fix.text
    assert finding.fix.commands[0].startswith("Get-CimInstance")


def test_pascal_on_windows_with_a_driver_that_dropped_it_is_told_which_branch_to_take() -> None:
    card = b.card("NVIDIA GeForce GTX 1080", device_id="1b80", capability="6.1", bound="nvlddmkm", address="")
    none = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    machine = on_windows(
        pci=b.pci(card), windows=section(nvcuda_release="595.79"), nvml=b.NONE, driver=b.NONE, ladder=none
    )
    finding = b.only(machine)
    assert finding.id == "gpu-too-old-for-driver"
    assert "branch 580" in finding.fix.text
    assert "nvidia.com/drivers" in finding.fix.text


def test_wsl2_is_never_told_to_install_a_driver_of_linux() -> None:
    driver = b.driver(b.driver_device(), cuda="11.4", path="/usr/lib/wsl/lib/libcuda.so.1", release=b.NONE)
    refused = b.stopped(b.cuda_failed(35))
    wsl = b.machine(host=b.host(wsl=True), pci=b.pci(), libraries=b.NONE, driver=driver, ladder=refused)
    finding = next(f for f in found(wsl) if f.id == "driver-too-old")
    assert "in Windows" in finding.fix.text
    assert not any("apt" in command for command in finding.fix.commands)


def test_wsl2_that_windows_blocks_is_told_of_the_driver_model() -> None:
    blocked = b.stopped(b.nvml_failed(17, "NVML_ERROR_OPERATING_SYSTEM"), b.cuda_failed(100))
    wsl = {"host": b.host(wsl=True), "pci": b.pci(), "libraries": b.NONE, "nvml": b.NONE, "driver": b.NONE}
    machine = b.machine(**wsl, ladder=blocked)
    assert b.only(machine).id == "wsl-driver-model-tcc"
    assert "wsl-driver-model-tcc" not in b.ids(b.machine(nvml=b.NONE, driver=b.NONE, ladder=blocked))
    works = b.ladder(b.nvml_failed(17, "NVML_ERROR_OPERATING_SYSTEM"))
    assert "wsl-driver-model-tcc" not in b.ids(b.machine(host=b.host(wsl=True), pci=b.pci(), ladder=works))


@pytest.mark.parametrize(
    ("capability", "branch", "cuda", "numba"),
    [
        ("1.0", 340, "6.0", None),
        ("1.3", 340, "6.5", None),
        ("2.0", 390, "8.0", "0.49"),
        ("3.0", 470, "10.2", "0.55"),
        ("3.5", 470, "11.4", "0.62"),
        ("3.7", 470, "11.4", "0.62"),
        ("5.0", 580, "12.9", "0.68"),
        ("6.1", 580, "12.9", "0.68"),
        ("7.0", 580, "12.9", "0.68"),
    ],
)
def test_old_cards_have_last_versions_with_a_source(capability: str, branch: int, cuda: str, numba: str | None) -> None:
    last = last_versions(capability)
    assert last is not None
    assert (last.driver_branch, last.cuda, last.numba) == (branch, cuda, numba)
    assert "." in last.source


@pytest.mark.parametrize("capability", ["7.5", "8.0", "9.0", "12.0", "9.9", ""])
def test_cards_that_are_served_have_no_last_versions(capability: str) -> None:
    assert last_versions(capability) is None


def kepler(release: str, ladder: Any) -> Any:
    return b.machine(
        pci=b.pci(b.card("Tesla K40m", device_id="1023", capability="3.5")),
        kernel_driver=b.kernel_driver(release=release),
        libraries=b.libraries(b.driver_file(release=release), b.driver_file("libnvidia-ml.so.1", release)),
        nvml=b.nvml(b.nvml_device(compute_capability="3.5"), release=release, cuda="11.4", mapped_release=release),
        driver=b.driver(b.driver_device(name="Tesla K40m", capability="3.5"), cuda="11.4", release=release),
        toolkits=b.toolkit("11.4"),
        ladder=ladder,
    )


def test_kepler_with_its_last_driver_is_told_to_leave_it_and_gets_no_command() -> None:
    finding = b.only(kepler("470.256.02", b.stopped(b.step("kernel-compile", detail="compute capability 3.5"))))
    assert finding.id == "gpu-too-old-for-driver"
    assert "470.256.02" in finding.summary
    assert "leave it" in finding.summary
    assert finding.fix.commands == ()
    for version in ("branch 470", "CUDA 11.4", "numba 0.62", "PyTorch 1.2"):
        assert version in finding.fix.text


def test_volta_on_driver_580_with_a_cuda_13_build_keeps_its_driver() -> None:
    machine = b.machine(
        pci=b.pci(b.card("Tesla V100", device_id="1db1", capability="7.0")),
        nvml=b.nvml(b.nvml_device(name="Tesla V100", compute_capability="7.0")),
        driver=b.driver(b.driver_device(name="Tesla V100", capability="7.0")),
        ladder=b.stopped(b.step("kernel-compile", detail="unsupported architecture compute_70")),
    )
    finding = b.only(machine)
    assert finding.id == "toolkit-arch-unsupported"
    assert "keep the driver" in finding.fix.text
    assert "12.6" in finding.fix.text
    assert not any("driver" in command for command in finding.fix.commands)


def on_wsl2(**sections: Any) -> Any:
    lent = {"folder": "/usr/lib/wsl/lib", "release": b.NONE}
    own = {
        "host": b.host(wsl=True, kernel_release="5.15.153.1-microsoft-standard-WSL2"),
        "pci": b.pci(),
        "device_nodes": b.nodes(b.node("/dev/dxg")),
        "libraries": b.libraries(b.driver_file(**lent), b.driver_file("libnvidia-ml.so.1", **lent)),
        "driver": b.driver(b.driver_device(), path="/usr/lib/wsl/lib/libcuda.so.1", release=b.NONE),
    }
    return b.machine(**(own | dict.fromkeys(("kernel_driver", "module_build", "kernel_log"), b.NONE) | sections))


def test_wsl2_is_asked_for_its_own_log_and_shut_down_from_windows_and_has_no_modules() -> None:
    for name in ("hung", "failed", "ecc", "reset"):
        findings = found(on_wsl2(**BROKEN[name]))
        assert findings
        for finding in findings:
            for command in finding.fix.commands:
                assert not re.search(r"modprobe|reboot|nvrm|/dev/nvidia|sudo nvidia-smi", command), (name, command)


def test_memory_of_windows_programs_is_no_finding_under_wddm_and_wsl2() -> None:
    held = b.nvml_device(memory_used_bytes=60 * 2**30, processes=())
    assert b.ids(b.machine(nvml=b.nvml(held))) == ["memory-held-by-other-process"]
    assert b.ids(on_wsl2(nvml=b.nvml(held))) == []
    desktop = b.nvml_device(memory_used_bytes=60 * 2**30, processes=(), driver_model="WDDM")
    assert b.ids(on_windows(pci=b.NONE, nvml=b.nvml(desktop))) == []


def test_the_driver_that_wsl2_needs_is_counted_as_windows_counts() -> None:
    refused = b.stopped(b.cuda_failed(222, at="kernel-compile"))
    driver = b.driver(b.driver_device(), cuda="12.4", path="/usr/lib/wsl/lib/libcuda.so.1", release=b.NONE)
    machine = on_wsl2(driver=driver, toolkits=b.toolkit("12.9"), ladder=refused)
    assert "576.02" in next(f for f in found(machine) if f.id == "ptx-newer-than-driver").fix.text


PIP = 'python -m pip install "numba-cuda[cu12]>=0.30,<0.31" "numpy>=2.2,<2.5"'


@pytest.mark.parametrize(
    ("command", "windows", "wsl", "macos"),
    [
        (PIP, (PIP,), (PIP,), (PIP,)),
        ("sudo reboot", ("Restart-Computer",), ("wsl.exe --shutdown",), ()),
        ("lspci -nn -d 10de:", (), (), ()),
        ("sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm", (), (), ()),
        ("nvidia-smi -L && nvidia-smi mig -lgip", (), ("nvidia-smi -L && nvidia-smi mig -lgip",), ()),
        ("sudo nvidia-smi -i 0 -c DEFAULT", ("nvidia-smi -i 0 -c DEFAULT",), ("nvidia-smi.exe -i 0 -c DEFAULT",), ()),
        ("kextstat | grep -i cuda", (), ("kextstat | grep -i cuda",), ("kextstat | grep -i cuda",)),
        ("Remove-Item Env:X", ("Remove-Item Env:X",), ("Remove-Item Env:X",), ()),
    ],
)
def test_a_command_is_put_into_the_words_of_each_system(
    command: str, windows: tuple[str, ...], wsl: tuple[str, ...], macos: tuple[str, ...]
) -> None:
    finding = Finding(
        id="x",
        severity=Severity.ERROR,
        title="",
        summary="",
        cause="",
        confidence="proven",
        evidence=(),
        fix=Fix("", (command,)),
        docs="",
    )
    for host, wanted in (
        (WINDOWS, windows),
        (b.host(wsl=True), wsl),
        (b.host(system="Darwin"), macos),
        (b.host(), (command,)),
    ):
        assert for_its_system((finding,), host)[0].fix.commands == wanted
