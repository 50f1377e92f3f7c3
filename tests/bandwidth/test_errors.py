from __future__ import annotations

import pytest

from cudadoctor.gpu.driver_api import DriverError
from cudadoctor.gpu.errors import CUDA_ERRORS, NVML_ERRORS, cuda_error, nvml_error


def test_the_text_of_a_driver_error_has_call_name_code_and_meaning() -> None:
    text = str(DriverError("cuInit", 803))
    assert text.startswith("cuInit failed with CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803): libcuda and the kernel driver")


def test_a_call_that_the_driver_lacks_has_no_code() -> None:
    error = DriverError("cuDeviceGetUuid_v2", None)
    assert error.code is None
    assert str(error) == "this driver does not have cuDeviceGetUuid_v2"


def test_a_code_that_is_not_listed_is_named_by_its_number() -> None:
    assert cuda_error(4711).name == "CUDA error 4711"
    assert nvml_error(4711).name == "NVML error 4711"


def test_the_runtimes_error_35_is_known_though_the_driver_has_none() -> None:
    assert cuda_error(35).name == "cudaErrorInsufficientDriver"


def test_nvml_names_and_codes_are_those_of_nvidia_ml_py() -> None:
    pynvml = pytest.importorskip("pynvml")
    for code, error in NVML_ERRORS.items():
        assert getattr(pynvml, error.name) == code == error.code


def test_cuda_names_and_codes_are_those_of_cuda_bindings() -> None:
    driver = pytest.importorskip("cuda.bindings.driver")
    for code, error in CUDA_ERRORS.items():
        assert int(getattr(driver.CUresult, error.name)) == code == error.code
