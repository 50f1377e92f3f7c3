"""What is planted where: programs that are slow for one reason, their fixed counterparts, and harmless twins.

A planted program lies at `programs/<cause>/<framework>[_<what>]_slow.py`, its counterpart at `..._fixed.py` beside it;
the folder is the id that must come first. A twin lies under `programs/harmless/` and must be accused of nothing.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

PROGRAMS = Path(__file__).parent / "programs"

CAUSES = frozenset(
    {
        "launch-bound-small-work",
        "host-bound-not-gpu",
        "dataloader-bound",
        "storage-bound",
        "pageable-transfer",
        "transfer-bound",
        "small-transfers",
        "implicit-host-copies",
        "sync-every-step",
        "readback-every-step",
        "allocation-in-loop",
        "warmup-in-timing",
        "ptx-jit-first-run",
        "compile-every-step",
        "low-occupancy-grid",
        "fp64-on-consumer-gpu",
        "uncoalesced-access",
        "clock-ramp",
        "low-power-state",
        "thermal-throttle",
        "power-cap",
        "gpu-shared-with-others",
        "low-end-gpu",
    }
)
"""Every id that accuses; a finding with another id is shown, and judges nobody."""

NOT_PLANTED = {
    "clock-ramp": "clocks of an idle H100 rise within milliseconds, and a program can neither lock nor lower them",
    "low-power-state": "needs a battery, a power limit or a locked clock, which are settings of the machine",
    "thermal-throttle": "needs a hot card; a program that heats one for minutes is no test",
    "power-cap": "whether a full load meets the limit depends on the card and its neighbours",
    "gpu-shared-with-others": "needs a second program beside the one that is profiled",
    "ptx-jit-first-run": "needs a framework built without code for this card",
    "low-end-gpu": "is a fact of the card, not of a program",
}
"""Causes of which no program here is slow, and why."""


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """A slow program and its fixed counterpart.

    `fix` is what the counterpart does instead. `second` are ids that are true as well, and may follow; `instead` are
    ids that say the same of this program and may come first. `tiny` sets sizes for a run without a GPU; `only_gpu` says
    why the counterpart cannot run without one, "" if it can. `consumer_only` marks a cause that costs little on a data
    centre card: there it is measured but not judged.
    """

    name: str
    fix: str
    second: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()
    tiny: dict[str, str] = {}
    only_gpu: str = ""
    consumer_only: bool = False

    @property
    def expected(self) -> str:
        return self.name.split("/")[0]

    @property
    def framework(self) -> str:
        return framework_of(self.name)

    @property
    def slow(self) -> Path:
        return PROGRAMS / f"{self.name}_slow.py"

    @property
    def fixed(self) -> Path:
        return PROGRAMS / f"{self.name}_fixed.py"


class Twin(msgspec.Struct, frozen=True, kw_only=True):
    """A program that does what accuses others, where it costs nothing; `why` says why it does not."""

    name: str
    why: str
    tiny: dict[str, str] = {}
    only_gpu: str = ""

    @property
    def framework(self) -> str:
        return framework_of(self.name)

    @property
    def path(self) -> Path:
        return PROGRAMS / f"{self.name}.py"


def framework_of(name: str) -> str:
    """Return `numba`, `torch`, `jax` or `cupy`, by which a program's file begins."""
    return name.split("/")[1].split("_")[0]


PLANTED = (
    Planted(
        name="launch-bound-small-work/numba_lorenz",
        fix="one kernel takes a hundred steps",
        second=("host-bound-not-gpu",),
    ),
    Planted(
        name="launch-bound-small-work/numba_images",
        fix="one launch for all images",
        second=("host-bound-not-gpu", "low-occupancy-grid"),
        tiny={"SIZE": "8"},
    ),
    Planted(
        name="launch-bound-small-work/torch_recurrent",
        fix="a CUDA graph of a hundred steps",
        second=("host-bound-not-gpu", "low-occupancy-grid"),
        only_gpu="captures a CUDA graph",
    ),
    Planted(
        name="launch-bound-small-work/torch_batch",
        fix="a block of two thousand points at once",
        second=("host-bound-not-gpu", "low-occupancy-grid"),
    ),
    Planted(
        name="launch-bound-small-work/jax",
        fix="one compiled scan",
        second=("host-bound-not-gpu", "low-occupancy-grid"),
    ),
    Planted(
        name="launch-bound-small-work/cupy",
        fix="one kernel takes a hundred steps",
        second=("host-bound-not-gpu", "low-occupancy-grid"),
    ),
    Planted(name="pageable-transfer/numba", fix="page-locked batches", second=("transfer-bound",)),
    Planted(name="pageable-transfer/numba_back", fix="a page-locked frame", second=("transfer-bound",)),
    Planted(
        name="pageable-transfer/torch",
        fix="pin_memory and non_blocking",
        second=("transfer-bound",),
    ),
    Planted(
        name="pageable-transfer/jax",
        fix="batches put on the device once",
        second=("transfer-bound", "host-bound-not-gpu"),
        # JAX may copy into page-locked memory of its own first: then the link carries pinned copies, and the host's
        # own copy of the bytes is what they wait for.
        instead=("transfer-bound",),
    ),
    Planted(name="pageable-transfer/cupy", fix="page-locked batches", second=("transfer-bound",)),
    Planted(
        name="pageable-transfer/cupy_frames",
        fix="page-locked frames, two on the device",
        second=("transfer-bound", "launch-bound-small-work", "host-bound-not-gpu"),
    ),
    Planted(name="transfer-bound/numba", fix="the table stays on the device"),
    Planted(
        name="implicit-host-copies/numba",
        fix="arrays on the device",
        second=("pageable-transfer", "transfer-bound", "allocation-in-loop"),
    ),
    Planted(
        name="small-transfers/numba",
        fix="one copy of 1 MB",
        second=("host-bound-not-gpu", "pageable-transfer"),
        tiny={"SIZE": "8"},
    ),
    Planted(
        name="small-transfers/torch",
        fix="stacked on the host, one copy of 2 MB",
        second=("host-bound-not-gpu", "pageable-transfer"),
    ),
    Planted(name="sync-every-step/numba", fix="waits once, at the end"),
    Planted(name="sync-every-step/torch", fix="waits once, at the end"),
    Planted(name="sync-every-step/jax", fix="waits once, at the end"),
    Planted(name="readback-every-step/numba", fix="reads every hundredth probe", second=("sync-every-step",)),
    Planted(name="readback-every-step/torch", fix="reads every 500th norm", second=("sync-every-step",)),
    Planted(name="readback-every-step/jax", fix="keeps losses on the device", second=("sync-every-step",)),
    Planted(name="readback-every-step/jax_residual", fix="reads every 500th", second=("sync-every-step",)),
    Planted(name="readback-every-step/cupy", fix="fetches every 200th point", second=("sync-every-step",)),
    Planted(name="allocation-in-loop/numba", fix="two arrays allocated once", second=("sync-every-step",)),
    Planted(name="allocation-in-loop/torch", fix="does not empty the cache", second=("sync-every-step",)),
    Planted(name="allocation-in-loop/cupy", fix="does not empty the pool", second=("sync-every-step",)),
    Planted(
        name="compile-every-step/numba",
        fix="the gain is an argument",
        second=("host-bound-not-gpu",),
        tiny={"SIZE": "4", "STEPS": "1"},
    ),
    Planted(
        name="compile-every-step/jax",
        fix="the rate is an argument",
        second=("host-bound-not-gpu",),
    ),
    Planted(name="low-occupancy-grid/numba", fix="a thread an element", tiny={"SIZE": "16"}),
    Planted(
        name="low-occupancy-grid/numba_paths",
        fix="128 blocks",
        second=("warmup-in-timing",),
        tiny={"SIZE": "1"},
    ),
    Planted(
        name="uncoalesced-access/numba",
        fix="neighbouring threads on neighbouring bytes",
        tiny={"SIZE": "2", "STEPS": "1"},
    ),
    Planted(name="uncoalesced-access/numba_rows", fix="a block a row", tiny={"SIZE": "2", "STEPS": "1"}),
    Planted(
        name="fp64-on-consumer-gpu/numba",
        fix="float32 constants",
        tiny={"SIZE": "4"},
        consumer_only=True,
    ),
    Planted(name="dataloader-bound/numba_generator", fix="32 threads fetch ahead"),
    Planted(
        name="dataloader-bound/numba_queue",
        fix="24 worker threads",
        tiny={"SIZE": "1"},
    ),
    Planted(name="dataloader-bound/jax", fix="16 threads fetch ahead"),
    Planted(name="dataloader-bound/torch", fix="12 worker processes"),
    Planted(name="dataloader-bound/torch_augment", fix="12 worker processes"),
    Planted(
        name="storage-bound/numba",
        fix="read once, then on the device",
        second=("pageable-transfer", "dataloader-bound"),
        instead=("dataloader-bound",),
    ),
    Planted(name="host-bound-not-gpu/jax", fix="the winds computed before"),
    Planted(name="host-bound-not-gpu/numba", fix="all rates computed before, by NumPy"),
    Planted(
        name="host-bound-not-gpu/torch",
        fix="words counted before",
        # A data loader in the main process that computes: which of the two it is called is a matter of words.
        instead=("dataloader-bound",),
        tiny={"SIZE": "2"},
    ),
    Planted(
        name="warmup-in-timing/numba",
        fix="a step before the clock starts",
        second=("host-bound-not-gpu",),
        instead=("ptx-jit-first-run",),
    ),
)

TWINS = (
    Twin(name="harmless/numba_sync_each_step", why="kernels of milliseconds between the waits", tiny={"SIZE": "16"}),
    Twin(name="harmless/numba_long_kernel", why="computes only: few bytes, all of the device", tiny={"SIZE": "2"}),
    Twin(name="harmless/numba_hidden_copies", why="large pinned copies behind kernels of another stream"),
    Twin(name="harmless/numba_compiled_once", why="compiled before a long steady part"),
    Twin(name="harmless/numba_one_large_allocation", why="4 GiB, once"),
    Twin(name="harmless/numba_few_small_copies", why="a pageable copy of 256 kB beside milliseconds of work"),
    Twin(name="harmless/numba_loader_ahead", why="the loader sleeps, but is always ahead"),
    Twin(name="harmless/numba_readback_each_step", why="one number after milliseconds of work", tiny={"SIZE": "16"}),
    Twin(name="harmless/torch_item_each_step", why="the device is busy for tens of milliseconds a step"),
    Twin(name="harmless/torch_large_products", why="bf16 products at the peak of the card"),
    Twin(
        name="harmless/torch_graph_of_small_kernels",
        why="a thousand small kernels a launch",
        only_gpu="captures a CUDA graph",
    ),
    Twin(name="harmless/jax_loss_each_step", why="the device is busy for milliseconds a step"),
    Twin(name="harmless/jax_large_products", why="products of large matrices"),
    Twin(name="harmless/cupy_temporaries", why="temporaries come from the pool"),
)
