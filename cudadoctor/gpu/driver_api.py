"""The CUDA driver API through ctypes: the few functions that the ladder and the bandwidth measurement need.

Nothing else opens libcuda. No setting is changed: the context is the device's primary one, which every other user of
this process shares, with whatever flags it has.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ctypes import c_float, c_int, c_size_t, c_ubyte, c_uint64, c_void_p

from cudadoctor.gpu.driver_calls import DriverError as DriverError
from cudadoctor.gpu.driver_memory import DriverMemory
from cudadoctor.gpu.driver_prototypes import Device, Handle
from cudadoctor.text import from_bytes

LIBRARY_LINUX = "libcuda.so.1"
LIBRARY_WINDOWS = "nvcuda.dll"
LIBRARIES_MACOS = ("/usr/local/cuda/lib/libcuda.dylib", "/Library/Frameworks/CUDA.framework/CUDA")

ATTRIBUTE_MULTIPROCESSOR_COUNT = 16
ATTRIBUTE_INTEGRATED = 18
ATTRIBUTE_CAN_MAP_HOST_MEMORY = 19
ATTRIBUTE_MANAGED_MEMORY = 83
ATTRIBUTE_CONCURRENT_MANAGED_ACCESS = 89
ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES = 100

_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75
_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76
_STREAM_NON_BLOCKING = 1
_EVENT_DEFAULT = 0


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


class Driver(DriverMemory):
    """The loaded driver library: each method is one call and raises `DriverError` if it fails.

    Devices are ordinals (CUdevice), device memory is an integer address, and streams, events and functions are
    integer handles. What must be given back comes as a context manager.
    """

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

    def compute_capability(self, device: int) -> str:
        """Return the device's compute capability, `9.0`."""
        major = self.attribute(_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)
        return f"{major}.{self.attribute(_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)}"

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
