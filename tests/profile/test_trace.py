"""From a pretended GPU program, through the tracer and the pool, to a decoded trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cudadoctor.attribution.profile.trace import CallKind, DeviceKind, Doing, Memory, SyncKind, Trace
from cudadoctor.gpu.cupti import pool
from cudadoctor.gpu.cupti.callbacks import compile_callbacks
from cudadoctor.profile import offspring
from cudadoctor.profile.decode import decode, read_marks, taken_over
from cudadoctor.profile.reading import read_run
from cudadoctor.profile.runs import Asked, Delay, Mark, Output, Ran, run
from tests.fake_driver.build import FakeDriver
from tests.profile.programs import PRETEND, traced, variables

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="programs are traced on Linux")


def _run(tmp_path: Path, driver: FakeDriver, body: str, **environment: str) -> Ran:
    script = tmp_path / "program.py"
    script.write_text(PRETEND + body)
    slots_mib = int(environment.pop("slots_mib", "16"))
    with variables(FAKE_CUPTI=str(driver.cupti), **environment):
        return traced(script, driver.cupti, slots_mib=slots_mib)


def _decoded(ran: Ran) -> Trace:
    return decode(ran.pool.memory, ran.pool.layout, ran.cpu, ran.reads, ran.ended)[0]


@pytest.mark.parametrize("version", ["18", "28", "130001"])
def test_what_a_program_did_is_there(version: str, tmp_path: Path, fake_driver: FakeDriver) -> None:
    body = """
for i in range(200):
    launch("first", 20_000, 50_000, stream=7, blocks=12)
    launch("second", 20_000, 10_000, stream=8, blocks=1)
gpu.fake_copy(1, 4096, 1, 30_000)
gpu.fake_copy(2, 8192, 2, 20_000)
gpu.fake_sync()
gpu.fake_alloc(5_000)
"""
    ran = _run(tmp_path, fake_driver, body, FAKE_CUPTI_VERSION=version)
    assert ran.exit_code == 0
    assert ran.told is not None
    assert ran.told.tracer is not None
    assert ran.told.tracer["version"] == int(version)
    trace = _decoded(ran)
    kernels = trace.ops[trace.ops["kind"] == DeviceKind.KERNEL]
    assert [trace.names[number] for number in kernels["name"][:2]] == ["first", "second"]
    assert len(kernels) == 400
    assert set(kernels["end"] - kernels["start"]) <= {49_999, 50_000, 50_001, 9_999, 10_000, 10_001}
    assert set(kernels["stream"]) == {7, 8}
    assert set(kernels["blocks"]) == {12, 1}
    assert set(kernels["threads"]) == {128}
    copies = trace.ops[np.isin(trace.ops["kind"], [DeviceKind.COPY_TO_DEVICE, DeviceKind.COPY_TO_HOST])]
    assert [tuple(row) for row in copies[["kind", "bytes", "source", "target"]]] == [
        (DeviceKind.COPY_TO_DEVICE, 4096, Memory.PAGEABLE, Memory.DEVICE),
        (DeviceKind.COPY_TO_HOST, 8192, Memory.DEVICE, Memory.PINNED),
    ]
    launches = trace.calls[trace.calls["kind"] == CallKind.LAUNCH]
    assert len(launches) == 400
    assert set(launches["thread"]) == {trace.main_thread} == {ran.told.thread}
    assert (launches["end"] - launches["start"] >= 20_000).all()
    assert set(kernels["correlation"]) == set(launches["correlation"])
    assert list(trace.syncs["kind"]) == [SyncKind.CONTEXT]
    assert CallKind.ALLOCATE in set(trace.calls["kind"])
    assert 0 <= launches["start"].min() < launches["end"].max() <= trace.end
    assert (trace.ops["start"] >= 0).all()


def test_times_are_those_of_the_host(tmp_path: Path, fake_driver: FakeDriver) -> None:
    """The tracer's clock is 1 ms ahead of the host's; decoded, launches lie where the host slept before and after."""
    ran = _run(tmp_path, fake_driver, "import time\ntime.sleep(0.3)\nlaunch()\ntime.sleep(0.2)\n")
    trace = _decoded(ran)
    call = trace.calls[trace.calls["kind"] == CallKind.LAUNCH][0]
    assert 0.3e9 <= call["start"] < 0.45e9
    assert trace.end - call["end"] >= 0.2e9


def test_of_calls_that_share_a_number_the_one_that_launches_keeps_it(tmp_path: Path, fake_driver: FakeDriver) -> None:
    trace = _decoded(_run(tmp_path, fake_driver, "for i in range(50):\n    launch(runtime=True)\n"))
    launches = trace.calls[trace.calls["kind"] == CallKind.LAUNCH]
    loads = trace.calls[trace.calls["kind"] == CallKind.MODULE]
    assert len(launches) == len(loads) == 50
    assert set(trace.ops["correlation"]) == set(launches["correlation"])
    assert set(loads["correlation"]) == {0}
    assert (loads["end"] <= launches["start"]).all()


def test_threads_are_told_apart(tmp_path: Path, fake_driver: FakeDriver) -> None:
    body = """
import threading, time
def work():
    for i in range(30):
        launch("theirs", stream=9)
        time.sleep(0.02)
thread = threading.Thread(target=work)
thread.start(); thread.join()
launch("ours")
"""
    trace = _decoded(_run(tmp_path, fake_driver, body))
    launches = trace.calls[trace.calls["kind"] == CallKind.LAUNCH]
    by_thread = {int(thread): int((launches["thread"] == thread).sum()) for thread in np.unique(launches["thread"])}
    assert by_thread.pop(trace.main_thread) == 1
    assert list(by_thread.values()) == [30]
    assert set(by_thread) <= set(trace.cpu["thread"].tolist())


def test_ranges_have_names(tmp_path: Path, fake_driver: FakeDriver) -> None:
    body = """
text = ctypes.create_string_buffer(b"training step")
for i in range(3):
    gpu.fake_range_push.restype = ctypes.c_uint32
    number = gpu.fake_range_push(text)
    launch()
    gpu.fake_range_pop(number)
"""
    trace = _decoded(_run(tmp_path, fake_driver, body))
    assert [trace.names[number] for number in trace.ranges["name"]] == ["training step"] * 3
    launches = trace.calls[trace.calls["kind"] == CallKind.LAUNCH]
    for span, call in zip(trace.ranges, launches, strict=True):
        assert span["start"] <= call["start"] <= call["end"] <= span["end"]


def test_a_killed_program_is_still_there(tmp_path: Path, fake_driver: FakeDriver) -> None:
    body = """
import signal, time
for i in range(5000):
    launch("before the end", 1000, 1000)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ran = _run(tmp_path, fake_driver, body)
    assert ran.signal == "SIGKILL"
    trace = _decoded(ran)
    kernels = trace.ops[trace.ops["kind"] == DeviceKind.KERNEL]
    assert len(kernels) == 5000  # whole slots, and the one that was never handed over
    assert {trace.names[number] for number in kernels["name"]} == {"before the end"}
    assert trace.end >= kernels["end"].max()


def test_names_are_known_after_a_second_even_if_nothing_was_handed_over(
    tmp_path: Path, fake_driver: FakeDriver
) -> None:
    body = "import signal, time\nlaunch('early')\ntime.sleep(1.5)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    trace = _decoded(_run(tmp_path, fake_driver, body))
    assert [trace.names[number] for number in trace.ops["name"]] == ["early"]


def test_a_full_pool_is_said(tmp_path: Path, fake_driver: FakeDriver) -> None:
    ran = _run(tmp_path, fake_driver, "for i in range(150_000):\n    launch('x', 0, 0)\n")
    trace = _decoded(ran)
    assert trace.dropped > 0
    assert trace.complete_until is not None
    assert 0 < trace.complete_until < trace.end
    kept = ran.pool.layout.slots * (pool.SLOT_BYTES // 216)
    assert 0.9 * kept < len(trace.ops) <= kept  # a slot may have been handed over before it was full


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ("cuptiActivityEnable:39", "another tool holds CUPTI"),
        ("cuptiSubscribe:39", "another tool holds CUPTI"),
        ("cuptiActivityRegisterCallbacks:35", "administrators only"),
        ("cuptiActivityEnable:33", "virtual GPU"),
    ],
)
def test_a_refusal_is_told_and_the_program_runs_on(
    errors: str, words: str, tmp_path: Path, fake_driver: FakeDriver
) -> None:
    ran = _run(tmp_path, fake_driver, "launch()\n", FAKE_CUPTI_ERROR=errors)
    assert ran.exit_code == 0
    assert ran.told is not None
    assert ran.told.tracer is None
    assert words in ran.told.refusal


def test_a_library_that_is_none_is_passed_over(tmp_path: Path, fake_driver: FakeDriver) -> None:
    script = tmp_path / "program.py"
    script.write_text("pass\n")
    broken = tmp_path / "libcupti.so.13"
    broken.write_bytes(b"no library")
    ran = traced(script, broken)
    assert ran.exit_code == 0
    assert ran.told is not None
    assert str(broken) in ran.told.refusal


def test_a_program_that_takes_the_records_is_noticed(tmp_path: Path, fake_driver: FakeDriver) -> None:
    # The tracer's own last call goes through libcuda, which here does not tell libcupti: the program stands in for it.
    last = "import atexit\natexit.register(gpu.fake_version_call)\natexit.register(gpu.cuptiActivityEnable, 4)\n"
    fine = _run(tmp_path, fake_driver, last + "launch()\n")
    taken = _run(tmp_path, fake_driver, last + "launch()\ngpu.fake_take_over()\nlaunch()\n")
    for ran, expected in ((fine, False), (taken, True)):
        assert ran.told is not None
        told = ran.told._replace(last_call="cuDriverGetVersion")
        trace, counts = decode(ran.pool.memory, ran.pool.layout, ran.cpu, ran.reads, ran.ended)
        assert taken_over(told, trace, counts) is expected


def test_lines_of_the_program_are_sampled(tmp_path: Path, fake_driver: FakeDriver) -> None:
    body = """
import time, threading, queue
def busy():
    end = time.thread_time() + 0.5  # of its own, however many others want the processor
    while time.thread_time() < end:
        sum(range(100))
def waits():
    try:
        queue.Queue().get(timeout=0.4)
    except queue.Empty:
        pass
busy()
waits()
"""
    ran = _run(tmp_path, fake_driver, body)
    trace = _decoded(ran)
    mine = trace.samples[trace.samples["thread"] == trace.main_thread]
    functions = [trace.lines[line].function for line in mine["line"]]
    assert functions.count("busy") >= 4
    waiting = mine[[function == "waits" for function in functions]]
    assert len(waiting) >= 4
    assert set(waiting["doing"]) == {Doing.SLEEPING}
    assert all(line.file == str(tmp_path / "program.py") for line in trace.lines)
    cpu = trace.cpu[trace.cpu["thread"] == trace.main_thread]
    in_busy, in_wait = mine["at"][[function == "busy" for function in functions]], waiting["at"]
    used = np.interp([in_busy[0], in_busy[-1], in_wait[0], in_wait[-1]], cpu["at"], cpu["cpu"])
    assert used[1] - used[0] > 4 * (used[3] - used[2])


def test_calls_of_half_of_the_blocks_return_later(tmp_path: Path, fake_driver: FakeDriver) -> None:
    script = tmp_path / "program.py"
    script.write_text(PRETEND + "for i in range(400):\n    launch(host=1000, device=0)\n")
    layout = pool.Layout.within(16)
    with variables(FAKE_CUPTI=str(fake_driver.cupti)):
        ran = run(
            Asked("script", str(script), ()),
            Output(subprocess.DEVNULL, subprocess.DEVNULL),
            layout=layout,
            native=compile_callbacks(layout),
            libraries=[str(fake_driver.cupti)],
            instead=Delay((307,), 500_000, 10),
            limit_s=30,
        )
    held = pool.delays(40)
    assert pool.delayed(ran.pool.memory) == 10 * sum(held)
    moments = read_marks(ran.pool.memory, ran.pool.layout)
    assert moments is not None
    assert len(moments) == 400
    lengths = np.diff(moments[::10])
    with_delay = [length for length, late in zip(lengths, held, strict=False) if late]
    without = [length for length, late in zip(lengths, held, strict=False) if not late]
    assert min(with_delay) >= 10 * 500_000
    assert sorted(without)[len(without) // 2] < 10 * 500_000 / 2


def test_python_processes_that_a_program_starts_are_traced_too(tmp_path: Path, fake_driver: FakeDriver) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text(PRETEND + "for i in range(20):\n    launch('in the worker', 1000, 900_000)\ngpu.fake_sync()\n")
    (tmp_path / "sitecustomize.py").write_text("import os\nos.environ['OWN_CUSTOM'] = 'ran'\n")
    body = f"""
import subprocess, sys
launch("in the parent", 1000, 1000)
done = subprocess.run([sys.executable, {str(worker)!r}], check=True)
code = "import os; print(os.environ.get('OWN_CUSTOM'))"
told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
sys.exit(0 if told.stdout == "ran\\n" and not told.stderr else 5)
"""
    ran = _run(tmp_path, fake_driver, body, PYTHONPATH=str(tmp_path))
    assert ran.exit_code == 0
    assert [each.told.name.split()[-1] for each in ran.others if each.told is not None][:1] == ["worker.py"]
    found = read_run(ran)
    assert found.trace is not None
    assert {found.trace.names[number] for number in found.trace.ops["name"]} == {"in the worker"}
    assert "worker.py" in found.notes[0]
    assert "the first process" in found.notes[1]


def test_a_marked_run_notes_when_calls_begin(tmp_path: Path, fake_driver: FakeDriver) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        PRETEND + "import time\nfor i in range(100):\n    launch(host=1000, device=0)\n    time.sleep(0.002)\n"
    )
    layout = pool.Layout.within(16)
    with variables(FAKE_CUPTI=str(fake_driver.cupti)):
        ran = run(
            Asked("script", str(script), ()),
            Output(subprocess.DEVNULL, subprocess.DEVNULL),
            layout=layout,
            native=compile_callbacks(layout),
            libraries=[str(fake_driver.cupti)],
            instead=Mark((307,)),
            limit_s=30,
        )
        trace = _decoded(traced(script, fake_driver.cupti))
    marks = read_marks(ran.pool.memory, ran.pool.layout)
    assert marks is not None
    assert len(marks) == len(trace.marks) == 100
    assert 0 < marks[0] < marks[-1] < (ran.wall_ns or 0)
    assert (np.diff(marks) >= 2_000_000).all()
    launches = trace.calls[trace.calls["kind"] == CallKind.LAUNCH]
    assert (trace.marks == launches["start"]).all()


@pytest.mark.parametrize("version", ["18", "28", "130001"])
def test_calls_that_only_ask_are_not_recorded(version: str, tmp_path: Path, fake_driver: FakeDriver) -> None:
    trace = _decoded(
        _run(tmp_path, fake_driver, "gpu.fake_version_call()\nlaunch(runtime=True)\n", FAKE_CUPTI_VERSION=version)
    )
    assert [trace.names[number] for number in trace.calls["name"]] == [
        "cuDriverGetVersion",
        "cuLibraryLoadData",
        "cuLaunchKernel",
    ]


def test_a_table_of_calls_that_is_full_is_said(tmp_path: Path, fake_driver: FakeDriver) -> None:
    many = pool.Layout.within(4).calls + 1000
    ran = _run(
        tmp_path, fake_driver, f"launch()\nfor i in range({many}):\n    gpu.fake_alloc(0)\nlaunch()\n", slots_mib="4"
    )
    trace = _decoded(ran)
    assert len(trace.calls) == ran.pool.layout.calls
    assert trace.complete_until == trace.calls["end"].max() < trace.end
    assert trace.dropped
    assert len(trace.ops) == 2


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["/usr/bin/python3", "-c", "print(1)\nprint(2)", "x"], "python3 -c"),
        (["/usr/bin/python3", "-B", "-c", "from multiprocessing.spawn import spawn_main"], "python3 -B -c"),
        (["python3", "-u", "/home/me/train.py", "--key", "secret"], "python3 -u train.py"),
        (["python3", "-m", "train", "secret"], "python3 -m train"),
    ],
)
def test_a_process_is_named_without_its_arguments_and_its_code(command: list[str], name: str) -> None:
    assert " ".join(offspring._named(command)) == name
