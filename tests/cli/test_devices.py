"""`devices` through the real command line, with the fake driver or without any."""

from __future__ import annotations

import json
import os
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Doctor, Run
from tests.fake_driver.build import FakeDriver


def view(run: Run, kind: str, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = run.document["facts"]["devices"]["devices"][index][kind]
    return found


def attribute(run: Run, name: str, index: int = 0) -> dict[str, Any]:
    return next(item["value"] for item in view(run, "driver", index)["attributes"] if item["name"] == name)


def test_what_could_not_be_done_is_not_ok_on_a_healthy_machine(doctor: Doctor) -> None:
    facts = Path(__file__).parents[1] / "machines" / "ubuntu24-2xh200-healthy" / "facts.json"
    run = doctor("devices", "--facts", facts, "--format", "json")
    assert (run.code, run.document["status"], run.document["findings"]) == (3, "unknown", [])
    assert "holds no table of GPUs" in run.document["error"]["message"]


def test_a_healthy_card_is_described_with_sources(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("devices", "--format", "json", env=fake_driver.scenario())
    assert (run.code, run.ids, run.document["status"], run.document["command"]) == (0, [], "ok", "devices")
    assert attribute(run, "MULTIPROCESSOR_COUNT") == {
        "state": "known",
        "value": 132,
        "source": "cuDeviceGetAttribute(MULTIPROCESSOR_COUNT)",
    }
    nvml = view(run, "nvml")
    assert (nvml["bar1_total_bytes"]["value"], nvml["power_limit_min_w"]["value"]) == (137438953472, 200.0)
    assert nvml["ecc_corrected_aggregate"]["source"] == (
        "nvmlDeviceGetTotalEccErrors(NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_AGGREGATE_ECC)"
    )
    gpu = run.document["facts"]["devices"]["devices"][0]
    assert gpu["memory_bandwidth_gb_per_s"]["value"]["value"] == pytest.approx(3352.3, abs=0.1)
    assert gpu["fp32_peak_tflop_per_s"]["value"]["value"] == pytest.approx(66.9, abs=0.1)


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_and_holds_what_devicequery_prints(
    doctor: Doctor, fake_driver: FakeDriver, columns: int
) -> None:
    run = doctor("devices", env=fake_driver.scenario(device_count=2, environment={"COLUMNS": str(columns)}))
    assert run.code == 0
    assert max(map(len, run.out.splitlines())) <= columns
    for row in (
        "warp size",
        "longest memory pitch",
        "texture 3D",
        "copy engines",
        "run time limit on kernels",
        "L2 cache",
    ):
        assert f"\n{row} " in run.out, row
    assert "PEER ACCESS" in run.out
    assert run.out.rstrip().endswith("2 GPUs: NVIDIA H100 80GB HBM3.")


def test_everything_is_shown_with_v_and_one_gpu_with_device(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(device_count=2)
    run = doctor("devices", "-v", "--device", "1", env=environment)
    assert "TENSOR_MAP_ACCESS_SUPPORTED" in run.out
    assert "0000:14:00.0" in run.out
    assert "0000:04:00.0" not in run.out
    assert "GPU-fa4e0001" in doctor("devices", "--device", "GPU-fa4e0001", env=environment).out.replace("\n", "")


def test_an_unknown_device_is_wrong_usage(doctor: Doctor, fake_driver: FakeDriver) -> None:
    for word in ("3", "GPU-deadbeef", "first"):
        run = doctor("devices", "--device", word, env=fake_driver.scenario())
        assert run.code == 2, word
    assert doctor("devices", "--diff", "0", "5", env=fake_driver.scenario()).code == 2


def test_two_cards_are_compared_row_by_row(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(device_count=2, **{"attribute.97.1": 101376, "peer_access.0": 0})
    run = doctor("devices", "--diff", "0", "1", "--format", "json", env=environment)
    assert run.code == 0
    comparison = run.document["facts"]["devices"]["comparison"]
    rows = {item["row"]: (item["first"], item["second"]) for item in comparison["differences"]}
    assert rows["shared memory, opt-in"] == ("227 KiB", "99 KiB")
    assert "PCI address" in rows
    assert "name" not in rows
    peers = run.document["facts"]["devices"]["peers"]
    access = {(peer["device"], peer["peer"]): peer["can_access"]["value"] for peer in peers}
    assert access == {(0, 1): True, (1, 0): False}


def test_two_saved_files_are_compared_without_a_driver(doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path) -> None:
    files = (tmp_path / "a.json", tmp_path / "b.json")
    for file, release in zip(files, ("580.159.04", "580.95.05"), strict=True):
        assert doctor("devices", "--save", file, env=fake_driver.scenario(driver_release=release)).code == 0
    run = doctor("devices", "--diff", *files)
    assert run.code == 0
    assert "580.95.05" in run.out
    assert "warp size" not in run.out
    again = doctor("devices", "--facts", files[0])
    assert "warp size" in again.out
    mixed = doctor("devices", "--diff", "0", files[1], env=fake_driver.scenario())
    assert mixed.code == 0
    assert "580.95.05" in mixed.out
    document = doctor("devices", "--diff", *files, "--format", "json").document
    assert [item["row"] for item in document["facts"]["devices"]["comparison"]["differences"]] == [
        "GSP firmware",
        "driver release",
    ]


def test_facts_that_do_not_describe_a_gpu_cannot_be_shown(doctor: Doctor, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    doctor("check", "--only", "host", "--save", file, "--fail-on", "never")
    run = doctor("devices", "--facts", file)
    assert run.code == 3
    assert "`cudadoctor devices --save FILE` saves it" in " ".join(run.out.split())
    assert doctor("devices", "--diff", file, file).code == 2


def test_what_an_old_driver_lacks_has_a_reason_and_is_no_zero(doctor: Doctor, fake_driver: FakeDriver) -> None:
    # The fake NVML has no nvmlDeviceGetAddressingMode, and the fake libcuda no attribute 150, as releases of 2024.
    run = doctor("devices", "--format", "json", env=fake_driver.scenario())
    mode = view(run, "nvml")["addressing_mode"]
    assert mode["state"] == "missing"
    assert "NVML_ERROR_FUNCTION_NOT_FOUND" in mode["reason"]
    new = attribute(run, "MAX_OVERSIZED_SHARED_MEMORY_PER_BLOCK")
    assert new["state"] == "missing"
    assert "does not know the attribute" in new["reason"]


def test_what_a_card_does_not_support_is_missing(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("devices", "--format", "json", env=fake_driver.scenario(ecc_mode=-1, power_draw_mw=-1))
    for field in ("ecc_enabled", "ecc_pending", "power_draw_w"):
        assert view(run, "nvml")[field]["state"] == "missing", field
    assert run.code == 0


def test_a_call_that_hangs_costs_its_own_row_only(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(hang_in="nvmlDeviceGetBAR1MemoryInfo")
    run = doctor("devices", "--format", "json", "--timeout", "1", env=environment)
    nvml = view(run, "nvml")
    assert nvml["bar1_total_bytes"]["state"] == "missing"
    assert "had not come back" in nvml["bar1_total_bytes"]["reason"]
    assert (run.code, run.ids) == (1, ["driver-call-hung"])
    assert "nvmlDeviceGetBAR1MemoryInfo" in run.document["findings"][0]["summary"]
    # Asked before it, and after it.
    assert nvml["name"]["state"] == nvml["compute_mode"]["state"] == "known"
    assert view(run, "driver")["state"] == "known"


def test_a_call_that_hung_in_the_examination_is_not_made_again(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(hang_in="nvmlDeviceGetPowerUsage")
    run = doctor("devices", "--format", "json", "--timeout", "1", env=environment)
    assert view(run, "nvml")["power_draw_w"]["state"] == "missing"
    assert view(run, "nvml")["power_limit_w"]["state"] == "known"
    assert (run.ids, run.document["facts"]["devices"]["cut_short"]) == (["driver-call-hung"], [])
    assert run.seconds < 8


def test_an_nvml_that_crashes_leaves_the_driver_api(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("devices", "--format", "json", env=fake_driver.scenario(nvml_init="crash"))
    assert (run.code, run.ids) == (1, ["driver-call-crashed"])
    assert view(run, "nvml")["state"] == "missing"
    assert attribute(run, "WARP_SIZE")["value"] == 32


def test_a_gpu_that_nvml_lost_leaves_the_driver_api(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("devices", "--format", "json", env=fake_driver.scenario(error_in="nvmlDeviceGetHandleByIndex_v2:15"))
    lost = view(run, "nvml", 1)["name"]
    assert lost == {"state": "missing", "reason": "nvmlDeviceGetHandleByIndex answered NVML_ERROR_GPU_IS_LOST"}
    assert attribute(run, "WARP_SIZE")["value"] == 32
    text = doctor("devices", "--quiet", env=fake_driver.scenario(error_in="nvmlDeviceGetHandleByIndex_v2:15")).out
    assert "NVML lists 1 of which it cannot tell anything" in " ".join(text.split())


def test_a_gpu_that_cuda_programs_cannot_see_is_shown_but_not_passed(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(environment={"CUDA_VISIBLE_DEVICES": ""})
    run = doctor("devices", "--format", "json", env=environment)
    assert run.code == 3
    assert "cuda-visible-devices-hides-gpu" in run.ids
    assert view(run, "driver")["state"] == "missing"
    assert view(run, "nvml")["name"]["state"] == "known"
    assert "96.00.89.00.01" in doctor("devices", env=environment).out
    assert doctor("devices", "--device", "0", env=environment).code == 3


@pytest.mark.skipif(find_library("nvidia-ml") is not None, reason="this machine has an NVML of its own")
def test_without_a_gpu_it_says_why_and_exits_with_3(doctor: Doctor) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    run = doctor("devices", "--format", "json", env=environment | {"CUDA_VISIBLE_DEVICES": ""})
    assert run.code == 3
    assert run.document["error"]["exit_code"] == 3
    assert run.document["findings"]
    assert run.document["facts"]["devices"]["state"] == "missing"


def test_sources_that_disagree_are_a_finding(doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    doctor("devices", "--save", file, env=fake_driver.scenario())
    saved = json.loads(file.read_text(encoding="utf-8"))
    saved["facts"]["devices"]["devices"][0]["nvml"]["name"]["value"] = "NVIDIA A100-SXM4-80GB"
    file.write_text(json.dumps(saved), encoding="utf-8")
    run = doctor("devices", "--facts", file, "--format", "json", "--fail-on", "warning")
    assert (run.code, run.ids) == (1, ["device-sources-disagree"])
    assert "A100" in run.document["findings"][0]["summary"]


def test_markdown_holds_the_table(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("devices", "--format", "markdown", env=fake_driver.scenario())
    assert run.out.startswith("### cudadoctor devices: ok")
    assert "multiprocessors" in run.out
