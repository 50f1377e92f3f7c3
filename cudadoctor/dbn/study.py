"""The child's side of an explanation: the rungs of the ladder, interleaved, and one minibatch of each taken apart.

Every rung trains the same window of minibatches from the same weights, a slice a round, in an order that is drawn
anew for each round, so that no rung always has the cold clocks. A rung that cannot run is skipped with its reason, and
one that fails is left out; if it took the device with it, the parent begins anew without it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from cudadoctor.dbn.contenders import UnusableDeviceError, is_lost, make
from cudadoctor.dbn.effort import measure as measure_effort
from cudadoctor.dbn.events import Options
from cudadoctor.dbn.network import Layer, minibatches
from cudadoctor.dbn.quiet import wait_until_quiet
from cudadoctor.dbn.rung_runs import ByRows, InEpochs, InSlices, RungRun
from cudadoctor.dbn.rungs.ladder import LADDER, ONLY_IF_ASKED, RungName
from cudadoctor.gpu.child import Reporter

if TYPE_CHECKING:
    from cudadoctor.dbn.cpu import Choice
    from cudadoctor.dbn.digits import Digits

_PART_OF_AN_EPOCH = 3
"""The window is this part of an epoch."""

_PART_FOR_THE_LOSS = 3
"""Losses are compared over this part of the window, which is all that the slow rungs train."""

_SLOW = ("gpu-host-arrays", "gpu-2014")
"""Lanes that take some 6 ms a minibatch even on a fast GPU: their slices are shorter, and as many."""

_TIMED = 6
"""Minibatches of each round with a clock around every step."""

_ORDER_SEED = 20
_CPU_LANE = "cpu-fast"

_GRAPH_LANE, _PERSISTENT_LANE = "gpu-graph", "gpu-persistent"


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
        choice: Choice | None = None,
    ) -> None:
        """Take what the lanes were given, and how the CPU's lane trained fastest in the race, if it ran."""
        self._options, self._digits, self._layers = options, digits, layers
        self._reporter, self._tick, self._choice = reporter, tick, choice
        self._runs: dict[RungName, RungRun] = {}
        self._slices: dict[RungName, Slices] = {}
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
        self._break_even()

    def _tell_effort(self) -> None:
        """Say how near its peak the CPU was, if the lane was sampled."""
        if not self._cpu_us:
            return
        with self._reporter.step("matrix product on the CPU"):
            effort = measure_effort(_CPU_LANE, self._options.network, statistics.median(self._cpu_us))
        self._reporter.send("cpu_effort", effort=msgspec.to_builtins(effort))

    def _break_even(self) -> None:
        """Look for both break-evens in turns; what one cannot do leaves the other to go on."""
        from cudadoctor.dbn.break_even import searches

        options = self._options
        waiting = dict(searches(options.network, self._digits, options.device, self._choice, self._tick))
        while waiting:
            for variable, search in tuple(waiting.items()):
                try:
                    with self._reporter.step(f"break-even by {variable}", limit_s=2 * options.silence_limit_s):
                        next(search)
                    continue
                except StopIteration as ended:
                    self._reporter.send("break_even", found=msgspec.to_builtins(ended.value))
                except UnusableDeviceError:
                    pass  # the rungs have said why
                except Exception as error:
                    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
                    self._reporter.send("ladder_note", note=f"no break-even by {variable}: {reason}")
                    if is_lost(error):
                        raise LostDeviceError(reason) from error
                del waiting[variable]

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
        slices = Slices(len(rows), options.rounds, name.lane in _SLOW or name.beside)
        if slices.window > len(rows):
            raise UnusableDeviceError(
                f"{options.rounds} rounds need {slices.window} minibatches, and an epoch has {len(rows)}"
            )
        contender: Any = make(name.lane, network, self._layers, self._digits, options.device)
        if name.threads is not None:
            self._on_threads(contender, name.threads)
        elif name.lane == _CPU_LANE and self._choice is not None:
            contender.adopt(self._choice)
        elif name.lane == _GRAPH_LANE:
            contender.prepare_part(slices.window, self._tick)
        else:
            contender.prepare(self._tick)
        self._runs[name] = _run_of(name, contender, rows, slices, network.rate(1), self._tick)
        self._slices[name] = slices
        self._reporter.send(
            "rung_ready", rung=name.id, batch_size=network.batch_size, minibatches=self._runs[name].minibatches
        )

    def _on_threads(self, contender: Any, threads: int) -> None:
        """Let the CPU's lane train in the way that it chose, on so many threads."""
        if self._choice is None:
            contender.prepare(self._tick)
        choice = self._choice or contender.choice
        if choice.threads == threads:
            raise UnusableDeviceError(f"the lane is fastest on {threads} thread by itself")
        contender.adopt(choice._replace(threads=threads))

    def _sample(self, number: int, name: RungName) -> None:
        slices, run = self._slices[name], self._runs[name]
        start, timed, end = slices.of(number)
        if name.lane == _CPU_LANE:
            wait_until_quiet()
        us = run.slice(start, timed, self._tick)
        if name.lane == _CPU_LANE and not name.beside:
            self._cpu_us.append(us)
        timed_us = run.timed_slice(timed, end)
        self._reporter.send("rung_sample", rung=name.id, us=us, timed_us=timed_us)
        if end == slices.for_the_loss:
            self._reporter.send("rung_loss", rung=name.id, loss=run.loss(end))

    def _finish(self, name: RungName) -> None:
        run = self._runs[name]
        if isinstance(run, InSlices):
            from cudadoctor.dbn.recording import multiprocessors

            calls = run.recording.calls(self._kernels_us, self._launches_us, self._tick)
            self._launches_us |= {
                name: us for name, us in run.recording.host_us().items() if name not in self._launches_us
            }
            told = msgspec.to_builtins(calls)
            self._reporter.send("rung_calls", rung=name.id, calls=told, multiprocessors=multiprocessors())
        elif isinstance(run, InEpochs) and name.times == 1 and (of_an_epoch := run.calls()) is not None:
            self._reporter.send("epoch_calls", calls=msgspec.to_builtins(of_an_epoch))


class Slices:
    """Which minibatches of the window a rung trains in each round."""

    def __init__(self, epoch: int, rounds: int, slow: bool) -> None:
        """Cut a window out of an epoch of so many minibatches.

        `for_the_loss` are those over which all rungs of the same minibatches sum their losses. A slow rung trains
        these and no more, in as many slices, if they are enough for two minibatches a slice.
        """
        each = max(2, epoch // _PART_OF_AN_EPOCH // rounds)
        self.for_the_loss = max(1, rounds // _PART_FOR_THE_LOSS) * each
        self.window = each * rounds
        if slow and self.for_the_loss >= 2 * rounds:
            self.window = self.for_the_loss
        self._rounds = rounds

    def of(self, number: int) -> tuple[int, int, int]:
        """Return where a round's slice begins, from where on each step is timed, and where it ends."""
        start, end = (self.window * i // self._rounds for i in (number, number + 1))
        return start, end - min(_TIMED, (end - start) // 2), end


def _run_of(
    name: RungName, contender: Any, rows: Any, slices: Slices, learn_rate: float, tick: Callable[[], None]
) -> RungRun:
    untimed = slices.of(0)[1]
    if name.lane == _GRAPH_LANE:
        return InEpochs(contender, rows[: slices.window], slices.for_the_loss, learn_rate, tick)
    if name.lane == _PERSISTENT_LANE:
        return InEpochs(contender, rows, slices.for_the_loss, learn_rate, tick)
    if name.lane.startswith("gpu"):
        return InSlices(contender, rows, learn_rate, untimed)
    return ByRows(contender, rows, learn_rate, untimed)
