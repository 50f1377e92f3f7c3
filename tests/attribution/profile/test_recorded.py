"""What is said of programs that ran on an H100, from their recorded traces: see `recorded/provenance.md`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import numpy as np
import pytest

from cudadoctor.attribution.profile import analyse
from cudadoctor.attribution.profile.causes import Judgement, judge
from cudadoctor.attribution.profile.trace import Trace
from cudadoctor.facts.profile import Analysis, Profile, Program, Tracer
from tests.attribution.profile import build
from tests.attribution.profile.programs import PLANTED as MADE_UP
from tests.attribution.profile.recorded import FOLDER, Recorded, path_of, read, write
from tests.attribution.profile.shortening import shorten
from tests.fake_driver.build import FakeDriver
from tests.profile.programs import PRETEND


class Seen(NamedTuple):
    """The causes that are named, in order, and how far the saving predicted for the first was from the measured one.

    Of the loop, in hundredths, rounded up.
    """

    causes: tuple[str, ...]
    off: int


PLANTED = {
    "allocation-in-loop/numba": Seen(("allocation-in-loop",), 3),
    "compile-every-step/numba": Seen(("compile-every-step",), 2),
    "dataloader-bound/jax": Seen(("dataloader-bound",), 7),
    "dataloader-bound/numba_generator": Seen(("dataloader-bound",), 3),
    "dataloader-bound/torch": Seen(("dataloader-bound",), 8),
    "host-bound-not-gpu/numba": Seen(("host-bound-not-gpu",), 5),
    "host-bound-not-gpu/torch": Seen(("host-bound-not-gpu",), 1),
    "implicit-host-copies/numba": Seen(("implicit-host-copies",), 6),
    "launch-bound-small-work/numba_lorenz": Seen(("launch-bound-small-work",), 7),
    "launch-bound-small-work/torch_batch": Seen(("launch-bound-small-work",), 22),
    "low-occupancy-grid/numba": Seen(("low-occupancy-grid",), 1),
    "low-occupancy-grid/numba_paths": Seen(("low-occupancy-grid",), 1),
    "pageable-transfer/cupy_frames": Seen(("pageable-transfer",), 13),
    "pageable-transfer/jax": Seen(("pageable-transfer",), 11),
    "pageable-transfer/numba_back": Seen(("pageable-transfer",), 2),
    "pageable-transfer/torch": Seen(("pageable-transfer",), 5),
    "readback-every-step/numba": Seen(("readback-every-step",), 4),
    "small-transfers/numba": Seen(("small-transfers",), 9),
    "storage-bound/numba": Seen(("storage-bound", "pageable-transfer"), 18),
    "sync-every-step/numba": Seen(("sync-every-step",), 15),
    "transfer-bound/numba": Seen(("transfer-bound",), 3),
    "uncoalesced-access/numba": Seen(("uncoalesced-access",), 1),
}
TWINS = ("harmless/numba_hidden_copies", "harmless/numba_long_kernel", "harmless/numba_sync_each_step")
ALL = (*PLANTED, *TWINS)


@cache
def analysed(name: str) -> tuple[Recorded, Analysis]:
    recorded = read(path_of(name))
    return recorded, analyse(recorded.trace, recorded.control, recorded.peaks)


def judged(name: str) -> Judgement:
    tracer = Tracer(state="traced")
    return judge(Profile(program=Program(script="program.py"), tracer=tracer, analysis=analysed(name)[1]))


def off(name: str) -> float:
    """Return by how much of the loop the saving predicted for the first cause is more than the measured one."""
    recorded, what_if = analysed(name)[0], judged(name).causes[0].what_if
    assert recorded.measured is not None
    assert what_if.scope == "step"
    return what_if.saved_ms / what_if.now_ms - recorded.measured


def test_every_file_is_judged_here_and_small() -> None:
    files = {each.name: each.stat().st_size for each in FOLDER.glob("*.xz")}
    assert set(files) == {path_of(name).name for name in ALL}
    assert max(files.values()) < 60_000
    assert sum(files.values()) < 620_000
    provenance = (FOLDER / "provenance.md").read_text(encoding="utf-8")
    assert [name for name in ALL if f"`{name}`" not in provenance] == []


@pytest.mark.parametrize("name", PLANTED)
def test_the_planted_cause_comes_first(name: str) -> None:
    found = judged(name)
    assert found.unknown == ""
    assert tuple(each.id for each in found.causes) == PLANTED[name].causes
    assert found.causes[0].confidence == "supported"
    assert found.lead is found.causes[0] or found.causes[0].share < 0.25


@pytest.mark.parametrize("name", PLANTED)
def test_its_saving_is_as_near_to_the_measured_one_as_it_was_seen(name: str) -> None:
    assert PLANTED[name].off / 100 - 0.02 < abs(off(name)) < PLANTED[name].off / 100


def test_the_mean_error_of_the_predictions_is_below_a_tenth() -> None:
    errors = {name: off(name) for name in PLANTED}
    print("\n".join(f"{name:36} {100 * error:+6.1f} %" for name, error in errors.items()))
    mean = fmean(abs(error) for error in errors.values())
    print(f"{'mean absolute error, of the loop':36} {100 * mean:6.1f} %")
    assert mean < 0.10


def test_three_of_four_measured_savings_lie_within_their_intervals() -> None:
    outside = []
    for name in PLANTED:
        measured, told = analysed(name)[0].measured, judged(name).causes[0].what_if
        assert measured is not None
        if not told.low_ms <= measured * told.now_ms <= told.high_ms:
            outside.append(name)
    print("outside:", ", ".join(outside))
    assert 4 * len(outside) <= len(PLANTED)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_is_accused_of_nothing(name: str) -> None:
    found = judged(name)
    assert found.unknown == ""
    assert found.causes == ()
    assert found.busy


@pytest.mark.parametrize("name", ALL)
def test_parts_sum_to_the_wall_time(name: str) -> None:
    analysis = analysed(name)[1]
    assert analysis.steps.found_by == "repetition"
    for breakdown in analysis.steady + analysis.whole:
        parts = sum(part.ms for part in breakdown.parts) + breakdown.residual_ms
        assert parts == pytest.approx(breakdown.wall_ms, rel=1e-9)
        assert abs(breakdown.residual_ms) < 1e-3 * breakdown.wall_ms


@pytest.mark.parametrize("name", ALL)
def test_no_file_names_a_folder_of_the_machine(name: str) -> None:
    trace = read(path_of(name)).trace
    assert trace.lines
    assert [line.file for line in trace.lines if "/" in line.file] == []
    assert [text for text in trace.names if "/" in text] == []


def _same(left: Trace, right: Trace) -> bool:
    return all(
        np.array_equal(mine, theirs) if isinstance(mine, np.ndarray) else mine == theirs
        for mine, theirs in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("name", MADE_UP)
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    slow = MADE_UP[name][1]
    recorded = Recorded(build.traced(slow), build.control(slow), build.PEAKS, 1.5, 0.5)
    path = tmp_path / "made-up.json.xz"
    write(path, recorded)
    again = read(path)
    assert _same(again.trace, recorded.trace)
    assert again.control.walls == recorded.control.walls
    assert again._replace(trace=recorded.trace, control=recorded.control) == recorded


@pytest.mark.parametrize("name", ["readback-every-step/numba", "dataloader-bound/numba_generator"])
def test_a_shorter_trace_says_the_same(name: str) -> None:
    recorded, analysis = analysed(name)
    shorter = shorten(recorded, analysis.steps.count // 2)
    again = analyse(shorter.trace, shorter.control, shorter.peaks)
    assert 0.4 < shorter.kept / recorded.kept < 0.6
    assert 0.4 * analysis.steps.count < again.steps.count < 0.6 * analysis.steps.count
    before, after = ({each.cause: each for each in told.what_ifs}[name.split("/")[0]] for told in (analysis, again))
    assert after.saved_ms == pytest.approx(before.saved_ms, rel=0.1)
    part = shorter.kept / recorded.kept
    assert after.run_saved_s == pytest.approx(before.run_saved_s * part, rel=0.1)


def test_a_trace_whose_device_falls_behind_is_not_shortened() -> None:
    with pytest.raises(ValueError, match="falls behind"):
        shorten(analysed("uncoalesced-access/numba")[0], 50)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="programs are traced on Linux")
def test_a_program_is_recorded(fake_driver: FakeDriver, tmp_path: Path) -> None:
    folder = tmp_path / "toolkit" / "extras" / "CUPTI" / "lib64"
    folder.mkdir(parents=True)
    shutil.copy(fake_driver.cupti, folder / "libcupti.so.13")
    script = tmp_path / "launches.py"
    script.write_text(PRETEND + "for i in range(300):\n    launch('tiny', 30_000, 2_000)\n")
    record = (
        "import sys; from pathlib import Path\n"
        "from tests.attribution.profile.recording import profiled\n"
        "from tests.attribution.profile.recorded import Recorded, write\n"
        "write(Path(sys.argv[2]), Recorded(*profiled(Path(sys.argv[1])), 0.01))\n"
    )
    variables = {"CUDA_HOME": str(tmp_path / "toolkit"), "FAKE_CUPTI": str(folder / "libcupti.so.13")}
    environment = fake_driver.scenario(environment=variables)
    environment["PYTHONPATH"] = str(Path(__file__).parents[3])
    file = tmp_path / "recorded.json.xz"
    command = [sys.executable, "-c", record, str(script), str(file)]
    subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, timeout=120, check=True)
    recorded = read(file)
    assert len(recorded.trace.ops) == len(recorded.trace.marks) == 300
    assert [len(each) for each in recorded.control.marks] == [300] * len(recorded.control.walls)
    assert {line.file for line in recorded.trace.lines} <= {"launches.py"}
