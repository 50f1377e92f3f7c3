"""`check --frameworks` through the real command line, with fake frameworks and the fake driver."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Doctor
from tests.fake_driver.build import FakeDriver

FAKES = str(Path(__file__).parents[1] / "fake_frameworks")


@pytest.fixture
def environment(fake_driver: FakeDriver) -> dict[str, str]:
    return {**fake_driver.scenario(), "PYTHONPATH": FAKES}


def test_frameworks_are_asked_only_with_the_option(doctor: Doctor, environment: dict[str, str]) -> None:
    environment |= {f"FAKE_{name}": "hang-at-import" for name in ("TORCH", "JAX", "TENSORFLOW", "CUPY")}
    run = doctor("check", "--quick", "--format", "json", env=environment)
    section = run.document["facts"]["frameworks"]
    assert section["state"] == "missing"
    assert section["reason"].startswith("not asked for; --frameworks")
    assert run.seconds < 8


def test_frameworks_that_work_are_shown_and_saved(doctor: Doctor, environment: dict[str, str], tmp_path: Path) -> None:
    saved = tmp_path / "facts.json"
    run = doctor("check", "--quick", "--frameworks", "--save", saved, env=environment)
    assert "loaded " not in run.out  # which file came from where is for -v, and for what failed
    assert run.code == 0, run.out
    assert "torch 2.6.0+cu124" in run.out
    assert "1024 elements of a matrix product were right" in " ".join(run.out.split())
    facts = json.loads(saved.read_text(encoding="utf-8"))["facts"]
    assert [asked["name"] for asked in facts["frameworks"]["asked"]] == ["torch", "jax", "tensorflow", "cupy"]
    again = doctor("check", "--facts", saved, "--format", "markdown")
    assert "jax 0.11.2" in again.out


@pytest.mark.parametrize(
    ("variable", "how", "finding"),
    [
        ("FAKE_TORCH", "no-kernel", "arch-not-in-binary"),
        ("FAKE_TORCH", "cpu-build", "cpu-only-wheel"),
        ("FAKE_TORCH", "old-driver", "driver-too-old"),
        ("FAKE_TORCH", "import-error", "framework-cannot-use-gpu"),
        ("FAKE_TORCH", "crash", "framework-cannot-use-gpu"),
        ("FAKE_TORCH", "two", "framework-device-count-bug"),
        ("FAKE_CUPY", "wrong", "framework-cannot-use-gpu"),
    ],
)
def test_each_way_to_fail_has_its_finding(
    doctor: Doctor, environment: dict[str, str], variable: str, how: str, finding: str
) -> None:
    environment[variable] = how
    run = doctor("check", "--quick", "--frameworks", "--format", "json", env=environment)
    assert run.ids == [finding]


def test_a_framework_that_hangs_costs_its_limit_and_the_others_still_answer(
    doctor: Doctor, environment: dict[str, str]
) -> None:
    environment["FAKE_TORCH"] = "hang"
    run = doctor("check", "--quick", "--frameworks", "--timeout", "0.5", "--format", "json", env=environment)
    assert run.ids == ["framework-cannot-use-gpu"]
    steps = {asked["name"]: asked["steps"][-1]["state"] for asked in run.document["facts"]["frameworks"]["asked"]}
    assert steps == {"torch": "timed out", "jax": "passed", "tensorflow": "passed", "cupy": "passed"}


def test_without_any_framework_the_report_says_so(doctor: Doctor, fake_driver: FakeDriver) -> None:
    run = doctor("check", "--quick", "--frameworks", env=fake_driver.scenario())
    assert run.code == 0
    assert "none that can be asked" in " ".join(run.out.split())


def test_another_machine_s_frameworks_cannot_be_asked(doctor: Doctor, tmp_path: Path) -> None:
    for option, value in (("--facts", tmp_path / "x.json"), ("--sysroot", tmp_path)):
        run = doctor("check", "--frameworks", option, value)
        assert run.code == 2
        assert "--frameworks" in run.err
