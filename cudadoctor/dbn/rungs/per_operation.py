"""The lanes of one kernel an operation: from arrays of the host in every launch to everything resident.

`HostArrays` hands NumPy arrays to the kernels, and numba copies each in and out around each launch. `Copied` keeps the
network on the device, copies each minibatch from pageable memory, and reads the loss back after each: what most
people write first. `Pinned` copies from page-locked memory on a stream of its own. `ResidentReadBack` keeps the
training set on the device. `PerOperation` reads nothing back before the end of the epoch.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.ops import gather
from cudadoctor.dbn.ops.device import cuda
from cudadoctor.dbn.ops.grid import BLOCK, blocks
from cudadoctor.dbn.rungs.base import Step, Stepwise
from cudadoctor.dbn.rungs.operations import launches

_PER_PIXEL = np.float32(1 / 255)  # as the kernel that gathers on the device scales

_LATEST: list[tuple[Any, Any]] = []


def _as_floats(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pixels in 0..1; the lanes of one race share them, because they are four times as large."""
    if not _LATEST or _LATEST[0][0] is not pixels:
        _LATEST[:] = [(pixels, pixels.astype(np.float32) * _PER_PIXEL)]
    return np.asarray(_LATEST[0][1])


class _FromHost(Stepwise):
    """The training set stays on the host as float32 in 0..1, and the minibatch is gathered there."""

    def _take_data(self, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        self._inputs = _as_floats(pixels)
        self._labels = labels
        m = self.network.batch_size
        self._x, self._t = self._staging((m, self.network.layers[0]), np.float32), self._staging((m,), np.uint8)

    def begin_epoch(self, rows: NDArray[np.uint32]) -> None:
        """Keep the rows."""
        self._rows = rows

    def _gather(self, step: int) -> None:
        rows = self._rows[step]
        np.take(self._inputs, rows, axis=0, out=self._x, mode="clip")
        np.take(self._labels, rows, out=self._t, mode="clip")


class HostArrays(_FromHost):
    """R0."""

    name = "gpu-host-arrays"

    def _take_data(self, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        super()._take_data(pixels, labels)
        self._x, self._t = self.arrays.units[0], self.arrays.targets

    def _place(self, array: NDArray[Any]) -> Any:
        return np.array(array)

    def _make_steps(self) -> list[Step]:
        warnings.filterwarnings("ignore", message=".*[Hh]ost array used in CUDA kernel.*")
        # Every launch waits: numba copies what the kernel may have written back before it returns.
        operations = launches(self.arrays, self.update, self.totals, self.network.hidden)
        return [Step("gather", "host", self._gather), *(step._replace(waits=True) for step in operations)]


class _ReadsBack(Stepwise):
    """Reads loss and mistakes of each minibatch back before the next."""

    def _make_totals(self) -> Any:
        self._sums = np.zeros(2)
        self._last = self._staging((1, 2), np.float32)
        return self._place(np.zeros((1, 2), np.float32))

    def _read_back(self) -> Step:
        """Return the step that waits for the loss."""
        device, host, stream = self.totals, self._last, self.stream

        def run(_: int) -> None:
            device.copy_to_host(host, stream=stream)
            if stream:
                stream.synchronize()
            self._sums += host[0]

        return Step("loss", "copy-to-host", run, waits=True, bytes=host.nbytes, pinned=bool(stream))

    def result(self, cases: int) -> tuple[float, float]:
        """Return running loss and error from the sums on the host."""
        loss, mistakes = self._sums / cases
        self._sums[:] = 0
        return float(loss), float(mistakes)


class Copied(_ReadsBack, _FromHost):
    """R1."""

    name = "gpu-copied"

    def _make_steps(self) -> list[Step]:
        arrays, stream = self.arrays, self.stream
        return [
            Step("gather", "host", self._gather),
            self._copy("inputs", arrays.units[0], self._x),
            self._copy("labels", arrays.targets, self._t),
            *launches(arrays, self.update, self.totals, self.network.hidden, stream),
            self._read_back(),
        ]

    def _copy(self, name: str, device: Any, host: Any) -> Step:
        """Return the step that copies part of the minibatch."""
        stream = self.stream

        def run(_: int) -> None:
            device.copy_to_device(host, stream=stream)

        pinned = bool(stream)
        return Step(name, "copy-to-device", run, waits=not pinned, bytes=host.nbytes, pinned=pinned)


class Pinned(Copied):
    """R2."""

    name = "gpu-pinned"

    def _make_stream(self) -> Any:
        return cuda.stream()

    def _staging(self, shape: tuple[int, ...], dtype: Any) -> Any:
        return cuda.pinned_array(shape, dtype)


class _Resident(Stepwise):
    """The training set lies on the device as bytes; an epoch's row numbers go over in one copy."""

    def _take_data(self, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        self._pixels, self._labels = cuda.to_device(pixels), cuda.to_device(labels)
        self._rows = cuda.device_array((self.minibatches, self.network.batch_size), np.uint32)

    def begin_epoch(self, rows: NDArray[np.uint32]) -> None:
        """Copy the rows to the device."""
        self._rows[: len(rows)].copy_to_device(rows)

    def _make_steps(self) -> list[Step]:
        arrays, stream = self.arrays, self.stream

        def run(step: int) -> None:
            gather.launch(self._pixels, self._labels, self._rows, step, arrays.units[0], arrays.targets, stream=stream)

        x = arrays.units[0]
        grid = blocks(x.shape[1], BLOCK) * x.shape[0]
        operations = launches(arrays, self.update, self.totals, self.network.hidden, stream)
        return [Step("gather", "launch", run, blocks=grid), *operations]


class ResidentReadBack(_ReadsBack, _Resident):
    """R3."""

    name = "gpu-resident-read-back"

    def _make_steps(self) -> list[Step]:
        return [*super()._make_steps(), self._read_back()]


class PerOperation(_Resident):
    """R4."""

    name = "gpu-per-operation"
