"""Macs: those that lost CUDA, and what those that have it need."""

from __future__ import annotations

from typing import Any

import pytest

from cudadoctor.facts.macos import MacCard, MacOS
from cudadoctor.findings import Severity
from tests.rules import build as b

INTEL = MacCard(name="Intel Iris Pro", vendor_id="8086", device_id="0d26")
GT750M = MacCard(name="NVIDIA GeForce GT 750M", vendor_id="10de", device_id="0fe9")
KEPLER = b.card("NVIDIA GeForce GT 750M", device_id="0fe9", capability="3.0", bound=b.NONE, address="")
PASCAL = b.card("NVIDIA GeForce GTX 1080", device_id="1b80", capability="6.1", bound=b.NONE, address="")
TURING = b.card("NVIDIA GeForce RTX 2080", device_id="1e87", capability="7.5", bound=b.NONE, address="")
ROAD = b.ladder(
    *(
        b.step(name, "not reached", call="")
        for name in ("device-nodes", "nvml", "kernel-compile", "kernel-result", "copy")
    )
)
NO_DEVICE = b.stopped(b.step("nvml", "not reached", call=""), b.cuda_failed(100, "CUDA_ERROR_NO_DEVICE"))


def section(**values: Any) -> MacOS:
    told = {
        "version": "10.10.5",
        "cards": (INTEL, GT750M),
        "cuda_driver": "6.5.18",
        "libcuda": "/usr/local/cuda/lib/libcuda.dylib",
        "kernel_extension": "/Library/Extensions/CUDA.kext",
        "kernel_extension_loaded": True,
        "display_driver": "apple",
        "integrity_protection": b.NONE,
        "graphics_switching": "discrete",
    } | values
    return MacOS(**{name: b.fact(value) for name, value in told.items()})


def mac(*, card: Any = KEPLER, variables: dict[str, str] | None = None, **values: Any) -> Any:
    sections = {
        "host": b.host(
            system="Darwin",
            kernel_release="14.5.0",
            distribution="macOS 10.10.5",
            distribution_family="macos",
            wsl=False,
        ),
        "environment": b.environment(**(variables or {"DYLD_LIBRARY_PATH": "/usr/local/cuda/lib"})),
        "pci": b.pci(card) if card is not None else b.pci(),
        "driver": b.driver(b.driver_device(name="GeForce GT 750M", capability="3.0"), cuda="6.5"),
        "nvml": b.NONE,
        "ladder": ROAD,
        "toolkits": b.Toolkits(
            found=b.toolkit("6.5", nvcc="/usr/local/cuda/bin/nvcc").found, selected_root=b.Missing("numba has none")
        ),
    }
    sections |= {name: values.pop(name) for name in list(values) if name in sections}
    sections["macos"] = values.pop("macos", None) or section(**values)
    none = dict.fromkeys(("kernel_driver", "module_build", "kernel_log", "power", "device_nodes", "libraries"), b.NONE)
    return b.machine(**none, **sections)


def lost(version: str, kernel: str, architecture: str = "x86_64") -> Any:
    host = b.host(system="Darwin", kernel_release=kernel, architecture=architecture, distribution=f"macOS {version}")
    return mac(host=host, macos=section(version=version), ladder=NO_DEVICE)


def test_the_mac_of_2014_hears_only_what_cannot_be_run_there_any_more() -> None:
    finding = b.only(mac())
    assert (finding.id, finding.severity) == ("macos-numba-dropped", Severity.NOTE)
    assert any(command.endswith("/deviceQuery") for command in finding.fix.commands)


@pytest.mark.parametrize(("version", "kernel"), [("10.14.6", "18.7.0"), ("11.7", "20.6.0"), ("15.1", "24.1.0")])
def test_from_10_14_on_there_is_no_cuda_and_nothing_to_install(version: str, kernel: str) -> None:
    finding = b.only(lost(version, kernel))
    assert (finding.id, finding.confidence) == ("macos-unsupported", "proven")
    assert version in finding.summary
    assert "10.13.6" in finding.fix.text
    assert "Metal" not in finding.fix.text


def test_apple_silicon_is_pointed_to_metal_and_to_no_older_macos() -> None:
    finding = b.only(lost("14.5", "23.5.0", "arm64"))
    assert "Metal" in finding.fix.text
    assert "10.13" not in finding.fix.text


def test_a_mac_that_tells_no_version_is_known_by_its_kernel() -> None:
    for kernel, ids in (("18.0.0", ["macos-unsupported"]), ("17.7.0", ["macos-numba-dropped"])):
        host = b.host(system="Darwin", kernel_release=kernel, distribution=b.NONE)
        assert b.ids(mac(host=host, macos=section(version=b.NONE))) == ids


def test_a_mac_without_an_nvidia_card_hears_that_and_no_advice_about_drivers() -> None:
    finding = b.only(mac(card=None, ladder=NO_DEVICE, driver=b.NONE, cuda_driver=b.NONE, libcuda=b.NONE))
    assert finding.id == "no-nvidia-gpu-active"
    assert "install" not in finding.fix.text.lower()
    assert finding.fix.commands == ()


def test_a_missing_cuda_driver_is_named_with_the_macos_that_it_must_fit() -> None:
    broken = mac(cuda_driver=b.NONE, libcuda=b.NONE, kernel_extension_loaded=False, ladder=NO_DEVICE)
    finding = b.only(broken)
    assert finding.id == "macos-cuda-driver-missing"
    assert "10.10.5" in finding.fix.text


def test_an_extension_that_is_not_loaded_is_found_unless_a_context_was_made() -> None:
    finding = b.only(mac(kernel_extension_loaded=False, ladder=NO_DEVICE))
    assert finding.id == "macos-kext-not-loaded"
    assert finding.fix.commands[0] == "kextstat | grep -i cuda"
    assert "macos-kext-not-loaded" not in b.ids(mac(kernel_extension_loaded=False))
    assert "macos-kext-not-loaded" not in b.ids(mac(kernel_extension_loaded=b.NONE, ladder=NO_DEVICE))


def test_only_10_13_asks_for_leave_to_load_an_extension() -> None:
    host = b.host(system="Darwin", kernel_release="17.7.0", distribution="macOS 10.13.6")
    new = b.only(mac(host=host, macos=section(version="10.13.6", kernel_extension_loaded=False), ladder=NO_DEVICE))
    old = b.only(mac(kernel_extension_loaded=False, ladder=NO_DEVICE))
    assert "Allow" in new.fix.text
    assert "Allow" not in old.fix.text


def test_a_card_after_kepler_needs_the_web_driver_and_kepler_does_not() -> None:
    assert "macos-web-driver-missing" in b.ids(mac(card=PASCAL, ladder=NO_DEVICE))
    assert "macos-web-driver-missing" not in b.ids(mac(card=PASCAL, ladder=NO_DEVICE, display_driver="nvidia-web"))
    assert "macos-web-driver-missing" not in b.ids(mac(ladder=NO_DEVICE))


def test_a_card_that_never_had_a_driver_for_macos_gets_no_advice_to_install_one() -> None:
    finding = next(f for f in b.diagnose(mac(card=TURING, ladder=NO_DEVICE))[0] if f.id == "macos-web-driver-missing")
    assert finding.fix.commands == ()
    assert "install" not in finding.fix.text.lower()


def test_graphics_switching_warns_and_is_an_error_where_the_device_is_gone() -> None:
    warned = {f.id: f.severity for f in b.diagnose(mac(graphics_switching="automatic"))[0]}
    assert warned["macos-graphics-switching"] is Severity.WARNING
    gone = b.diagnose(mac(graphics_switching="automatic", ladder=NO_DEVICE))[0][0]
    assert (gone.id, gone.severity) == ("macos-graphics-switching", Severity.ERROR)
    assert "macos-graphics-switching" not in b.ids(mac(graphics_switching="automatic", cards=(GT750M,)))


def test_dyld_library_path_is_asked_for_only_where_macos_leaves_it_alone() -> None:
    assert "macos-dyld-path" in b.ids(mac(variables={"SHELL": "/bin/bash"}))
    host = b.host(system="Darwin", kernel_release="15.6.0", distribution="macOS 10.11.6")
    for protection, found in ((True, False), (b.NONE, False), (False, True)):
        machine = mac(
            host=host,
            variables={"SHELL": "/bin/bash"},
            macos=section(version="10.11.6", integrity_protection=protection),
        )
        assert ("macos-dyld-path" in b.ids(machine)) is found


def test_a_toolkit_newer_than_the_cuda_driver_of_a_mac_sends_to_the_archive_of_mac_drivers() -> None:
    newer = b.Toolkits(found=b.toolkit("7.5", nvcc="/usr/local/cuda/bin/nvcc").found, selected_root=b.NONE)
    finding = next(f for f in b.diagnose(mac(toolkits=newer))[0] if f.id == "driver-too-old")
    assert finding.fix.commands[0].startswith("open https://www.nvidia.com/")


def test_a_mac_whose_section_is_missing_is_not_judged_and_says_so() -> None:
    skipped = {skip.rule: skip.reason for skip in b.diagnose(mac(macos=b.NONE))[1]}
    assert "section macos is missing" in skipped["macos-kext-not-loaded"]


def test_a_mac_whose_cards_are_not_known_is_not_accused_of_lacking_a_driver() -> None:
    unknown = mac(pci=b.Missing("no program was run"), cuda_driver=b.NONE, libcuda=b.NONE, driver=b.NONE, ladder=b.NONE)
    findings, skipped = b.diagnose(unknown)
    assert findings == ()
    assert "no program was run" in {skip.rule: skip.reason for skip in skipped}["macos-cuda-driver-missing"]


def test_no_rule_about_macs_is_called_skipped_on_linux() -> None:
    assert not [skip.rule for skip in b.diagnose(b.HEALTHY)[1] if skip.rule.startswith("macos")]


def test_fixes_on_a_mac_name_no_program_that_macos_lacks() -> None:
    troubles = (
        {"ladder": b.stopped(b.step("cu-init", "timed out", call="cuInit"))},
        {"ladder": b.stopped(b.cuda_failed(999, "CUDA_ERROR_UNKNOWN"))},
        {"kernel_extension_loaded": False, "ladder": NO_DEVICE},
        {"graphics_switching": "automatic"},
    )
    for sections in troubles:
        findings = b.diagnose(mac(**sections))[0]
        assert findings
        for finding in findings:
            for command in finding.fix.commands:
                assert not any(word in command for word in ("dmesg", "nvidia-smi", "modprobe", "lspci")), finding.id
