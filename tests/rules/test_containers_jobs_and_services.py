"""Rules about container engines, variables that name devices, MIG, the fabric, MPS, and GPUs that Windows lends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cudadoctor.facts.machine import Machine
from cudadoctor.facts.packages import Package, Packages
from cudadoctor.findings import Severity
from cudadoctor.rules.pasted.answer import combined
from tests.rules import build as b
from tests.why.asked import hypotheses

SNAP = b.engine(path="/snap/bin/docker", origin="snap")
FAILED_802 = b.stopped(b.cuda_failed(802))


# container-toolkit-missing, docker-snap-or-other-daemon


def test_an_engine_without_the_toolkit_is_a_note_with_this_distributions_commands() -> None:
    finding = b.only(b.machine(containers=b.containers(b.engine())))
    assert (finding.id, finding.severity) == ("container-toolkit-missing", Severity.NOTE)
    assert any("apt-get install -y nvidia-container-toolkit" in command for command in finding.fix.commands)
    fedora = b.machine(containers=b.containers(b.engine("podman")), host=b.host(distribution_family="fedora"))
    assert any("dnf install -y nvidia-container-toolkit" in command for command in b.only(fedora).fix.commands)
    assert "cdi generate" in b.only(fedora).fix.commands[-1]


@pytest.mark.parametrize(
    "values",
    [
        {"toolkit_files": ("/usr/bin/nvidia-ctk",)},
        {"cdi_specs": ("/etc/cdi/nvidia.yaml",)},
        {"runtimes": ("nvidia",)},
    ],
)
def test_any_part_of_the_toolkit_is_enough(values: dict[str, Any]) -> None:
    assert b.ids(b.machine(containers=b.containers(b.engine(), **values))) == []


def test_a_host_whose_gpu_does_not_work_hears_of_that_alone() -> None:
    machine = b.machine(containers=b.containers(b.engine()), ladder=b.stopped(b.cuda_failed(999)))
    assert "container-toolkit-missing" not in b.ids(machine)
    assert b.ids(b.machine(containers=b.containers(b.engine()), host=b.host(wsl=True))) == []


def test_a_host_without_an_engine_needs_no_toolkit() -> None:
    assert b.ids(b.machine(containers=b.containers())) == []


@pytest.mark.parametrize(
    ("engine", "daemon"), [(SNAP, "snap"), (b.engine(), "desktop"), (b.engine(), "rootless")], ids=str
)
def test_a_daemon_beside_the_system_is_a_note_even_with_the_toolkit(engine: Any, daemon: str) -> None:
    found = b.containers(engine, daemon=daemon, toolkit_files=("/usr/bin/nvidia-ctk",))
    finding = b.only(b.machine(containers=found))
    assert (finding.id, finding.severity, finding.confidence) == (
        "docker-snap-or-other-daemon",
        Severity.NOTE,
        "possible",
    )


def test_a_rootless_daemon_with_a_cdi_description_and_a_remote_one_get_no_finding() -> None:
    cdi = b.containers(b.engine(), daemon="rootless", cdi_specs=("/etc/cdi/nvidia.yaml",))
    assert b.ids(b.machine(containers=cdi)) == []
    assert b.ids(b.machine(containers=b.containers(b.engine(), daemon="remote"))) == []


REFUSED = 'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].'


def test_the_words_of_docker_make_an_error_of_what_is_a_note_on_the_machine() -> None:
    here = b.diagnose(b.machine(containers=b.containers(b.engine())))[0]
    first = combined(hypotheses(REFUSED), here)[0]
    assert (first.id, first.severity, first.confidence) == ("container-toolkit-missing", Severity.ERROR, "supported")
    assert first.summary.startswith("This machine shows it too.")
    assert any("apt-get install -y nvidia-container-toolkit" in command for command in first.fix.commands)


# device-ordinal-out-of-range


def two_gpus(**variables: str) -> Machine:
    gpus = (b.nvml_device(0), b.nvml_device(1))
    shown = (b.driver_device(0), b.driver_device(1))
    return b.machine(environment=b.environment(**variables), nvml=b.nvml(*gpus), driver=b.driver(*shown))


def test_an_entry_past_the_end_hides_what_follows_and_is_named() -> None:
    finding = b.only(two_gpus(CUDA_VISIBLE_DEVICES="0,1,5"))
    assert (finding.id, finding.severity, finding.confidence) == (
        "device-ordinal-out-of-range",
        Severity.WARNING,
        "proven",
    )
    assert "names 3 devices, and CUDA shows 2 devices" in finding.summary
    assert "5 is past the end" in finding.cause


@pytest.mark.parametrize("value", ["0,1", "1,0", "0,1,-1", "0,1,", "GPU-00000000-aaaa,GPU-00000001-aaaa,"])
def test_values_that_name_what_is_shown_get_no_finding(value: str) -> None:
    assert b.ids(two_gpus(CUDA_VISIBLE_DEVICES=value)) == []


def test_a_uuid_that_no_gpu_has_hides_what_follows() -> None:
    finding = b.only(two_gpus(CUDA_VISIBLE_DEVICES="0,1,GPU-99999999-aaaa,0"))
    assert "GPU-99999999-aaaa names no GPU" in finding.cause


def test_an_entry_that_should_be_there_is_not_called_past_the_end() -> None:
    one_shown = b.machine(
        environment=b.environment(CUDA_VISIBLE_DEVICES="0,1"), nvml=b.nvml(b.nvml_device(0), b.nvml_device(1))
    )
    assert b.ids(one_shown) == []


def test_a_rank_past_the_last_device_is_a_note_and_one_below_is_none() -> None:
    finding = b.only(two_gpus(LOCAL_RANK="3"))
    assert (finding.id, finding.severity) == ("device-ordinal-out-of-range", Severity.NOTE)
    assert b.ids(two_gpus(LOCAL_RANK="1")) == []
    assert b.ids(two_gpus(LOCAL_RANK="first")) == []


# mig-single-instance-limit, mig-without-instance


def test_two_instances_that_are_named_for_one_process_are_noted() -> None:
    machine = b.machine(
        environment=b.environment(CUDA_VISIBLE_DEVICES="MIG-aaaa,MIG-bbbb"),
        nvml=b.nvml(b.nvml_device(mig_enabled=True, mig_instances=7)),
    )
    finding = b.only(machine)
    assert (finding.id, finding.severity) == ("mig-single-instance-limit", Severity.NOTE)


def test_several_gpus_in_mig_mode_count_as_one_device_for_cuda() -> None:
    gpus = [b.nvml_device(n, mig_enabled=True, mig_instances=2) for n in range(4)]
    torch = Packages(installed=(Package(name="torch", version="2.4.0"),), clashes=(), source="importlib.metadata")
    finding = next(f for f in b.diagnose(b.machine(nvml=b.nvml(*gpus), packages=torch))[0])
    assert finding.id == "mig-single-instance-limit"
    assert "4 GPUs with 8 MIG instances" in finding.summary
    assert b.ids(b.machine(nvml=b.nvml(*gpus))) == []


def test_mig_without_any_instance_is_proven() -> None:
    gpu = b.nvml_device(mig_enabled=True, mig_instances=0)
    finding = b.only(b.machine(nvml=b.nvml(gpu), ladder=b.stopped(b.cuda_failed(100))))
    assert (finding.id, finding.confidence) == ("mig-without-instance", "proven")


def test_mig_on_three_of_four_gpus_without_instances_is_possible() -> None:
    gpus = [b.nvml_device(0), *(b.nvml_device(n, mig_enabled=True, mig_instances=0) for n in (1, 2, 3))]
    finding = b.only(b.machine(nvml=b.nvml(*gpus), ladder=b.stopped(b.cuda_failed(100))))
    assert (finding.id, finding.confidence) == ("mig-without-instance", "possible")
    assert "3 of 4 GPUs are in MIG mode without any instance" in finding.summary


def test_instances_beside_a_gpu_without_mig_are_not_accused_of_100() -> None:
    gpus = (b.nvml_device(0), b.nvml_device(1, mig_enabled=True, mig_instances=2))
    assert not b.fires("mig-without-instance", b.machine(nvml=b.nvml(*gpus), ladder=b.stopped(b.cuda_failed(100))))


# fabric-manager-not-running, confidential-compute-not-ready, fabric-manager-not-needed


def hgx(*, state: str = "not started", service: Any = "enabled but not running") -> Machine:
    gpus = [b.nvml_device(n, fabric_state=state) for n in range(8)]
    cards = [b.card(address=f"0000:{n + 1:02x}:00.0") for n in range(8)]
    return b.machine(
        nvml=b.nvml(*gpus), pci=b.pci(*cards, nvswitches=4), services=b.services(fabric=service), ladder=FAILED_802
    )


def test_a_stopped_fabric_manager_on_a_machine_with_nvswitch_is_proven() -> None:
    finding = b.only(hgx())
    assert (finding.id, finding.confidence) == ("fabric-manager-not-running", "proven")
    assert "4 NVSwitches" in finding.cause


def test_a_fabric_manager_of_another_release_than_the_driver_is_named() -> None:
    service = b.services(fabric="enabled but not running", fabric_release="580.126.09")
    finding = b.only(msgspec.structs.replace(hgx(), services=service))
    assert (finding.id, finding.confidence) == ("fabric-manager-not-running", "proven")
    assert "580.126.09" in finding.cause
    assert b.RELEASE in finding.cause
    assert finding.fix.commands[0] == (
        'sudo apt-get install -y "nvidia-fabricmanager-580=$(cat /sys/module/nvidia/version)*"'
    )
    on_rocky = msgspec.structs.replace(hgx(), services=service, host=b.host(distribution_family="rocky rhel"))
    assert "sudo dnf install -y" in b.only(on_rocky).fix.commands[0]
    assert "install" not in b.only(hgx()).fix.commands[0]


def test_one_gpu_of_a_hgx_host_that_waits_for_its_fabric_is_not_confidential_computing() -> None:
    gpu = b.nvml_device(name="NVIDIA H200", fabric_state="in progress")
    machine = b.machine(
        host=b.host(container="docker"),
        nvml=b.nvml(gpu, confidential_compute=b.NONE, confidential_compute_ready=b.NONE),
        services=b.services(fabric=b.NONE),
        ladder=FAILED_802,
    )
    finding = b.only(machine)
    assert (finding.id, finding.confidence) == ("fabric-manager-not-running", "supported")


def test_802_on_one_gpu_without_any_fabric_is_possibly_confidential_computing() -> None:
    gpu = b.nvml_device(fabric_state="not supported")
    untold = {"confidential_compute": b.NONE, "confidential_compute_ready": b.NONE}
    finding = b.only(b.machine(nvml=b.nvml(gpu, **untold), ladder=FAILED_802))
    assert (finding.id, finding.confidence) == ("confidential-compute-not-ready", "possible")
    # Where the driver says that the mode is off, it is not that.
    assert b.only(b.machine(nvml=b.nvml(gpu), ladder=FAILED_802)).id == "fabric-manager-not-running"


def test_a_fabric_manager_that_failed_without_nvswitch_is_a_note() -> None:
    gpu = b.nvml(b.nvml_device(fabric_state="not supported"))
    failed = b.services(fabric="enabled but not running")
    finding = b.only(b.machine(nvml=gpu, services=failed))
    assert (finding.id, finding.severity) == ("fabric-manager-not-needed", Severity.NOTE)


@pytest.mark.parametrize(
    ("state", "switches", "service"),
    [
        ("completed", 0, "enabled but not running"),  # Blackwell: its switches are not on the bus
        ("not supported", 6, "enabled but not running"),
        ("not supported", b.NONE, "enabled but not running"),
        ("not supported", 0, "installed"),
        ("not supported", 0, "running"),
    ],
)
def test_it_is_not_called_needless_where_it_may_be_needed_or_does_not_fail(
    state: str, switches: Any, service: str
) -> None:
    machine = b.machine(
        nvml=b.nvml(b.nvml_device(fabric_state=state)),
        pci=b.pci(b.card(), nvswitches=switches),
        services=b.services(fabric=service),
    )
    assert b.ids(machine) == []


# mps-server-unreachable


@pytest.mark.parametrize(("code", "confidence"), [(805, "supported"), (808, "proven")])
def test_a_refusal_of_mps_is_told_as_such(code: int, confidence: str) -> None:
    finding = b.only(b.machine(ladder=b.stopped(b.cuda_failed(code)), services=b.services(mps=False)))
    assert (finding.id, finding.confidence) == ("mps-server-unreachable", confidence)


# hyperv-gpupv-files-missing, wsl-driver-model-tcc

DXG = b.nodes(b.node("/dev/dxg"))


def lent(host: Any, *steps: Any, files: tuple[Any, ...] = ()) -> Machine:
    return b.machine(
        host=host,
        pci=b.pci(),
        device_nodes=DXG,
        kernel_driver=b.no_kernel_driver(),
        libraries=b.libraries(*files),
        nvml=b.NONE,
        driver=b.NONE,
        ladder=b.stopped(*steps),
    )


NO_LIBRARIES = (b.nvml_failed(12), b.step("libcuda", detail="cannot open shared object file"))
BLOCKED = (b.nvml_failed(17), b.cuda_failed(100))


def test_a_hyper_v_guest_without_the_hosts_files_is_told_so() -> None:
    finding = b.only(lent(b.host(), *NO_LIBRARIES))
    assert (finding.id, finding.confidence) == ("hyperv-gpupv-files-missing", "proven")


def test_a_hyper_v_guest_whose_files_are_refused_is_told_so() -> None:
    old = b.driver_file(release=b.NONE, folder="/usr/lib/wsl/lib")
    finding = b.only(lent(b.host(), *BLOCKED, files=(old,)))
    assert (finding.id, finding.confidence) == ("hyperv-gpupv-files-missing", "supported")


def test_a_hyper_v_guest_whose_loader_does_not_look_is_a_matter_of_the_path() -> None:
    off = b.driver_file(release=b.NONE, folder="/usr/lib/wsl/lib", found_via="not on the search path")
    assert b.ids(lent(b.host(), *NO_LIBRARIES, files=(off,))) == ["wsl-libcuda-path"]


def test_wsl2_is_no_such_guest_and_a_blocked_card_there_is_a_matter_of_its_model() -> None:
    assert "hyperv-gpupv-files-missing" not in b.ids(lent(b.host(wsl=True), *NO_LIBRARIES))
    file = b.driver_file(release=b.NONE, folder="/usr/lib/wsl/lib")
    finding = b.only(lent(b.host(wsl=True), *BLOCKED, files=(file,)))
    assert (finding.id, finding.severity, finding.confidence) == ("wsl-driver-model-tcc", Severity.ERROR, "possible")


def test_a_guest_whose_lent_gpu_works_gets_no_finding() -> None:
    machine = b.machine(pci=b.pci(), device_nodes=DXG, kernel_driver=b.no_kernel_driver())
    assert b.ids(machine) == []


# container-cgroup-lost


def test_device_rules_without_the_gpus_prove_that_the_container_lost_them() -> None:
    closed = b.nodes(b.node("/dev/nvidiactl", "EPERM"), b.node("/dev/nvidia0", "EPERM"))
    parts = {"host": b.host(container="docker"), "device_nodes": closed, "ladder": b.stopped(b.nvml_failed(999))}
    rules = b.scheduler(rules=("c 1:3 rwm",))
    assert [f.confidence for f in b.diagnose(b.machine(**parts, scheduler=rules))[0]] == ["proven"]
    assert [f.confidence for f in b.diagnose(b.machine(**parts))[0]] == ["supported"]
