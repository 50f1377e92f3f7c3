"""The lane `gpu-persistent`: one launch an epoch, float32.

What crosses the bus in an epoch is its row numbers, one launch, and its totals.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cudadoctor.dbn.network import Layer, Network
from cudadoctor.dbn.persistent.arrays import first_state, padded_pixels, rates, sums_for, weights_of
from cudadoctor.dbn.persistent.kernel import kernel_for, signature
from cudadoctor.dbn.persistent.plan import THREADS, divide, why_not
from cudadoctor.gpu.numba_cuda import allow_shared_memory, cuda


class GpuPersistent:
    """A contender on one CUDA device; `why_no_persistent_kernel` says whether that device can."""

    name = "gpu-persistent"

    def __init__(
        self,
        network: Network,
        layers: Sequence[Layer],
        pixels: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        index: int = 0,
    ) -> None:
        """Copy the training set and the first weights to device `index`."""
        cuda.select_device(index)
        self.device = f"gpu:{index}"
        device = cuda.get_current_device()
        name = device.name
        self.device_name = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        self._network = network
        traits = _traits(device)
        self._plan = divide(network, multiprocessors=traits["multiprocessors"], shared_bytes=traits["shared_bytes"])
        started = time.perf_counter()
        self._pixels = cuda.to_device(padded_pixels(pixels, self._plan))
        self._labels = cuda.to_device(labels.astype(np.int32))
        cuda.synchronize()
        seconds = time.perf_counter() - started
        self.notes: tuple[str, ...] = (
            f"{self._pixels.nbytes / 1e6:.1f} MB of pixels copied to the device once, before the first epoch, "
            f"in {seconds * 1e3:.0f} ms",
            f"one launch an epoch: {self._plan.blocks} blocks of {self._plan.tiles * 4} hidden units, "
            f"{self._plan.size / 1024:.0f} KiB of shared memory each",
        )
        steps = network.minibatches_per_epoch(len(pixels))
        self._state = cuda.to_device(first_state(layers))
        self._sums = cuda.device_array(sums_for(self._plan), np.int64)
        self._rows = cuda.device_array(steps * network.batch_size, np.uint32)
        self._staged = cuda.pinned_array(self._rows.shape, np.uint32)
        self._totals = cuda.device_array(2 * steps, np.float32)
        self._launch: Any = None

    def prepare(self, tick: Callable[[], None]) -> float:
        """Compile or load the kernel, and launch it for no minibatch; return the seconds that took."""
        started = time.perf_counter()
        kernel = kernel_for(self._plan)
        compiled = kernel.compile(signature())
        allow_shared_memory(compiled, self._plan.size)
        possible = compiled.max_cooperative_grid_blocks(THREADS, self._plan.size)
        if possible < self._plan.blocks:
            raise RuntimeError(f"{self._plan.blocks} blocks must run at once, and this GPU runs {possible} of them now")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a grid is small: one block a multiprocessor is meant
            self._launch = kernel[self._plan.blocks, THREADS, 0, self._plan.size]
        tick()
        self._staged[:] = 0  # the kernel fetches the first minibatch before it sees that it is to train on none
        self._rows.copy_to_device(self._staged)
        self._train(0, 0.0)
        cuda.synchronize()
        return time.perf_counter() - started

    def train_epoch(self, rows: NDArray[np.uint32], learn_rate: float, tick: Callable[[], None]) -> tuple[float, float]:
        """Train on all minibatches of an epoch, or on its first; return running loss and error."""
        self._staged[: rows.size] = rows.reshape(-1)
        self._rows.copy_to_device(self._staged)
        self._train(len(rows), learn_rate)
        totals = self._totals.copy_to_host().reshape(-1, 2)[: len(rows)]
        tick()
        loss, mistakes = totals.sum(axis=0, dtype=np.float64) / rows.size
        return float(loss), float(mistakes)

    def layers(self) -> list[Layer]:
        """Return the weights W = A - mu v, on the host."""
        return weights_of(self._state.copy_to_host(), self._network)

    def _train(self, steps: int, learn_rate: float) -> None:
        self._launch(
            self._pixels,
            self._labels,
            self._rows,
            self._state,
            self._sums,
            self._totals,
            np.int32(steps),
            *rates(self._network, learn_rate),
        )


def why_no_persistent_kernel(network: Network, index: int) -> str | None:
    """Return why this lane cannot train a network on a device, as a phrase, or None if it can.

    Asks the driver, so it belongs in a child process, after `why_no_device`.
    """
    cuda.select_device(index)
    return why_not(network, **_traits(cuda.get_current_device()))


def _traits(device: Any) -> dict[str, Any]:
    return {
        "multiprocessors": device.MULTIPROCESSOR_COUNT,
        "shared_bytes": device.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
        "capability": tuple(device.compute_capability),
        "cooperative": bool(device.COOPERATIVE_LAUNCH),
    }
