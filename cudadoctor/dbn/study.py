"""The child's side of an explanation: the rungs of the ladder, interleaved, and one minibatch of each taken apart.

Every rung trains the same window of minibatches from the same weights, a slice a round, in an order that is drawn
anew for each round, so that no rung always has the cold clocks. A rung that cannot run is skipped with its reason, and
one that fails is left out; if it took the device with it, the parent begins anew without it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from cudadoctor.dbn.contenders import UnusableDeviceError, is_lost, make
from cudadoctor.dbn.effort import measure as measure_effort
from cudadoctor.dbn.events import Options
from cudadoctor.dbn.network import Layer, minibatches
from cudadoctor.dbn.rung_runs import ByRows, InEpochs, InSlices, RungRun
from cudadoctor.dbn.rungs.ladder import LADDER, ONLY_IF_ASKED, RungName
from cudadoctor.gpu.child import Reporter

if TYPE_CHECKING:
    from cudadoctor.dbn.digits import Digits

_PART_OF_AN_EPOCH = 3
"""The window is this part of an epoch: NumPy arrays in every launch take some seconds for it on a fast GPU."""

_TIMED = 6
"""Minibatches of each round with a clock around every step."""

_ORDER_SEED = 20
_CPU_LANE = "cpu-fast"

_IN_EPOCHS = ("gpu-graph", "gpu-persistent")


class LostDeviceError(Exception):
    """A rung took the device with it: the rest needs a new process."""


class Study:
    """The ladder of one race, on the digits and first weights of its lanes."""

    def __init__(
        self,
        options: Options,
        digits: Digits,
        layers: Sequence[Layer],
        reporter: Reporter,
        tick: Callable[[], None],
    ) -> None:
        """Take what the lanes were given."""
        self._options, self._digits, self._layers = options, digits, layers
        self._reporter, self._tick = reporter, tick
        self._runs: dict[RungName, RungRun] = {}
        self._kernels_us: dict[str, float] = {}
        self._launches_us: dict[str, float] = {}
        self._cpu_us: list[float] = []

    def run(self, without: Sequence[str]) -> None:
        """Run the ladder without some rungs, by id.

        Raises:
            LostDeviceError: A rung failed in a way that no other survives.
        """
        import numpy as np

        rounds = self._options.rounds
        for name in LADDER:
            if name.id not in without and (name.lane not in ONLY_IF_ASKED or name.lane in self._options.lanes):
                self._guarded(name, self._make)
        generator = np.random.default_rng(_ORDER_SEED)
        for number in range(rounds):
            names = list(self._runs)
            for i in generator.permutation(len(names)):
                self._guarded(names[i], partial(self._sample, number))
        # Arrays of the host last: their launches and kernels are those of the others, with copies around.
        for name in sorted(self._runs, key=lambda name: name.id == "R0"):
            self._guarded(name, self._finish)
        self._runs.clear()
        self._tell_effort()
        for variable in ("batch_size", "hidden_units"):
            self._break_even(variable)

    def _tell_effort(self) -> None:
        """Say how near its peak the CPU was, if the lane was sampled."""
        if not self._cpu_us:
            return
        with self._reporter.step("matrix product on the CPU"):
            effort = measure_effort(_CPU_LANE, self._options.network, statistics.median(self._cpu_us))
        self._reporter.send("cpu_effort", effort=msgspec.to_builtins(effort))

    def _break_even(self, variable: Literal["batch_size", "hidden_units"]) -> None:
        from cudadoctor.dbn.break_even import measure

        options = self._options
        if variable == "hidden_units" and len(options.network.layers) != 3:
            return
        try:
            with self._reporter.step(f"break-even by {variable}", limit_s=2 * options.silence_limit_s):
                found = measure(variable, options.network, self._digits, options.device, self._tick)
        except UnusableDeviceError:
            return  # the rungs have said why
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self._reporter.send("ladder_note", note=f"no break-even by {variable}: {reason}")
            if is_lost(error):
                raise LostDeviceError(reason) from error
            return
        self._reporter.send("break_even", found=msgspec.to_builtins(found))

    def _guarded(self, name: RungName, work: Callable[[RungName], None]) -> None:
        try:
            with self._reporter.step(f"rung {name.id}", limit_s=2 * self._options.silence_limit_s):
                work(name)
        except UnusableDeviceError as error:
            self._reporter.send("rung_skipped", rung=name.id, reason=str(error))
        except Exception as error:
            self._runs.pop(name, None)
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self._reporter.send("rung_failed", rung=name.id, reason=reason)
            if name.lane.startswith("gpu") and is_lost(error):
                raise LostDeviceError(reason) from error

    def _make(self, name: RungName) -> None:
        options, network = self._options, self._options.network
        if name.times > 1:
            network = msgspec.structs.replace(network, batch_size=network.batch_size * name.times)
            if network.batch_size > options.training_samples:
                raise UnusableDeviceError(f"a minibatch of {network.batch_size} is larger than the training set")
        rows = next(minibatches(network, options.training_samples, options.seed))
        window = sum(self._sizes(len(rows))) * options.rounds
        if window > len(rows):
            raise UnusableDeviceError(
                f"{options.rounds} rounds need {window} minibatches, and an epoch has {len(rows)}"
            )
        contender = make(name.lane, network, self._layers, self._digits, options.device)
        contender.prepare(self._tick)
        self._runs[name] = _run_of(name, contender, rows, window, network.rate(1), self._tick)
        self._reporter.send("rung_ready", rung=name.id, batch_size=network.batch_size)

    def _sizes(self, epoch: int) -> tuple[int, int]:
        """Return how many minibatches of an epoch a round trains untimed, and with a clock around every step."""
        both = max(2, epoch // _PART_OF_AN_EPOCH // self._options.rounds)
        timed = min(_TIMED, both // 2)
        return both - timed, timed

    def _sample(self, number: int, name: RungName) -> None:
        epoch = self._options.network.minibatches_per_epoch(self._options.training_samples) // name.times
        count, timed = self._sizes(epoch)
        start = number * (count + timed)
        run = self._runs[name]
        us = run.slice(start, start + count, self._tick)
        if name.lane == _CPU_LANE:
            self._cpu_us.append(us)
        timed_us = run.timed_slice(start + count, start + count + timed)
        self._reporter.send("rung_sample", rung=name.id, us=us, timed_us=timed_us)

    def _finish(self, name: RungName) -> None:
        run = self._runs[name]
        self._reporter.send("rung_loss", rung=name.id, loss=run.loss())
        if isinstance(run, InSlices):
            calls = run.recording.calls(self._kernels_us, self._launches_us, self._tick)
            self._launches_us |= {
                name: us for name, us in run.recording.host_us().items() if name not in self._launches_us
            }
            self._reporter.send("rung_calls", rung=name.id, calls=msgspec.to_builtins(calls))
        elif isinstance(run, InEpochs) and (of_an_epoch := run.calls()) is not None and name.times == 1:
            self._reporter.send("epoch_calls", calls=msgspec.to_builtins(of_an_epoch))


def _run_of(
    name: RungName, contender: Any, rows: Any, window: int, learn_rate: float, tick: Callable[[], None]
) -> RungRun:
    if name.lane in _IN_EPOCHS:
        return InEpochs(contender, rows, window, learn_rate, tick)
    if name.lane.startswith("gpu"):
        return InSlices(contender, rows, window, learn_rate)
    return ByRows(contender, rows, window, learn_rate)
