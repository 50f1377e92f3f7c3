"""The fake driver, met as a program meets a driver: in a process of its own, by the real pynvml and the real loader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fake_driver.build import FakeDriver

NVML = """
import ctypes, json, pynvml
try:
    pynvml.nvmlInit()
except pynvml.NVMLError as error:
    print(json.dumps({"init": error.value, "text": pynvml.nvmlErrorString(error.value)}))
    raise SystemExit
buffer = ctypes.create_string_buffer(96)
answer = {"init": 0, "count": pynvml.nvmlDeviceGetCount(), "driver": pynvml.nvmlSystemGetDriverVersion()}
answer["cuda"] = pynvml.nvmlSystemGetCudaDriverVersion_v2()
device = pynvml.nvmlDeviceGetHandleByIndex(0)
pynvml.nvmlLib.nvmlDeviceGetName(device, buffer, 96)
answer["name"] = list(buffer.value)
answer["uuid"] = pynvml.nvmlDeviceGetUUID(device)
answer["pci"] = pynvml.nvmlDeviceGetPciInfo(device).busId
answer["memory"] = pynvml.nvmlDeviceGetMemoryInfo(device).total
answer["memory_v2"] = pynvml.nvmlDeviceGetMemoryInfo(device, version=pynvml.nvmlMemory_v2).total
answer["link"] = [pynvml.nvmlDeviceGetCurrPcieLinkGeneration(device), pynvml.nvmlDeviceGetCurrPcieLinkWidth(device)]
answer["power"] = pynvml.nvmlDeviceGetEnforcedPowerLimit(device)
answer["temperature"] = pynvml.nvmlDeviceGetTemperatureV(device, pynvml.NVML_TEMPERATURE_GPU)
answer["mig"] = pynvml.nvmlDeviceGetMigMode(device)
answer["reasons"] = pynvml.nvmlDeviceGetCurrentClocksEventReasons(device)
answer["processes"] = [process.pid for process in pynvml.nvmlDeviceGetComputeRunningProcesses(device)]
by_address = pynvml.nvmlDeviceGetHandleByPciBusId(answer["pci"])
answer["same"] = pynvml.nvmlDeviceGetUUID(by_address) == answer["uuid"]
pynvml.nvmlShutdown()
print(json.dumps(answer))
"""

CUDA = """
import ctypes, json
cuda = ctypes.CDLL("libcuda.so.1")
answer = {"init": cuda.cuInit(0)}
version, count = ctypes.c_int(), ctypes.c_int()
cuda.cuDriverGetVersion(ctypes.byref(version))
answer["version"] = version.value
answer["count_code"] = cuda.cuDeviceGetCount(ctypes.byref(count))
answer["count"] = count.value
buffer = ctypes.create_string_buffer(256)
answer["names"] = []
for ordinal in range(count.value):
    cuda.cuDeviceGetName(buffer, 256, ordinal)
    answer["names"].append(list(buffer.value))
answer["mapped"] = sorted({line.split()[-1] for line in open("/proc/self/maps") if "libcuda.so" in line})
print(json.dumps(answer))
"""


def run(code: str, environment: dict[str, str], *, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def answer(code: str, environment: dict[str, str]) -> dict[str, Any]:
    done = run(code, environment)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_healthy_card_answers_all_that_pynvml_asks(fake_driver: FakeDriver) -> None:
    seen = answer(NVML, fake_driver.scenario())
    assert seen["count"] == 1
    assert seen["driver"] == "580.159.04"
    assert seen["cuda"] == 13000
    assert bytes(seen["name"]) == b"NVIDIA H100 80GB HBM3"
    assert seen["pci"] == "00000000:04:00.0"
    assert seen["memory"] == seen["memory_v2"] > 80e9
    assert seen["link"] == [5, 16]
    assert seen["power"] == 700_000
    assert seen["temperature"] == 34
    assert seen["mig"] == [0, 0]
    assert seen["processes"] == []
    assert seen["same"]


def test_keys_of_the_scenario_change_the_answers(fake_driver: FakeDriver) -> None:
    keys: dict[str, Any] = {"link_generation": 1, "link_width": 8, "compute_processes": 2, "clock_event_reasons": "0x4"}
    seen = answer(NVML, fake_driver.scenario(**keys, cuda_version=11040, driver_release="470.57.02"))
    assert seen["link"] == [1, 8]
    assert seen["processes"] == [4001, 4002]
    assert seen["reasons"] == 4
    assert (seen["cuda"], seen["driver"]) == (11040, "470.57.02")


@pytest.mark.parametrize(("code", "text"), [(18, "Driver/library version mismatch"), (9, "Driver Not Loaded")])
def test_nvml_fails_with_the_code_of_the_scenario(fake_driver: FakeDriver, code: int, text: str) -> None:
    assert answer(NVML, fake_driver.scenario(nvml_init=code)) == {"init": code, "text": text}


@pytest.mark.parametrize("code", [3, 34, 100, 802, 803, 804, 999])
def test_cu_init_fails_with_the_code_of_the_scenario(fake_driver: FakeDriver, code: int) -> None:
    seen = answer(CUDA, fake_driver.scenario(cu_init=code))
    assert seen["init"] == code
    assert seen["count_code"] == 3  # CUDA_ERROR_NOT_INITIALIZED, as nothing works after a failed cuInit
    assert seen["version"] == 13000  # but the version can be asked without it


def test_the_file_that_is_mapped_has_the_release_in_its_name(fake_driver: FakeDriver) -> None:
    seen = answer(CUDA, fake_driver.scenario(libcuda_release="570.86.15"))
    assert [Path(path).name for path in seen["mapped"]] == ["libcuda.so.570.86.15"]


def test_the_libraries_that_a_process_mapped_are_found_by_their_real_paths(fake_driver: FakeDriver) -> None:
    code = (
        "import ctypes, json; from cudadoctor.gpu.mapped import mapped_libraries; before = mapped_libraries(); "
        "ctypes.CDLL('libcuda.so.1'); print(json.dumps([before, mapped_libraries()]))"
    )
    done = run(code, fake_driver.scenario(libcuda_release="570.86.15") | {"PYTHONPATH": os.pathsep.join(sys.path)})
    before, after = json.loads(done.stdout)
    assert before == []
    assert [Path(path).name for path in after] == ["libcuda.so.570.86.15"]


@pytest.mark.parametrize("program", [CUDA, NVML])
def test_a_crash_kills_the_process(fake_driver: FakeDriver, program: str) -> None:
    assert run(program, fake_driver.scenario(cu_init="crash", nvml_init="crash")).returncode == -11


def test_any_function_can_hang(fake_driver: FakeDriver) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run(CUDA, fake_driver.scenario(hang_in="cuDeviceGetCount"), timeout_s=1.5)


def test_any_function_can_fail(fake_driver: FakeDriver) -> None:
    seen = answer(CUDA, fake_driver.scenario(error_in="cuDeviceGetName:1,cuDeviceGetCount:999"))
    assert (seen["init"], seen["count_code"]) == (0, 999)


def test_a_hostile_name_arrives_byte_for_byte(fake_driver: FakeDriver) -> None:
    name = b" \x1b[31mGPU\\\x07\xff\xfe = #1 \xe2\x80\xae"
    environment = fake_driver.scenario(name=name)
    assert bytes(answer(NVML, environment)["name"]) == name
    assert bytes(answer(CUDA, environment)["names"][0]) == name


@pytest.mark.parametrize(
    ("variable", "init", "names"),
    [
        ("", 100, []),
        ("-1", 100, []),
        ("1", 0, ["second"]),
        ("1,0", 0, ["second", "first"]),
        ("0,7,1", 0, ["first"]),
        ("GPU-fa4e0001", 0, ["second"]),
        ("nonsense", 100, []),
    ],
)
def test_libcuda_honours_cuda_visible_devices(
    fake_driver: FakeDriver, variable: str, init: int, names: list[str]
) -> None:
    keys: dict[str, Any] = {"device_count": 2, "name.0": "first", "name.1": "second"}
    seen = answer(CUDA, fake_driver.scenario(environment={"CUDA_VISIBLE_DEVICES": variable}, **keys))
    assert seen["init"] == init
    assert [bytes(name).decode() for name in seen["names"]] == names


def test_nvml_ignores_cuda_visible_devices(fake_driver: FakeDriver) -> None:
    assert answer(NVML, fake_driver.scenario(environment={"CUDA_VISIBLE_DEVICES": ""}))["count"] == 1


def test_the_trace_names_every_call_in_order(fake_driver: FakeDriver, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    answer(CUDA, fake_driver.scenario(trace=trace))
    calls = [line.split()[0] for line in trace.read_text().splitlines()]
    assert calls == ["cuInit", "cuDriverGetVersion", "cuDeviceGetCount", "cuDeviceGetName"]
