"""A real CUDA error that ends the process's context: what made it is named, and all else goes on in a new process."""

from __future__ import annotations

import pytest

from cudadoctor.dbn.events import Options
from cudadoctor.dbn.race import run
from cudadoctor.facts.race import Race
from tests.simulator import ON_GPU

pytestmark = pytest.mark.skipif(not ON_GPU, reason="needs a CUDA device")


def race_of(options: Options, task: str) -> Race:
    *_, last = run(options, task=f"tests.dbn.broken_context:{task}")
    assert isinstance(last, Race)
    return last


def test_a_lane_that_ends_its_context_leaves_the_others_to_run() -> None:
    race = race_of(Options(lanes=("cpu-fast", "gpu-copied", "gpu-graph"), epochs=2), "in_the_lane_gpu_copied")
    cpu, lost, graph = race.lanes
    assert (cpu.state, graph.state) == ("finished", "finished")
    assert lost.state == "failed"
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in lost.reason


def test_a_rung_that_ends_its_context_is_named_and_the_ladder_goes_on_without_it() -> None:
    race = race_of(Options(lanes=("cpu-fast", "gpu-graph"), epochs=1, explain=True, rounds=3), "in_the_ladder")
    assert [lane.state for lane in race.lanes] == ["finished", "finished"]
    assert race.explanation is not None
    rungs = {rung.lane: rung for rung in race.explanation.rungs}
    assert rungs["gpu-copied"].state == "failed"
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in rungs["gpu-copied"].reason
    assert {rungs[name].state for name in ("gpu-per-operation", "gpu-fused", "gpu-graph")} == {"measured"}
