"""Host compilers, the one that nvcc takes first, and the limits of each toolkit."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from cudadoctor.facts.base import Known, Missing, known
from cudadoctor.facts.compilers import Compilers
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.probes import compilers, jit_cache, toolkits
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree

NVCC = "/usr/local/cuda-12.1"


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    made = MachineTree(tmp_path)
    made.linux("6.8.0", os_release="ID=ubuntu\n")
    made.toolkit(NVCC, "12.1.1")
    return made


def gather(tree: MachineTree, **environ: str) -> Compilers:
    root = Root(tree.root)
    variables = {"PATH": "/usr/local/bin:/usr/bin"} | environ
    section = compilers.gather(root, toolkits.gather(root, variables, []), variables)
    assert isinstance(section, Compilers)
    return section


def first(tree: MachineTree, **environ: str) -> tuple[str, str | None, str, str]:
    compiler = gather(tree, **environ).found[0]
    return compiler.kind, known(compiler.version), compiler.path, compiler.found_via


def test_without_nvcc_no_compiler_is_looked_for(tree: MachineTree) -> None:
    tree.gcc("13")
    tree.host_path(f"{NVCC}/bin/nvcc").unlink()
    section = gather(tree)
    assert (section.found, section.nvcc) == ((), Missing("there is no nvcc"))


def test_the_name_behind_gcc_tells_its_version(tree: MachineTree) -> None:
    tree.gcc("13")
    tree.gcc("12", usual=False)
    assert first(tree) == ("gcc", "13", "/usr/bin/gcc", "PATH")
    assert known(gather(tree).nvcc_root) == NVCC
    assert ("/usr/bin/g++-12", "12") in [(each.path, known(each.version)) for each in gather(tree).found]


def test_the_only_folder_of_gcc_tells_its_version(tree: MachineTree) -> None:
    tree.write("/usr/bin/gcc", b"\x7fELF")
    tree.write("/usr/lib/gcc/x86_64-redhat-linux/14/cc1plus", b"\x7fELF")
    assert first(tree) == ("gcc", "14", "/usr/bin/gcc", "PATH")
    tree.write("/usr/lib/gcc/x86_64-redhat-linux/13/cc1plus", b"\x7fELF")
    assert first(tree)[1] is None


def test_nvcc_takes_what_its_own_variables_name_before_path(tree: MachineTree) -> None:
    tree.gcc("13")
    tree.gcc("11", usual=False)
    tree.gcc("12", usual=False)
    assert first(tree, NVCC_CCBIN="g++-12")[1:] == ("12", "/usr/bin/g++-12", "NVCC_CCBIN")
    both = {"NVCC_CCBIN": "g++-12", "NVCC_PREPEND_FLAGS": "-O2 -ccbin=/usr/bin/g++-11"}
    assert first(tree, **both)[1:] == ("11", "/usr/bin/g++-11", "NVCC_PREPEND_FLAGS")
    assert first(tree, CXX="g++-12")[3] == "PATH"


def test_links_beside_nvcc_are_taken_before_path(tree: MachineTree) -> None:
    # As Debian's package of the toolkit has it.
    tree.host_path(f"{NVCC}/bin/nvcc").unlink()
    tree.gcc("13")
    tree.gcc("12", usual=False)
    tree.write("/usr/bin/nvcc", "#!/bin/sh\nexec /usr/lib/nvidia-cuda-toolkit/bin/nvcc\n")
    tree.write("/usr/lib/nvidia-cuda-toolkit/bin/nvcc", b"\x7fELF")
    tree.link("/usr/lib/nvidia-cuda-toolkit/bin/gcc", "/usr/bin/gcc-12")
    tree.write("/usr/include/cuda.h", "#define CUDA_VERSION 12000\n")
    assert first(tree)[1:] == ("12", "/usr/lib/nvidia-cuda-toolkit/bin/gcc", "folder of nvcc")


def test_a_wrapper_is_passed_over_for_the_compiler_behind_it(tree: MachineTree) -> None:
    tree.gcc("12")
    tree.write("/usr/bin/ccache", b"\x7fELF")
    tree.link("/usr/lib/ccache/gcc", "../../bin/ccache")
    assert first(tree, PATH="/usr/lib/ccache:/usr/bin")[2] == "/usr/bin/gcc"


def test_clang_is_told_by_its_name_and_by_llvm_s_folder(tree: MachineTree) -> None:
    tree.write("/usr/lib/llvm-18/bin/clang", b"\x7fELF")
    tree.link("/usr/bin/clang++", "../lib/llvm-18/bin/clang")
    tree.write("/usr/bin/clang-17", b"\x7fELF")
    assert first(tree, NVCC_CCBIN="clang++")[:2] == ("clang", "18")
    assert first(tree, NVCC_CCBIN="clang-17")[:2] == ("clang", "17")


def test_visual_studio_is_told_by_the_folder_of_its_tools(tree: MachineTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Root, "system", "Windows")
    base = "/pf/Microsoft Visual Studio/2022/Community/VC/Tools/MSVC"
    for version in ("14.29.30133", "14.44.35207"):
        tree.write(f"{base}/{version}/bin/Hostx64/x64/cl.exe", b"MZ")
    tree.write(f"{NVCC}/bin/nvcc.exe", b"MZ")
    variables = {"ProgramFiles": "/pf", "CUDA_PATH": NVCC, "PATH": ""}
    section = compilers.gather(Root(tree.root), toolkits.gather(Root(tree.root), variables, []), variables)
    assert isinstance(section, Compilers)
    assert [(each.kind, known(each.version)) for each in section.found] == [("msvc", "1944"), ("msvc", "1929")]


def test_flags_that_switch_the_check_off_are_seen(tree: MachineTree) -> None:
    tree.gcc("13")
    assert known(gather(tree).check_disabled) is False
    assert known(gather(tree, NVCC_APPEND_FLAGS="-allow-unsupported-compiler").check_disabled) is True


@pytest.mark.skipif(sys.platform != "linux", reason="a compiler is asked on Linux only")
@pytest.mark.parametrize(("script", "version"), [("echo 13.2.0", "13.2.0"), ("sleep 60", None), ("exit 1", None)])
def test_a_compiler_that_no_file_tells_of_is_asked_within_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, version: str | None
) -> None:
    monkeypatch.setattr(compilers, "_PROGRAM_LIMIT_S", 0.2)
    for name in ("gcc", "nvcc"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    variables = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    section = compilers.gather(Root(), toolkits.gather(Root(), variables, []), variables)
    assert isinstance(section, Compilers)
    assert known(section.found[0].version) == version


def limits(tree: MachineTree) -> tuple[object, ...]:
    section = toolkits.gather(Root(tree.root), {}, [])
    assert isinstance(section, Toolkits)
    (kit,) = section.found
    return kit.gcc_newest, kit.clang_newest, kit.msvc_newest


def test_the_toolkit_s_own_header_says_which_compilers_it_takes(tree: MachineTree) -> None:
    tree.host_config(NVCC, gcc=14, clang=20)
    path = f"{NVCC}/include/crt/host_config.h"
    assert limits(tree) == (Known(14, path), Known(19, path), Known(1949, path))


def test_without_the_header_the_table_does_and_says_so(tree: MachineTree) -> None:
    gcc, clang, msvc = limits(tree)
    assert isinstance(gcc, Known)
    assert gcc.value == 12
    assert "table of November 2026" in gcc.source
    assert isinstance(clang, Known)
    assert clang.value == 15
    assert isinstance(msvc, Known)
    assert msvc.value == 1939


def test_a_toolkit_without_nvcc_or_header_or_row_says_why_it_has_no_limit(tree: MachineTree) -> None:
    tree.host_path(f"{NVCC}/bin/nvcc").unlink()
    assert set(limits(tree)) == {Missing("there is no nvcc in it")}
    tree.write(f"{NVCC}/bin/nvcc", b"\x7fELF")
    tree.write(f"{NVCC}/version.json", '{"cuda": {"version": "99.1.0"}}')
    assert "the table of November 2026 does not have it" in str(limits(tree)[0])


def test_a_header_in_another_form_gives_no_number(tree: MachineTree) -> None:
    tree.write(f"{NVCC}/include/crt/host_config.h", "#if __GNUC__ >= FOO\n")
    gcc, _, _ = limits(tree)
    assert isinstance(gcc, Missing)


def test_the_cache_of_this_user_is_looked_at_and_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    section = jit_cache.gather(Root(), {"CUDA_CACHE_PATH": str(tmp_path / "a" / "b")})
    assert not isinstance(section, Missing)
    assert (section.set_by, section.exists, section.asked_path) == ("CUDA_CACHE_PATH", False, str(tmp_path))
    assert known(section.writable) is False
    assert list(tmp_path.iterdir()) == []


def test_the_cache_of_another_machine_s_files_is_not_judged(tmp_path: Path) -> None:
    assert isinstance(jit_cache.gather(Root(str(tmp_path)), {}), Missing)
