"""The CUDA driver API through ctypes: the few functions that the ladder and the bandwidth measurement need.

Nothing else opens libcuda. No setting is changed: the context is the device's primary one, which every other user of
this process shares, with whatever flags it has.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ctypes import c_float, c_int, c_size_t, c_ubyte, c_uint64, c_void_p
from typing import Any

from cudadoctor.gpu.driver_prototypes import PROTOTYPES, Device, DevicePointer, Handle
from cudadoctor.gpu.errors import cuda_error
from cudadoctor.text import from_bytes

LIBRARY_LINUX = "libcuda.so.1"
LIBRARY_WINDOWS = "nvcuda.dll"
LIBRARIES_MACOS = ("/usr/local/cuda/lib/libcuda.dylib", "/Library/Frameworks/CUDA.framework/CUDA")

ATTRIBUTE_MULTIPROCESSOR_COUNT = 16
ATTRIBUTE_INTEGRATED = 18
ATTRIBUTE_CAN_MAP_HOST_MEMORY = 19
ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75
ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76
ATTRIBUTE_MANAGED_MEMORY = 83
ATTRIBUTE_CONCURRENT_MANAGED_ACCESS = 89
ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES = 100

_STREAM_NON_BLOCKING = 1
_MEMHOSTALLOC_DEVICEMAP = 2
_MEMHOSTALLOC_WRITECOMBINED = 4
_MEM_ATTACH_GLOBAL = 1
_DEVICE_CPU = -1
_EVENT_DEFAULT = 0


class DriverError(Exception):
    """A call of the driver API failed.

    `call` is the function, `code` its CUresult, `name` the code's name; `code` is None if this driver lacks the call.
    """

    def __init__(self, call: str, code: int | None, name: str | None = None) -> None:
        """Say what failed, with the meaning of the code."""
        self.call = call
        self.code = code
        if code is None:
            self.name = name or "not in this driver"
            super().__init__(f"this driver does not have {call}")
        else:
            known = cuda_error(code)
            self.name = name or known.name
            super().__init__(f"{call} failed with {self.name} ({code}): {known.meaning}")


def open_driver() -> Driver:
    """Load the driver library; nothing is initialised yet.

    Raises:
        OSError: There is none, or it cannot be loaded; the text is the loader's.
    """
    if sys.platform == "darwin":
        return Driver(_load_on_macos())
    if sys.platform == "win32":
        return Driver(ctypes.WinDLL(LIBRARY_WINDOWS))
    return Driver(ctypes.CDLL(LIBRARY_LINUX))


def _load_on_macos() -> ctypes.CDLL:
    """Load the driver of macOS 10.13 and before: through the link of the CUDA driver, or from its framework."""
    try:
        return ctypes.CDLL(LIBRARIES_MACOS[0])
    except OSError:
        return ctypes.CDLL(LIBRARIES_MACOS[1])


class Driver:
    """The loaded driver library: each method is one call and raises `DriverError` if it fails.

    Devices are ordinals (CUdevice), device memory is an integer address, and streams, events and functions are
    integer handles. What must be given back comes as a context manager.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        """Use a library that was loaded."""
        self._loaded = library
        self._functions: dict[str, Any] = {}

    def call(self, name: str, *arguments: Any) -> None:
        """Call one function of the table above.

        Raises:
            DriverError: It did not return CUDA_SUCCESS, or the library does not have it.
        """
        code = self._function(name)(*arguments)
        if code != 0:
            raise DriverError(name, code)

    def bound(self, name: str, *arguments: Any) -> Callable[[], int]:
        """Return a call with its arguments converted, for whoever times it: it returns the CUresult.

        Raises:
            DriverError: The library does not have it.
        """
        function = self._function(name)
        converted = [kind(argument) for kind, argument in zip(PROTOTYPES[name], arguments, strict=True)]
        return functools.partial(function, *converted)

    def _function(self, name: str) -> Any:
        function = self._functions.get(name)
        if function is None:
            try:
                function = getattr(self._loaded, name)
            except AttributeError:
                raise DriverError(name, None) from None
            function.argtypes = PROTOTYPES[name]
            function.restype = c_int
            self._functions[name] = function
        return function

    def _release(self, name: str, *arguments: Any) -> None:
        """Give something back. An error is not raised: after a fault every call fails, and the first told why."""
        try:
            self.call(name, *arguments)
        except DriverError:
            return

    # Start and devices

    def initialise(self) -> None:
        """Call cuInit."""
        self.call("cuInit", 0)

    def version(self) -> int:
        """Return the driver's CUDA version as it counts, 13000 for 13.0; this needs no cuInit."""
        number = c_int()
        self.call("cuDriverGetVersion", ctypes.byref(number))
        return number.value

    def device_count(self) -> int:
        """Return the number of devices that CUDA_VISIBLE_DEVICES leaves."""
        number = c_int()
        self.call("cuDeviceGetCount", ctypes.byref(number))
        return number.value

    def device(self, ordinal: int) -> int:
        """Return the device of that ordinal."""
        device = Device()
        self.call("cuDeviceGet", ctypes.byref(device), ordinal)
        return device.value

    def name(self, device: int) -> str:
        """Return the device's name; bytes that are no text are escaped."""
        buffer = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", buffer, len(buffer), device)
        return from_bytes(buffer.value)

    def uuid(self, device: int) -> str:
        """Return the device's UUID as nvidia-smi writes it; with MIG it is that of the instance, without its prefix."""
        data = (c_ubyte * 16)()
        try:
            self.call("cuDeviceGetUuid_v2", ctypes.byref(data), device)
        except DriverError as error:
            if error.code is not None:
                raise
            self.call("cuDeviceGetUuid", ctypes.byref(data), device)
        digits = bytes(data).hex()
        return f"GPU-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def pci_address(self, device: int) -> str:
        """Return the device's PCI address as sysfs writes it, `0000:3b:00.0`."""
        buffer = ctypes.create_string_buffer(32)
        self.call("cuDeviceGetPCIBusId", buffer, len(buffer), device)
        return from_bytes(buffer.value).lower()

    def attribute(self, number: int, device: int) -> int:
        """Return a device attribute by its number in cuda.h (`CUdevice_attribute`)."""
        value = c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), number, device)
        return value.value

    def can_access_peer(self, device: int, peer: int) -> bool:
        """Say whether one device can address another's memory directly."""
        value = c_int()
        self.call("cuDeviceCanAccessPeer", ctypes.byref(value), device, peer)
        return bool(value.value)

    def peer_attribute(self, number: int, device: int, peer: int) -> int:
        """Return an attribute of the way from one device to another, by its number (`CUdevice_P2PAttribute`)."""
        value = c_int()
        self.call("cuDeviceGetP2PAttribute", ctypes.byref(value), number, device, peer)
        return value.value

    def total_memory_bytes(self, device: int) -> int:
        """Return the size of the device's memory."""
        size = c_size_t()
        self.call("cuDeviceTotalMem_v2", ctypes.byref(size), device)
        return size.value

    @contextmanager
    def primary_context(self, device: int) -> Iterator[None]:
        """Hold the device's primary context and make it current in this thread."""
        context = Handle()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        try:
            self.call("cuCtxSetCurrent", context)
            yield
        finally:
            self._release("cuCtxSetCurrent", None)
            self._release("cuDevicePrimaryCtxRelease_v2", device)

    @contextmanager
    def retained_context(self, device: int) -> Iterator[int]:
        """Hold the device's primary context without making it current; yields its handle, for `use`."""
        context = Handle()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        try:
            yield context.value or 0
        finally:
            self._release("cuCtxSetCurrent", None)
            self._release("cuDevicePrimaryCtxRelease_v2", device)

    def use(self, context: int) -> None:
        """Make a context current in this thread."""
        self.call("cuCtxSetCurrent", context)

    @contextmanager
    def peer_access(self, peer: int) -> Iterator[None]:
        """Let the current context reach the memory of another one directly."""
        self.call("cuCtxEnablePeerAccess", peer, 0)
        try:
            yield
        finally:
            self._release("cuCtxDisablePeerAccess", peer)

    def keep_primary_context(self, device: int) -> None:
        """Make the device's primary context and never give it back: it ends with the process."""
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(Handle()), device)

    @contextmanager
    def any_context(self, device: int) -> Iterator[None]:
        """Hold the primary context, or a new one where the driver is older than primary contexts (before CUDA 7)."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self.primary_context(device))
            except DriverError as error:
                if error.code is not None:
                    raise
                context = Handle()
                self.call("cuCtxCreate_v2", ctypes.byref(context), 0, device)
                stack.callback(self._release, "cuCtxDestroy_v2", context)
            yield

    def synchronize(self) -> None:
        """Wait for all work of the current context."""
        self.call("cuCtxSynchronize")

    # Memory

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

    # Streams, events and kernels

    @contextmanager
    def stream(self) -> Iterator[int]:
        """Hold a stream that does not wait for the default one."""
        handle = Handle()
        self.call("cuStreamCreate", ctypes.byref(handle), _STREAM_NON_BLOCKING)
        try:
            yield handle.value or 0
        finally:
            self._release("cuStreamDestroy_v2", handle)

    def synchronize_stream(self, stream: int) -> None:
        """Wait for all work of a stream."""
        self.call("cuStreamSynchronize", stream)

    @contextmanager
    def event(self) -> Iterator[int]:
        """Hold an event that takes the time."""
        handle = Handle()
        self.call("cuEventCreate", ctypes.byref(handle), _EVENT_DEFAULT)
        try:
            yield handle.value or 0
        finally:
            self._release("cuEventDestroy_v2", handle)

    def record(self, event: int, stream: int) -> None:
        """Queue an event."""
        self.call("cuEventRecord", event, stream)

    def synchronize_event(self, event: int) -> None:
        """Wait for an event to pass."""
        self.call("cuEventSynchronize", event)

    def elapsed_ms(self, start: int, stop: int) -> float:
        """Return the time between two events that have passed; the resolution is about 0.5 µs."""
        value = c_float()
        self.call("cuEventElapsedTime", ctypes.byref(value), start, stop)
        return value.value

    @contextmanager
    def module(self, ptx: str) -> Iterator[int]:
        """Hold a module that the driver compiles from PTX text."""
        handle = Handle()
        self.call("cuModuleLoadDataEx", ctypes.byref(handle), ptx.encode("ascii"), 0, None, None)
        try:
            yield handle.value or 0
        finally:
            self._release("cuModuleUnload", handle)

    def function(self, module: int, name: str) -> int:
        """Return a kernel of a module."""
        handle = Handle()
        self.call("cuModuleGetFunction", ctypes.byref(handle), module, name.encode("ascii"))
        return handle.value or 0

    def launch(self, function: int, stream: int, *parameters: int, blocks: int = 1, threads: int = 1) -> None:
        """Launch a kernel whose parameters are 64-bit integers, in one dimension."""
        values = [c_uint64(parameter) for parameter in parameters]
        pointers = (c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        self.call("cuLaunchKernel", function, blocks, 1, 1, threads, 1, 1, 0, stream, pointers, None)
