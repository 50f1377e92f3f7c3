"""Frameworks in processes of their own: fake ones that behave in the several ways, through the real child."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.frameworks import Framework, Frameworks
from cudadoctor.facts.ladder import Ladder, Step
from cudadoctor.gpu.framework_adapters import dotted, dotted_cudnn
from cudadoctor.probes import frameworks

FAKES = Path(__file__).parents[1] / "fake_frameworks"
NO_LADDER = Missing("a test left it out")


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(FAKES), *sys.path])


def ask(monkeypatch: pytest.MonkeyPatch, name: str, how: str, *, limit_s: float = 8.0) -> Framework:
    monkeypatch.setattr(frameworks, "NAMES", (name,))
    monkeypatch.setenv(f"FAKE_{name.upper()}", how)
    section = frameworks.gather(NO_LADDER, device=None, limit_s=limit_s)
    assert isinstance(section, Frameworks)
    (asked,) = section.asked
    assert [step.name for step in asked.steps] == ["import", "device-count", "operation"]
    return asked


@pytest.mark.parametrize("name", ["torch", "jax", "tensorflow", "cupy"])
def test_a_framework_that_works_passes_all_steps(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    asked = ask(monkeypatch, name, "works")
    assert [step.state for step in asked.steps] == ["passed"] * 3, asked.steps
    assert asked.works
    assert asked.failure is None
    assert (known(asked.device_count), known(asked.device_capability)) == (1, "9.0")


def test_versions_and_architectures_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = ask(monkeypatch, "torch", "works")
    assert (known(torch.version), known(torch.built_with_cuda)) == ("2.6.0+cu124", "12.4")
    assert "sm_90" in (known(torch.architectures) or ())
    assert known(torch.cudnn_version) == "9.1.0"
    tensorflow = ask(monkeypatch, "tensorflow", "works")
    assert known(tensorflow.built_with_cuda) == "12.5.1"
    assert known(tensorflow.architectures) == ("sm_90", "compute_90")
    cupy = ask(monkeypatch, "cupy", "works")
    assert (known(cupy.built_with_cuda), known(cupy.cuda_runtime_version)) == ("13.0", "13.2")
    assert isinstance(cupy.architectures, Missing)


def test_no_kernel_image_is_its_own_words_and_its_warning_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(monkeypatch, "torch", "no-kernel")
    assert asked.failure is not None
    assert asked.failure.name == "operation"
    assert "no kernel image is available" in asked.failure.detail
    assert any("sm_120 is not compatible" in line for line in asked.said)


def test_a_cpu_build_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert known(ask(monkeypatch, "tensorflow", "cpu-build").built_with_cuda) == ""
    asked = ask(monkeypatch, "torch", "cpu-build")
    assert known(asked.built_with_cuda) == ""
    assert known(asked.device_count) == 0
    assert [step.state for step in asked.steps] == ["passed", "failed", "not reached"]
    assert "not compiled with CUDA" in asked.steps[1].detail
    assert asked.steps[2].detail == "device-count failed"


def test_a_count_of_none_is_followed_by_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "found version 11040" in ask(monkeypatch, "torch", "old-driver").steps[1].detail
    assert "Unknown backend: 'cuda'" in ask(monkeypatch, "jax", "cpu-build").steps[1].detail


def test_the_name_of_an_error_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = ask(monkeypatch, "cupy", "old-driver").failure
    assert failure is not None
    assert failure.code_name == "cudaErrorInsufficientDriver"


def test_an_import_error_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(monkeypatch, "torch", "import-error")
    assert [step.state for step in asked.steps] == ["failed", "not reached", "not reached"]
    assert "libcudnn.so.9" in asked.steps[0].detail
    assert isinstance(asked.version, Missing)


def test_a_wrong_result_fails_and_names_the_element(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = ask(monkeypatch, "torch", "wrong").failure
    assert failure is not None
    assert failure.detail.startswith("ArithmeticError: 1 of 1024 elements")
    assert "(3, 4)" in failure.detail


@pytest.mark.parametrize(("how", "step"), [("hang", "operation"), ("hang-at-import", "import")])
def test_a_hang_is_a_step_and_ends_after_the_limit(monkeypatch: pytest.MonkeyPatch, how: str, step: str) -> None:
    asked = ask(monkeypatch, "torch", how, limit_s=0.1)
    assert asked.failure is not None
    assert (asked.failure.name, asked.failure.state) == (step, "timed out")
    assert "0.8 s" in asked.failure.detail


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
def test_a_crash_is_a_step_with_its_signal_and_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask(monkeypatch, "torch", "crash")
    assert asked.failure is not None
    assert (asked.failure.state, asked.failure.signal) == ("crashed", "SIGSEGV")
    assert "Fatal: the fake crashes now" in asked.said


def test_a_framework_that_ends_the_process_is_a_crash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = ask(monkeypatch, "torch", "exit").failure
    assert failure is not None
    assert (failure.name, failure.state) == ("import", "crashed")
    assert "exit code 7" in failure.detail


def test_what_is_installed_is_told_without_importing_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert frameworks.installed_frameworks() == ("torch", "jax", "tensorflow", "cupy")
    assert "fake_behaviour" not in sys.modules
    (tmp_path / "torch").mkdir()  # a folder of data, say
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    section = frameworks.gather(NO_LADDER, device=None)
    assert section == Frameworks(asked=())


def test_frameworks_are_left_alone_where_the_driver_hangs() -> None:
    hung = Ladder(steps=(Step(name="cu-init", state="timed out", call="cuInit", detail="no answer"),))
    section = frameworks.gather(hung, device=None)
    assert isinstance(section, Missing)
    assert "cuInit hung" in section.reason


def test_numbers_of_the_runtime_and_of_cudnn_read_as_people_write_them() -> None:
    assert [dotted(number) for number in (10010, 12040, 13000)] == ["10.1", "12.4", "13.0"]
    assert [dotted_cudnn(number) for number in (7605, 8902, 90100, 91300)] == ["7.6.5", "8.9.2", "9.1.0", "9.13.0"]
