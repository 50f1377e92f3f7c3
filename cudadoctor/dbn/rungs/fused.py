"""The lanes of fused kernels: five launches a minibatch, and one graph launch an epoch.

`Fused` (R5) computes what fifteen kernels did in one forward kernel a hidden layer, one for the outputs, one for each
delta of hidden units and one update a layer. `Graph` (R6) records all launches of an epoch once in a CUDA graph and
then launches that graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.ops import fused_forward, fused_output, fused_update, hidden_delta
from cudadoctor.dbn.ops.device import cuda
from cudadoctor.dbn.ops.grid import BLOCK
from cudadoctor.dbn.rungs.arrays import on_host
from cudadoctor.dbn.rungs.base import Step, Stepwise
from cudadoctor.dbn.rungs.operations import tiled

_PER_PIXEL = np.float32(1 / 255)
_AS_THEY_ARE = np.float32(1)


def why_not_fused(network: Network, index: int = 0) -> str | None:
    """Return why the fused kernels cannot train a network on any device, as a phrase, or None if they can."""
    if network.hidden != "relu":
        return "the fused kernels are written for rectified hidden units"
    if len(network.layers) < 3:
        return "the fused kernels need a hidden layer"
    if network.classes > BLOCK:
        return f"the fused kernel of the outputs takes at most {BLOCK} classes, not {network.classes}"
    return None


class Fused(Stepwise):
    """R5."""

    name = "gpu-fused"

    def _make_totals(self) -> Any:
        return self._place(np.zeros((self.minibatches, self.network.batch_size, 2), np.float32))

    def _take_data(self, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        m = self.network.batch_size
        self._pixels, self._labels = cuda.to_device(pixels), cuda.to_device(labels)
        self._rows = cuda.device_array((self.minibatches, m), np.uint32)
        self._in_order = cuda.to_device(np.arange(m, dtype=np.uint32).reshape(1, m))
        self._numbers = cuda.device_array(3, np.float32)

    def begin_epoch(self, rows: NDArray[np.uint32]) -> None:
        """Copy rows and the numbers of the update to the device."""
        update = self.update
        self._rows[: len(rows)].copy_to_device(rows)
        self._numbers.copy_to_device(np.array([update.momentum, update.rate, update.shrink], np.float32))

    def result(self, cases: int) -> tuple[float, float]:
        """Wait for the device; return running loss and error of the epoch's first cases."""
        totals = on_host(self.totals)[: cases // self.network.batch_size]
        loss, mistakes = totals.sum(axis=(0, 1), dtype=np.float64) / cases
        return float(loss), float(mistakes)

    def _make_steps(self) -> list[Step]:
        arrays, stream = self.arrays, self.stream
        last = len(arrays.ahead) - 1
        steps = [self._forward(i) for i in range(last)]
        top, outputs = arrays.ahead[last], arrays.deltas[last + 1]

        def output(step: int) -> None:
            fused_output.launch(
                arrays.units[last], *top, self._labels, self._rows, step, outputs, self.totals, stream=stream
            )

        steps.append(Step("outputs", "launch", output, blocks=outputs.shape[0]))
        # All deltas first: they are sent back through the weights of before the update.
        steps += [self._delta(i) for i in range(last, 0, -1)]
        return steps + [self._update(i) for i in range(last, -1, -1)]

    def _source(self, i: int) -> tuple[Any, Any, np.float32, Callable[[int], int]]:
        """Return inputs of layer i, their rows and scale, and which row of the rows a minibatch takes."""
        if i == 0:
            return self._pixels, self._rows, _PER_PIXEL, lambda step: step
        return self.arrays.units[i], self._in_order, _AS_THEY_ARE, lambda step: 0

    def _forward(self, i: int) -> Step:
        x, rows, scale, row = self._source(i)
        (weights, biases), out, stream = self.arrays.ahead[i], self.arrays.units[i + 1], self.stream

        def run(step: int) -> None:
            fused_forward.launch(x, rows, row(step), scale, weights, biases, out, stream=stream)

        return Step(f"forward {i + 1}", "launch", run, blocks=tiled(out))

    def _delta(self, i: int) -> Step:
        arrays, stream = self.arrays, self.stream
        d, weights, h, out = arrays.deltas[i + 1], arrays.ahead[i].weights, arrays.units[i], arrays.deltas[i]

        def run(_: int) -> None:
            hidden_delta.launch(d, weights, h, out, stream=stream)

        return Step(f"hidden delta {i}", "launch", run, blocks=tiled(out))

    def _update(self, i: int) -> Step:
        x, rows, scale, row = self._source(i)
        a, v, d, stream = self.arrays.ahead[i], self.arrays.velocity[i], self.arrays.deltas[i + 1], self.stream

        def run(step: int) -> None:
            fused_update.launch(
                x,
                rows,
                row(step),
                scale,
                d,
                a.weights,
                v.weights,
                a.biases,
                v.biases,
                self._numbers,
                stream=stream,
            )

        return Step(f"update {i + 1}", "launch", run, blocks=tiled(a.weights))


class Graph(Fused):
    """R6; cuda-core records the graph."""

    name = "gpu-graph"

    def __init__(
        self,
        network: Network,
        layers: Sequence[Layer],
        pixels: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        index: int = 0,
    ) -> None:
        """Take the training set and first weights for device `index`."""
        super().__init__(network, layers, pixels, labels, index)
        self._graphs: dict[range, Any] = {}
        self._recorded = range(0)

    def _make_stream(self) -> Any:
        from cuda.core import Device

        device = Device(cuda.get_current_device().id)
        device.set_current()
        self._launch_stream = device.create_stream()
        return 0

    def begin_epoch(self, rows: NDArray[np.uint32]) -> None:
        """Copy rows and numbers to the device, and wait: the graph runs on a stream that does not wait for copies."""
        super().begin_epoch(rows)
        cuda.synchronize()

    def prepare(self, tick: Callable[[], None]) -> float:
        """Compile or load the kernels and record the graph of an epoch; return the seconds that took."""
        return self.prepare_part(self.minibatches, tick)

    def prepare_part(self, minibatches: int, tick: Callable[[], None]) -> float:
        """Do so with a graph of the first minibatches only: each recorded launch costs as much as one that runs."""
        started = time.perf_counter()
        super().prepare(tick)
        self._recorded = range(minibatches)
        self._record(self._recorded)
        return time.perf_counter() - started

    def _record(self, numbers: range) -> None:
        """Record the launches of some minibatches, once."""
        builder = self._launch_stream.create_graph_builder()
        builder.begin_building()
        try:
            runs = [step.run for step in self.steps_on(builder)]
            for number in numbers:
                for run in runs:
                    run(number)
        finally:
            builder.end_building()
        self._graphs[numbers] = builder.complete()

    def time_of_launch(self) -> float:
        """Launch the graph that was prepared; return the seconds that the host spends in that, not the device's."""
        cuda.synchronize()
        started = time.perf_counter()
        self._graphs[self._recorded].launch(self._launch_stream)
        seconds = time.perf_counter() - started
        self._launch_stream.sync()
        return seconds

    def train(self, numbers: range, tick: Callable[[], None]) -> None:
        """Train on minibatches whose graph was recorded."""
        if numbers not in self._graphs:
            self._record(numbers)
        self._graphs[numbers].launch(self._launch_stream)
        self._launch_stream.sync()
        tick()
