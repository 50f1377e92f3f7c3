"""Copies of CUDA libraries, host compilers, and variables that lead programs to the wrong file."""

from __future__ import annotations

import msgspec
import pytest

from cudadoctor.facts.libraries import Libraries, NamedLibrary
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.findings import Finding, Severity
from cudadoctor.rules.diagnose import diagnose
from tests.rules import build as b

SITE = "/home/ada/venv/lib/python3.12/site-packages/nvidia"
VARIABLE = {"found_via": "LD_LIBRARY_PATH", "folder": "/usr/local/cuda-12.1/lib64"}
WHEEL = {"found_via": "CUDA wheels", "folder": f"{SITE}/lib"}


def found(rule_id: str, machine: Machine) -> Finding:
    """Return a machine's finding of that id, which must be in the report."""
    return next(each for each in diagnose(machine)[0] if each.id == rule_id)


# ld-library-path-override


def nvjitlink(first: str, own: str, packages: object = None, **where: str) -> Machine:
    copies = (b.copy("libnvJitLink.so.12", first, **(VARIABLE | where)), b.copy("libnvJitLink.so.12", own, **WHEEL))
    return b.machine(
        cuda_libraries=b.cuda_libraries(*copies),
        environment=b.environment(LD_LIBRARY_PATH="/usr/local/cuda-12.1/lib64:"),
        packages=packages or b.with_packages(torch="2.5.1"),
    )


def test_an_older_nvjitlink_before_that_of_the_wheel_is_named_with_both_versions() -> None:
    finding = b.only(nvjitlink("12.1.105", "12.4.127"))
    assert finding.id == "ld-library-path-override"
    assert all(
        part in finding.summary for part in ("12.1.105", "12.4.127", "/usr/local/cuda-12.1/lib64", "PyTorch 2.5.1")
    )
    assert any("LD_LIBRARY_PATH" in command for command in finding.fix.commands)
    assert finding.confidence == "possible"


def test_a_system_cublaslt_under_the_cublas_of_a_wheel_is_named() -> None:
    copies = (
        b.copy("libcublasLt.so.11", "11.4.1.1043", found_via="LD_LIBRARY_PATH"),
        b.copy("libcublas.so.11", "11.10.3.66", **WHEEL),
        b.copy("libcublasLt.so.11", "11.10.3.66", **WHEEL),
    )
    machine = b.machine(cuda_libraries=b.cuda_libraries(*copies), packages=b.with_packages(torch="1.13.1"))
    assert b.only(machine).id == "ld-library-path-override"


@pytest.mark.parametrize(
    ("first", "own", "where"),
    [
        ("12.4.127", "12.4.127", {}),
        ("12.4", "12.4.127", {}),
        ("12.6.20", "12.4.127", {}),
        ("12.1.105", "12.4.127", {"found_via": "ld.so.cache"}),
        ("12.1.105", "12.4.127", {"found_via": "toolkit"}),
    ],
)
def test_the_same_a_newer_or_a_later_copy_is_no_override(first: str, own: str, where: dict[str, str]) -> None:
    assert b.ids(nvjitlink(first, own, **where)) == []


def test_a_library_of_another_major_version_or_of_unknown_version_overrides_nothing() -> None:
    own = b.copy("libnvJitLink.so.13", "13.0.88", **WHEEL)
    for first in (b.copy("libnvJitLink.so.12", "12.1.105", **VARIABLE), b.copy("libnvJitLink.so.13", **VARIABLE)):
        packages = b.with_packages(torch="2.9.0+cu130")
        assert b.ids(b.machine(cuda_libraries=b.cuda_libraries(first, own), packages=packages)) == []


def test_compiler_wheels_without_a_framework_are_loaded_by_their_path() -> None:
    assert b.ids(nvjitlink("12.1.105", "12.4.127", b.packages())) == []
    assert b.ids(nvjitlink("12.1.105", "12.4.127", b.with_packages(torch="2.5.1+cpu"))) == ["cpu-only-wheel"]


# cudnn-mismatch


def cudnn(*copies: object, **sections: object) -> Machine:
    told = {"packages": b.with_packages(torch="2.5.1+cu124")} | sections
    return b.machine(cuda_libraries=b.cuda_libraries(*copies), **told)  # type: ignore[arg-type]


@pytest.mark.parametrize("first", ["9.0.0", "9.8.0"])
def test_another_cudnn_before_that_of_the_wheel_is_named(first: str) -> None:
    own = b.copy("libcudnn.so.9", "9.1.0.70", **WHEEL)
    finding = b.only(cudnn(b.copy("libcudnn.so.9", first, **VARIABLE), own))
    assert (finding.id, finding.severity) == ("cudnn-mismatch", Severity.WARNING)
    assert first in finding.summary
    assert "9.1.0.70" in finding.summary


def test_cudnn_in_the_cache_the_same_one_and_another_major_version_are_no_mismatch() -> None:
    own = b.copy("libcudnn.so.9", "9.1.0.70", **WHEEL)
    for name, version, via in (
        ("libcudnn.so.9", "9.0.0", "ld.so.cache"),
        ("libcudnn.so.9", "9.1.0", "LD_LIBRARY_PATH"),
        ("libcudnn.so.8", "8.9.7", "LD_LIBRARY_PATH"),
    ):
        assert b.ids(cudnn(b.copy(name, version, found_via=via), own)) == []


def test_a_cudnn_older_than_that_of_tensorflow_s_build_is_named() -> None:
    packages = b.with_packages(tensorflow="2.5.0")
    windows = {"folder": "C:\\tools\\cuda\\bin", "found_via": "PATH"}
    copies = (
        b.copy("cudnn64_8.dll", "8.0.5", **windows),
        b.copy("cudnn64_8.dll", "8.2.0", folder="C:\\cudnn\\bin", found_via="PATH"),
        b.copy("cudart64_110.dll", "11.3", **windows),
    )
    host = b.host(system="Windows", architecture="AMD64")
    finding = found("cudnn-mismatch", cudnn(*copies, packages=packages, host=host))
    assert "8.0.5" in finding.summary
    assert "8.1" in finding.summary
    assert finding.fix.commands == ("where.exe cudnn64_8.dll",)
    newer_first = (copies[1], copies[0], copies[2])
    assert not b.fires("cudnn-mismatch", cudnn(*newer_first, packages=packages, host=host))


def test_an_older_before_a_newer_cudnn_is_a_note_where_nobody_says_which_is_wanted() -> None:
    copies = (b.copy("libcudnn.so.8", "8.0.5", **VARIABLE), b.copy("libcudnn.so.8", "8.9.7"))
    assert b.only(cudnn(*copies)).severity is Severity.NOTE
    assert b.ids(cudnn(*reversed(copies))) == []
    assert b.ids(cudnn(*copies, packages=b.packages())) == []


def test_cudnn_of_conda_is_found_by_a_path_of_its_own() -> None:
    system = (b.copy("libcudnn.so.8", "8.0.5", **VARIABLE), b.copy("libcudnn.so.8", "8.9.7"))
    conda = b.copy("libcudnn.so.8", "8.9.7", folder="/opt/conda/lib", found_via="CONDA_PREFIX")
    assert b.ids(cudnn(*system, conda)) == []


def test_an_override_of_both_is_told_once() -> None:
    copies = (
        b.copy("libcudnn.so.9", "9.0.0", **VARIABLE),
        b.copy("libcublasLt.so.12", "12.1.3.1", **VARIABLE),
        b.copy("libcudnn.so.9", "9.1.0.70", **WHEEL),
        b.copy("libcublasLt.so.12", "12.4.5.8", **WHEEL),
    )
    finding = b.only(cudnn(*copies))
    assert (finding.id, finding.consequences) == ("ld-library-path-override", ("cudnn-mismatch",))


# toolkit-version-wrong-for-framework


def tensorflow(release: str, *copies: object, **sections: object) -> Machine:
    told = {"packages": b.with_packages(tensorflow=release)} | sections
    return b.machine(cuda_libraries=b.cuda_libraries(*copies), **told)  # type: ignore[arg-type]


def test_a_toolkit_of_another_major_version_does_not_serve_tensorflow() -> None:
    machine = tensorflow("2.11.0", b.copy("libcudart.so.12", "12.4.127"), b.copy("libcudnn.so.8", "8.9.7"))
    finding = b.only(machine)
    assert finding.id == "toolkit-version-wrong-for-framework"
    assert all(part in finding.summary for part in ("2.11.0", "11.2", "libcudart.so.11.0", "libcudart.so.12"))
    assert "libcudnn.so.8:" not in finding.summary


def test_a_newer_minor_version_of_cuda_10_has_another_name() -> None:
    host = b.host(system="Windows", architecture="AMD64")
    on_path = {"folder": "C:\\CUDA\\v10.2\\bin", "found_via": "PATH"}
    copies = (b.copy("cudart64_102.dll", "10.2", **on_path), b.copy("cudnn64_7.dll", "7.6.5", **on_path))
    finding = b.only(tensorflow("2.1.0", *copies, host=host))
    assert finding.id == "toolkit-version-wrong-for-framework"
    assert "cudart64_101.dll" in finding.summary


def test_a_toolkit_off_the_search_path_is_named_with_its_place() -> None:
    off = {"folder": "/opt/cuda-11.8/lib64", "found_via": "toolkit"}
    machine = tensorflow("2.13.1", b.copy("libcudart.so.11.0", "11.8.89", **off), b.copy("libcudnn.so.8", "8.9.7"))
    assert "/opt/cuda-11.8/lib64/libcudart.so.11.0, where TensorFlow does not look" in b.only(machine).summary


def test_a_new_tensorflow_without_any_cuda_library_is_told_of_its_own_wheels() -> None:
    finding = b.only(tensorflow("2.18.0"))
    assert "no CUDA library is on this machine" in finding.summary
    assert finding.fix.commands == ('python -m pip install "tensorflow[and-cuda]==2.18.*"',)


def test_a_tensorflow_with_its_libraries_or_of_another_maker_is_left_alone() -> None:
    wheels = (b.copy("libcudart.so.12", "12.5.82", **WHEEL), b.copy("libcudnn.so.9", "9.3.0.75", **WHEEL))
    system = (b.copy("libcudart.so.11.0", "11.8.89"), b.copy("libcudnn.so.8", "8.6.0"))
    assert b.ids(tensorflow("2.18.0", *wheels)) == []
    assert b.ids(tensorflow("2.13.0", *system)) == []
    assert b.ids(tensorflow("2.16.1+nv24.7")) == []
    assert b.ids(tensorflow("2.18.0", environment=b.environment(CONDA_PREFIX="/opt/conda"))) == []
    assert b.ids(tensorflow("2.99.0")) == []
    assert b.ids(tensorflow("2.18.0", host=b.host(architecture="aarch64"))) == []


def test_without_a_gpu_tensorflow_lacks_nothing() -> None:
    assert not b.fires(
        "toolkit-version-wrong-for-framework", tensorflow("2.18.0", nvml=b.NONE, driver=b.NONE, pci=b.pci())
    )


# windows-dll-not-found


WINDOWS = b.host(system="Windows", architecture="AMD64", distribution="Windows 10")


def test_a_cuda_runtime_that_is_nowhere_is_named_by_its_dll() -> None:
    finding = b.only(tensorflow("2.3.0", host=WINDOWS))
    assert finding.id == "windows-dll-not-found"
    assert "cudart64_101.dll" in finding.summary
    assert finding.fix.commands[0] == "where.exe cudart64_101.dll"


def test_a_toolkit_whose_folder_is_not_on_path_is_named_with_its_place() -> None:
    off = {"folder": "C:\\CUDA\\v11.2\\bin", "found_via": "toolkit"}
    copies = (b.copy("cudart64_110.dll", "11.2", **off), b.copy("cudnn64_8.dll", "8.1.0", **off))
    finding = b.only(tensorflow("2.10.0", *copies, host=WINDOWS))
    assert finding.id == "windows-dll-not-found"
    assert "C:\\CUDA\\v11.2\\bin\\cudart64_110.dll" in finding.summary


def test_dlls_on_path_in_wheels_and_for_other_systems_are_no_finding() -> None:
    on_path = {"folder": "C:\\CUDA\\v11.2\\bin", "found_via": "PATH"}
    copies = (b.copy("cudart64_110.dll", "11.2", **on_path), b.copy("cudnn64_8.dll", "8.1.0", **on_path))
    assert b.ids(tensorflow("2.10.0", *copies, host=WINDOWS)) == []
    nvrtc = b.copy("nvrtc64_120_0.dll", "12.4", **(on_path | {"found_via": "CUDA wheels"}))
    cupy = b.with_packages(cupy_cuda12x="13.3.0")
    assert b.ids(b.machine(cuda_libraries=b.cuda_libraries(nvrtc), packages=cupy, host=WINDOWS)) == []
    assert b.ids(b.machine(packages=cupy)) == []


def test_cupy_without_nvrtc_is_told_its_name() -> None:
    machine = b.machine(packages=b.with_packages(cupy_cuda12x="13.3.0"), host=WINDOWS)
    assert "nvrtc64_120_0.dll" in b.only(machine).summary


# nvcc-runtime-mismatch


def building(toolkits: Toolkits, torch: str = "2.1.0+cu121", **sections: object) -> Machine:
    ladder = b.stopped(b.step("kernel-compile", "not reached", detail="--quick: it was left out"))
    told = {"packages": b.with_packages(torch=torch), "toolkits": toolkits, "ladder": ladder} | sections
    return b.machine(**told)


def test_nvcc_of_another_major_version_than_torch_is_a_note_about_builds() -> None:
    finding = b.only(building(b.installed_toolkit("11.8")))
    assert (finding.id, finding.severity) == ("nvcc-runtime-mismatch", Severity.NOTE)
    assert all(part in finding.summary for part in ("11.8", "12.1", "only for building"))
    assert finding.fix.commands == ()
    in_conda = b.environment(CONDA_PREFIX="/opt/conda")
    commands = b.only(building(b.installed_toolkit("11.8"), environment=in_conda)).fix.commands
    assert commands == ("conda install -c nvidia cuda-nvcc=12.1",)


def test_it_is_a_warning_where_extensions_are_built() -> None:
    variables = b.environment(TORCH_CUDA_ARCH_LIST="9.0")
    assert b.only(building(b.installed_toolkit("11.8"), environment=variables)).severity is Severity.WARNING


def test_another_minor_version_and_no_nvcc_are_no_mismatch() -> None:
    assert b.ids(building(b.installed_toolkit("12.9"))) == []
    assert b.ids(building(b.toolkit("12.9"), "2.1.0+cu118")) == []
    assert b.ids(building(b.installed_toolkit("11.8"), "2.1.0+cpu")) == ["cpu-only-wheel"]
    assert b.ids(building(b.installed_toolkit("11.8"), "2.4.0a0+f70bd71a48.nv24.6")) == []


def test_the_variable_decides_and_a_fitting_toolkit_is_named() -> None:
    old, fitting = b.installed_toolkit("11.8", via="CUDA_PATH"), b.installed_toolkit("12.4")
    both = Toolkits(found=(*fitting.found, *old.found), selected_root=fitting.selected_root)
    finding = b.only(building(both))
    assert finding.fix.commands == ("export CUDA_HOME=/usr/local/cuda-12.4 PATH=/usr/local/cuda-12.4/bin:$PATH",)


def test_the_runtime_wheel_says_what_torch_of_the_index_was_built_with() -> None:
    packages = b.with_packages(torch="2.4.0", nvidia_cuda_runtime_cu12="12.1.105")
    assert b.only(building(b.installed_toolkit("11.8"), packages=packages)).id == "nvcc-runtime-mismatch"


# host-compiler-too-new


def hosted(*found: object, gcc: object = 12, version: str = "12.1", **sections: object) -> Machine:
    limits = {"gcc_newest": b.fact(gcc), "clang_newest": b.fact(15), "msvc_newest": b.fact(1939)}
    (kit,) = b.installed_toolkit(version).found
    kit = msgspec.structs.replace(kit, **limits)
    told = {
        "toolkits": Toolkits(found=(kit,), selected_root=b.NONE),
        "compilers": b.compilers(*found),  # type: ignore[arg-type]
    }
    return b.machine(**(told | sections))


def test_gcc_13_is_too_new_for_cuda_12_1() -> None:
    finding = b.only(hosted(b.compiler("13.2.0")))
    assert (finding.id, finding.severity) == ("host-compiler-too-new", Severity.WARNING)
    assert all(part in finding.summary for part in ("12.1", "up to 12", "13.2.0", "only for building"))
    assert "sudo apt-get install -y gcc-12 g++-12" in finding.fix.commands
    assert "CUDA 12.4 is the first that takes gcc 13" in finding.fix.text


def test_an_installed_older_compiler_is_taken_before_another_is_installed() -> None:
    machine = hosted(
        b.compiler("13"), b.compiler("11", path="/usr/bin/g++-11"), b.compiler("12", path="/usr/bin/g++-12")
    )
    assert b.only(machine).fix.commands == (
        'export NVCC_PREPEND_FLAGS="-ccbin g++-12"',
        "export CUDAHOSTCXX=g++-12",
    )


@pytest.mark.parametrize(
    ("family", "command"),
    [
        ("fedora", "conda install -y -c conda-forge gxx_linux-64=12"),
        ("rocky rhel centos fedora", "sudo dnf install -y gcc-toolset-12"),
        ("opensuse-leap suse", "sudo zypper install -y gcc12 gcc12-c++"),
        ("arch", "conda install -y -c conda-forge gxx_linux-64=12"),
    ],
)
def test_the_older_compiler_is_installed_as_the_distribution_does(family: str, command: str) -> None:
    machine = hosted(b.compiler("13"), host=b.host(distribution_family=family))
    assert b.only(machine).fix.commands[0] == command


def test_on_arm_the_older_compiler_is_that_of_arm() -> None:
    host = b.host(distribution_family="fedora", architecture="aarch64")
    commands = b.only(hosted(b.compiler("13"), host=host)).fix.commands
    assert commands[0] == "conda install -y -c conda-forge gxx_linux-aarch64=12"
    assert all("x86_64" not in command for command in commands)
    assert any("aarch64-conda-linux-gnu-g++" in command for command in commands)


def test_a_compiler_within_the_limit_is_no_finding() -> None:
    assert b.ids(hosted(b.compiler("12.3.0"))) == []
    assert b.ids(hosted(b.compiler("15", "clang"))) == []
    assert b.ids(hosted(b.compiler("12"), b.compiler("14", path="/usr/bin/g++-14"))) == []
    assert b.ids(hosted()) == []


def test_each_kind_of_compiler_has_its_own_limit() -> None:
    assert b.only(hosted(b.compiler("16", "clang"))).id == "host-compiler-too-new"
    windows = b.only(hosted(b.compiler("1944", "msvc", path="C:\\VC\\cl.exe"), host=WINDOWS))
    assert "1939" in windows.summary
    assert windows.fix.commands == ()


def test_a_check_that_is_switched_off_is_a_note() -> None:
    compilers = b.compilers(b.compiler("13"), unchecked=True)
    assert b.only(hosted(compilers=compilers)).severity is Severity.NOTE


def test_where_no_variable_is_known_it_is_only_possible() -> None:
    compilers = msgspec.structs.replace(b.compilers(b.compiler("13")), check_disabled=b.NONE)
    assert b.only(hosted(compilers=compilers)).confidence == "possible"


def test_an_unknown_version_or_limit_is_skipped_and_not_passed() -> None:
    for machine in (hosted(b.compiler(b.NONE)), hosted(b.compiler("13"), gcc=b.NONE)):
        assert "host-compiler-too-new" in {skip.rule for skip in diagnose(machine)[1]}
        assert b.ids(machine) == []


# wrong-driver-library-loaded


def named(state: str, variable: str = "NUMBA_CUDA_DRIVER", **sections: object) -> Machine:
    files = Libraries(
        files=b.BOTH_LIBRARIES.files,
        named=(NamedLibrary(variable=variable, path="/opt/x/libcuda.so.1", state=state),),  # type: ignore[arg-type]
    )
    return b.machine(libraries=files, **sections)


@pytest.mark.parametrize("state", ["missing", "empty", "no library", "another library", "a stub"])
def test_a_variable_that_names_no_driver_is_named_with_what_is_there(state: str) -> None:
    finding = b.only(named(state))
    assert (finding.id, finding.severity) == ("wrong-driver-library-loaded", Severity.WARNING)
    assert "/opt/x/libcuda.so.1" in finding.summary
    assert finding.fix.commands[0] == "unset NUMBA_CUDA_DRIVER"


def test_a_variable_that_names_the_driver_is_no_finding() -> None:
    assert b.ids(named("a driver library")) == []
    wsl = b.host(wsl=True)
    assert b.ids(named("a driver library", host=wsl)) == []


def test_a_variable_that_nothing_here_reads_is_a_note() -> None:
    assert b.only(named("missing", packages=b.with_packages(numba_cuda="0.30.4"))).severity is Severity.NOTE
    assert b.only(named("missing", packages=b.with_packages(numba_cuda="0.2.0"))).severity is Severity.WARNING
    assert b.only(named("missing", "NUMBAPRO_CUDA_DRIVER")).severity is Severity.NOTE
    assert b.only(named("switched off")).severity is Severity.NOTE


def test_what_is_no_name_of_a_variable_is_not_put_into_a_command() -> None:
    assert b.only(named("a stub", "\x1b]0;x\x07; rm -rf ~")).fix.commands == ("ldconfig -p | grep libcuda.so",)


def test_facts_of_an_older_version_say_nothing_of_the_variables() -> None:
    assert b.ids(b.machine(libraries=Libraries(files=b.BOTH_LIBRARIES.files))) == []


# jit-cache-not-writable


def test_a_cache_that_belongs_to_root_is_a_warning() -> None:
    finding = b.only(b.machine(jit_cache=b.jit_cache(writable=b.fact(False), owner=b.fact("root"))))
    assert (finding.id, finding.severity) == ("jit-cache-not-writable", Severity.WARNING)
    assert "root" in finding.summary
    assert finding.fix.commands[0] == 'sudo chown -R "$(id -u)" ~/.nv'


def test_a_folder_of_root_around_a_cache_that_is_not_there_is_the_same() -> None:
    above = {"exists": False, "asked_path": "/home/ada/.nv", "writable": b.fact(False), "owner": b.fact("root")}
    assert b.only(b.machine(jit_cache=b.jit_cache(**above))).severity is Severity.WARNING


def test_a_home_that_cannot_be_written_is_a_note() -> None:
    home = {"exists": False, "asked_path": "/", "writable": b.fact(False), "owner": b.fact("root")}
    finding = b.only(b.machine(jit_cache=b.jit_cache("/nonexistent/.nv/ComputeCache", **home)))
    assert finding.severity is Severity.NOTE
    assert finding.fix.commands == ('export CUDA_CACHE_PATH="/tmp/cuda-cache-$(id -u)"',)


def test_a_cache_that_is_switched_off_is_a_note() -> None:
    off = b.machine(environment=b.environment(CUDA_CACHE_DISABLE="1"))
    assert b.only(off).severity is Severity.NOTE
    assert b.ids(b.machine(environment=b.environment(CUDA_CACHE_DISABLE="0"))) == []


def test_a_cache_that_nobody_asked_about_or_needs_is_no_finding() -> None:
    assert b.ids(b.machine(jit_cache=b.jit_cache(writable=b.NONE))) == []
    closed = b.jit_cache(writable=b.fact(False))
    assert not b.fires("jit-cache-not-writable", b.machine(jit_cache=closed, nvml=b.NONE, driver=b.NONE, pci=b.pci()))
