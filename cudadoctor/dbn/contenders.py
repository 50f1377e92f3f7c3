"""The lanes by name: what each is, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cudadoctor.dbn.network import Layer, Network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cudadoctor.dbn.digits import Digits
    from cudadoctor.dbn.pretraining import Bench, Pretraining


class Contender(Protocol):
    """What a lane must offer."""

    device_name: str
    notes: tuple[str, ...]

    def prepare(self, tick: Callable[[], None]) -> float:
        """Compile or load what it needs; return the seconds that took."""

    def train_epoch(self, rows: NDArray[np.uint32], learn_rate: float, tick: Callable[[], None]) -> tuple[float, float]:
        """Train on all minibatches of an epoch; return running loss and error."""

    def layers(self) -> list[Layer]:
        """Return the weights W."""


class UnusableDeviceError(Exception):
    """The lane cannot run here: its device cannot be used, or cannot hold this network."""


class UnsuitableLaneError(UnusableDeviceError):
    """The device can be used, but this lane cannot take the network; another may."""


class LaneKind(NamedTuple):
    """A lane: the module and class that make it, and what it is, in a phrase.

    `refusal` is the module and function that say why it cannot take a network, if it cannot take all. `stand_in` is
    the lane that runs instead where it is refused and nobody asked for it by name.
    """

    maker: str
    what: str
    refusal: str = ""
    stand_in: str = ""


_RUNGS = "cudadoctor.dbn.rungs"

LANE_KINDS = {
    "cpu-reference": LaneKind("cudadoctor.dbn.cpu_reference:CpuReference", "NumPy as most people write it"),
    "cpu-reference-float64": LaneKind("cudadoctor.dbn.cpu_reference:CpuReference64", "the same in double precision"),
    "cpu-fast": LaneKind(
        "cudadoctor.dbn.cpu:CpuFast", "the CPU at its best", "cudadoctor.dbn.cpu:why_not_fast", "cpu-reference"
    ),
    "gpu-host-arrays": LaneKind(f"{_RUNGS}.per_operation:HostArrays", "NumPy arrays handed to every kernel"),
    "gpu-copied": LaneKind(
        f"{_RUNGS}.per_operation:Copied", "the GPU as most people write it: a kernel an operation, the loss read back"
    ),
    "gpu-pinned": LaneKind(f"{_RUNGS}.per_operation:Pinned", "the same, copied from page-locked memory on a stream"),
    "gpu-resident-read-back": LaneKind(
        f"{_RUNGS}.per_operation:ResidentReadBack", "a kernel an operation, data on the GPU, the loss read back"
    ),
    "gpu-per-operation": LaneKind(
        f"{_RUNGS}.per_operation:PerOperation", "a kernel an operation, data on the GPU, nothing read back"
    ),
    "gpu-fused": LaneKind(f"{_RUNGS}.fused:Fused", "a few fused kernels a minibatch", f"{_RUNGS}.fused:why_not_fused"),
    "gpu-graph": LaneKind(
        f"{_RUNGS}.fused:Graph",
        "the fused kernels of an epoch in one CUDA graph",
        f"{_RUNGS}.fused:why_not_fused",
        "gpu-per-operation",
    ),
    "gpu-persistent": LaneKind(
        "cudadoctor.dbn.persistent.lane:GpuPersistent",
        "the GPU at its best: one kernel an epoch",
        "cudadoctor.dbn.persistent.lane:why_no_persistent_kernel",
        "gpu-graph",
    ),
    "gpu-2014": LaneKind(
        "cudadoctor.dbn.style_2014:Style2014",
        "launches and waits as gnumpy and cudamat made them",
        "cudadoctor.dbn.style_2014:why_not_2014",
    ),
}

DEFAULT_LANES = ("cpu-fast", "gpu-copied", "gpu-persistent")
"""The CPU, the GPU as most people would write it, and the GPU at its best."""

STYLES = {"default": DEFAULT_LANES, "2014": ("cpu-fast", "gpu-2014")}


def device_of(lane: str, index: int) -> str:
    """Return the device that a lane runs on: `cpu` or `gpu:N`."""
    return f"gpu:{index}" if lane.startswith("gpu") else "cpu"


def make(name: str, network: Network, layers: Sequence[Layer], digits: Digits, index: int) -> Contender:
    """Make a lane.

    Args:
        name: Key of `LANE_KINDS`.
        network: What to train.
        layers: The first weights, which are copied.
        digits: The training set is taken from it.
        index: CUDA device of a GPU lane.

    Raises:
        UnusableDeviceError: The lane cannot run, for the reason given; `UnsuitableLaneError` if another might.
    """
    refuse(name, network, index)
    maker, data = _named(LANE_KINDS[name].maker), (digits.training_pixels, digits.training_labels)
    where = (index,) if name.startswith("gpu") else ()
    return maker(network, layers, *data, *where)  # type: ignore[no-any-return]


def refuse(name: str, network: Network, index: int) -> None:
    """Raise what keeps a lane from running, before anything is trained for it.

    Raises:
        UnusableDeviceError: As `make`.
    """
    on_gpu = name.startswith("gpu")
    if on_gpu:
        _check_device(index)
    refusal = LANE_KINDS[name].refusal
    reason = _named(refusal)(network, *((index,) if on_gpu else ())) if refusal else None
    if reason is not None:
        raise UnsuitableLaneError(reason)


def import_gpu_lanes() -> None:
    """Import what GPU lanes need, without asking a driver anything; a lane says later why it cannot be imported."""
    with suppress(Exception):
        _named(LANE_KINDS["gpu-copied"].maker)


def device_bench(network: Network, pixels: NDArray[np.uint8], options: Pretraining, index: int) -> Bench:
    """Return where machines are pretrained on a device.

    Raises:
        UnusableDeviceError: It cannot be used.
    """
    _check_device(index)
    from cudadoctor.dbn.rungs.pretraining import DeviceBench

    return DeviceBench(network, pixels, options, index)


def _check_device(index: int) -> None:
    try:
        from cudadoctor.dbn.rungs.device import why_no_device
    except Exception as error:  # numba refuses to import beside packages that it does not work with, and says so
        raise UnusableDeviceError(f"numba.cuda cannot be imported: {' '.join(str(error).split())}") from error
    reason = why_no_device(index)
    if reason is not None:
        raise UnusableDeviceError(reason)


def is_lost(error: BaseException) -> bool:
    """Say whether an error of a GPU lane leaves no CUDA call of this process usable."""
    from cudadoctor.dbn.rungs.device import ends_the_context

    return ends_the_context(error)


def _named(place: str) -> Any:
    import importlib

    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
