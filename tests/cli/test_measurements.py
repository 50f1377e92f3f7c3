"""`bandwidth` and `dbn-race` through the real command line, with the fake driver or without any."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cudadoctor.bandwidth.plan import KEYS, NUMBA_KEYS, NUMBA_LATENCY_KEYS
from tests.cli.conftest import Doctor
from tests.fake_driver.build import FakeDriver
from tests.probes.machine_tree import machine_without_card

QUICK = ["h2d_pinned", "d2h_pinned", "d2d_local"]
DEFAULT = [
    "h2d_pinned",
    "d2h_pinned",
    "h2d_bidirectional",
    "d2h_bidirectional",
    "h2d_pageable",
    "d2h_pageable",
    "h2d_pageable_fresh",
    "d2h_pageable_fresh",
    "d2d_local",
    "d2d_local",
]


def no_driver() -> dict[str, str]:
    """An environment in which no driver library is found, wherever the tests run."""
    import os

    return {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"} | {
        "CUDA_VISIBLE_DEVICES": ""
    }


def test_bandwidth_without_a_gpu_says_why_and_exits_with_3(doctor: Doctor) -> None:
    run = doctor("bandwidth", env=no_driver())
    assert run.code == 3
    assert run.out.startswith("Nothing was measured: ")
    document = doctor("bandwidth", "--format", "json", env=no_driver()).document
    assert document["error"]["exit_code"] == 3
    assert document["findings"]
    assert document["facts"]["bandwidth"]["state"] == "missing"


def test_bandwidth_of_a_healthy_card(doctor: Doctor, fake_driver: FakeDriver, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    # Copies of 16 MiB: a busy machine is too slow for the rates of larger pageable ones, which would be judged.
    environment = fake_driver.scenario(memory_allocatable_bytes=2**25)
    run = doctor("bandwidth", "--format", "json", "--save", file, env=environment)
    assert (run.code, run.ids, run.document["status"]) == (0, [], "ok")
    results = run.document["facts"]["bandwidth"]["results"]
    assert [result["key"] for result in results] == DEFAULT
    for result in results:
        assert result["verified"] is True
        assert min(result["samples_gb_per_s"]) <= result["gb_per_s"] <= max(result["samples_gb_per_s"])
        assert len(result["samples_gb_per_s"]) >= 3
    expected = run.document["facts"]["bandwidth"]["expected"]
    assert (expected["gb_per_s"], expected["generation"], expected["width"]) == (63.0, 5, 16)
    again = doctor("bandwidth", "--facts", file, "--format", "json")
    assert again.document["facts"]["bandwidth"]["results"] == results
    text = doctor("bandwidth", "--facts", file).out
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "host to device, pinned" in text


def test_quick_measures_the_link_and_no_more(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("bandwidth", "--quick", "--format", "json", env=fake_driver.scenario(memory_allocatable_bytes=2**25))
    assert (run.code, run.ids) == (0, [])
    measured = run.document["facts"]["bandwidth"]
    assert [result["key"] for result in measured["results"]] == QUICK
    assert (measured["skipped"], measured["curves"], measured["latencies"]) == ([], [], [])


def test_full_measures_every_kind_with_curves_and_latencies(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(memory_allocatable_bytes=2**23, copy_overhead_s=2e-6)
    run = doctor("bandwidth", "--full", "--format", "json", env=environment)
    assert run.code == 0
    measured = run.document["facts"]["bandwidth"]
    # No /sys knows the made-up card, so which memory is near it cannot be said; and numba or its compiler may lack.
    assert {skip["key"] for skip in measured["skipped"]} - {*NUMBA_KEYS, *NUMBA_LATENCY_KEYS} == {"numa", "several"}
    assert {result["key"] for result in measured["results"]} - {*NUMBA_KEYS} == {*KEYS} - {"d2d_local_kernel"}
    for curve in measured["curves"]:
        assert [point["size_bytes"] for point in curve["points"]] == [4**power for power in range(1, 12)]
        assert abs(curve["fit"]["overhead_s"] - 2e-6) < 1e-7
        assert abs(curve["fit"]["gb_per_s"] - 55) < 1
    latencies = {latency["key"]: latency["seconds"] for latency in measured["latencies"]}
    assert list(latencies)[:4] == ["pointer_chase_host", "submit", "h2d_small", "d2h_small"]
    assert all(seconds > 0 for seconds in latencies.values())


def test_full_measures_several_gpus_together_but_none_that_is_busy(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(memory_allocatable_bytes=2**20, device_count=3, **{"compute_processes.1": 1})
    run = doctor("bandwidth", "--full", "--format", "json", env=environment)
    assert run.code == 0
    measured = run.document["facts"]["bandwidth"]
    for group in ("alone", "together"):
        assert [result["device"] for result in measured[group]] == [0, 2, 0, 2]
    assert {(peer["source"], peer["target"]) for peer in measured["peers"]} == {(0, 2), (2, 0)}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--quick", "--full"], "--quick and --full are two plans"),
        (["--facts", "file.json", "--force"], "--facts shows a saved measurement"),
    ],
)
def test_options_that_say_two_things_are_refused(doctor: Doctor, arguments: list[str], why: str) -> None:
    run = doctor("bandwidth", *arguments)
    assert run.code == 2
    assert why in run.err


def test_a_gpu_on_which_another_process_computes_is_left_alone_unless_forced(
    doctor: Doctor, fake_driver: FakeDriver
) -> None:
    environment = fake_driver.scenario(memory_allocatable_bytes=2**20, device_count=2, **{"compute_processes.1": 2})
    run = doctor("bandwidth", "--quick", "--device", "1", "--format", "json", env=environment)
    assert run.code == 3
    assert "other processes (pid 4001, 4002) compute on NVIDIA H100" in run.document["error"]["message"]
    assert run.document["facts"]["bandwidth"]["state"] == "missing"
    for arguments in (["--device", "1", "--force"], ["--device", "0"]):
        run = doctor("bandwidth", "--quick", *arguments, "--format", "json", env=environment)
        assert run.code == 0
        assert len(run.document["facts"]["bandwidth"]["results"]) == len(QUICK)


def test_a_slow_link_is_a_finding(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(memory_allocatable_bytes=2**26, h2d_pinned_gb_per_s=12, d2h_pinned_gb_per_s=12)
    run = doctor("bandwidth", "--quick", "--format", "json", env=environment)
    assert (run.code, run.ids) == (1, ["bandwidth-below-link"])


def test_a_link_that_trained_down_is_the_finding_and_not_the_bandwidth(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(
        memory_allocatable_bytes=2**25, link_generation=1, h2d_pinned_gb_per_s=3.2, d2h_pinned_gb_per_s=3.3
    )
    run = doctor("bandwidth", "--quick", "--format", "json", env=environment)
    assert (run.code, run.ids) == (1, ["pcie-link-degraded"])


def test_what_arrived_wrong_is_not_reported(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(memory_allocatable_bytes=2**25, corrupt_copies="h2d_pageable")
    run = doctor("bandwidth", "--format", "json", env=environment)
    assert run.code == 1
    assert run.ids == ["bandwidth-not-verified"]
    assert "h2d_pageable" not in [result["key"] for result in run.document["facts"]["bandwidth"]["results"]]


@pytest.mark.parametrize("call", ["cuMemcpyDtoHAsync_v2", "cuStreamSynchronize"])
def test_a_gpu_that_is_lost_in_the_middle_is_a_finding(doctor: Doctor, fake_driver: FakeDriver, call: str) -> None:
    environment = fake_driver.scenario(memory_allocatable_bytes=2**20, error_in=f"{call}:719")
    run = doctor("bandwidth", "--quick", "--format", "json", env=environment)
    assert run.code == 1
    assert run.ids == ["gpu-lost-while-measured"]
    assert "CUDA_ERROR_LAUNCH_FAILED" in run.document["findings"][0]["summary"]


def test_a_card_that_hangs_in_a_copy_does_not_hang_the_measurement(doctor: Doctor, fake_driver: FakeDriver) -> None:
    environment = fake_driver.scenario(memory_allocatable_bytes=2**25, hang_in="cuMemcpyHtoD_v2")
    run = doctor("bandwidth", "--format", "json", "--timeout", "2", env=environment)
    keys = [result["key"] for result in run.document["facts"]["bandwidth"]["results"]]
    assert keys == ["h2d_pinned"]
    assert (run.code, run.ids) == (1, ["driver-call-hung"])
    assert "cuMemcpyHtoD" in str(run.document["facts"]["bandwidth"]["skipped"])


def test_facts_without_a_measurement_cannot_be_shown(doctor: Doctor, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    doctor("check", "--sysroot", machine_without_card(tmp_path / "tree").root, "--save", file)
    for command in ("bandwidth", "dbn-race"):
        run = doctor(command, "--facts", file)
        assert run.code == 3
        assert "holds no" in run.out


@pytest.fixture(scope="module")
def race_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("race") / "race.json"


def test_without_a_gpu_the_cpu_races_alone(doctor: Doctor, race_file: Path) -> None:
    run = doctor("dbn-race", "--epochs", "2", "--format", "json", "--save", race_file, env=no_driver())
    assert run.code == 0, run.err
    race = run.document["facts"]["race"]
    assert (race["data"], race["layers"], race["batch_size"]) == ("procedural", [784, 300, 10], 64)
    assert (race["minibatches_per_epoch"], race["seed"]) == (732, 0)
    (lane,) = race["lanes"]
    assert (lane["name"], lane["device"], lane["state"]) == ("cpu-fast", "cpu", "finished")
    assert [epoch["epoch"] for epoch in lane["epochs"]] == [1, 2]
    assert lane["epochs"][1]["loss"] < lane["epochs"][0]["loss"] < 0.35
    assert lane["test_accuracy"] > 0.94
    assert [lane["name"] for lane in race["skipped"]] == ["gpu-copied", "gpu-persistent"]
    # Progress goes to standard error, as nolearn printed it.
    assert re.search(r"Epoch +1: +loss 0\.\d{6} +err 0\.\d{6} +\(0:00:", run.err)


def test_a_saved_race_is_shown_again_without_training(doctor: Doctor, race_file: Path) -> None:
    run = doctor("dbn-race", "--facts", race_file)
    assert run.code == 0
    assert run.seconds < 5
    assert "Epoch  2:" in run.out
    assert "gpu-copied, gpu-persistent did not start" in run.out
    assert re.search(r"^ +9 +2,\d{3} +0\.\d{3}", run.out, re.MULTILINE)
    assert max(len(line) for line in run.out.splitlines()) <= 80


def test_where_there_is_no_gpu_some_are_predicted_beside_the_cpu(doctor: Doctor, race_file: Path) -> None:
    saved = json.loads(race_file.read_text(encoding="utf-8"))["facts"]["race"]
    assert {each["style"] for each in saved["predicted"]} == {"copied", "graph", "persistent"}
    assert {each["card"]: each["us"] for each in saved["predicted"] if each["style"] == "persistent"}["H100 SXM"] == 6.4
    assert saved["not_predicted"] == ""
    for format in ("text", "markdown", "html"):
        run = doctor("dbn-race", "--facts", race_file, "--format", format)
        told = " ".join(run.out.split())
        assert "redicted, not measured: as most people write it, " in told
        assert "6.40 (6.35 to 6.65)" in told


def test_a_saved_race_shows_the_predictions_that_were_saved(doctor: Doctor, race_file: Path, tmp_path: Path) -> None:
    document = json.loads(race_file.read_text(encoding="utf-8"))
    race = document["facts"]["race"]
    race["predicted"] = [
        race["predicted"][0] | {"card": "Another card", "us": 123.4, "low_us": 111.1, "high_us": 135.7}
    ]
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    shown = doctor("dbn-race", "--facts", file).out
    assert re.search(r"^Another card +123 \(111 to 136\)", shown, re.MULTILINE)
    assert "H100" not in shown
    del race["predicted"], race["not_predicted"]  # as a race of a release that predicted nothing
    file.write_text(json.dumps(document), encoding="utf-8")
    run = doctor("dbn-race", "--facts", file)
    assert run.code == 0
    assert "redicted" not in run.out


def test_another_network_is_not_predicted_and_says_so(doctor: Doctor) -> None:
    run = doctor("dbn-race", "--epochs", "1", "--layers", "784-20-10", "--format", "json", env=no_driver())
    race = run.document["facts"]["race"]
    assert race["predicted"] == []
    assert "784-300-10" in race["not_predicted"]


def test_a_required_gpu_that_is_not_there_is_exit_code_3(doctor: Doctor) -> None:
    run = doctor("dbn-race", "--require-gpu", "--format", "json", env=no_driver())
    assert run.code == 3
    assert run.document["error"]["exit_code"] == 3
    assert run.document["findings"]


def edited(race_file: Path, tmp_path: Path, **lane: object) -> Path:
    """The saved race with its lane edited."""
    document = json.loads(race_file.read_text(encoding="utf-8"))
    document["facts"]["race"]["lanes"][0] |= lane
    file = tmp_path / "edited.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def test_a_race_in_which_nothing_was_learned_fails_loudly(doctor: Doctor, race_file: Path, tmp_path: Path) -> None:
    epochs = [{"epoch": 1, "loss": 2.3026, "err": 0.9, "seconds": 0.4}]
    reason = "nothing was learned: the loss is 2.3026, and guessing gives ln 10 = 2.3026 (epoch 1)"
    file = edited(race_file, tmp_path, epochs=epochs, state="failed", reason=reason, digits=[], test_accuracy=None)
    run = doctor("dbn-race", "--facts", file, "--format", "json")
    assert (run.code, run.ids) == (1, ["training-learned-nothing"])


def test_a_gpu_that_dies_in_the_race_leaves_the_cpu_lane(doctor: Doctor, fake_driver: FakeDriver) -> None:
    # numba meets a driver without half of its functions: whatever it does then, the CPU's result stands.
    run = doctor("dbn-race", "--epochs", "1", "--format", "json", env=fake_driver.scenario())
    lanes = run.document["facts"]["race"]["lanes"]
    assert (lanes[0]["name"], lanes[0]["state"]) == ("cpu-fast", "finished")
    others = lanes[1:] + run.document["facts"]["race"]["skipped"]
    assert others[0]["reason"]
