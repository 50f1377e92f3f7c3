"""What frameworks were built for, read from small files without importing them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.packages import Build, Packages
from cudadoctor.probes import packages
from cudadoctor.probes.builds import cuda_of_build_string
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree

SITE = "/opt/env/lib/python3.11/site-packages"


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    return MachineTree(tmp_path)


def gather(tree: MachineTree) -> Packages:
    section = packages.gather(Root(tree.root), [SITE], "/opt/env")
    assert isinstance(section, Packages)
    return section


def build(tree: MachineTree) -> Build:
    builds = gather(tree).builds
    assert not isinstance(builds, Missing)
    (only,) = builds
    return only


def torch_file(version: str, cuda: str | None, hip: str | None = None) -> str:
    return (
        "from typing import Optional\n\n__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip']\n"
        f"__version__ = {version!r}\ndebug = False\ncuda: Optional[str] = {cuda!r}\n"
        f"git_version = '9d2f3b'\nhip: Optional[str] = {hip!r}\n"
    )


@pytest.mark.parametrize(
    ("cuda", "hip", "told"), [("13.0", None, ("13.0", "")), (None, None, ("", "")), (None, "6.2", ("", "hip"))]
)
def test_torch_tells_in_its_generated_file(
    tree: MachineTree, cuda: str | None, hip: str | None, told: tuple[str, str]
) -> None:
    tree.distribution(SITE, "torch", "2.11.0")
    tree.write(f"{SITE}/torch/version.py", torch_file("2.11.0+cu130", cuda, hip))
    torch = build(tree)
    assert (known(torch.cuda_version), torch.other_platform) == told
    assert torch.version == "2.11.0+cu130"


@pytest.mark.parametrize(
    ("version", "cuda"), [("2.6.0+cu124", "12.4"), ("1.7.1+cu92", "9.2"), ("2.6.0+cpu", ""), ("2.6.0", None)]
)
def test_torch_without_that_file_tells_in_its_version(tree: MachineTree, version: str, cuda: str | None) -> None:
    tree.distribution(SITE, "torch", version)
    assert known(build(tree).cuda_version) == cuda


def test_tensorflow_tells_versions_and_capabilities(tree: MachineTree) -> None:
    tree.distribution(SITE, "tensorflow", "2.18.0")
    tree.write(
        f"{SITE}/tensorflow/python/platform/build_info.py",
        "import collections\n\nbuild_info = collections.OrderedDict([('cpu_compiler', '/usr/lib/llvm-18/bin/clang'), "
        "('cuda_compute_capabilities', ['sm_60', 'sm_70', 'sm_80', 'sm_89', 'compute_90']), "
        "('cuda_version', '12.5.1'), ('cudnn_version', '9'), ('is_cuda_build', True), ('is_rocm_build', False)])\n",
    )
    tensorflow = build(tree)
    assert (known(tensorflow.cuda_version), known(tensorflow.cudnn_version)) == ("12.5.1", "9")
    # compute_90 means both in this list: machine code for 9.0, and PTX for what comes after it.
    assert known(tensorflow.architectures) == ("sm_60", "sm_70", "sm_80", "sm_89", "sm_90", "compute_90")


def test_tensorflow_on_windows_tells_that_it_has_no_cuda(tree: MachineTree) -> None:
    tree.distribution(SITE, "tensorflow", "2.12.0")
    tree.write(
        f"{SITE}/tensorflow/python/platform/build_info.py",
        "build_info = collections.OrderedDict([('is_cuda_build', False), ('is_rocm_build', False)])\n",
    )
    assert known(build(tree).cuda_version) == ""


def test_jax_has_cuda_by_its_plugin(tree: MachineTree) -> None:
    tree.distribution(SITE, "jaxlib", "0.11.2")
    assert known(build(tree).cuda_version) == ""
    tree.distribution(SITE, "jax-cuda12-plugin", "0.11.2")
    tree.distribution(SITE, "jax-cuda13-plugin", "0.11.2")
    assert known(build(tree).cuda_version) == "13"


def test_jaxlib_of_old_had_cuda_in_its_version(tree: MachineTree) -> None:
    tree.distribution(SITE, "jaxlib", "0.4.13+cuda12.cudnn89")
    assert known(build(tree).cuda_version) == "12"


@pytest.mark.parametrize(
    ("name", "cuda"), [("cupy-cuda13x", "13"), ("cupy-cuda118", "11.8"), ("cupy-cuda92", "9.2"), ("cupy", None)]
)
def test_cupy_tells_in_its_name(tree: MachineTree, name: str, cuda: str | None) -> None:
    tree.distribution(SITE, name, "13.0.0")
    assert known(build(tree).cuda_version) == cuda


def test_paddle_mxnet_and_onnxruntime_are_read_too(tree: MachineTree) -> None:
    tree.distribution(SITE, "paddlepaddle-gpu", "2.6.1")
    tree.write(f"{SITE}/paddle/version/__init__.py", "full_version  = '2.6.1'\ncuda_version  = '11.7'\n")
    tree.distribution(SITE, "mxnet-cu112", "1.9.1")
    tree.distribution(SITE, "onnxruntime-gpu", "1.20.1")
    tree.write(
        f"{SITE}/onnxruntime/capi/build_and_package_info.py",
        'package_name = "onnxruntime-gpu"\ncuda_version = "12.4"\n',
    )
    found = gather(tree)
    cuda = {name: known(found.build_of(name).cuda_version) for name in ("paddle", "mxnet", "onnxruntime")}  # type: ignore[union-attr]
    assert cuda == {"paddle": "11.7", "mxnet": "11.2", "onnxruntime": "12.4"}


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        ("cuda126_generic_py311_h1234567_200", "12.6"),
        ("py3.11_cuda12.4_cudnn9.1.0_0", "12.4"),
        ("cuda120py311hd3a7d8f_0", "12.0"),
        ("cpu_generic_py311_h1234567_0", ""),
        ("py3.9_cpu_0", ""),
        ("mkl_py39h1234_0", ""),
        ("cpu_py311h9f3ba08_0", ""),
        ("gpu_py39h8236f22_0", None),
        ("py311h38be061_0", None),
    ],
)
def test_a_conda_build_string_tells(text: str, cuda: str | None) -> None:
    assert cuda_of_build_string(text) == cuda


def test_the_list_of_a_conda_environment_fills_what_the_files_leave_open(tree: MachineTree) -> None:
    tree.distribution(SITE, "jaxlib", "0.4.35")
    tree.write("/opt/env/conda-meta/jaxlib-0.4.35-cuda126py311h0ab1c2d_200.json", "{}")
    told = build(tree).cuda_version
    assert known(told) == "12.6"
    assert getattr(told, "source", "").startswith("conda-meta/jaxlib-0.4.35")


def test_a_module_of_python_2_is_parsed_and_not_run(tree: MachineTree) -> None:
    tree.write(f"{SITE}/gnumpy.py", "import os\nprint 'loading'\nos._exit(3)\n")
    tree.write(f"{SITE}/cudamat/cudamat.py", "raise SystemExit('it was run')\n")
    found = gather(tree).legacy_modules
    assert not isinstance(found, Missing)
    gnumpy, cudamat = found
    assert gnumpy.syntax_error.startswith("line 2: ")
    assert cudamat.syntax_error == ""
