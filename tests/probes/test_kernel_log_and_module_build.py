"""What is read of the kernel log, of builds of the module, and of power; and what is left unread."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.host import Host
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.kernel_log import KernelEvent, KernelLog
from cudadoctor.facts.module_build import ModuleBuilds
from cudadoctor.facts.power import Power
from cudadoctor.probes import host, kernel_driver, kernel_log, module_build, power
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree
from tests.probes.test_signature import CERTIFICATE, SIGNATURE, end_of_module, key_list

KERNEL = "6.8.0-60-generic"
CARD = "0000:b3:00.0"


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    made = MachineTree(tmp_path)
    made.linux(KERNEL, os_release="ID=ubuntu\n")
    return made


def events(tree: MachineTree, log: str, *addresses: str) -> tuple[KernelEvent, ...]:
    tree.write("/var/log/kern.log", log)
    section = kernel_log.gather(Root(tree.root), frozenset(addresses))
    assert isinstance(section, KernelLog)
    return section.events


def builds(tree: MachineTree) -> ModuleBuilds:
    root = Root(tree.root)
    found_host, found_driver = host.gather(root, {}), kernel_driver.gather(root)
    assert isinstance(found_host, Host)
    assert isinstance(found_driver, KernelDriver)
    section = module_build.gather(root, found_host, found_driver)
    assert isinstance(section, ModuleBuilds)
    return section


def gathered_power(tree: MachineTree) -> Power:
    section = power.gather(Root(tree.root), ())
    assert isinstance(section, Power)
    return section


# kernel_log


def test_an_xid_is_read_with_its_card_its_program_and_its_time(tree: MachineTree) -> None:
    line = "[  812.250000] NVRM: Xid (PCI:0000:b3:00): 31, pid=4242, name=python3, Ch 00000008, MMU Fault\n"
    (event,) = events(tree, line)
    assert (event.kind, event.xid, event.pci_address) == ("xid", 31, CARD)
    assert (event.pid, event.process, event.first_s) == (4242, "python3", 812.25)


@pytest.mark.parametrize(
    "head",
    [
        "Nov 23 07:00:00 somehost kernel: [  812.250000] ",
        "2026-11-23T07:00:00.123456+00:00 somehost kernel: ",
        "<4>[  812.250000] ",
        "",
    ],
)
def test_the_head_that_a_log_daemon_writes_is_taken_off(tree: MachineTree, head: str) -> None:
    (event,) = events(tree, f"{head}NVRM: Xid (PCI:0000:b3:00): 79, GPU has fallen off the bus.\n")
    assert event.xid == 79
    assert "somehost" not in event.text


def test_a_card_that_fell_off_at_probe_is_found_without_an_xid(tree: MachineTree) -> None:
    log = (
        "[ 1843.308145] NVRM: The NVIDIA GPU 0000:b3:00.0\n"
        "               NVRM: (PCI ID: 10de:26b5) installed in this system has\n"
        "               NVRM: fallen off the bus and is not responding to commands.\n"
        "[ 1843.439662] NVRM: The NVIDIA probe routine failed for 1 device(s).\n"
    )
    fallen, failed = events(tree, log)
    assert (fallen.kind, fallen.pci_address) == ("fallen-off-bus", CARD)
    assert failed.kind == "probe-failed"


def test_a_bar_of_no_size_is_found(tree: MachineTree) -> None:
    log = (
        "[83260.063553] NVRM: This PCI I/O region assigned to your NVIDIA device is invalid:\n"
        "               NVRM: BAR1 is 0M @ 0x0 (PCI:0000:b3:00.0)\n"
    )
    found = events(tree, log)
    assert {event.kind for event in found} == {"bar-invalid"}
    assert found[-1].pci_address == CARD


def test_a_refused_module_a_driver_that_came_second_and_a_sleep_are_found(tree: MachineTree) -> None:
    log = (
        "[    4.1] Loading of unsigned module is rejected\n"
        "[    5.1] NVRM: GPU 0000:b3:00.0 is already bound to nouveau.\n"
        "[   90.1] PM: suspend exit\n"
    )
    assert [event.kind for event in events(tree, log)] == ["module-rejected", "already-bound", "resumed"]


def test_errors_that_the_link_repaired_are_told_apart_from_those_that_it_could_not(tree: MachineTree) -> None:
    log = (
        "[    5.0] nvidia 0000:b3:00.0: PCIe Bus Error: severity=Corrected, type=Data Link Layer, (Transmitter ID)\n"
        "[    6.0] nvidia 0000:b3:00.0: PCIe Bus Error: severity=Corrected, type=Data Link Layer, (Transmitter ID)\n"
        "[    7.0] nvidia 0000:b3:00.0: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=Transaction Layer\n"
    )
    assert [(event.kind, event.count) for event in events(tree, log, CARD)] == [
        ("pcie-corrected", 2),
        ("pcie-error", 1),
    ]


def test_what_the_module_says_of_its_own_flavour_is_of_the_card_in_the_line_before(tree: MachineTree) -> None:
    log = (
        "[    5.0] NVRM: The NVIDIA GPU 0000:b3:00.0 (PCI ID: 10de:1b80)\n"
        "[    5.0] NVRM: installed in this system is not supported by open\n"
        "[    5.0] NVRM: nvidia.ko because it does not include the required GPU\n"
        "[    6.0] NVRM: The NVIDIA GPU 0000:b3:00.0 (PCI ID: 10de:2b85)\n"
        "[    6.0] NVRM: installed in this system requires use of the NVIDIA open kernel modules.\n"
    )
    assert [(event.kind, event.pci_address) for event in events(tree, log)] == [
        ("not-supported", CARD),
        ("open-module-required", CARD),
    ]


def test_lines_about_other_matters_and_other_devices_are_not_kept(tree: MachineTree) -> None:
    log = (
        "[    1.0] audit: secret-user logged in from 10.0.0.7\n"
        "[    2.0] pci 0000:00:1f.0: BAR 1: failed to assign [mem size 0x1000]\n"
        "[    3.0] usb 1-1: SerialNumber: 123456\n"
        "[    4.0] pci 0000:b3:00.0: BAR 1: failed to assign [mem size 0x2000000000]\n"
    )
    (event,) = events(tree, log, CARD)
    assert (event.kind, event.pci_address) == ("bar-unassigned", CARD)


def test_what_repeats_is_counted_and_what_one_boot_said_is_not_said_of_the_next(tree: MachineTree) -> None:
    old = "[ 50.0] NVRM: Xid (PCI:0000:b3:00): 79, GPU has fallen off the bus.\n"
    boot = "[    0.000000] Linux version 6.8.0-60-generic (builder)\n"
    new = "".join(f"[ {n}.0] NVRM: Xid (PCI:0000:b3:00): 31, pid={n}, name=python, x\n" for n in (10, 20, 30))
    (event,) = events(tree, old + boot + new)
    assert (event.xid, event.count, event.first_s, event.last_s) == (31, 3, 10.0, 30.0)


def test_a_flood_is_bounded_and_a_long_line_is_cut(tree: MachineTree) -> None:
    log = "".join(f"[ 1.0] NVRM: Xid (PCI:0000:{n:02x}:00): 13, {'x' * 5000}\n" for n in range(200))
    found = events(tree, log)
    assert len(found) == 100
    assert max(len(event.text) for event in found) == 200


def test_control_characters_of_a_program_name_are_escaped(tree: MachineTree) -> None:
    (event,) = events(tree, "[ 1.0] NVRM: Xid (PCI:0000:b3:00): 31, pid=7, name=\x1b[31mred, x\n")
    assert event.process.isprintable()
    assert event.text.isprintable()


def test_a_record_of_the_kernels_own_buffer_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = tmp_path / "kmsg"
    buffer.write_bytes(b"4,71,812250000,-;NVRM: Xid (PCI:0000:b3:00): 119, pid=9, name=a b, Timeout\n SUBSYSTEM=pci\n")
    monkeypatch.setattr(kernel_log, "KMSG", str(buffer))
    section = kernel_log.gather(Root())
    assert isinstance(section, KernelLog)
    (event,) = section.events
    assert (event.xid, event.process, event.first_s, event.pci_address) == (119, "a b", 812.25, CARD)


def test_a_log_that_nobody_may_read_says_what_would_tell(tree: MachineTree) -> None:
    section = kernel_log.gather(Root(tree.root))
    assert isinstance(section, Missing)
    assert "sudo dmesg" in section.reason


# module_build


def write_log(tree: MachineTree, path: str, kernel: str, *lines: str, code: int = 2) -> None:
    head = f"DKMS (dkms-3.0.11) make.log for nvidia-580.159.04 for kernel {kernel} (x86_64)\n"
    tree.write(path, head + "\n".join(lines) + f"\n# exit code: {code}\n")


def test_a_failed_build_is_read_with_its_kernel_and_first_errors(tree: MachineTree) -> None:
    error = "/var/lib/dkms/nvidia/580.159.04/build/nv.c:7: error: too few arguments to function 'x'"
    log = "/var/lib/dkms/nvidia/580.159.04/build/make.log"
    write_log(tree, log, KERNEL, "  CC [M] nv.o", error, "make: *** [all] Error 2")
    (build,) = builds(tree).builds
    assert (build.state, build.release, build.kernel_release) == ("failed", "580.159.04", KERNEL)
    assert build.errors[0] == error


def test_a_finished_build_is_built_though_an_old_log_of_it_is_there(tree: MachineTree) -> None:
    tree.write(f"/var/lib/dkms/nvidia/580.159.04/{KERNEL}/x86_64/module/nvidia.ko.zst", b"x")
    write_log(tree, "/var/lib/dkms/nvidia/580.159.04/build/make.log", KERNEL, "make: *** Error 2")
    (build,) = builds(tree).builds
    assert (build.state, build.kernel_release) == ("built", KERNEL)


def test_sources_alone_are_added_and_other_modules_are_none_of_ours(tree: MachineTree) -> None:
    for name in ("nvidia/580.159.04/source/dkms.conf", "nvidia-fs/2.26.6/source/x", "virtualbox/7.0.1/source/x"):
        tree.write(f"/var/lib/dkms/{name}", "x")
    (build,) = builds(tree).builds
    assert (build.state, build.release) == ("added", "580.159.04")


def test_a_failed_build_of_akmods_is_read_from_its_name(tree: MachineTree) -> None:
    tree.write("/var/cache/akmods/nvidia/580.95.05-1-for-6.16.7-200.fc42.x86_64.failed.log", "nv.c: error: x\n")
    (build,) = builds(tree).builds
    assert (build.state, build.release, build.kernel_release) == ("failed", "580.95.05", "6.16.7-200.fc42.x86_64")


@pytest.mark.parametrize(("last", "on"), [(b"\x01", True), (b"\x00", False)])
def test_secure_boot_is_the_fifth_byte_of_its_variable(tree: MachineTree, last: bytes, on: bool) -> None:
    name = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    tree.write(f"/sys/firmware/efi/efivars/{name}", b"\x06\x00\x00\x00" + last)
    assert known(builds(tree).secure_boot) is on


def test_a_machine_without_uefi_has_no_secure_boot_and_a_hidden_firmware_says_nothing(tree: MachineTree) -> None:
    assert isinstance(builds(tree).secure_boot, Missing)
    tree.write("/sys/firmware/acpi/pm_profile", "1\n")
    assert known(builds(tree).secure_boot) is False


def test_lockdown_enforcement_headers_and_blacklists_are_read(tree: MachineTree) -> None:
    tree.write("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    tree.write("/sys/module/module/parameters/sig_enforce", "N\n")
    tree.write(f"/lib/modules/{KERNEL}/build/Makefile", "x")
    tree.write("/etc/modprobe.d/a.conf", "# blacklist nvidia\nblacklist nouveau\noptions nvidia x=1\n")
    tree.write("/proc/cmdline", "quiet modprobe.blacklist=nvidia,snd\n")
    section = builds(tree)
    assert known(section.lockdown) == "integrity"
    assert known(section.signature_enforced) is False
    assert known(section.headers) is True
    assert [entry.module for entry in section.blacklists] == ["nouveau", "nvidia"]


@pytest.mark.parametrize(("end", "signed"), [(b"~Module signature appended~\n", True), (b"", False)])
def test_a_signature_is_looked_for_at_the_end_of_the_module(tree: MachineTree, end: bytes, signed: bool) -> None:
    tree.write(f"/lib/modules/{KERNEL}/updates/dkms/nvidia.ko", b"\x7fELF" + bytes(5000) + end)
    assert builds(tree).module_signed == Known(signed, f"/lib/modules/{KERNEL}/updates/dkms/nvidia.ko")


def test_the_key_that_signed_the_module_and_those_of_the_owner_are_named(tree: MachineTree) -> None:
    path = f"/lib/modules/{KERNEL}/updates/dkms/nvidia.ko"
    tree.write(path, end_of_module(SIGNATURE) + b"~Module signature appended~\n")
    owners = "/sys/firmware/efi/efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"
    tree.write(owners, bytes(4) + key_list(CERTIFICATE))
    section = builds(tree)
    assert section.module_signer == Known("build host key", path)
    assert section.owner_keys == Known(("build host key",), owners)


def test_a_compressed_module_does_not_say_whether_it_is_signed(tree: MachineTree) -> None:
    tree.write(f"/lib/modules/{KERNEL}/updates/dkms/nvidia.ko.zst", b"\x28\xb5\x2f\xfd")
    assert isinstance(builds(tree).module_signed, Missing)


# power


def supply(tree: MachineTree, name: str, **files: str) -> None:
    for file, text in files.items():
        tree.write(f"/sys/class/power_supply/{name}/{file}", text + "\n")


def test_a_laptop_on_battery_is_told_from_one_on_mains(tree: MachineTree) -> None:
    supply(tree, "AC", type="Mains", online="0")
    supply(tree, "BAT0", type="Battery", capacity="71", status="Discharging")
    supply(tree, "mouse", type="Battery", capacity="5", scope="Device", status="Discharging")
    tree.write("/sys/class/dmi/id/chassis_type", "10\n")
    section = gathered_power(tree)
    assert known(section.on_mains) is False
    assert (known(section.battery_percent), known(section.chassis)) == (71, "laptop")
    supply(tree, "AC", online="1")
    assert known(gathered_power(tree).on_mains) is True


@pytest.mark.parametrize(
    ("path", "text", "mode"),
    [
        ("/etc/prime-discrete", "off\n", "integrated"),
        ("/etc/prime-discrete", "on-demand\n", "hybrid"),
        ("/etc/supergfxd.conf", '{"mode": "Integrated"}', "integrated"),
        ("/etc/udev/rules.d/50-remove-nvidia.rules", "x", "integrated"),
        ("/etc/modprobe.d/system76-power.conf", "blacklist nvidia\n", "integrated"),
        ("/proc/acpi/bbswitch", "0000:01:00.0 OFF\n", "integrated"),
        ("/etc/supergfxd.conf", "[not json", None),
    ],
)
def test_each_tool_that_switches_graphics_is_understood(
    tree: MachineTree, path: str, text: str, mode: str | None
) -> None:
    tree.write(path, text)
    assert known(gathered_power(tree).graphics_mode) == mode
