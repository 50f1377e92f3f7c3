"""Words for causes: what the GPU waits for, what to change, and how lines are wrapped."""

from __future__ import annotations

import textwrap

from cudadoctor.text import printable

WIDTH = 80

WAITS_FOR = {
    "launch-bound-small-work": "the host launches one small kernel after another",
    "implicit-host-copies": "arrays that were passed to kernels are copied in and out",
    "pageable-transfer": "data is copied from pageable memory",
    "small-transfers": "many small copies are made",
    "sync-every-step": "host and GPU wait for each other in each minibatch",
    "readback-every-step": "a result is read back in each minibatch",
    "allocation-in-loop": "device memory is allocated",
    "host-bound-not-gpu": "Python prepares the next piece of work",
    "low-occupancy-grid": "kernels of few blocks leave most of it idle",
}
"""Completes "... pass while"."""

ADVICE: dict[str, tuple[str, ...]] = {
    "launch-bound-small-work": (
        "Launch less: larger minibatches, fused kernels, or the step as a CUDA graph.",
        'PyTorch: torch.compile(model, mode="reduce-overhead"). JAX: jit the whole step, scan the epoch.',
        "numba: one kernel for what is now several, on arrays that stay on the device.",
    ),
    "implicit-host-copies": (
        "Copy arrays once with cuda.to_device, pass device arrays to kernels, bring back only results.",
        "NUMBA_CUDA_WARN_ON_IMPLICIT_COPY=1 names the arguments that are host arrays.",
    ),
    "pageable-transfer": (
        "Keep the data on the device, or fill a pinned buffer in place and copy that on a stream.",
        'PyTorch: DataLoader(pin_memory=True) and tensor.to("cuda", non_blocking=True).',
    ),
    "small-transfers": (
        "Put small arrays into one buffer and copy that, or copy once an epoch.",
        "Indices and labels of an epoch fit into one copy before it.",
    ),
    "sync-every-step": (
        "Leave out synchronize() in the loop; work in one stream is done in order without it.",
        "Keep one where a time is taken.",
    ),
    "readback-every-step": (
        "Add the losses up on the device, and read the sum once an epoch.",
        "PyTorch: total += loss.detach(), and .item() after the loop.",
    ),
    "allocation-in-loop": (
        "Make buffers once before the loop, and write into them (out=).",
        "numba: cuda.device_array outside of the loop.",
    ),
    "host-bound-not-gpu": (
        "Do that work on the GPU, for a whole epoch at once, or in another thread meanwhile.",
        "python -m cProfile -s tottime shows what it is.",
    ),
    "low-occupancy-grid": (
        "Give each kernel more blocks: larger minibatches, smaller tiles, or a sum split over blocks (split-k).",
        "A kernel needs about two blocks for each multiprocessor; see Nsight Compute, Launch Statistics.",
    ),
}

IDLE_WORDS = {
    "launching": "the host launches kernels",
    "copying": "the host calls a copy",
    "waiting": "the host notices that it is done",
    "allocating": "the host allocates memory",
    "Python": "the host is in Python",
}


def wrapped(text: str, indent: str = "", hang: str = "", width: int = WIDTH) -> list[str]:
    """Return lines of at most so many columns."""
    return textwrap.wrap(
        printable(text), width, initial_indent=indent, subsequent_indent=indent + hang, break_on_hyphens=False
    )


def error(value: float) -> str:
    """Return an error in microseconds with the digits that an error has: `3`, `0.4`."""
    return f"{value:.0f}" if value >= 3 else f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"


def us(value: float | None) -> str:
    """Return microseconds with three digits that count: `610`, `16.0`, `1.45`."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
