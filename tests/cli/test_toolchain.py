"""Search paths, host compilers and the driver's cache, through the real command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Doctor
from tests.fake_driver.build import FakeDriver
from tests.probes.machine_tree import MachineTree, machine_without_card, server_with_narrow_uplink


@pytest.mark.parametrize(("gcc", "expected"), [("15", []), ("16", ["host-compiler-too-new"])])
def test_the_compiler_of_this_path_is_held_against_the_toolkit(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path, gcc: str, expected: list[str]
) -> None:
    tree = server_with_narrow_uplink(tmp_path)
    tree.host_config("/usr/local/cuda-13.0", gcc=15, clang=21)
    tree.gcc(gcc)
    environment = fake_driver.scenario() | {"PATH": "/usr/bin"}
    run = doctor("check", "--quick", "--sysroot", tree.root, "--live", "--format", "json", env=environment)
    assert (run.code, run.ids) == (0, expected)
    assert run.document["facts"]["compilers"]["found"][0]["path"] == "/usr/bin/gcc"


@pytest.mark.parametrize(("system", "expected"), [("12.1.105", ["ld-library-path-override"]), ("12.4.127", [])])
def test_an_older_library_before_that_of_a_wheel_is_told(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path, system: str, expected: list[str]
) -> None:
    tree = MachineTree(tmp_path)
    tree.library("/cuda/lib64", "libnvJitLink.so.12", system)
    tree.elf_library("/site/nvidia/nvjitlink/lib/libnvJitLink.so.12")
    tree.distribution("/site", "nvidia-nvjitlink-cu12", "12.4.127")
    tree.distribution("/site", "torch", "2.5.1")
    environment = fake_driver.scenario()
    folders = [str(tmp_path / "cuda" / "lib64"), environment["LD_LIBRARY_PATH"]]
    environment |= {"LD_LIBRARY_PATH": ":".join(folders), "PYTHONPATH": str(tmp_path / "site")}
    run = doctor("check", "--quick", "--format", "json", env=environment)
    assert [each for each in run.ids if each != "nvcc-runtime-mismatch"] == expected


def test_a_build_server_without_a_card_hears_nothing_of_its_compiler(doctor: Doctor, tmp_path: Path) -> None:
    tree = machine_without_card(tmp_path)
    tree.toolkit("/usr/local/cuda-12.1", "12.1.105")
    tree.gcc("14")
    assert doctor("check", "--sysroot", tree.root, "--format", "json").ids == ["no-nvidia-gpu-active"]


def test_a_variable_that_names_no_driver_is_told(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario() | {"NUMBA_CUDA_DRIVER": "/nowhere/libcuda.so.1"}
    run = doctor("check", "--quick", "--format", "json", env=environment)
    assert (run.code, run.ids) == (0, ["wrong-driver-library-loaded"])


def test_a_cache_that_cannot_be_made_is_told_and_not_made(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    environment = fake_driver.scenario() | {"CUDA_CACHE_PATH": str(tmp_path / "file" / "cache")}
    run = doctor("check", "--quick", "--format", "json", env=environment)
    assert run.ids == ["jit-cache-not-writable"]
    assert run.document["findings"][0]["severity"] == "warning"


def test_why_and_check_name_the_host_compiler_as_one_cause(doctor: Doctor) -> None:
    text = "#error -- unsupported GNU version! gcc versions later than 12 are not supported!"
    run = doctor("why", text, "--format", "json")
    assert run.ids[0] == "host-compiler-too-new"
    assert doctor("why", "host-compiler-too-new").out.startswith("nvcc does not support the host compiler")
