"""The sparse way to train on the CPU: workers that own strips of hidden units (see `sparse_run`), float32.

For one hidden layer. Napkin, 784-300-10 on digits with 17.9 % of their pixels not 0: the two large products shrink
from 60.2 to 10.8 Mflop a minibatch, and A and v of the rows of pixels that some image has, 2.4 MB there and back, are
what remains to be moved; where each core's share of that fits its L2 cache, two cores need less than half of the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn import gate as gates
from cudadoctor.dbn.ink import Pixels, count_pixels, list_pixels
from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.reference import FloatArray
from cudadoctor.dbn.sparse_run import BUFFERS, train
from cudadoctor.dbn.sparse_step import Scratch, Strips
from cudadoctor.dbn.strips import LANES
from cudadoctor.dbn.threads import usable_cores

_AT_ONCE = 64
"""Minibatches of one call: some 10 ms, so that a race shows life and can be interrupted."""

_WIDTHS = (5, 3, 2)
"""Vectors that a strip may have: wider ones reuse what they load, narrower ones divide better among workers. Each
width is compiled for itself."""

_COST_OF_A_STRIP = 8
"""What going through the lists costs beside the arithmetic, in units of a hidden unit; chosen by trial."""


def why_not(network: Network) -> str | None:
    """Return why this network cannot be trained this way, as a phrase that completes "because ...", or None."""
    if len(network.layers) != 3:
        return "they are written for one hidden layer"
    if max(network.layers[0], network.layers[2], network.batch_size) > np.iinfo(np.uint16).max:
        return "they number pixels, classes and samples with 16 bits"
    return None


def most_workers() -> int:
    """Return the number of cores that this process may use, or 1 where workers could not wait for each other."""
    return usable_cores() if gates.CAN_WAIT else 1


class _Listed(NamedTuple):
    """The pixels that are not 0, of images that many trainers share; `inked` counts them from pixel 0 on."""

    first: NDArray[np.int64]
    pixel: NDArray[np.uint16]
    shade: NDArray[np.uint8]
    inked: NDArray[np.int64]
    remark: str


_LATEST: list[tuple[Any, _Listed]] = []


def _listed(pixels: NDArray[np.uint8]) -> _Listed:
    """List the pixels of images; the latest list is kept, for the lanes of one race have the same images."""
    if _LATEST and _LATEST[0][0] is pixels:
        return _LATEST[0][1]
    started = time.perf_counter()
    first = np.zeros(len(pixels) + 1, np.int64)
    count_pixels(pixels, first)
    total = int(first[-1])
    index, shade = np.zeros(total + 1, np.uint16), np.zeros(total + 1, np.uint8)
    list_pixels(pixels, index, shade)
    megabytes = sum(part.nbytes for part in (first, index, shade)) / 1e6
    milliseconds = (time.perf_counter() - started) * 1e3
    inked = np.concatenate([[0], np.cumsum(np.bincount(index[:total], minlength=pixels.shape[1]))])
    listed = _Listed(first, index, shade, inked, f"{megabytes:.1f} MB in {milliseconds:.0f} ms")
    _LATEST[:] = [(pixels, listed)]
    return listed


class SparseTrainer:
    """Trains a network with one hidden layer on some number of workers, which may differ from run to run."""

    def __init__(
        self,
        network: Network,
        ahead: Sequence[Layer],
        velocity: Sequence[Layer],
        pixels: NDArray[np.uint8],
        labels: NDArray[np.uint8],
    ) -> None:
        """List the pixels that are not 0, and take look-ahead weights and velocities, which are copied."""
        listed = _listed(pixels)
        self._pixels = Pixels(listed.first, listed.pixel, listed.shade, labels)
        self.name = "sparse kernels"
        self.remark = f", listed once before the first epoch: {listed.remark}"
        self.most_threads = min(most_workers(), _strips(network.layers[1], 1))
        self._network = network
        self._inked = listed.inked
        self._ahead, self._velocity = list(ahead), list(velocity)
        self._parts = 0
        self._weights: Strips | None = None
        self._pool: ThreadPoolExecutor | None = None

    def train(
        self, rows: NDArray[np.uint32], learn_rate: float, threads: int, tick: Callable[[], None]
    ) -> tuple[float, int]:
        """Train on minibatches (minibatches, m); return cross-entropy and mistakes, summed.

        Raises:
            RuntimeError: The system has no more threads to give; nothing was trained.
        """
        self.arrange(threads)
        loss, mistakes = 0.0, 0.0
        powers = _powers(_AT_ONCE + 1, learn_rate * self._network.l2, self._network.momentum)
        for start in range(0, len(rows), _AT_ONCE):
            totals = self._run(rows[start : start + _AT_ONCE], learn_rate, threads, powers)
            loss, mistakes = loss + totals[0], mistakes + totals[1]
            tick()
        return float(loss), int(mistakes)

    def state(self) -> tuple[list[Layer], list[Layer]]:
        """Return look-ahead weights and velocities, as copies."""
        if self._weights is None:
            return self._ahead, self._velocity
        w, network = self._weights, self._network
        return (
            _unpacked(network, self._parts, w.a1, w.b1, w.a2, w.b2),
            _unpacked(network, self._parts, w.v1, w.vb1, w.v2, w.vb2),
        )

    def arrange(self, threads: int) -> None:
        """Lay the weights out in the strips that suit this number of threads best."""
        parts = best_width(self._network.layers[1], threads)
        if parts == self._parts:
            return
        ahead, velocity = self.state()
        self._parts = parts
        inputs, hidden, classes = self._network.layers
        strips, padded = _strips(hidden, parts), _padded(classes)
        a1, b1, a2, w2 = _packed(ahead, parts, padded)
        v1, vb1, v2, _ = _packed(velocity, parts, padded)
        most = max(1, min(strips, most_workers()))
        b2 = np.repeat(ahead[1].biases[None].astype(np.float32), most, axis=0)
        vb2 = np.repeat(velocity[1].biases[None].astype(np.float32), most, axis=0)
        self._weights = Strips(a1, v1, b1, vb1, a2, v2, w2, b2, vb2)
        m = self._network.batch_size
        self._scratch = Scratch(
            units=_aligned(strips * m * parts * LANES),
            deltas=_aligned(strips * m * parts * LANES),
            outputs=_aligned(2 * most * m * padded).reshape(2, most, m, padded),
            counts=np.zeros((BUFFERS, inputs), np.int64),
            samples=np.zeros((BUFFERS, inputs * m), np.uint16),
            shades=np.zeros((BUFFERS, inputs * m), np.uint8),
        )

    def _run(
        self, rows: NDArray[np.uint32], learn_rate: float, workers: int, powers: FloatArray
    ) -> NDArray[np.float64]:
        weights = self._weights
        assert weights is not None
        network, scratch = self._network, self._scratch
        strips = _strips(network.layers[1], self._parts)
        workers = min(workers, strips, weights.b2.shape[0])
        weights.b2[:], weights.vb2[:] = weights.b2[0], weights.vb2[0]
        shared = scratch._replace(outputs=np.ascontiguousarray(scratch.outputs[:, :workers]))
        ends = self._inked[-1] * np.arange(1, workers) // workers
        pixels = [0, *np.searchsorted(self._inked[1:], ends).tolist(), network.layers[0]]
        gate, totals = gates.new_gate(), np.zeros((workers, 2))
        like, like_classes = (0,) * self._parts, (0,) * (_padded(network.layers[2]) // LANES)

        def work(worker: int) -> None:
            train(
                worker,
                (strips * worker // workers, strips * (worker + 1) // workers),
                (pixels[worker], pixels[worker + 1]),
                gate,
                self._pixels,
                rows,
                weights,
                shared,
                powers,
                np.float32(network.momentum),
                np.float32(learn_rate / network.batch_size),
                np.float32(learn_rate * network.l2),
                like,
                like_classes,
                totals[worker],
            )

        if workers > 1 and self._pool is None:
            self._pool = ThreadPoolExecutor(most_workers(), "cudadoctor-cpu")
        others: list[Any] = []
        try:
            if self._pool is not None:
                others.extend(self._pool.submit(work, worker) for worker in range(1, workers))
            work(0)
        finally:  # who waits for a worker that never started, or was interrupted before it did, must not wait for ever
            gates.stop(gate)
            for other in others:
                other.result()
        return np.asarray(totals[0])


def best_width(hidden: int, workers: int) -> int:
    """Return how many vectors a strip should have so that the busiest worker has the least to do."""

    def cost(parts: int) -> int:
        most = -(-_strips(hidden, parts) // workers)
        return most * (parts * LANES + _COST_OF_A_STRIP)

    return min(_WIDTHS, key=cost)


@lru_cache(maxsize=4)
def _powers(count: int, shrink: float, momentum: float) -> FloatArray:
    """Return the powers 0 to count - 1 of a step without a gradient, (A, v) -> (A + mu v' - s A, v'), v' = mu v - s A.

    Returns:
        Rows (aa, av, va, vv), float32, computed in float64.
    """
    step = np.array([[1 - shrink - momentum * shrink, momentum**2], [-shrink, momentum]])
    powers = [np.eye(2)]
    while len(powers) < count:
        powers.append(step @ powers[-1])
    return np.array(powers).reshape(count, 4).astype(np.float32)


def _strips(hidden: int, parts: int) -> int:
    return -(-hidden // (parts * LANES))


def _padded(classes: int) -> int:
    return -(-classes // LANES) * LANES


def _aligned(size: int) -> FloatArray:
    """Return zeros whose vectors do not cross cache lines."""
    line = 64
    raw = np.zeros(size * 4 + line, np.uint8)
    begin = -raw.ctypes.data % line
    return np.asarray(raw[begin : begin + size * 4].view(np.float32))


def _filled(values: FloatArray) -> FloatArray:
    array = _aligned(values.size)
    array[:] = values.reshape(-1)
    return array


def _packed(layers: Sequence[Layer], parts: int, padded: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return the arrays a1, b1, a2 and w2 of `Strips`."""
    (w1, b1), (w2, _) = layers
    (inputs, hidden), classes = w1.shape, w2.shape[1]
    width, strips = parts * LANES, _strips(hidden, parts)
    more = strips * width - hidden
    if not any(part.any() for layer in layers for part in layer):  # velocities before the first step
        units = strips * width
        return _aligned(inputs * units), _aligned(units), _aligned(classes * units), _aligned(padded * units)
    wide = (np.pad(w1, ((0, 0), (0, more))) if more else w1).reshape(inputs, strips, width)
    tall = np.pad(w2, ((0, more), (0, padded - classes)))
    by_class = tall[:, :classes].reshape(strips, width, classes)
    return (
        _filled(wide.transpose(1, 0, 2)),
        _filled(np.pad(b1, (0, more))),
        _filled(by_class.transpose(0, 2, 1)),
        _filled(tall),
    )


def _unpacked(
    network: Network, parts: int, w1: FloatArray, b1: FloatArray, w2: FloatArray, b2: FloatArray
) -> list[Layer]:
    inputs, hidden, classes = network.layers
    width, strips = parts * LANES, _strips(hidden, parts)
    wide = w1.reshape(strips, inputs, width).transpose(1, 0, 2).reshape(inputs, -1)
    tall = w2.reshape(strips, classes, width).transpose(0, 2, 1).reshape(-1, classes)
    return [Layer(wide[:, :hidden].copy(), b1[:hidden].copy()), Layer(tall[:hidden].copy(), b2[0].copy())]
