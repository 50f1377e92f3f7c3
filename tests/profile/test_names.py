"""What calls are for, what kernels are called, and which libcupti fits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cudadoctor.attribution.profile.trace import CallKind
from cudadoctor.gpu.cupti.ask import toolkit_of, usable
from cudadoctor.gpu.cupti.places import candidates
from cudadoctor.profile.calls import kind_of_call
from cudadoctor.profile.kernel_names import readable
from tests.fake_driver.build import FakeDriver
from tests.profile.programs import variables


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cuLaunchKernel", CallKind.LAUNCH),
        ("cuLaunchKernelEx", CallKind.LAUNCH),
        ("cudaLaunchKernel_v7000", CallKind.LAUNCH),
        ("cudaLaunchKernelExC_v11060", CallKind.LAUNCH),
        ("cuLaunchHostFunc", CallKind.EVENT),
        ("cuLaunchCooperativeKernel", CallKind.LAUNCH),
        ("cuGraphLaunch", CallKind.LAUNCH),
        ("cudaGraphLaunch_v10000", CallKind.LAUNCH),
        ("cuGraphInstantiateWithFlags", CallKind.CAPTURE),
        ("cudaStreamBeginCapture_v10000", CallKind.CAPTURE),
        ("cudaStreamIsCapturing_v10000", CallKind.CAPTURE),
        ("cuMemcpyHtoD_v2", CallKind.COPY),
        ("cudaMemcpyAsync_v3020", CallKind.COPY),
        ("cuMemsetD8_v2", CallKind.MEMSET),
        ("cudaMemsetAsync_v3020", CallKind.MEMSET),
        ("cuMemAlloc_v2", CallKind.ALLOCATE),
        ("cuMemAllocAsync", CallKind.ALLOCATE),
        ("cudaMalloc_v3020", CallKind.ALLOCATE),
        ("cudaHostAlloc_v3020", CallKind.ALLOCATE),
        ("cuMemHostAlloc", CallKind.ALLOCATE),
        ("cuMemHostRegister_v2", CallKind.ALLOCATE),
        ("cuMemFree_v2", CallKind.FREE),
        ("cudaFree_v3020", CallKind.FREE),
        ("cudaFreeHost_v3020", CallKind.FREE),
        ("cuMemFreeHost", CallKind.FREE),
        ("cuMemGetInfo_v2", CallKind.QUERY),
        ("cudaMemGetInfo_v3020", CallKind.QUERY),
        ("cuCtxSynchronize", CallKind.SYNC),
        ("cuStreamSynchronize", CallKind.SYNC),
        ("cudaDeviceSynchronize_v3020", CallKind.SYNC),
        ("cuEventSynchronize", CallKind.SYNC),
        ("cuStreamWaitEvent", CallKind.EVENT),
        ("cuEventRecord", CallKind.EVENT),
        ("cuEventQuery", CallKind.EVENT),
        ("cuStreamQuery", CallKind.EVENT),
        ("cuModuleLoadDataEx", CallKind.MODULE),
        ("cuLibraryLoadData", CallKind.MODULE),
        ("cuLinkCreate_v2", CallKind.MODULE),
        ("cuModuleGetFunction", CallKind.MODULE),
        ("cuCtxGetCurrent", CallKind.QUERY),
        ("cuCtxGetDevice", CallKind.QUERY),
        ("cudaGetDevice_v3020", CallKind.QUERY),
        ("cudaGetLastError_v3020", CallKind.QUERY),
        ("cuDeviceGetAttribute", CallKind.QUERY),
        ("cuPointerGetAttribute", CallKind.QUERY),
        ("cuKernelGetAttribute", CallKind.QUERY),
        ("cuKernelGetName", CallKind.QUERY),
        ("cuOccupancyMaxActiveBlocksPerMultiprocessor", CallKind.QUERY),
        ("cudaFuncSetAttribute_v9000", CallKind.OTHER),
        ("cuCtxSetCurrent", CallKind.QUERY),
        ("cudaSetDevice_v3020", CallKind.QUERY),
        ("cuInit", CallKind.CONTEXT),
        ("cuDevicePrimaryCtxRetain", CallKind.CONTEXT),
        ("cuStreamCreate", CallKind.CONTEXT),
    ],
)
def test_calls_are_sorted_by_what_they_are_for(name: str, kind: CallKind) -> None:
    assert kind_of_call(name) is kind


@pytest.mark.parametrize(
    ("mangled", "shown"),
    [
        ("loop_add_fusion", "loop_add_fusion"),
        (
            "_ZN6cudapy8__main__7add_oneB2v1B96cw51cXTLSUwv1sCUt9Uw1VEw0NRRQPKzLTg4gaGKFsG2oMQGEYakJSQB1PQBk0Bynm21Ow"
            "iU1a0UoLGhDpQE8oxrNQE_3dE5ArrayIfLi1E1C7mutable7alignedE",
            "add_one",
        ),
        (
            "_ZN2at6native29vectorized_elementwise_kernelILi4ENS0_15CUDAFunctor_addIfEEEEviT0_T1_",
            "at::native::vectorized_elementwise_kernel",
        ),
        ("_Z6kernelPf", "kernel"),
        ("_ZN12_GLOBAL__N_110add_kernelEv", "add_kernel"),
        ("_Z", "_Z"),
        ("_ZN999shortE", "_ZN999shortE"),
        ("", ""),
    ],
)
def test_kernels_have_their_authors_names(mangled: str, shown: str) -> None:
    assert readable(mangled) == shown


@pytest.mark.parametrize(
    ("version", "toolkit"),
    [(18, (11, 8)), (26, (12, 8)), (28, (12, 9)), (130000, (13, 0)), (130101, (13, 1)), (12, None), (99, None)],
)
def test_versions_of_the_tracer_name_a_toolkit(version: int, toolkit: tuple[int, int] | None) -> None:
    assert toolkit_of(version) == toolkit


def test_no_tracer_is_newer_than_the_driver(fake_driver: FakeDriver) -> None:
    path = str(fake_driver.cupti)
    with variables(FAKE_CUPTI_VERSION="130001"):
        assert usable([path], (13, 0), 8.0) == ([path], [])
        assert usable([path], (12, 8), 8.0) == ([], [f"{path}: of CUDA 13.0, newer than the driver's 12.8"])
        assert usable([path], None, 8.0) == ([path], [])


def test_what_cannot_be_loaded_is_named(tmp_path: Path, fake_driver: FakeDriver) -> None:
    broken = tmp_path / "libcupti.so.12"
    broken.write_bytes(b"\x7fELF")
    paths, reasons = usable([str(broken), str(fake_driver.cupti)], (13, 0), 8.0)
    assert paths == [str(fake_driver.cupti)]
    assert len(reasons) == 1
    assert reasons[0].startswith(f"{broken}: ")


def test_packages_come_before_toolkits(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    shipped = site / "nvidia" / "cu13" / "lib" / "libcupti.so.13"
    toolkit = tmp_path / "cuda"
    installed = toolkit / "extras" / "CUPTI" / "lib64" / "libcupti.so.2025.3.1"
    for each in (shipped, installed):
        each.parent.mkdir(parents=True)
        each.write_bytes(b"")
    os.symlink(installed, installed.with_name("libcupti.so.13"))
    found = candidates([str(tmp_path / "nowhere"), str(site)], {"CUDA_HOME": str(toolkit)})
    assert found[0] == str(shipped)
    assert [path for path in found if path.startswith(str(toolkit))] == [str(installed)]
    assert found[-3:] == ["libcupti.so.13", "libcupti.so.12", "libcupti.so.11.0"]
