from __future__ import annotations

import os
import sys
import time

import pytest

from cudadoctor.gpu.worker import Worker

TASKS = "tests.gpu.tasks:"


def run(name: str, limit_s: float = 5.0, **arguments: object) -> tuple[list[dict], Worker]:
    with Worker(TASKS + name, arguments, limit_s=limit_s) as worker:
        return [message for message in worker if message["kind"] == "answer"], worker


def test_messages_arrive_and_the_task_is_finished() -> None:
    answers, worker = run("answer", value=1)
    assert [answer["value"] for answer in answers] == [2]
    assert worker.ending.state == "finished"


def test_a_hang_names_the_call_and_keeps_what_was_said_before() -> None:
    answers, worker = run("hang", limit_s=0.5)
    assert len(answers) == 1
    assert (worker.ending.state, worker.ending.step) == ("timed out", "cuInit")
    assert worker.ending.seconds < 10


def test_two_children_that_hang_cost_the_limit_once() -> None:
    started = time.monotonic()
    with Worker(TASKS + "hang", limit_s=1.5) as first, Worker(TASKS + "hang", limit_s=1.5) as second:
        assert list(first)
        assert list(second)
    assert first.ending.state == second.ending.state == "timed out"
    assert time.monotonic() - started < 2.9


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux")
def test_what_a_hung_child_started_dies_with_it() -> None:
    answers, _ = run("hang_with_a_helper", limit_s=0.5)
    deadline = time.monotonic() + 5
    while os.path.exists(f"/proc/{answers[0]['value']}/maps") and time.monotonic() < deadline:
        try:
            with open(f"/proc/{answers[0]['value']}/stat", encoding="ascii") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except OSError:
            return
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{answers[0]['value']}")


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_a_crash_names_the_call_and_the_signal() -> None:
    _, worker = run("crash")
    assert (worker.ending.state, worker.ending.step, worker.ending.signal) == ("crashed", "nvmlInit", "SIGSEGV")
    assert "about to die" in worker.ending.detail


def test_an_exit_in_the_middle_of_a_call_is_a_crash() -> None:
    _, worker = run("leave")
    assert (worker.ending.state, worker.ending.step, worker.ending.exit_code) == ("crashed", "cuInit", 3)


def test_an_exception_is_a_failure_with_its_message() -> None:
    _, worker = run("raise_an_error")
    assert (worker.ending.state, worker.ending.detail) == ("failed", "no such thing")


def test_what_a_driver_prints_does_not_disturb_the_messages() -> None:
    answers, worker = run("chatter")
    assert len(answers) == 1
    assert worker.ending.state == "finished"


def test_a_long_step_that_says_that_it_is_alive_is_not_a_hang() -> None:
    answers, worker = run("long_but_alive", limit_s=0.4)
    assert answers
    assert worker.ending.state == "finished"


def test_the_child_has_the_parents_import_path_and_the_given_environment() -> None:
    environment = {**os.environ, "CUDADOCTOR_NAME": "x"}
    with Worker(TASKS + "names", environment=environment) as worker:
        (answer,) = list(worker)
    assert answer["value"] == [sys.path, "x"]


def test_a_child_that_waits_goes_on_only_when_it_is_told() -> None:
    with Worker(TASKS + "wait_for_the_word", waits=True) as worker:
        messages = iter(worker)
        assert next(messages)["value"] == "ready"
        time.sleep(0.2)
        assert worker._messages.empty()
        worker.go()
        assert next(messages)["value"] == "gone on"


def test_a_child_that_waits_ends_with_its_parent() -> None:
    with Worker(TASKS + "wait_for_the_word", waits=True) as worker:
        assert next(iter(worker))["value"] == "ready"
    assert worker._process.poll() is not None


def test_the_time_before_a_child_is_told_to_go_on_does_not_count_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cudadoctor.gpu.worker.BETWEEN_CALLS_LIMIT_S", 0.5)
    with Worker(TASKS + "wait_for_the_word", limit_s=0.5, waits=True) as worker:
        time.sleep(1.0)
        worker.go()
        assert [message["value"] for message in worker] == ["ready", "gone on"]
    assert worker.ending.state == "finished"
