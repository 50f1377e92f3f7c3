"""Explained races made of minibatches: what a rung measures is its replay, with a little noise in each round."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from cudadoctor.attribution import what_if
from cudadoctor.attribution.break_even import find_break_even
from cudadoctor.attribution.decomposition import decompose
from cudadoctor.attribution.replay import replay
from cudadoctor.attribution.statistics import bootstrap_median, median
from cudadoctor.facts.explanation import (
    BreakEvenPoint,
    Call,
    ClockReading,
    CpuEffort,
    Decomposition,
    Explanation,
    Prediction,
    Rung,
    Violation,
)
from cudadoctor.facts.race import Epoch, Lane, Race
from tests.attribution.calls import copy_in, launch, python, read_back

ROUNDS = 9

KERNELS = tuple(launch(31.0, 3.0, f"kernel {i}") for i in range(16))
FUSED = (("forward", 7.0), ("backward", 8.0), ("update", 4.0))
GATHER = python(40.0, "gather rows")
PAGEABLE = copy_in(12.0, 45.0)
PINNED = copy_in(9.0, 5.0, pinned=True)
LOSS = read_back(10.0, 6.0)


def rung(id: str, us: float, calls: Sequence[Call] = (), **told: Any) -> Rung:
    """Return a measured rung whose median is about a time."""
    chance = random.Random(id)
    samples = tuple(us * (1 + chance.gauss(0, 0.004)) for _ in range(ROUNDS))
    interval = bootstrap_median(samples)
    told = {"lane": f"gpu-{id.lower()}", "device": "gpu:0", "removes": "something", "state": "measured"} | told
    return Rung(
        id=id,
        calls=tuple(calls),
        batch_size=64,
        samples_us=samples,
        median_us=median(samples),
        low_us=interval.low,
        high_us=interval.high,
        coverage=interval.coverage,
        loss=0.0227,
        **told,
    )


def recorded(id: str, calls: Sequence[Call], **told: Any) -> Rung:
    """Return a rung that takes what its calls say."""
    return rung(id, replay(calls).period_us, calls, **told)


LADDER = (
    recorded("R1", (GATHER, PAGEABLE, *KERNELS, LOSS), lane="gpu-copied", removes="implicit copies"),
    recorded("R2", (GATHER, PINNED, *KERNELS, LOSS), removes="pageable memory"),
    recorded("R3", (*KERNELS, LOSS), removes="copies of data"),
    recorded("R4", KERNELS, lane="gpu-per-operation", removes="read-backs and waits"),
    recorded("R5", [launch(31.0, us, name) for name, us in FUSED], removes="most launches"),
    recorded("R6", [launch(9.0, 21.0, "graph")], removes="launches one by one"),
    rung("R7", 16.0, removes="all launches"),
    rung("C", 300.0, lane="cpu-fast", device="cpu", removes=""),
)


def predictions(rungs: Sequence[Rung]) -> tuple[Prediction, ...]:
    """Predict each rung of the ladder from the one before."""
    by_id = {each.id: each for each in rungs}
    edits = {
        "R2": what_if.with_pinned_copies(by_id["R1"].calls, (PINNED, read_back(10, 6, pinned=True))),
        "R3": what_if.with_resident_data(by_id["R2"].calls, drop={"gather rows"}),
        "R4": what_if.without_read_back(by_id["R3"].calls),
        "R5": what_if.with_fused_kernels(by_id["R4"].calls, FUSED),
        "R6": what_if.as_graph(by_id["R5"].calls, launch_us=9.0, gap_us=1.0),
    }
    made = [
        what_if.predict(by_id[f"R{int(to[1]) - 1}"], calls, to, by_id[to].removes, inputs_error_us=1.0)  # type: ignore[arg-type]
        for to, calls in edits.items()
    ]
    bound = Prediction(
        from_rung="R6", to_rung="R7", removes="all launches", predicted_us=2.368, error_us=0.0, bound=True
    )
    return what_if.with_measured([*(each for each in made if isinstance(each, Prediction)), bound], rungs)


def explanation(*rungs: Rung, **told: Any) -> Explanation:
    """Return an explanation of some rungs, or of the whole ladder with predictions, break-even, clocks and CPU."""
    if rungs:
        return Explanation(rungs=rungs, **told)
    parts = [decompose(each.id, each.lane, each.calls, each.median_us or 0.0, 1.08) for each in LADDER if each.calls]
    made = predictions(LADDER)
    points = [
        BreakEvenPoint(value=n, cpu_us=20 + 4.4 * n, gpu_us=500 + 0.2 * n, winner=None)
        for n in (16, 32, 64, 128, 256, 512)
    ]
    told = {
        "decompositions": tuple(each for each in parts if isinstance(each, Decomposition)),
        "predictions": made,
        "mean_absolute_error": what_if.mean_absolute_error(made),
        "break_even": (find_break_even("batch_size", "cpu-fast", "gpu-per-operation", points),),
        "readings": tuple(reading(float(i), other_processes=0) for i in range(6)),
        "violations": (Violation(policy="power", seconds=0.0), Violation(policy="thermal", seconds=0.0)),
        "window_s": 30.0,
        "cpu": CpuEffort(
            lane="cpu-fast",
            threads=16,
            cores=16,
            gflop_per_s=205.0,
            sgemm_gflop_per_s=1400.0,
            pools=("OpenBLAS 0.3.31: 16",),
        ),
    } | told
    return Explanation(rungs=LADDER, **told)


def reading(seconds: float, **told: Any) -> ClockReading:
    told = {"during": "R1", "sm_mhz": 1980, "memory_mhz": 2619, "performance_state": 0, "reasons": 0} | told
    return ClockReading(seconds=seconds, power_w=170.0, temperature_c=40, **told)


def lane(name: str, device: str, seconds: Sequence[float], **told: Any) -> Lane:
    epochs = tuple(Epoch(epoch=i + 1, loss=0.1, err=0.03, seconds=s) for i, s in enumerate(seconds))
    told = {"state": "finished", "device_name": "a device", "compile_seconds": 0.5} | told
    return Lane(name=name, device=device, epochs=epochs, **told)


def race(explained: Explanation | None = None, *lanes: Lane, **told: Any) -> Race:
    told = {
        "data": "procedural",
        "layers": (784, 300, 10),
        "batch_size": 64,
        "minibatches_per_epoch": 732,
        "epochs": 10,
        "seed": 0,
        "training_samples": 46_900,
        "test_samples": 23_100,
        "data_seconds": 1.0,
    } | told
    lanes = lanes or (
        lane("cpu-fast", "cpu", [0.22] * 10),
        lane("gpu-copied", "gpu:0", [0.48] * 10),
    )
    return Race(lanes=lanes, explanation=explained, **told)
