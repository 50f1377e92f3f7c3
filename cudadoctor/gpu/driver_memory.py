"""Memory through the CUDA driver API: taking it, giving it back, and copying."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_size_t, c_void_p

from cudadoctor.gpu.driver_calls import DriverCalls
from cudadoctor.gpu.driver_prototypes import DevicePointer

_MEMHOSTALLOC_DEVICEMAP = 2
_MEMHOSTALLOC_WRITECOMBINED = 4
_MEM_ATTACH_GLOBAL = 1
_DEVICE_CPU = -1


class DriverMemory(DriverCalls):
    """Memory of the current context and of the host; addresses are integers, sizes in bytes."""

    def free_memory_bytes(self) -> int:
        """Return how much of the current device's memory is free."""
        free, total = c_size_t(), c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value

    @contextmanager
    def device_memory(self, size_bytes: int) -> Iterator[int]:
        """Hold device memory; yields its address."""
        address = DevicePointer()
        self.call("cuMemAlloc_v2", ctypes.byref(address), size_bytes)
        try:
            yield address.value
        finally:
            self._release("cuMemFree_v2", address)

    @contextmanager
    def pinned_memory(self, size_bytes: int, *, write_combined: bool = False) -> Iterator[int]:
        """Hold page-locked host memory that the device can also read; yields its address on the host.

        Write-combined memory is outside of the host's caches: quick to write in order, and very slow to read.
        """
        address = c_void_p()
        flags = _MEMHOSTALLOC_DEVICEMAP | (_MEMHOSTALLOC_WRITECOMBINED if write_combined else 0)
        self.call("cuMemHostAlloc", ctypes.byref(address), size_bytes, flags)
        try:
            yield address.value or 0
        finally:
            self._release("cuMemFreeHost", address)

    @contextmanager
    def registered(self, address: int, size_bytes: int) -> Iterator[None]:
        """Keep memory that exists already page-locked."""
        self.call("cuMemHostRegister_v2", address, size_bytes, 0)
        try:
            yield
        finally:
            self._release("cuMemHostUnregister", address)

    @contextmanager
    def managed_memory(self, size_bytes: int) -> Iterator[int]:
        """Hold memory whose pages move between host and device; yields the address that both use."""
        address = DevicePointer()
        self.call("cuMemAllocManaged", ctypes.byref(address), size_bytes, _MEM_ATTACH_GLOBAL)
        try:
            yield address.value
        finally:
            self._release("cuMemFree_v2", address)

    def prefetch(self, managed: int, size_bytes: int, device: int | None, stream: int) -> None:
        """Queue the moving of managed pages to a device, or to the host for None."""
        self.call("cuMemPrefetchAsync", managed, size_bytes, _DEVICE_CPU if device is None else device, stream)

    def device_address_of(self, pinned: int) -> int:
        """Return the address under which the device sees pinned host memory."""
        address = DevicePointer()
        self.call("cuMemHostGetDevicePointer_v2", ctypes.byref(address), pinned, 0)
        return address.value

    def copy_to_device(self, target: int, origin: int, size_bytes: int, stream: int | None = None) -> None:
        """Copy host to device; without a stream the call is synchronous to the host.

        From pageable memory even that call may return while the last part is still on its way from the driver's
        staging buffer (API synchronization behavior, CUDA driver API reference): synchronise before reading a clock.
        """
        if stream is None:
            self.call("cuMemcpyHtoD_v2", target, origin, size_bytes)
        else:
            self.call("cuMemcpyHtoDAsync_v2", target, origin, size_bytes, stream)

    def copy_to_host(self, target: int, origin: int, size_bytes: int, stream: int | None = None) -> None:
        """Copy device to host; without a stream the call returns when the data is there."""
        if stream is None:
            self.call("cuMemcpyDtoH_v2", target, origin, size_bytes)
        else:
            self.call("cuMemcpyDtoHAsync_v2", target, origin, size_bytes, stream)

    def copy_on_device(self, target: int, origin: int, size_bytes: int, stream: int) -> None:
        """Queue a copy within the device's memory."""
        self.call("cuMemcpyDtoDAsync_v2", target, origin, size_bytes, stream)

    def copy_between(
        self, target: int, target_context: int, origin: int, origin_context: int, size_bytes: int, stream: int
    ) -> None:
        """Queue a copy from one device's memory to another's; the device of the stream makes it."""
        self.call("cuMemcpyPeerAsync", target, target_context, origin, origin_context, size_bytes, stream)

    def fill(self, target: int, word: int, words: int, stream: int) -> None:
        """Queue the filling of device memory with a 32-bit word."""
        self.call("cuMemsetD32Async", target, word, words, stream)
