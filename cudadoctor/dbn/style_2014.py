"""The lane `gpu-2014`: the operations, waits and copies that nolearn's DBN made through gnumpy and cudamat in 2014.

They were counted by recording the original's calls for one minibatch: 103 operations on the device, of which 59 kernels
and 38 calls of cuBLAS (5 products of matrices, 7 sums made as products with a vector of ones, 26 copies), 2 copies to
the device and 4 back; 68 explicit waits, one after every kernel but the transposes and after every product. Adding a
bias first copies its row into a whole matrix, in seven copies of doubling size; every maximum first looks for NaN, and
reads one number back to know; sums that the program prints are read back at once.

What differs from 2014: numba launches through Python where ctypes called C, the products are this project's own kernel
and not cuBLAS, and rows lie the other way in memory. The arithmetic is the network's, so the lane learns as all others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.ops import plain
from cudadoctor.dbn.ops.device import cuda
from cudadoctor.dbn.rungs.arrays import on_host
from cudadoctor.dbn.rungs.base import Step, Stepwise


def why_not_2014(network: Network, index: int = 0) -> str | None:
    """Return why the calls of 2014 cannot train a network on any device, as a phrase, or None if they can."""
    return None if network.hidden == "relu" else "its operations were counted with rectified hidden units"


class Style2014(Stepwise):
    """One operation a launch, and a wait after nearly every one."""

    name = "gpu-2014"

    def _make_totals(self) -> Any:
        self._sums = np.zeros(2)
        return self._place(np.zeros((1, 2), np.float32))

    def _take_data(self, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        self._pixels, self._labels = pixels, labels
        self._one_hot = np.eye(self.network.classes, dtype=np.float32)

    def begin_epoch(self, rows: NDArray[np.uint32]) -> None:
        """Keep the rows."""
        self._rows = rows

    def result(self, cases: int) -> tuple[float, float]:
        """Return running loss and error from the sums on the host."""
        loss, mistakes = self._sums / cases
        self._sums[:] = 0
        return float(loss), float(mistakes)

    def layers(self) -> list[Layer]:
        """Return the weights W, on the host: this lane keeps them, and not the look-ahead."""
        return [Layer(*(on_host(values) for values in layer)) for layer in self.arrays.ahead]

    def _make_steps(self) -> list[Step]:
        return _Program(self).steps()


class _Program:
    """Writes the steps of one minibatch; `_temporary` stands for gnumpy's pool, which allocates nothing after once."""

    def __init__(self, lane: Style2014) -> None:
        self._lane = lane
        self._steps: list[Step] = []
        self._update = lane.update
        self._x = np.zeros((lane.network.batch_size, lane.network.layers[0]), np.float32)
        self._t = np.zeros((lane.network.batch_size, lane.network.classes), np.float32)
        self._outputs = np.zeros_like(self._t)
        self._number = np.zeros((1, 1), np.float32)

    def steps(self) -> list[Step]:
        arrays = self._lane.arrays
        last = len(arrays.ahead) - 1
        x, t = arrays.units[0], self._temporary(*self._t.shape)
        self._host("gather", self._gather)
        self._to_device("inputs", x, self._x)
        self._to_device("targets", t, self._t)
        # `ahead` holds W here, as the original kept it; the look-ahead weights A are temporaries.
        kept, ahead = [], []
        for layer, velocity in zip(arrays.ahead, arrays.velocity, strict=True):
            kept.append([self._copied(values) for values in layer])
            for values in velocity:
                self._in_place(values, self._scaled(values, lambda: self._update.momentum))
            ahead.append([self._binary(plain.ADD, a, v) for a, v in zip(layer, velocity, strict=True)])
        units = [x]
        for i, (weights, biases) in enumerate(ahead):
            n = self._binary(plain.ADD, self._product(units[i], weights), self._tiled(biases))
            units.append(self._binary(plain.MULTIPLY, n, self._compared(plain.GREATER, n, 0)) if i < last else n)
        z = units[-1]
        p = self._softmax(z)
        self._loss(z, t)
        self._to_host("outputs", p, self._outputs, self._count_mistakes)
        d = self._binary(plain.SUBTRACT, t, p)
        deltas = [d]
        for i in range(last, 0, -1):
            below = self._product(d, self._transposed(ahead[i][0]))
            d = self._binary(plain.MULTIPLY, below, self._compared(plain.GREATER, units[i], 0))
            deltas.insert(0, d)
        for i in range(last + 1):
            self._learn(i, units[i], deltas[i], ahead[i], kept[i])
        return self._steps

    def _learn(self, i: int, x: Any, d: Any, ahead: list[Any], kept: list[Any]) -> None:
        arrays, update = self._lane.arrays, self._update
        m = np.float32(1 / self._lane.network.batch_size)
        gradient = self._scaled(self._product(self._transposed(x), d), lambda: m)
        decay = self._scaled(ahead[0], lambda: np.float32(self._lane.network.l2))
        rate = lambda: np.float32(update.rate / m)  # noqa: E731 - read when the step runs
        change = self._scaled(self._binary(plain.SUBTRACT, gradient, decay), rate)
        velocity = arrays.velocity[i]
        self._in_place(velocity.weights, self._binary(plain.ADD, velocity.weights, change))
        sums = self._summed_columns(d)
        self._in_place(
            velocity.biases, self._binary(plain.ADD, velocity.biases, self._scaled(sums, lambda: update.rate))
        )
        for target, before, v in zip(arrays.ahead[i], kept, velocity, strict=True):
            self._binary(plain.ADD, before, v, target)

    def _softmax(self, z: Any) -> Any:
        powers = self._unary(plain.EXP, self._binary(plain.SUBTRACT, z, self._expanded(self._row_maximum(z), z)))
        return self._binary(plain.DIVIDE, powers, self._expanded(self._summed_rows(powers), z))

    def _loss(self, z: Any, t: Any) -> None:
        shifted = self._binary(plain.SUBTRACT, z, self._expanded(self._row_maximum(z), z))
        log_sums = self._unary(plain.LOG, self._summed_rows(self._unary(plain.EXP, shifted)))
        log_p = self._binary(plain.SUBTRACT, shifted, self._expanded(log_sums, z))
        losses = self._unary(plain.NEGATE, self._binary(plain.MULTIPLY, t, log_p))
        self._to_host("loss", self._summed_rows(losses.reshape(1, losses.size)), self._number, self._count_loss)

    def _row_maximum(self, a: Any) -> Any:
        """Look for NaN first, as gnumpy's maximum did: in two comparisons, a sum of both and a third; then read it."""
        negative, other = self._compared(plain.LESS, a, 0), self._compared(plain.GREATER, a, -1)
        unordered = self._compared(plain.EQUAL, self._binary(plain.ADD, negative, other), 0)
        self._to_host("NaN?", self._summed_rows(unordered.reshape(1, a.size)), self._number, lambda _: None)
        out = self._temporary(a.shape[0], 1)
        grid, block = plain.flat_grid(a.shape[0])
        self._launch("row maximum", plain.row_maximum_kernel, (grid, block), a, out)
        return out

    def _tiled(self, biases: Any) -> Any:
        """Copy a row into all rows of a matrix, doubling what is there each time."""
        m, n = self._lane.network.batch_size, biases.size
        out = self._temporary(m * n)
        self._copy(biases, out, 0, n)
        rows = 1
        while rows < m:
            more = min(rows, m - rows)
            self._copy(out, out, rows * n, more * n)
            rows += more
        return out.reshape(m, n)

    def _copied(self, a: Any) -> Any:
        out = self._temporary(*a.shape)
        self._copy(_flat(a), _flat(out), 0, a.size)
        return out

    def _in_place(self, target: Any, result: Any) -> None:
        self._copy(_flat(result), _flat(target), 0, target.size)

    def _copy(self, a: Any, out: Any, start: int, count: int) -> None:
        grid, block = plain.flat_grid(count)
        self._launch("copy", plain.copy_kernel, (grid, block), a, out, start, count, waits=False)

    def _binary(self, code: int, a: Any, b: Any, out: Any = None) -> Any:
        out = self._temporary(*a.shape) if out is None else out
        grid, block = plain.flat_grid(a.size)
        self._launch("elementwise", plain.binary_kernel, (grid, block), code, _flat(a), _flat(b), _flat(out))
        return out

    def _compared(self, code: int, a: Any, number: float) -> Any:
        return self._with_scalar(code, a, lambda: np.float32(number))

    def _scaled(self, a: Any, number: Callable[[], Any]) -> Any:
        return self._with_scalar(plain.TIMES, a, number)

    def _with_scalar(self, code: int, a: Any, number: Callable[[], Any]) -> Any:
        out = self._temporary(*a.shape)
        grid, block = plain.flat_grid(a.size)
        stream, flat, flat_out = self._lane.stream, _flat(a), _flat(out)

        def launch() -> None:
            plain.scalar_kernel[grid, block, stream](code, flat, number(), flat_out)

        self._step("elementwise", launch, (a, out), waits=True)
        return out

    def _unary(self, code: int, a: Any) -> Any:
        out = self._temporary(*a.shape)
        grid, block = plain.flat_grid(a.size)
        self._launch("elementwise", plain.unary_kernel, (grid, block), code, _flat(a), _flat(out))
        return out

    def _transposed(self, a: Any) -> Any:
        out = self._temporary(a.shape[1], a.shape[0])
        grid, block = plain.matrix_grid(*a.shape)
        self._launch("transpose", plain.transpose_kernel, (grid, block), a, out, waits=False)
        return out

    def _product(self, a: Any, b: Any, name: str = "product") -> Any:
        out = self._temporary(a.shape[0], b.shape[1])
        grid, block = plain.matrix_grid(*out.shape)
        self._launch(name, plain.product_kernel, (grid, block), a, b, out)
        return out

    def _summed_rows(self, a: Any) -> Any:
        return self._product(a, self._ones(a.shape[1], 1), "sum")

    def _summed_columns(self, a: Any) -> Any:
        out = self._product(self._ones(1, a.shape[0]), a, "sum")
        return out.reshape(out.size)

    def _expanded(self, column: Any, like: Any) -> Any:
        out = self._temporary(*like.shape)
        grid, block = plain.matrix_grid(*like.shape)
        self._launch("expand", plain.expand_kernel, (grid, block), column, out)
        return out

    def _launch(self, name: str, kernel: Any, shape: tuple[Any, Any], *arguments: Any, waits: bool = True) -> None:
        grid, block = shape
        stream = self._lane.stream
        arrays = tuple(a for a in arguments if hasattr(a, "shape"))
        self._step(name, lambda: kernel[grid, block, stream](*arguments), arrays, waits)

    def _step(self, name: str, launch: Callable[[], object], arrays: tuple[Any, ...], waits: bool) -> None:
        recorded = bool(self._lane.stream)  # into a graph, where nothing runs and nothing can be waited for

        def run(_: int) -> None:
            launch()
            if waits and not recorded:
                cuda.synchronize()

        self._steps.append(Step(name, "launch", run, waits=waits, arrays=arrays))

    def _host(self, name: str, run: Callable[[int], object]) -> None:
        self._steps.append(Step(name, "host", run))

    def _to_device(self, name: str, device: Any, host: Any) -> None:
        run = lambda _: device.copy_to_device(host)  # noqa: E731
        self._steps.append(Step(name, "copy-to-device", run, waits=True, bytes=host.nbytes))

    def _to_host(self, name: str, device: Any, host: Any, use: Callable[[int], object]) -> None:
        def run(step: int) -> None:
            device.copy_to_host(host)
            use(step)

        self._steps.append(Step(name, "copy-to-host", run, waits=True, bytes=host.nbytes))

    def _temporary(self, *shape: int) -> Any:
        return cuda.device_array(shape, np.float32)

    def _ones(self, *shape: int) -> Any:
        return cuda.to_device(np.ones(shape, np.float32))

    def _gather(self, step: int) -> None:
        rows = self._lane._rows[step]
        self._x[:] = self._lane._pixels[rows] * np.float32(1 / 255)
        self._t[:] = self._lane._one_hot[self._lane._labels[rows]]

    def _count_loss(self, step: int) -> None:
        self._lane._sums[0] += self._number[0, 0]

    def _count_mistakes(self, step: int) -> None:
        self._lane._sums[1] += (self._outputs.argmax(axis=1) != self._lane._labels[self._lane._rows[step]]).sum()


def _flat(a: Any) -> Any:
    return a.reshape(a.size)
