"""The lanes of a race: epochs, scores of each digit, and who won."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from cudadoctor.facts.base import Missing
from cudadoctor.facts.race import Epoch, Lane, PretrainedEpoch, Race
from cudadoctor.findings import Finding, Severity
from cudadoctor.report.race.predicted import predicted_lines
from cudadoctor.report.race.scores import score_lines
from cudadoctor.report.race.why import explanation_lines
from cudadoctor.units import format_clock, format_seconds

_USUAL = "gpu-copied"


def data_line(data: str, training_samples: int, test_samples: int) -> str:
    """Return the sentence that says what the race trains on."""
    what = {"procedural": "procedural digits (made here, not MNIST)", "mnist": "digits of MNIST"}.get(data, data)
    total = training_samples + test_samples
    return f"{total:,} {what}: {training_samples:,} to train, {test_samples:,} to test"


def network_line(
    layers: Sequence[int], batch_size: int, minibatches_per_epoch: int, seed: int, hidden: str = "relu"
) -> str:
    """Return the sentence that says what is trained."""
    units = {"relu": "ReLU"}.get(hidden, hidden)
    return (
        f"{'-'.join(map(str, layers))}, {units}, softmax, float32; {minibatches_per_epoch} minibatches of {batch_size} "
        f"an epoch; seed {seed}"
    )


def pretraining_line(epoch: PretrainedEpoch) -> str:
    """Return one epoch of pretraining: the squared distance of a case from its reconstruction."""
    return (
        f"Layer {epoch.layer}, pretraining epoch {epoch.epoch:2d}:  reconstruction error {epoch.error:.4f}  "
        f"({format_clock_fine(epoch.seconds)})"
    )


def lane_line(lane: str, device_name: str, compile_seconds: float | None = None) -> str:
    """Return a lane's heading."""
    compiled = "" if compile_seconds is None else f" (compiled or loaded in {format_seconds(compile_seconds)})"
    return f"{lane} on {device_name}{compiled}"


def epoch_line(epoch: Epoch) -> str:
    """Return one epoch: loss and err are running averages over the epoch, as nolearn printed them."""
    loss = "nan" if epoch.loss is None else f"{epoch.loss:.6f}"
    err = "nan" if epoch.err is None else f"{epoch.err:.6f}"
    return f"Epoch {epoch.epoch:2d}:  loss {loss}  err {err}  ({format_clock_fine(epoch.seconds)})"


def format_clock_fine(seconds: float) -> str:
    """Return `0:00:08`, with milliseconds below ten seconds, where whole seconds would say nothing."""
    return format_clock(seconds) if seconds >= 10 else f"0:00:{seconds:06.3f}"


def race_lines(race: Race | Missing) -> list[str]:
    """Return the whole race: data, lanes, epochs, scores of each digit."""
    if isinstance(race, Missing):
        return []
    lines = [
        data_line(race.data, race.training_samples, race.test_samples),
        network_line(race.layers, race.batch_size, race.minibatches_per_epoch, race.seed, race.hidden),
    ]
    for lane in race.lanes:
        lines += ["", lane_line(lane.name, lane.device_name, lane.compile_seconds)]
        lines += ["  " + pretraining_line(epoch) for epoch in lane.pretraining]
        lines += ["  " + epoch_line(epoch) for epoch in lane.epochs]
        if lane.state != "finished":
            lines.append(f"  {lane.state}: {lane.reason}")
    return lines + race_result_lines(race)


def race_result_lines(race: Race) -> list[str]:
    """Return what stands after the epochs: scores of digits, lanes that did not start, predictions, and why."""
    lines: list[str] = []
    scored = [lane for lane in race.lanes if lane.digits]
    if scored:
        lines += ["", *score_lines(scored)]
    lines += [""] if race.skipped else []
    together: dict[str, list[str]] = {}
    for lane in race.skipped:
        together.setdefault(lane.reason, []).append(lane.name)
    lines += [f"{', '.join(names)} did not start: {reason}" for reason, names in together.items()]
    predicted = predicted_lines(race)
    lines += ["", *predicted] if predicted else []
    return lines + explanation_lines(race)


def seconds_per_epoch(lane: Lane) -> float | None:
    """Return the median over epochs, in seconds; None for a lane without a whole epoch."""
    return median(epoch.seconds for epoch in lane.epochs) if lane.epochs else None


def _fast_quarter(lane: Lane) -> float:
    """Return the seconds below which a quarter of a lane's epochs lie."""
    seconds = sorted(epoch.seconds for epoch in lane.epochs)
    return seconds[len(seconds) // 4]


def _slow_quarter(lane: Lane) -> float:
    """Return the seconds above which a quarter of a lane's epochs lie."""
    seconds = sorted(epoch.seconds for epoch in lane.epochs)
    return seconds[-1 - len(seconds) // 4]


def race_sentence(race: Race, findings: Sequence[Finding]) -> str:
    """Return the answer: who won and by what factor, or what stood in the way."""
    if findings and findings[0].severity is Severity.ERROR:
        return f"{findings[0].title}."
    lanes = {lane.name: lane for lane in race.lanes if lane.state == "finished"}
    times = {name: seconds for name, lane in lanes.items() if (seconds := seconds_per_epoch(lane)) is not None}
    if not times:
        return "No lane finished, so nobody won."
    order = sorted(times, key=times.__getitem__)
    if len(order) == 1:
        only = order[0]
        side = "CPU" if lanes[only].device == "cpu" else "GPU"
        return f"Only the {side} finished, so nobody won: {only} took {format_seconds(times[only])} an epoch."
    winner = order[0]
    rivals = [name for name in order[1:] if (lanes[name].device == "cpu") != (lanes[winner].device == "cpu")]
    second = (rivals or order[1:])[0]
    side = "CPU" if lanes[winner].device == "cpu" else "GPU"
    if _slow_quarter(lanes[winner]) >= _fast_quarter(lanes[second]):
        return (
            f"Nobody won: {winner} took {format_seconds(times[winner])} an epoch and {second} "
            f"{format_seconds(times[second])}, which differ by less than the epochs of either among themselves."
        )
    return (
        f"The {side} won: {winner} took {format_seconds(times[winner])} an epoch, "
        f"{second} {format_seconds(times[second])}, {times[second] / times[winner]:.2f} times as long "
        f"(medians of {len(lanes[winner].epochs)} epochs).{_as_most_write_it(times, winner, second)}"
    )


def _as_most_write_it(times: dict[str, float], winner: str, cpu: str) -> str:
    """Return the sentence on the GPU that lost, where another lane of the GPU won."""
    usual = times.get(_USUAL)
    if (
        usual is None
        or winner == _USUAL
        or cpu.startswith("gpu")
        or not winner.startswith("gpu")
        or usual <= times[cpu]
    ):
        return ""
    return (
        f" As most people write it ({_USUAL}) the GPU lost: {format_seconds(usual)} an epoch, "
        f"{usual / times[cpu]:.1f} times as long as {cpu}."
    )
