"""Run the kernel that trains an epoch without a GPU: a Python thread for each GPU thread, instructions in NumPy.

Tensor cores, copies and sums in device memory are done as the PTX ISA describes them, so what is tested is the kernel's
logic: who owns which number, what waits for what, what is rounded where. Not tested is that a copy arrives late. Slow;
for networks of a few units.
"""

from __future__ import annotations

import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cudadoctor.dbn.persistent import above, fetch, fragments, kernel, outputs, plan, sums
from cudadoctor.gpu import ptx

_GLOBAL = 1 << 40
_WAIT_S = 60


class _Warp:
    """Lanes that hand each other values."""

    def __init__(self) -> None:
        self.barrier = threading.Barrier(32)
        self.slots: list[Any] = [None] * 32

    def exchange(self, lane: int, value: Any) -> list[Any]:
        self.slots[lane] = value
        self.barrier.wait(_WAIT_S)
        values = list(self.slots)
        self.barrier.wait(_WAIT_S)
        return values


def halves(word: int) -> Any:
    return np.array([int(word) & 0xFFFFFFFF], np.uint32).view(np.float16)


def word_of(numbers: Any) -> int:
    return int(np.array(numbers, np.float16).view(np.int32)[0])


def multiply_add(lanes: list[Any]) -> Any:
    """Return the totals (16, 8) of mma.m16n8k16; layout as in the PTX ISA's figures of this instruction."""
    total, a, b = np.zeros((16, 8)), np.zeros((16, 16)), np.zeros((16, 8))
    for lane, (c, a_words, b_words) in enumerate(lanes):
        g, t = divmod(lane, 4)
        for i in range(4):
            total[g + 8 * (i >= 2), 2 * t + (i & 1)] = c[i]
        for i in range(8):
            row, column = g + 8 * (i in (2, 3, 6, 7)), 2 * t + (i & 1) + 8 * (i >= 4)
            a[row, column] = halves(a_words[i // 2])[i & 1]
        for i in range(4):
            b[2 * t + (i & 1) + 8 * (i >= 2), g] = halves(b_words[i // 2])[i & 1]
    return total + a @ b


class Emulator:
    """A grid of blocks with their shared memory; one kernel launch each."""

    def __init__(self, blocks: int, threads: int, shared_bytes: int) -> None:
        self.here = threading.local()
        self.grid = threading.Barrier(blocks * threads)
        self.barriers = [threading.Barrier(threads) for _ in range(blocks)]
        self.warps = [[_Warp() for _ in range(threads // 32)] for _ in range(blocks)]
        self.shared = [np.full(shared_bytes, 0xA5, np.uint8) for _ in range(blocks)]
        self.arrays: list[Any] = []
        self.lock = threading.Lock()
        self.errors: list[BaseException] = []

    # What a thread sees of `numba.cuda`.

    @property
    def cuda(self) -> Any:
        emulator = self

        class Index:
            def __init__(self, name: str) -> None:
                self.name = name

            @property
            def x(self) -> int:
                return int(getattr(emulator.here, self.name))

        return SimpleNamespace(
            threadIdx=Index("thread"),
            blockIdx=Index("block"),
            shared=SimpleNamespace(array=lambda shape, kind: None),
            syncthreads=lambda: self.barriers[self.here.block].wait(_WAIT_S),
            syncwarp=lambda: self._warp().barrier.wait(_WAIT_S),
            shfl_xor_sync=lambda mask, value, lanes: self._exchange(value)[self._lane() ^ lanes],
            cg=SimpleNamespace(this_grid=lambda: SimpleNamespace(sync=lambda: self.grid.wait(_WAIT_S))),
        )

    def _lane(self) -> int:
        return int(self.here.thread) & 31

    def _warp(self) -> _Warp:
        return self.warps[self.here.block][self.here.thread >> 5]

    def _exchange(self, value: Any) -> list[Any]:
        return self._warp().exchange(self._lane(), value)

    # Instructions, by the names of `cudadoctor.gpu.ptx`.

    def shared_address(self, array: Any) -> int:
        return 0

    def global_address(self, array: Any) -> int:
        with self.lock:
            self.arrays.append(array.view(np.uint8))
            return _GLOBAL * len(self.arrays)

    def _read(self, address: Any, kind: Any, count: int = 1) -> Any:
        address, size = int(address), np.dtype(kind).itemsize * count
        memory = self.shared[self.here.block]
        if address >= _GLOBAL:
            memory, address = self.arrays[address // _GLOBAL - 1], address % _GLOBAL
        assert 0 <= address <= len(memory) - size, "outside of memory"
        assert address % size == 0, "not aligned"
        return memory[address : address + size].view(kind)

    def _loader(self, kind: Any, count: int = 1) -> Any:
        def load(address: Any) -> Any:
            values = [kind(value) for value in self._read(address, kind, count)]
            return values[0] if count == 1 else tuple(values)

        return load

    def _storer(self, kind: Any, count: int = 1) -> Any:
        def store(address: Any, *values: Any) -> None:
            self._read(address, kind, count)[:] = values[0] if len(values) == 1 else values

        return store

    def copy_16_bytes(self, shared: Any, source: Any) -> None:
        self._read(shared, np.uint8, 16)[:] = self._read(source, np.uint8, 16)

    def copy_word(self, shared: Any, source: Any) -> None:
        self._read(shared, np.uint32)[:] = self._read(source, np.uint32)

    def add_to_sum(self, address: Any, number: Any) -> None:
        with self.lock, np.errstate(over="ignore"):
            self._read(address, np.int64)[0] += np.int64(number)

    def read_2_sums(self, address: Any) -> Any:
        with self.lock:
            return tuple(np.int64(value) for value in self._read(address, np.int64, 2))

    def select_bytes(self, low: Any, high: Any, selector: int) -> int:
        source = np.array([int(low) & 0xFFFFFFFF, int(high) & 0xFFFFFFFF], np.uint32).view(np.uint8)
        picked = np.array([source[selector >> 4 * i & 7] for i in range(4)], np.uint8)
        return int(picked.view(np.int32)[0])

    def split_pair(self, first: Any, second: Any) -> Any:
        pair = np.array([first, second], np.float32)
        rounded = pair.astype(np.float16)
        return word_of(rounded), word_of((pair - rounded.astype(np.float32)).astype(np.float16))

    def matrix_multiply_add(self, total: Any, a0: Any, a1: Any, a2: Any, a3: Any, b0: Any, b1: Any) -> Any:
        lanes = self._exchange((total, (a0, a1, a2, a3), (b0, b1)))
        result = self._exchange(multiply_add(lanes) if self._lane() == 0 else None)[0]
        g, t = divmod(self._lane(), 4)
        return tuple(np.float32(result[g + 8 * (i >= 2), 2 * t + (i & 1)]) for i in range(4))

    def instructions(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in vars(ptx) if name[0] != "_" and hasattr(type(self), name)},
            "load_word": self._loader(np.int32),
            "load_2_words": self._loader(np.int32, 2),
            "load_4_words": self._loader(np.int32, 4),
            "load_float": self._loader(np.float32),
            "load_4_floats": self._loader(np.float32, 4),
            "load_long": self._loader(np.int64),
            "store_word": self._storer(np.int32),
            "store_2_words": self._storer(np.int32, 2),
            "store_float": self._storer(np.float32),
            "store_4_floats": self._storer(np.float32, 4),
            "store_long": self._storer(np.int64),
            "wait_for_copies": lambda: None,
            "round_to_long": lambda number: np.int64(np.rint(np.float64(number))),
        }

    def run(self, function: Any, arguments: tuple[Any, ...]) -> None:
        """Run a kernel in all threads of all blocks."""

        def body(block: int, thread: int) -> None:
            self.here.block, self.here.thread = block, thread
            try:
                with np.errstate(over="ignore", invalid="ignore"):
                    function(*arguments)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for this one
                self.errors.append(error)
                for barrier in (self.grid, *self.barriers, *(w.barrier for warps in self.warps for w in warps)):
                    barrier.abort()

        threads = [
            threading.Thread(target=body, args=(block, thread), daemon=True)
            for block in range(len(self.shared))
            for thread in range(self.barriers[0].parties)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.errors:
            raise next((e for e in self.errors if not isinstance(e, threading.BrokenBarrierError)), self.errors[0])


def shrink_blocks(monkeypatch: pytest.MonkeyPatch, warps: int, matrix_warps: int) -> None:
    """Make blocks of a few warps, since each thread costs a Python thread."""
    monkeypatch.setattr(plan, "MATRIX_WARPS", matrix_warps)
    for module in (plan, fetch, outputs, kernel):
        monkeypatch.setattr(module, "WARPS", warps)
    for module in (plan, fetch, kernel):
        monkeypatch.setattr(module, "THREADS", 32 * warps)


def launch(monkeypatch: pytest.MonkeyPatch, divided: plan.Plan, arguments: tuple[Any, ...]) -> None:
    """Launch the kernel in an emulator; `arguments` are those after the plan."""
    emulator = Emulator(divided.blocks, plan.THREADS, divided.size)
    names = {**emulator.instructions(), "cuda": emulator.cuda}
    modules: tuple[ModuleType, ...] = (sums, fetch, fragments, outputs, above, kernel)
    functions = {
        name: function.py_func
        for module in modules
        for name, function in vars(module).items()
        if hasattr(function, "py_func")
    }
    with monkeypatch.context() as patch:
        for module in modules:
            for name in list(vars(module)):
                if name in names or name in functions:
                    patch.setattr(module, name, names.get(name) or functions[name])
        emulator.run(functions["train"], (divided, *arguments))
