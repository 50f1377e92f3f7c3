"""Rules about the kernel log, the building of the module, and power."""

from __future__ import annotations

from typing import Any

from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Severity
from tests.rules import build as b

# A module for the running kernel that is not loaded, as NVML and the driver API then answer.
NOT_LOADED = {
    "kernel_driver": b.kernel_driver(loaded=False, release=b.NONE),
    "pci": b.pci(b.card(bound=None)),
    "nvml": b.NONE,
    "driver": b.NONE,
    "ladder": b.stopped(b.nvml_failed(9), b.cuda_failed(100)),
}
OFF_THE_BUS = "NVRM: fallen off the bus and is not responding to commands."


def not_loaded(**sections: Any) -> Machine:
    return b.machine(**(NOT_LOADED | sections))


# secure-boot-unsigned-module


def test_an_unsigned_module_under_secure_boot_is_the_root_of_a_module_that_is_not_loaded() -> None:
    refused = b.kernel_log(b.event("module-rejected", "Loading of unsigned module is rejected", address=""))
    finding = b.only(not_loaded(module_build=b.module_build(secure_boot=True, signed=False), kernel_log=refused))
    assert (finding.id, finding.confidence) == ("secure-boot-unsigned-module", "proven")
    assert "kernel-module-not-loaded" in finding.consequences


def test_a_module_that_is_not_loaded_without_secure_boot_is_not_blamed_on_its_signature() -> None:
    unsigned = b.module_build(secure_boot=False, signed=False)
    assert b.ids(not_loaded(module_build=unsigned)) == ["kernel-module-not-loaded"]


def test_a_kernel_that_does_not_enforce_signatures_under_secure_boot_is_not_blamed() -> None:
    lenient = b.module_build(secure_boot=True, signed=False, signature_enforced=False)
    assert b.ids(not_loaded(module_build=lenient)) == ["kernel-module-not-loaded"]


def test_a_signed_module_without_a_refusal_in_a_log_that_was_read_is_not_blamed() -> None:
    signed = b.module_build(secure_boot=True, signed=True)
    assert b.ids(not_loaded(module_build=signed)) == ["kernel-module-not-loaded"]


def test_without_the_kernel_log_an_unknown_signature_is_only_possible() -> None:
    finding = b.only(not_loaded(module_build=b.module_build(secure_boot=True), kernel_log=b.NONE))
    assert (finding.id, finding.confidence) == ("secure-boot-unsigned-module", "possible")


def test_a_blacklisted_module_is_not_blamed_on_secure_boot() -> None:
    held = b.module_build(secure_boot=True, blacklisted=("nvidia",))
    finding = b.only(not_loaded(module_build=held, kernel_log=b.NONE))
    assert finding.id == "kernel-module-not-loaded"
    assert finding.cause == "/etc/modprobe.d/test.conf keeps the module from loading at boot."
    assert finding.fix.commands[1:] == ("sudo update-initramfs -u", "sudo reboot")
    others = b.module_build(blacklisted=("nouveau", "nvidia_drm"))
    assert "it is blacklisted, or" in b.only(not_loaded(module_build=others)).cause


def test_a_key_of_dkms_that_nobody_enrolled_comes_before_nouveau_where_the_log_may_not_be_read() -> None:
    keys = {"secure_boot": True, "signed": True, "lockdown": "integrity", "module_signer": "DKMS module signing key"}

    def found(*owner_keys: str, **sections: object) -> list[str]:
        built = b.module_build(**keys, owner_keys=owner_keys)
        held = b.pci(b.card(bound="nouveau"))
        return b.ids(not_loaded(**({"module_build": built, "pci": held, "kernel_log": b.NONE} | sections)))

    assert found("Debian Secure Boot CA") == ["secure-boot-unsigned-module"]
    assert found("Debian Secure Boot CA", "DKMS module signing key") == ["other-driver-bound"]
    assert found("Debian Secure Boot CA", kernel_log=b.kernel_log()) == ["other-driver-bound"]


def test_secure_boot_comes_before_nouveau_that_took_the_card_instead() -> None:
    unsigned = b.module_build(secure_boot=True, signed=False)
    finding = b.only(not_loaded(module_build=unsigned, pci=b.pci(b.card(bound="nouveau"))))
    assert finding.id == "secure-boot-unsigned-module"
    assert "other-driver-bound" in finding.consequences


def test_secure_boot_is_no_trouble_to_a_module_that_is_loaded() -> None:
    assert b.ids(b.machine(module_build=b.module_build(secure_boot=True, signed=False))) == []


# dkms-build-failed

NO_MODULE = {"kernel_driver": b.kernel_driver(loaded=False, release=b.NONE, modules=("6.5.0-1-generic",))}


def test_a_failed_build_is_the_root_of_a_missing_module_and_names_the_first_error() -> None:
    failed = b.failed_build(b.KERNEL, "nv-mmap.c:1: error: 'struct vm_area_struct' has no member named 'vm_flags'")
    machine = not_loaded(**NO_MODULE, module_build=b.module_build(failed), pci=b.pci(b.card(bound="nouveau")))
    finding = b.only(machine)
    assert finding.id == "dkms-build-failed"
    assert "vm_flags" in finding.summary
    assert "kernel-module-missing" in finding.consequences


def test_a_build_that_failed_for_another_kernel_is_not_the_cause() -> None:
    other = b.module_build(b.failed_build("6.11.0-1-generic"))
    assert b.ids(not_loaded(**NO_MODULE, module_build=other)) == ["kernel-module-missing"]


def test_a_build_that_failed_where_a_module_is_there_is_not_the_cause() -> None:
    assert b.ids(not_loaded(module_build=b.module_build(b.failed_build()))) == ["kernel-module-not-loaded"]


def test_missing_headers_are_named_as_the_reason_of_a_missing_module() -> None:
    finding = b.only(not_loaded(**NO_MODULE, module_build=b.module_build(headers=False)))
    assert finding.id == "kernel-module-missing"
    assert "headers of the running kernel are not installed" in finding.cause


# gpu-fallen-off-bus


def test_a_card_that_fell_off_at_probe_without_an_xid_is_the_root() -> None:
    log = b.kernel_log(b.event("fallen-off-bus", OFF_THE_BUS), b.event("probe-failed"))
    finding = b.only(not_loaded(kernel_log=log))
    assert (finding.id, finding.confidence) == ("gpu-fallen-off-bus", "proven")
    assert "kernel-module-not-loaded" in finding.consequences


def test_a_card_that_vanished_from_the_bus_is_a_lost_card_and_not_an_absent_one() -> None:
    machine = not_loaded(pci=b.pci(), kernel_log=b.kernel_log(b.xid(79)))
    finding = b.only(machine)
    assert finding.id == "gpu-fallen-off-bus"
    assert "no-nvidia-gpu-active" in finding.consequences


def test_xid_79_explains_a_call_that_hangs() -> None:
    hung = b.stopped(b.step("nvml", "timed out", call="nvmlInit", detail="no answer within 8 s"))
    machine = b.machine(ladder=hung, nvml=b.NONE, driver=b.NONE, kernel_log=b.kernel_log(b.xid(79)))
    assert b.only(machine).id == "gpu-fallen-off-bus"


def test_a_card_that_was_reset_since_and_answers_gets_no_finding() -> None:
    assert b.ids(b.machine(kernel_log=b.kernel_log(b.xid(79)))) == []


def test_one_lost_card_of_two_is_named_though_the_other_works() -> None:
    second = b.card(address="0000:02:00.0")
    machine = b.machine(pci=b.pci(b.card(), second), kernel_log=b.kernel_log(b.xid(79, pci_address="0000:02:00.0")))
    finding = b.only(machine)
    assert finding.id == "gpu-fallen-off-bus"
    assert "0000:02:00.0" in finding.summary


def test_a_card_that_was_given_to_a_guest_is_not_lost() -> None:
    guest = b.card(address="0000:02:00.0", bound="vfio-pci")
    log = b.kernel_log(b.xid(79, pci_address="0000:02:00.0"))
    assert b.ids(b.machine(pci=b.pci(b.card(), guest), kernel_log=log)) == []


# bar-or-bios-resources


def test_a_bar_of_no_size_is_the_root_of_a_driver_that_is_not_loaded() -> None:
    text = "NVRM: BAR1 is 0M @ 0x0 (PCI:0000:01:00.0)"
    finding = b.only(not_loaded(kernel_log=b.kernel_log(b.event("bar-invalid", text), b.event("probe-failed"))))
    assert finding.id == "bar-or-bios-resources"
    assert "BAR1 is 0M" in finding.summary


def test_a_bar_that_was_assigned_at_the_second_try_gets_no_finding() -> None:
    log = b.kernel_log(b.event("bar-unassigned", "pci 0000:01:00.0: BAR 1: failed to assign"))
    assert b.ids(b.machine(kernel_log=log)) == []


def test_an_unassigned_bar_alone_is_no_proof_on_a_card_without_driver() -> None:
    log = b.kernel_log(b.event("bar-unassigned", "pci 0000:01:00.0: BAR 1: failed to assign"))
    assert b.ids(not_loaded(kernel_log=log)) == ["kernel-module-not-loaded"]
    failed = b.event("rm-init-failed", "NVRM: GPU 0000:01:00.0: RmInitAdapter failed!")
    assert b.only(not_loaded(kernel_log=b.kernel_log(*log.events, failed))).id == "bar-or-bios-resources"


# gsp-timeout


def test_xid_119_explains_a_call_that_hangs() -> None:
    hung = b.stopped(b.step("nvml", "timed out", call="nvmlInit", detail="no answer within 8 s"))
    finding = b.only(b.machine(ladder=hung, nvml=b.NONE, driver=b.NONE, kernel_log=b.kernel_log(b.xid(119))))
    assert (finding.id, finding.severity) == ("gsp-timeout", Severity.ERROR)
    assert "driver-call-hung" in finding.consequences


def test_xid_119_of_a_card_that_answers_again_is_a_warning() -> None:
    finding = b.only(b.machine(kernel_log=b.kernel_log(b.xid(119, count=3))))
    assert (finding.id, finding.severity) == ("gsp-timeout", Severity.WARNING)
    assert "3 requests" in finding.summary


def test_the_firmware_is_not_turned_off_under_the_open_modules() -> None:
    hung = b.stopped(b.step("nvml", "timed out", call="nvmlInit"))
    finding = b.only(b.machine(ladder=hung, nvml=b.NONE, driver=b.NONE, kernel_log=b.kernel_log(b.xid(119))))
    assert not any("EnableGpuFirmware" in command for command in finding.fix.commands)


# app-fault-xid


def test_one_program_that_faults_on_two_gpus_is_noted_and_the_card_is_not_accused() -> None:
    log = b.kernel_log(b.xid(31, process="python"), b.xid(31, process="python", pci_address="0000:02:00.0"))
    finding = b.only(b.machine(kernel_log=log))
    assert (finding.id, finding.severity) == ("app-fault-xid", Severity.NOTE)
    assert "not a card" in finding.cause


def test_other_xids_are_no_fault_of_a_program() -> None:
    assert b.ids(b.machine(kernel_log=b.kernel_log(b.xid(45)))) == []


# suspend-uvm-broken


def test_999_after_a_sleep_with_the_node_there_is_blamed_on_the_sleep() -> None:
    woke = b.kernel_log(b.event("resumed", "PM: suspend exit", address=""))
    machine = b.machine(ladder=b.stopped(b.cuda_failed(999)), driver=b.NONE, kernel_log=woke)
    assert b.only(machine).id == "suspend-uvm-broken"


def test_999_without_a_sleep_is_not_blamed_on_one() -> None:
    assert b.ids(b.machine(ladder=b.stopped(b.cuda_failed(999)), driver=b.NONE)) == ["driver-call-failed"]


def test_a_sleep_that_nothing_broke_after_gets_no_finding() -> None:
    assert b.ids(b.machine(kernel_log=b.kernel_log(b.event("resumed", "PM: suspend exit")))) == []


# other-driver-bound


def test_nouveau_is_accused_where_the_kernel_says_that_nvidia_came_second() -> None:
    log = b.kernel_log(b.event("probe-not-called", "NVRM: The NVIDIA probe routine was not called for 1 device(s)."))
    finding = b.only(not_loaded(**NO_MODULE, pci=b.pci(b.card(bound="nouveau")), kernel_log=log))
    assert (finding.id, finding.confidence) == ("other-driver-bound", "proven")


# hybrid-gpu-powered-off


def test_integrated_graphics_is_the_root_of_a_card_that_is_not_on_the_bus() -> None:
    machine = not_loaded(pci=b.pci(), power=b.power("integrated"))
    finding = b.only(machine)
    assert finding.id == "hybrid-gpu-powered-off"
    assert "no-nvidia-gpu-active" in finding.consequences


def test_hybrid_graphics_does_not_excuse_an_absent_card() -> None:
    assert b.ids(not_loaded(pci=b.pci(), power=b.power("hybrid"))) == ["no-nvidia-gpu-active"]


def test_a_stale_integrated_mode_on_a_machine_that_works_gets_no_finding() -> None:
    assert b.ids(b.machine(power=b.power("integrated"))) == []
