"""The method that nvbandwidth publishes, rebuilt from its description with ctypes and the CUDA driver API alone.

It shares no code with cudadoctor, so that a fault of cudadoctor's measurement is not in both. What it does, per test:

- host memory by cuMemHostAlloc (portable), taken after this process was bound to the CPUs near the GPU; buffers of
  512 MiB, for the opposite traffic of a test in both directions twice as large;
- on each stream a kernel that spins on a flag in host memory, four copies to warm up, an event, sixteen copies, an
  event; the opposite stream waits for the event of the measured one before its sixteen;
- three samples, each verified, and their median. Only the measured stream counts.

Run: `python -m tests.benchmarks.nvbandwidth_method [--device N] [--mib N] [TEST ...]`; prints one JSON document.
Source: NVIDIA/nvbandwidth 0.8, README and its account of the measurement.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import random
import statistics
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

MIB = 2**20
SAMPLES, COPIES, WARM_UPS = 3, 16, 4
PATTERN_BYTES = 2 * MIB
TESTS = ("h2d_pinned", "d2h_pinned", "h2d_bidirectional", "d2h_bidirectional", "d2d_local")

_PORTABLE, _NON_BLOCKING = 1, 1
_SPIN_LIMIT_NS = 10_000_000_000
_SPIN = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry spin(.param .u64 latch, .param .u64 limit)
{
    .reg .pred %stop;
    .reg .u32 %set;
    .reg .u64 %where, %most, %begin, %time;
    ld.param.u64 %where, [latch];
    ld.param.u64 %most, [limit];
    mov.u64 %begin, %globaltimer;
look:
    mov.u64 %time, %globaltimer;
    sub.u64 %time, %time, %begin;
    setp.gt.u64 %stop, %time, %most;
    @%stop ret;
    ld.volatile.u32 %set, [%where];
    setp.eq.u32 %stop, %set, 0;
    @%stop bra look;
    ret;
}
"""


class Gpu:
    """One device with its primary context; what is taken goes with the process."""

    def __init__(self, index: int) -> None:
        self._cuda = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(device), index)
        address = ctypes.create_string_buffer(32)
        self.call("cuDeviceGetPCIBusId", address, 32, device)
        self.cpus = _bind_near(address.value.decode().lower())
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)
        module, self._spin = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuModuleLoadDataEx", ctypes.byref(module), _SPIN, 0, None, None)
        self.call("cuModuleGetFunction", ctypes.byref(self._spin), module, b"spin")
        self._latch = self.host(4096)

    def call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._cuda, name)(*arguments)
        if code:
            raise SystemExit(f"{name} failed with CUresult {code}")

    def host(self, size: int) -> int:
        address = ctypes.c_void_p()
        self.call("cuMemHostAlloc", ctypes.byref(address), ctypes.c_size_t(size), _PORTABLE)
        return address.value or 0

    def device(self, size: int) -> int:
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address.value

    def free(self, address: int, *, on_host: bool) -> None:
        self.call("cuMemFreeHost" if on_host else "cuMemFree_v2", ctypes.c_uint64(address))

    def stream(self) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self.call("cuStreamCreate", ctypes.byref(handle), _NON_BLOCKING)
        return handle

    def event(self) -> ctypes.c_void_p:
        handle = ctypes.c_void_p()
        self.call("cuEventCreate", ctypes.byref(handle), 0)
        return handle

    def copy(self, target: int, origin: int, size: int, stream: ctypes.c_void_p) -> None:
        self.call("cuMemcpyAsync", ctypes.c_uint64(target), ctypes.c_uint64(origin), ctypes.c_size_t(size), stream)

    def copy_now(self, target: int, origin: int, size: int) -> None:
        self.call("cuMemcpy", ctypes.c_uint64(target), ctypes.c_uint64(origin), ctypes.c_size_t(size))

    def block(self, stream: ctypes.c_void_p) -> None:
        parameters = (ctypes.c_uint64(self._latch), ctypes.c_uint64(_SPIN_LIMIT_NS))
        pointers = (ctypes.c_void_p * 2)(*(ctypes.addressof(one) for one in parameters))
        self.call("cuLaunchKernel", self._spin, 1, 1, 1, 1, 1, 1, 0, stream, pointers, None)

    def hold(self, value: int) -> None:
        ctypes.c_uint32.from_address(self._latch).value = value


class Way:
    """Buffers and a stream for copies one way; `direction` is h2d, d2h or d2d."""

    def __init__(self, gpu: Gpu, direction: str, size: int, held: ExitStack) -> None:
        self._gpu, self.size = gpu, size
        self._on_host = tuple(end == "h" for end in direction.split("2"))
        take = [gpu.host if on_host else gpu.device for on_host in self._on_host]
        self.origin, self.target = (one(size) for one in take)
        self.stream, self.start, self.stop = gpu.stream(), gpu.event(), gpu.event()
        for address, on_host in zip((self.origin, self.target), self._on_host, strict=True):
            held.callback(gpu.free, address, on_host=on_host)

    def queue(self, copies: int) -> None:
        for _ in range(copies):
            self._gpu.copy(self.target, self.origin, self.size, self.stream)

    def prepare(self, pattern: bytes, other: bytes) -> None:
        for address, what in ((self.origin, pattern), (self.target, other)):
            for offset in range(0, self.size, PATTERN_BYTES):
                self._gpu.copy_now(address + offset, _address_of(what), PATTERN_BYTES)

    def verify(self, pattern: bytes) -> None:
        arrived = ctypes.create_string_buffer(PATTERN_BYTES)
        for offset in range(0, self.size, PATTERN_BYTES):
            self._gpu.copy_now(ctypes.addressof(arrived), self.target + offset, PATTERN_BYTES)
            if arrived.raw != pattern:
                raise SystemExit(f"what arrived differs from what was sent within 2 MiB of byte {offset}")


def measure(gpu: Gpu, test: str, size: int) -> list[float]:
    """Return the samples of one test in GB/s, 10^9 bytes per second."""
    direction, _, kind = test.partition("_")
    pattern, other = (random.Random(seed).randbytes(PATTERN_BYTES) for seed in (1, 2))
    with ExitStack() as held:
        ways = [Way(gpu, direction, size, held)]
        if kind == "bidirectional":
            ways.append(Way(gpu, "d2h" if direction == "h2d" else "h2d", 2 * size, held))
        return [_sample(gpu, ways, pattern, other) for _ in range(SAMPLES)]


def _sample(gpu: Gpu, ways: list[Way], pattern: bytes, other: bytes) -> float:
    for way in ways:
        way.prepare(pattern, other)
    gpu.call("cuCtxSynchronize")
    gpu.hold(0)
    for way in ways:
        gpu.block(way.stream)
        way.queue(WARM_UPS)
    measured = ways[0]
    gpu.call("cuEventRecord", measured.start, measured.stream)
    for way in ways[1:]:
        gpu.call("cuStreamWaitEvent", way.stream, measured.start, 0)
        gpu.call("cuEventRecord", way.start, way.stream)
    for way in ways:
        way.queue(COPIES)
        gpu.call("cuEventRecord", way.stop, way.stream)
    gpu.hold(1)
    for way in ways:
        gpu.call("cuStreamSynchronize", way.stream)
    for way in ways:
        way.verify(pattern)
    milliseconds = ctypes.c_float()
    gpu.call("cuEventElapsedTime", ctypes.byref(milliseconds), measured.start, measured.stop)
    return COPIES * measured.size / milliseconds.value / 1e6


def _address_of(data: bytes) -> int:
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def _bind_near(address: str) -> str:
    """Bind this process to the CPUs that sysfs names for the GPU, as far as it may use them; return their list."""
    with suppress(OSError, ValueError):
        text = Path(f"/sys/bus/pci/devices/{address}/local_cpulist").read_text(encoding="ascii").strip()
        near: set[int] = set()
        for part in text.split(","):
            first, _, last = part.partition("-")
            near |= set(range(int(first), int(last or first) + 1))
        if near & os.sched_getaffinity(0):
            os.sched_setaffinity(0, near & os.sched_getaffinity(0))
            return text
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tests", nargs="*", metavar="TEST", help=", ".join(TESTS))
    parser.add_argument("--device", type=int, default=0)
    parser.add_argument("--mib", type=int, default=512, help="size of a copy, a multiple of 2")
    asked = parser.parse_args()
    if unknown := [test for test in asked.tests if test not in TESTS]:
        parser.error(f"no such test: {', '.join(unknown)}; there are {', '.join(TESTS)}")
    if asked.mib < 2 or asked.mib % 2:
        parser.error("--mib is a positive multiple of 2")
    gpu = Gpu(asked.device)
    samples = {test: measure(gpu, test, asked.mib * MIB) for test in asked.tests or TESTS}
    rates = {test: {"gb_per_s": statistics.median(rates), "samples": rates} for test, rates in samples.items()}
    print(json.dumps({"near_cpus": gpu.cpus, "tests": rates}))


if __name__ == "__main__":
    main()
