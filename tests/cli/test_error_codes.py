"""Every error code of the driver API and of NVML by which a cause is known, from a driver that returns it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Doctor
from tests.fake_driver.build import FakeDriver
from tests.probes.machine_tree import server_with_narrow_uplink

RETAIN = "cuDevicePrimaryCtxRetain"

CODES: list[tuple[dict[str, Any], str, int, str]] = [
    ({"cu_init": 34}, "stub-libcuda-loaded", 34, "CUDA_ERROR_STUB_LIBRARY"),
    ({"cu_init": 46}, "driver-call-failed", 46, "CUDA_ERROR_DEVICE_UNAVAILABLE"),
    ({"cu_init": 100}, "driver-call-failed", 100, "CUDA_ERROR_NO_DEVICE"),
    ({"cu_init": 101}, "driver-call-failed", 101, "CUDA_ERROR_INVALID_DEVICE"),
    ({"cu_init": 214}, "ecc-uncorrectable", 214, "CUDA_ERROR_ECC_UNCORRECTABLE"),
    ({"cu_init": 802}, "fabric-manager-not-running", 802, "CUDA_ERROR_SYSTEM_NOT_READY"),
    ({"cu_init": 803}, "compat-libs-mismatch", 803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
    ({"cu_init": 804}, "forward-compat-unsupported-gpu", 804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"),
    ({"cu_init": 999}, "driver-call-failed", 999, "CUDA_ERROR_UNKNOWN"),
    ({"error_in": f"{RETAIN}:2"}, "driver-call-failed", 2, "CUDA_ERROR_OUT_OF_MEMORY"),
    ({"error_in": f"{RETAIN}:46"}, "driver-call-failed", 46, "CUDA_ERROR_DEVICE_UNAVAILABLE"),
    ({"error_in": f"{RETAIN}:46", "compute_mode": 3}, "exclusive-compute-mode", 46, "CUDA_ERROR_DEVICE_UNAVAILABLE"),
    ({"error_in": f"{RETAIN}:214"}, "ecc-uncorrectable", 214, "CUDA_ERROR_ECC_UNCORRECTABLE"),
    ({"error_in": f"{RETAIN}:802"}, "fabric-manager-not-running", 802, "CUDA_ERROR_SYSTEM_NOT_READY"),
    ({"error_in": f"{RETAIN}:999"}, "driver-call-failed", 999, "CUDA_ERROR_UNKNOWN"),
    ({"nvml_init": 4}, "driver-call-failed", 4, "NVML_ERROR_NO_PERMISSION"),
    ({"nvml_init": 9}, "driver-call-failed", 9, "NVML_ERROR_DRIVER_NOT_LOADED"),
    ({"nvml_init": 15}, "gpu-fallen-off-bus", 15, "NVML_ERROR_GPU_IS_LOST"),
    ({"nvml_init": 18}, "driver-library-mismatch", 18, "NVML_ERROR_LIB_RM_VERSION_MISMATCH"),
    ({"nvml_init": 999}, "driver-call-failed", 999, "NVML_ERROR_UNKNOWN"),
    ({"error_in": "nvmlDeviceGetHandleByIndex_v2:15"}, "gpu-fallen-off-bus", 15, "NVML_ERROR_GPU_IS_LOST"),
]


@pytest.mark.parametrize(("scenario", "cause", "code", "name"), CODES, ids=lambda value: str(value)[:40])
def test_a_code_is_told_by_number_and_name_with_its_cause(
    doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path, scenario: dict[str, Any], cause: str, code: int, name: str
) -> None:
    root = server_with_narrow_uplink(tmp_path).root
    environment = fake_driver.scenario(**scenario)
    run = doctor("check", "--quick", "--sysroot", root, "--live", "--format", "json", env=environment)
    assert run.ids == [cause]
    failed = [step for step in run.document["facts"]["ladder"]["steps"] if step["state"] == "failed"]
    assert [(step["code"], step["code_name"]) for step in failed] == [(code, name)]
    # A machine whose kernels were not asked to run, and whose driver API works, is worse off, and not broken.
    only_nvml = run.document["findings"][0]["severity"] == "warning"
    assert run.code == (0 if only_nvml else 1)
    assert only_nvml == (name.startswith("NVML") and cause == "driver-call-failed")


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("cuModuleLoadDataEx:209", ""),
        ("cuModuleLoadDataEx:222", ""),
        ("cuMemcpyHtoDAsync_v2:700", "gpu-lost-while-measured"),
        ("cuMemcpyHtoDAsync_v2:719", "gpu-lost-while-measured"),
    ],
)
def test_a_code_in_the_middle_of_a_measurement_is_told(
    doctor: Doctor, fake_driver: FakeDriver, error: str, cause: str
) -> None:
    run = doctor("bandwidth", "--quick", "--format", "json", env=fake_driver.scenario(error_in=error))
    told = {
        "209": "NO_BINARY_FOR_GPU",
        "222": "UNSUPPORTED_PTX_VERSION",
        "700": "ILLEGAL_ADDRESS",
        "719": "LAUNCH_FAILED",
    }
    assert f"CUDA_ERROR_{told[error[-3:]]}" in run.out
    assert (cause in run.ids) == bool(cause)
    assert (run.code != 0) == bool(cause)  # without its hold kernel copies are timed one by one, and that is said
