"""From the PCI bus to the kernel half of the driver."""

from __future__ import annotations

import pytest

from cudadoctor.facts.kernel_driver import ModuleFile
from cudadoctor.findings import Severity
from tests.rules import build as b

UBUNTU = b.host()
OTHER_KERNEL = "6.8.0-31-generic"


def driverless(**sections: object):
    return b.msgspec.structs.replace(b.DRIVERLESS, **sections)


def text_of(finding) -> str:
    return " ".join([finding.summary, finding.cause, finding.fix.text, *finding.fix.commands]).lower()


# no-nvidia-gpu-active


def test_a_machine_without_a_card_gets_exactly_one_error_and_no_advice_to_install() -> None:
    finding = b.only(driverless(pci=b.pci(), packages=b.packages(b.CLASH), toolkits=b.NO_TOOLKIT))
    assert (finding.id, finding.severity, finding.confidence) == ("no-nvidia-gpu-active", Severity.ERROR, "proven")
    assert "install" not in text_of(finding)


@pytest.mark.parametrize("code", [15, 17, 18, 999])
def test_no_gpu_stays_silent_when_nvml_answers_with_a_code_that_a_driver_gave(code: int) -> None:
    ladder = b.stopped(b.nvml_failed(code), b.cuda_failed(100))
    assert "no-nvidia-gpu-active" not in b.ids(driverless(pci=b.pci(), ladder=ladder))


@pytest.mark.parametrize("code", [3, 802, 803, 804, 999])
def test_no_gpu_stays_silent_when_cuda_answers_with_a_code_that_a_driver_gave(code: int) -> None:
    ladder = b.stopped(b.nvml_failed(9), b.cuda_failed(code))
    assert "no-nvidia-gpu-active" not in b.ids(driverless(pci=b.pci(), ladder=ladder))


@pytest.mark.parametrize("state", ["timed out", "crashed"])
def test_no_gpu_stays_silent_when_a_driver_hung_or_crashed(state: str) -> None:
    machine = driverless(pci=b.pci(), ladder=b.stopped(b.step("nvml", state, call="nvmlInit")))
    assert b.ids(machine) == [f"driver-call-{'hung' if state == 'timed out' else 'crashed'}"]


def test_no_gpu_fires_on_answers_that_come_without_a_driver() -> None:
    ladder = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    machine = driverless(pci=b.pci(), ladder=ladder, libraries=b.BOTH_LIBRARIES)
    assert b.ids(machine) == ["no-nvidia-gpu-active"]


def test_no_gpu_is_not_claimed_where_the_bus_cannot_be_read() -> None:
    findings, skipped = b.diagnose(driverless(pci=b.Missing("Windows has no sysfs"), host=b.host(system="Windows")))
    assert [(f.id, f.confidence) for f in findings] == [("no-driver-installed", "possible")]
    assert {s.rule: s.reason for s in skipped}["no-nvidia-gpu-active"].endswith("Windows has no sysfs")


def test_no_gpu_is_claimed_without_a_bus_if_nvml_and_cuda_both_say_so() -> None:
    answers = b.stopped(b.step("nvml", call="nvmlDeviceGetCount", detail="NVML sees no GPU"), b.cuda_failed(100))
    machine = driverless(pci=b.NONE, host=b.host(system="Windows"), nvml=b.nvml(), ladder=answers)
    assert b.only(machine).id == "no-nvidia-gpu-active"
    hidden = b.msgspec.structs.replace(machine, environment=b.environment(CUDA_VISIBLE_DEVICES="-1"))
    assert "no-nvidia-gpu-active" not in b.ids(hidden)


# macos-unsupported


def test_macos_is_the_only_finding_on_a_mac() -> None:
    mac = b.host(system="Darwin", kernel_release="23.5.0", architecture="arm64", distribution_family=b.NONE)
    finding = b.only(driverless(host=mac, pci=b.NONE, kernel_driver=b.NONE, libraries=b.NONE, device_nodes=b.NONE))
    assert finding.id == "macos-unsupported"
    assert finding.fix.commands == ()
    assert "Darwin 23.5.0" in finding.summary


# no-driver-installed


def test_no_driver_names_the_card_and_installs_it_the_way_ubuntu_does() -> None:
    finding = b.only(b.DRIVERLESS)
    assert finding.id == "no-driver-installed"
    assert finding.confidence == "proven"
    assert b.H100 in finding.summary
    assert "sudo ubuntu-drivers install" in finding.fix.commands


@pytest.mark.parametrize(
    ("family", "tool"),
    [
        ("debian", "apt-get"),
        ("fedora", "akmod-nvidia"),
        ("rocky rhel centos fedora", "nvidia-open"),
        ("opensuse-tumbleweed opensuse suse", "zypper"),
        ("arch", "pacman"),
        ("linuxmint ubuntu debian", "ubuntu-drivers"),
    ],
)
def test_no_driver_gives_the_commands_of_the_distribution(family: str, tool: str) -> None:
    commands = b.only(driverless(host=b.host(distribution_family=family))).fix.commands
    assert any(tool in command for command in commands)
    assert commands[-1] == "sudo reboot"


@pytest.mark.parametrize(
    ("family", "distribution", "commands"),
    [
        ("amzn fedora", "Amazon Linux 2023", ("/amzn2023/", "nvidia-driver:open-dkms", "nvidia-open")),
        (
            "rocky rhel centos fedora",
            "Rocky Linux 9.5",
            ("epel-release-latest", "/rhel$(rpm -E %rhel)/", "nvidia-open"),
        ),
        ("sles suse", "SUSE Linux Enterprise Server 15 SP6", ("/suse/sle$(", "nvidia-compute-utils-G06 == $(rpm")),
        ("opensuse-leap suse opensuse", "openSUSE Leap 15.6", ("openSUSE-repos-Leap-NVIDIA", "-utils-G06 == $(rpm")),
        ("fedora", "Fedora Linux 43", ("akmod-nvidia xorg", "sudo akmods --force")),
        ("centos rhel fedora", "CentOS Linux 7 (Core)", ()),
        ("amzn centos rhel fedora", "Amazon Linux 2", ()),
        ("sle-micro suse", "SUSE Linux Enterprise Micro 5.5", ()),
    ],
)
def test_no_driver_gives_what_the_distribution_itself_has(
    family: str, distribution: str, commands: tuple[str, ...]
) -> None:
    host = b.host(distribution_family=family, distribution=distribution)
    fix = b.only(driverless(host=host)).fix
    told = "\n".join(fix.commands)
    assert [part for part in commands if part not in told] == []
    assert ("nvidia.com/drivers" in fix.text) == (not commands)
    assert "dnf" not in told or commands


def test_a_blackwell_card_on_debian_gets_the_driver_of_nvidias_repository() -> None:
    debian = b.host(distribution_family="debian", distribution="Debian GNU/Linux 13 (trixie)")
    blackwell = b.card("GeForce RTX 5090", device_id="2b85", capability="12.0", bound=None)
    fix = b.only(driverless(host=debian, pci=b.pci(blackwell))).fix
    assert any("cuda-keyring" in command for command in fix.commands)
    assert "enable contrib in" in fix.text
    assert not any("cuda-keyring" in command for command in b.only(driverless(host=debian)).fix.commands)


def test_no_driver_asks_for_branch_580_for_a_pascal_card() -> None:
    finding = b.only(driverless(pci=b.pci(b.gtx1080(bound=None)), toolkits=b.toolkit("12.9")))
    assert finding.id == "no-driver-installed"
    assert "580" in finding.fix.text
    assert "sudo ubuntu-drivers install nvidia:580" in finding.fix.commands


def test_no_driver_does_not_blame_nouveau_for_holding_the_card() -> None:
    finding = b.only(driverless(pci=b.pci(b.card(bound="nouveau"))))
    assert finding.id == "no-driver-installed"


def test_no_driver_does_not_take_a_stub_or_a_compat_package_for_a_driver() -> None:
    files = b.libraries(
        b.driver_file(release=b.NONE, folder="/usr/local/cuda/lib64/stubs", found_via="not on the search path"),
        b.driver_file(release="580.65.06", folder="/usr/local/cuda/compat", found_via="not on the search path"),
    )
    assert b.ids(driverless(libraries=files)) == ["no-driver-installed"]


def test_no_driver_is_found_under_a_sysroot_where_no_driver_is_asked() -> None:
    assert b.ids(driverless(ladder=b.not_asked())) == ["no-driver-installed"]


def test_no_driver_stays_silent_when_a_module_is_loaded() -> None:
    machine = driverless(kernel_driver=b.kernel_driver(), ladder=b.NO_DRIVER_ANSWERS)
    assert "no-driver-installed" not in b.ids(machine)


def test_on_wsl2_the_driver_belongs_into_windows() -> None:
    machine = driverless(host=b.host(wsl=True), pci=b.pci(), device_nodes=b.nodes(b.node("/dev/dxg")))
    finding = b.only(machine)
    assert (finding.id, finding.confidence) == ("no-driver-installed", "possible")
    assert not any("apt" in command for command in finding.fix.commands)


# gpu-too-old-for-driver


def kepler():
    return b.card("GeForce GT 750M", device_id="0fe4", capability="3.0", bound=None)


def test_a_kepler_card_is_told_that_no_driver_helps() -> None:
    finding = b.only(driverless(pci=b.pci(kepler())))
    assert finding.id == "gpu-too-old-for-driver"
    assert "no-driver-installed" in finding.consequences
    assert finding.fix.commands == ()
    assert "470" in finding.summary


def test_a_pascal_card_under_driver_595_is_told_to_stay_on_580() -> None:
    answers = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    machine = driverless(
        pci=b.pci(b.gtx1080(bound=None)), kernel_driver=b.kernel_driver(release="595.58.03"), ladder=answers
    )
    finding = b.only(machine)
    assert finding.id == "gpu-too-old-for-driver"
    assert "595.58.03" in finding.summary
    assert "580" in finding.fix.text


def test_a_pascal_card_that_works_on_580_is_left_alone() -> None:
    machine = b.machine(
        pci=b.pci(b.gtx1080()),
        driver=b.driver(b.driver_device(name="GTX 1080", capability="6.1")),
        toolkits=b.toolkit("12.9"),
    )
    assert b.ids(machine) == []


def too_new(release: str, **sections: object):
    card = b.card("GeForce RTX 5090", device_id="2b85", capability="12.0", bound=None)
    answers = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    told = {
        "pci": b.pci(card),
        "kernel_driver": b.kernel_driver(loaded=False, release=b.NONE, package=release),
        "libraries": b.libraries(b.driver_file(release=release), b.driver_file("libnvidia-ml.so.1", release)),
        "ladder": answers,
        "toolkits": b.toolkit("13.0"),
    }
    return driverless(**(told | sections))


def test_a_blackwell_card_under_driver_550_is_told_that_the_driver_is_older_than_the_card() -> None:
    finding = b.only(too_new("550.163.01"))
    assert (finding.id, finding.confidence) == ("gpu-too-new-for-driver", "supported")
    assert "served from driver branch 570 on, and the driver here is 550.163.01" in finding.summary
    assert "kernel-module-not-loaded" in finding.consequences
    loaded = b.only(too_new("550.163.01", kernel_driver=b.kernel_driver(release="550.163.01")))
    assert (loaded.id, "driver-too-old" in loaded.consequences) == ("gpu-too-new-for-driver", True)
    said = b.event("not-supported", "NVRM: installed in this system is not supported by the NVIDIA 550.163.01 driver")
    assert b.only(too_new("550.163.01", kernel_log=b.kernel_log(said))).confidence == "proven"
    debian = b.host(distribution_family="debian", distribution="Debian GNU/Linux 13 (trixie)")
    assert any("nvidia-open" in command for command in b.only(too_new("550.163.01", host=debian)).fix.commands)


def test_a_driver_of_the_cards_own_days_is_not_too_old_for_it() -> None:
    assert "gpu-too-new-for-driver" not in b.ids(too_new("570.26"))
    assert "gpu-too-new-for-driver" not in b.ids(too_new("550.163.01", pci=b.pci(b.card(bound=None))))
    beside = b.pci(b.card(bound=None), b.card("GeForce RTX 5090", device_id="2b85", capability="12.0", bound=None))
    assert "gpu-too-new-for-driver" not in b.ids(too_new("550.163.01", pci=beside))


def test_an_old_display_card_beside_a_new_one_is_left_alone() -> None:
    machine = driverless(pci=b.pci(kepler(), b.card(bound=None, address="0000:02:00.0")))
    assert b.ids(machine) == ["no-driver-installed"]


# other-driver-bound


def held_by(name: str, **sections: object):
    answers = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    told = {"kernel_driver": b.kernel_driver(loaded=False, release=b.NONE), "ladder": answers} | sections
    return driverless(pci=b.pci(b.card(bound=name)), libraries=b.BOTH_LIBRARIES, **told)


@pytest.mark.parametrize(
    ("name", "command"),
    [("nouveau", "blacklist"), ("nova_core", "nova_drm"), ("NovaCore", "nova_drm"), ("vfio-pci", "vfio")],
)
def test_another_driver_is_named_and_has_its_own_fix(name: str, command: str) -> None:
    finding = b.only(held_by(name))
    assert finding.id == "other-driver-bound"
    assert name in finding.summary
    assert command in " ".join(finding.fix.commands)


def test_nouveau_is_not_accused_where_the_module_was_never_built() -> None:
    missing = b.kernel_driver(loaded=False, release=b.NONE, modules=(OTHER_KERNEL,))
    assert b.ids(held_by("nouveau", kernel_driver=missing)) == ["kernel-module-missing"]


def test_nova_core_is_accused_even_before_a_driver_is_installed() -> None:
    finding = b.only(driverless(pci=b.pci(b.card(bound="nova_core"))))
    assert finding.id == "other-driver-bound"
    assert "no-driver-installed" in finding.consequences
    assert "sudo ubuntu-drivers install" in finding.fix.commands


# kernel-module-missing and kernel-module-not-loaded


def test_a_module_for_another_kernel_only_is_a_missing_module() -> None:
    missing = b.kernel_driver(loaded=False, release=b.NONE, modules=(OTHER_KERNEL,), package=b.RELEASE)
    answers = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    finding = b.only(driverless(kernel_driver=missing, libraries=b.BOTH_LIBRARIES, ladder=answers))
    assert finding.id == "kernel-module-missing"
    assert b.KERNEL in finding.summary
    assert OTHER_KERNEL in finding.summary
    assert "sudo dkms autoinstall" in finding.fix.commands


@pytest.mark.parametrize(
    ("family", "place", "command", "told"),
    [
        ("ubuntu debian", "updates/dkms", "sudo dkms autoinstall", "/var/lib/dkms/"),
        (
            "ubuntu debian",
            "kernel/nvidia-570-server-open",
            "sudo apt-get install -y linux-modules-nvidia-570-server-open-$(uname -r)",
            "Install the built module",
        ),
        ("ubuntu debian", "kernel/drivers/video", "sudo sh ./NVIDIA-Linux-*.run --kernel-module-only", "--dkms"),
        ("fedora", "extra/nvidia", 'sudo akmods --force --kernels "$(uname -r)"', "/var/cache/akmods/"),
    ],
)
def test_a_missing_module_is_brought_the_way_that_it_came(family: str, place: str, command: str, told: str) -> None:
    files = (ModuleFile(kernel_release="6.5.0-1-generic", path=f"/lib/modules/6.5.0-1-generic/{place}/nvidia.ko"),)
    module = b.msgspec.structs.replace(b.kernel_driver(loaded=False, release=b.NONE), module_files=files)
    told_by = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    host = b.host(distribution_family=family)
    fix = b.only(driverless(kernel_driver=module, host=host, libraries=b.BOTH_LIBRARIES, ladder=told_by)).fix
    assert command in fix.commands
    assert told in fix.text


def test_a_module_that_is_there_but_not_loaded_is_not_a_missing_module() -> None:
    idle = b.kernel_driver(loaded=False, release=b.NONE)
    answers = b.stopped(b.nvml_failed(9), b.cuda_failed(100))
    machine = driverless(pci=b.pci(b.card(bound=None)), kernel_driver=idle, ladder=answers)
    finding = b.only(machine)
    assert finding.id == "kernel-module-not-loaded"
    assert "sudo modprobe nvidia" in finding.fix.commands


def test_a_module_whose_state_is_not_known_is_not_accused() -> None:
    unknown = b.kernel_driver(loaded=b.NONE, release=b.NONE)
    assert not b.fires("kernel-module-not-loaded", driverless(kernel_driver=unknown))


def test_modules_are_not_looked_for_in_a_container() -> None:
    inside = driverless(host=b.host(container="docker"), kernel_driver=b.kernel_driver(modules=(), loaded=False))
    assert not b.fires("kernel-module-missing", inside)


# gpu-fallen-off-bus


def test_a_lost_gpu_is_named_and_the_call_failure_is_left_out() -> None:
    finding = b.only(b.machine(nvml=b.NONE, driver=b.NONE, ladder=b.stopped(b.nvml_failed(15), b.cuda_failed(999))))
    assert finding.id == "gpu-fallen-off-bus"
    assert finding.consequences == ("driver-call-failed",)


def test_a_driver_that_is_not_loaded_is_no_lost_gpu() -> None:
    assert not b.fires("gpu-fallen-off-bus", b.machine(ladder=b.stopped(b.nvml_failed(9))))
