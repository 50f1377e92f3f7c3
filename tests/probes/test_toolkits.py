"""Every toolkit, and the one that numba-cuda would load."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.probes import toolkits
from cudadoctor.probes.architectures import architectures
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree

SITE = "/opt/venv/lib/python3.12/site-packages"


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    made = MachineTree(tmp_path)
    made.linux("6.8.0", os_release="ID=ubuntu\n")
    return made


def gather(tree: MachineTree, **environ: str) -> Toolkits:
    section = toolkits.gather(Root(tree.root), environ, [SITE])
    assert isinstance(section, Toolkits)
    return section


def test_one_folder_under_three_names_is_one_toolkit(tree: MachineTree) -> None:
    tree.toolkit("/usr/local/cuda-12.4", "12.4.1")
    tree.link("/usr/local/cuda", "/usr/local/cuda-12.4")
    (kit,) = gather(tree, CUDA_HOME="/usr/local/cuda", PATH="/bin:/usr/local/cuda/bin").found
    assert kit.root == "/usr/local/cuda-12.4"
    assert kit.found_via == "CUDA_HOME (/usr/local/cuda), PATH, /usr/local/cuda, /usr/local/cuda-12.4"
    assert kit.version == Known("12.4", "/usr/local/cuda-12.4/version.json")
    assert known(kit.nvrtc) == "/usr/local/cuda-12.4/lib64/libnvrtc.so.12"
    assert known(kit.libdevice) == "/usr/local/cuda-12.4/nvvm/libdevice/libdevice.10.bc"
    assert "5.0" in (known(kit.architectures) or ())


def test_a_variable_that_names_no_folder_is_kept_with_that_reason(tree: MachineTree) -> None:
    (kit,) = gather(tree, CUDA_HOME="/usr/local/cuda-11.8").found
    assert (kit.root, kit.found_via) == ("/usr/local/cuda-11.8", "CUDA_HOME")
    assert kit.version == Missing("the folder does not exist")


@pytest.mark.parametrize(
    ("path", "content", "version"),
    [
        ("version.txt", "CUDA Version 10.1.243\n", "10.1"),
        ("include/cuda.h", "#define __CUDA_API_VERSION 12080\n#define CUDA_VERSION 12080\n", "12.8"),
        ("targets/x86_64-linux/include/cuda.h", "#define CUDA_VERSION 13000\n", "13.0"),
        ("targets/sbsa-linux/include/cuda.h", "#define CUDA_VERSION 13000\n", "13.0"),
        ("targets/aarch64-linux/include/cuda.h", "#define CUDA_VERSION 12060\n", "12.6"),
    ],
)
def test_the_version_is_read_from_what_the_toolkit_has(
    tree: MachineTree, path: str, content: str, version: str
) -> None:
    tree.write("/opt/cuda/bin/nvcc", "x")
    tree.write(f"/opt/cuda/{path}", content)
    (kit,) = gather(tree).found
    assert kit.version == Known(version, f"/opt/cuda/{path}")


def test_a_script_on_path_leads_to_the_toolkit_that_it_starts(tree: MachineTree) -> None:
    tree.write("/usr/bin/nvcc", "#!/bin/sh\nexec /usr/lib/nvidia-cuda-toolkit/bin/nvcc\n")
    tree.write("/usr/lib/nvidia-cuda-toolkit/bin/nvcc", "x")
    tree.write("/usr/include/cuda.h", "#define CUDA_VERSION 12000\n")
    (kit,) = gather(tree, PATH="/usr/bin").found
    assert (kit.root, known(kit.version)) == ("/usr", "12.0")


def test_wheels_of_cuda_13_are_chosen_before_any_variable(tree: MachineTree) -> None:
    tree.wheels_cu13(SITE)
    tree.toolkit("/usr/local/cuda-12.4", "12.4.1")
    section = gather(tree, CUDA_HOME="/usr/local/cuda-12.4", LD_LIBRARY_PATH="/usr/local/cuda-12.4/lib64")
    kit = section.selected()
    assert kit is not None
    assert kit.root == f"{SITE}/nvidia/cu13"
    assert kit.version == Known("13.0", "nvidia-nvvm 13.0.88")
    assert "7.0" not in (known(kit.architectures) or ())


def test_wheels_of_cuda_12_are_one_toolkit_over_their_folders(tree: MachineTree) -> None:
    tree.wheels_cu12(SITE)
    kit = gather(tree).selected()
    assert kit is not None
    assert known(kit.version) == "12.9"
    assert known(kit.libnvvm) == f"{SITE}/nvidia/cuda_nvcc/nvvm/lib64/libnvvm.so"
    assert known(kit.nvjitlink) == f"{SITE}/nvidia/nvjitlink/lib/libnvJitLink.so.12"


@pytest.mark.parametrize("processor", ["x86_64", "aarch64"])
def test_the_toolkit_of_debians_packages_is_found_for_each_processor(tree: MachineTree, processor: str) -> None:
    folder = f"/usr/lib/{processor}-linux-gnu"
    tree.write("/usr/bin/nvcc", "x")
    tree.elf_library(f"{folder}/libnvvm.so.4")
    tree.elf_library(f"{folder}/libnvrtc.so.12")
    tree.elf_library(f"{folder}/libnvJitLink.so.12")
    (kit,) = gather(tree, PATH="/usr/bin").found
    assert known(kit.libnvvm) == f"{folder}/libnvvm.so.4"
    assert known(kit.nvrtc) == f"{folder}/libnvrtc.so.12"
    assert known(kit.nvjitlink) == f"{folder}/libnvJitLink.so.12"


def test_cuda_path_decides_before_cuda_home_even_where_it_leads_nowhere(tree: MachineTree) -> None:
    tree.toolkit("/opt/a", "12.4.1")
    assert known(gather(tree, CUDA_HOME="/opt/a").selected_root) == "/opt/a"
    assert isinstance(gather(tree, CUDA_HOME="/opt/a", CUDA_PATH="/opt/none").selected_root, Missing)


def test_usr_local_cuda_alone_is_found_but_not_loaded(tree: MachineTree) -> None:
    tree.toolkit("/usr/local/cuda", "12.4.1")
    section = gather(tree)
    assert len(section.found) == 1
    assert isinstance(section.selected_root, Missing)
    assert "no libnvvm and no libnvrtc" in section.selected_root.reason


def test_a_toolkit_of_the_loader_cache_lends_its_nvvm(tree: MachineTree) -> None:
    tree.toolkit("/usr/local/cuda-12.4", "12.4.1")
    lib = "/usr/local/cuda-12.4/targets/x86_64-linux/lib"
    tree.loader_cache([("libnvrtc.so.12", f"{lib}/libnvrtc.so.12")])
    section = gather(tree)
    assert isinstance(section.selected_root, Known)
    assert section.selected_root.value == "/usr/local/cuda-12.4"
    assert "the toolkit of libnvrtc" in section.selected_root.source
    # With a variable set, numba-cuda leaves that detour to pathfinder, which goes by libcudart only.
    assert isinstance(gather(tree, CUDA_HOME="/nowhere").selected_root, Missing)
    tree.loader_cache([(name, f"{lib}/{name}") for name in ("libnvrtc.so.12", "libcudart.so.12")])
    assert known(gather(tree, CUDA_HOME="/nowhere").selected_root) == "/usr/local/cuda-12.4"


def test_half_a_toolkit_says_what_is_there_and_what_is_not(tree: MachineTree) -> None:
    tree.elf_library("/opt/a/nvvm/lib64/libnvvm.so.4")
    reason = gather(tree, CUDA_HOME="/opt/a").selected_root
    assert isinstance(reason, Missing)
    assert "no libnvrtc" in reason.reason
    assert "/opt/a/nvvm/lib64/libnvvm.so.4" in reason.reason


def test_a_newer_toolkit_than_the_table_has_no_architectures(tree: MachineTree) -> None:
    tree.toolkit("/opt/cuda", "99.1.0")
    (kit,) = gather(tree).found
    assert known(kit.version) == "99.1"
    assert isinstance(kit.architectures, Missing)


def test_the_libnvvm_that_was_mapped_decides_over_what_files_told(tree: MachineTree) -> None:
    tree.wheels_cu13(SITE)
    tree.toolkit("/usr/local/cuda-12.4", "12.4.1")
    section = gather(tree, CUDA_HOME="/usr/local/cuda-12.4")
    assert known(section.selected_root) == f"{SITE}/nvidia/cu13"
    mapped = Known(("/usr/lib/libcuda.so.580", "/usr/local/cuda-12.4/nvvm/lib64/libnvvm.so.4.0.0"), "maps")
    after = toolkits.as_mapped(section, mapped)
    assert isinstance(after, Toolkits)
    assert known(after.selected_root) == "/usr/local/cuda-12.4"
    assert toolkits.as_mapped(section, Known(("/elsewhere/libnvvm.so.4",), "maps")) == section
    assert toolkits.as_mapped(section, Missing("no kernel was tried")) == section


def test_folders_that_other_variables_name_are_looked_at_after_the_rest(tree: MachineTree) -> None:
    tree.toolkit("/usr/local/cuda-12.4", "12.4.1")
    found = gather(
        tree,
        XLA_FLAGS="--xla_a=1 --xla_gpu_cuda_data_dir=/opt/none --xla_b",
        NUMBAPRO_NVVM="/usr/local/cuda-9.0/nvvm/lib64/libnvvm.so",
        CUDA_ROOT="/usr/local/cuda-12.4",
    ).found
    assert [(kit.root, kit.found_via) for kit in found] == [
        ("/usr/local/cuda-12.4", "CUDA_ROOT, /usr/local/cuda-12.4"),
        ("/opt/none", "XLA_FLAGS"),
        ("/usr/local/cuda-9.0", "NUMBAPRO_NVVM"),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for ptxas is a shell script")
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo \"Allowed values:  'compute_75','sm_120a','sm_75','sm_90',\n'sm_100'\"", ("7.5", "9.0", "10.0")),
        ("echo nothing", None),
        ("exec sleep 30", None),
    ],
)
def test_ptxas_of_a_toolkit_newer_than_the_table_is_asked_with_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: tuple[str, ...] | None
) -> None:
    monkeypatch.setattr("cudadoctor.probes.architectures._PTXAS_LIMIT_S", 0.5)
    ptxas = tmp_path / "bin" / "ptxas"
    ptxas.parent.mkdir()
    ptxas.write_text(f"#!/bin/sh\n{script}\n")
    ptxas.chmod(0o755)
    (tmp_path / "bin" / "nvcc").write_text("")
    (tmp_path / "version.json").write_text('{"cuda": {"version": "99.0.1"}}')
    section = toolkits.gather(Root(), {"CUDA_HOME": str(tmp_path)}, [])
    assert isinstance(section, Toolkits)
    assert known(section.found[0].architectures) == told


def test_ptxas_is_not_asked_where_the_table_tells_or_the_files_are_another_machines(tmp_path: Path) -> None:
    ptxas = tmp_path / "bin" / "ptxas"
    ptxas.parent.mkdir()
    ptxas.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    ptxas.chmod(0o755)
    assert isinstance(architectures(Root(), str(tmp_path), Known("12.4", "here")), Known)
    assert isinstance(architectures(Root(str(tmp_path)), "/", Known("99.0", "here")), Missing)
    assert isinstance(architectures(Root(), str(tmp_path / "bin"), Known("99.0", "here")), Missing)
    assert not (tmp_path / "asked").exists()
