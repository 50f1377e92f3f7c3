"""All copies of the CUDA libraries, in the order in which a program would come to them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.cuda_libraries import CudaLibraries
from cudadoctor.gpu.worker import Ending
from cudadoctor.probes import cuda_libraries, libraries, toolkits
from cudadoctor.probes.drivers import run_kernels
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree

SITE = "/opt/venv/lib/python3.12/site-packages"


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    made = MachineTree(tmp_path)
    made.linux("6.8.0", os_release="ID=ubuntu\n")
    return made


def gather(tree: MachineTree, **environ: str) -> CudaLibraries:
    root = Root(tree.root)
    section = cuda_libraries.gather(root, toolkits.gather(root, environ, [SITE]), environ, [SITE])
    assert isinstance(section, CudaLibraries)
    return section


def rows(section: CudaLibraries, library: str) -> list[tuple[str, str | None, str]]:
    return [(file.path, known(file.version), file.found_via) for file in section.copies(library)]


def test_the_variable_comes_before_the_cache_and_both_before_wheels(tree: MachineTree) -> None:
    tree.cudnn("/opt/old", "8.0.5")
    tree.library("/usr/lib/x86_64-linux-gnu", "libcudnn.so.8", "8.9.7")
    tree.loader_cache([("libcudnn.so.8", "/usr/lib/x86_64-linux-gnu/libcudnn.so.8")])
    tree.elf_library(f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9")
    tree.distribution(SITE, "nvidia-cudnn-cu12", "9.1.0.70")
    section = gather(tree, LD_LIBRARY_PATH="/opt/old/lib:/nowhere")
    assert rows(section, "libcudnn") == [
        ("/opt/old/lib/libcudnn.so.8", "8.0.5", "LD_LIBRARY_PATH"),
        ("/usr/lib/x86_64-linux-gnu/libcudnn.so.8", "8.9.7", "ld.so.cache"),
        (f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9", "9.1.0.70", "CUDA wheels"),
    ]
    assert [file.by_name for file in section.copies("libcudnn")] == [True, True, False]


def test_one_file_under_two_names_is_one_copy(tree: MachineTree) -> None:
    tree.toolkit("/usr/local/cuda-12.4", "12.4.127")
    tree.link("/usr/local/cuda", "/usr/local/cuda-12.4")
    folder = "/usr/local/cuda-12.4/targets/x86_64-linux/lib"
    tree.loader_cache([("libcudart.so.12", f"{folder}/libcudart.so.12")])
    section = gather(tree, LD_LIBRARY_PATH="/usr/local/cuda/lib64")
    assert rows(section, "libcudart") == [("/usr/local/cuda/lib64/libcudart.so.12", "12.4.127", "LD_LIBRARY_PATH")]


def test_a_toolkit_lends_its_version_where_no_name_tells_one(tree: MachineTree) -> None:
    tree.toolkit("/usr/local/cuda-12.4", "12.4.1")
    for name in ("libcudart.so.12", "libcublas.so.12"):
        tree.host_path(f"/usr/local/cuda-12.4/targets/x86_64-linux/lib/{name}").unlink(missing_ok=True)
        tree.elf_library(f"/usr/local/cuda-12.4/targets/x86_64-linux/lib/{name}")
    section = gather(tree)
    assert "12.4" in [version for _, version, _ in rows(section, "libcudart")]
    # cuBLAS counts on its own: 11.11 is that of CUDA 11.8.
    assert [version for _, version, _ in rows(section, "libcublas")] == [None]
    assert [(version, via) for _, version, via in rows(section, "libnvvm")] == [("12.4", "toolkit")]
    assert [(version, via) for _, version, via in rows(section, "libdevice")] == [("12.4", "toolkit")]


def test_wheels_of_two_majors_in_one_folder_each_keep_their_version(tree: MachineTree) -> None:
    for name, version in (("nvidia-cublas-cu11", "11.11.3.6"), ("nvidia-cublas-cu12", "12.4.5.8")):
        tree.distribution(SITE, name, version)
        tree.elf_library(f"{SITE}/nvidia/cublas/lib/libcublas.so.{version[:2]}")
        tree.elf_library(f"{SITE}/nvidia/cublas/lib/libcublasLt.so.{version[:2]}")
    assert [version for _, version, _ in rows(gather(tree), "libcublasLt")] == ["11.11.3.6", "12.4.5.8"]


def test_two_wheels_that_claim_one_file_leave_its_version_open(tree: MachineTree) -> None:
    tree.distribution(SITE, "nvidia-cudnn-cu11", "9.1.0.70")
    tree.distribution(SITE, "nvidia-cudnn-cu12", "9.8.0.87")
    tree.elf_library(f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9")
    (file,) = gather(tree).copies("libcudnn")
    assert file.version == Missing("2 installed wheels nvidia-cudnn are of version 9")


def test_the_header_beside_cudnn_tells_what_the_name_does_not(tree: MachineTree) -> None:
    tree.cudnn("/opt/cudnn", "9.3.0")
    tree.host_path("/opt/cudnn/lib/libcudnn.so.9").unlink()
    tree.host_path("/opt/cudnn/lib/libcudnn.so.9.3.0").unlink()
    tree.elf_library("/opt/cudnn/lib/libcudnn.so.9")
    (file,) = gather(tree, LD_LIBRARY_PATH="/opt/cudnn/lib").copies("libcudnn")
    assert file.version == Known("9.3.0", "/opt/cudnn/include/cudnn_version.h")


def test_what_frameworks_and_conda_bring_is_told_apart_from_the_search_path(tree: MachineTree) -> None:
    tree.library(f"{SITE}/torch/lib", "libcudnn.so.8", "8.7.0")
    tree.library("/opt/conda/lib", "libcudart.so.11.0", "11.8.89")
    section = gather(tree, CONDA_PREFIX="/opt/conda")
    assert rows(section, "libcudnn") == [(f"{SITE}/torch/lib/libcudnn.so.8", "8.7.0", "torch")]
    assert rows(section, "libcudart") == [("/opt/conda/lib/libcudart.so.11.0", "11.8.89", "CONDA_PREFIX")]


def test_dlls_are_known_by_their_names_and_looked_for_on_path(
    tree: MachineTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Root, "system", "Windows")
    for name in (
        "cudart64_110.dll",
        "cudnn64_8.dll",
        "cublasLt64_11.dll",
        "nvrtc64_112_0.dll",
        "nvrtc-builtins64_118.dll",
    ):
        tree.write(f"/cuda/bin/{name}", b"MZ")
    root = Root(tree.root)
    section = cuda_libraries.gather(root, Missing("not looked at"), {"PATH": os.pathsep.join(["/cuda/bin", "."])}, [])
    assert isinstance(section, CudaLibraries)
    assert {(file.base_name, file.name, file.found_via) for file in section.files} == {
        ("libcudart", "cudart64_110.dll", "PATH"),
        ("libcudnn", "cudnn64_8.dll", "PATH"),
        ("libcublasLt", "cublasLt64_11.dll", "PATH"),
        ("libnvrtc", "nvrtc64_112_0.dll", "PATH"),
    }


def test_macos_is_searched_by_its_own_variable(tree: MachineTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Root, "system", "Darwin")
    tree.write("/usr/local/cuda/lib/libcudart.10.2.dylib", b"\xcf\xfa\xed\xfe")
    root = Root(tree.root)
    section = cuda_libraries.gather(root, Missing("no"), {"DYLD_LIBRARY_PATH": "/usr/local/cuda/lib"}, [])
    assert isinstance(section, CudaLibraries)
    assert [(file.name, file.found_via) for file in section.files] == [("libcudart.10.2.dylib", "DYLD_LIBRARY_PATH")]


def test_a_library_of_another_architecture_is_passed_over(tree: MachineTree) -> None:
    tree.elf_library("/opt/32/libcudart.so.12.4.127", bits=32)
    assert gather(tree, LD_LIBRARY_PATH="/opt/32").files == ()


@pytest.mark.parametrize(
    ("value", "state"),
    [
        ("/usr/lib/x86_64-linux-gnu/libcuda.so.1", "a driver library"),
        ("/nowhere/libcuda.so.1", "missing"),
        ("/opt/empty/libcuda.so.1", "empty"),
        ("/etc/os-release", "no library"),
        ("/opt/cudart/libcudart.so.12", "another library"),
        ("/opt/32/libcuda.so.1", "of another architecture"),
        ("/usr/local/cuda/lib64/stubs/libcuda.so", "a stub"),
        ("0", "switched off"),
    ],
)
def test_what_a_variable_names_as_the_driver_is_looked_at(tree: MachineTree, value: str, state: str) -> None:
    tree.driver_libraries("580.159.04")
    tree.write("/opt/empty/libcuda.so.1")
    tree.elf_library("/opt/cudart/libcudart.so.12")
    tree.elf_library("/opt/32/libcuda.so.1", bits=32)
    tree.elf_library("/usr/local/cuda/lib64/stubs/libcuda.so")
    section = libraries.gather(Root(tree.root), {"NUMBA_CUDA_DRIVER": value})
    assert not isinstance(section, Missing)
    assert not isinstance(section.named, Missing)
    assert [(named.variable, named.path, named.state) for named in section.named] == [
        ("NUMBA_CUDA_DRIVER", value, state)
    ]


def test_a_fresh_process_has_mapped_no_cuda_library() -> None:
    # Another test may have loaded a compiler into this one.
    code = "from cudadoctor.gpu.mapped import mapped_libraries; print(mapped_libraries())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "()"


class Child:
    """Stands in for the child that compiles a kernel: what it sends, and how it ended."""

    def __init__(self, *messages: dict[str, object]) -> None:
        self.messages = messages
        self.ending = Ending(state="finished")

    def go(self, message: dict[str, object]) -> None: ...

    def __iter__(self) -> Iterator[dict[str, object]]:
        return iter(self.messages)


def test_what_the_kernel_s_child_had_mapped_comes_back_beside_its_steps() -> None:
    step = {"name": "kernel-compile", "state": "passed", "call": "jit", "detail": "", "device": 0}
    passed = {"kind": "step-result", "step": step}
    run = run_kernels(Child(passed, {"kind": "mapped", "paths": ["/opt/libnvvm.so.4"]}), (0,))  # type: ignore[arg-type]
    assert list(run.steps) == ["kernel-compile"]
    assert known(run.mapped) == ("/opt/libnvvm.so.4",)
    assert isinstance(run_kernels(Child(passed), (0,)).mapped, Missing)  # type: ignore[arg-type]
