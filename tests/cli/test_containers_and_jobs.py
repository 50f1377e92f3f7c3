"""What `check` and `why` say of containers, jobs and services, on fake machines with the fake driver."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Doctor, Run
from tests.fake_driver.build import FakeDriver
from tests.probes.machine_tree import MachineTree, server_with_narrow_uplink


def check(doctor: Doctor, tree: MachineTree, environment: dict[str, str]) -> Run:
    return doctor("check", "--quick", "--sysroot", tree.root, "--live", "--format", "json", env=environment)


def test_docker_without_the_toolkit_is_a_note_and_no_failure(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    tree = server_with_narrow_uplink(tmp_path)
    tree.write("/usr/bin/docker", b"\x7fELF")
    run = check(doctor, tree, fake_driver.scenario())
    assert (run.code, run.ids) == (0, ["container-toolkit-missing"])
    assert run.document["findings"][0]["severity"] == "note"
    tree.write("/usr/bin/nvidia-ctk", b"\x7fELF")
    assert check(doctor, tree, fake_driver.scenario()).ids == []


def test_a_job_that_was_given_no_gpu_is_told_by_its_variables(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    tree = server_with_narrow_uplink(tmp_path)
    hidden = fake_driver.scenario(nvml_init=9, cu_init=100)
    run = check(doctor, tree, {**hidden, "SLURM_JOB_ID": "4711"})
    assert run.ids == ["no-gpu-allocated"]
    assert "Slurm job 4711" in run.document["findings"][0]["summary"]
    assert run.document["facts"]["scheduler"]["system"] == "slurm"
    assert run.ids != check(doctor, tree, {**hidden, "SLURM_JOB_ID": "4711", "SLURM_JOB_GPUS": "0"}).ids


def test_a_neighbour_on_the_gpu_is_a_note(doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path) -> None:
    run = check(doctor, server_with_narrow_uplink(tmp_path), fake_driver.scenario(compute_processes=1))
    assert (run.code, run.ids) == (0, ["gpu-shared-with-others"])
