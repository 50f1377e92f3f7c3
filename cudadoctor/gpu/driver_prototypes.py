"""The argument types of the driver API's functions; each returns a CUresult, a C int.

Source: cuda.h (CUDA 13.0). `_v2` is the form with 64-bit sizes that every 64-bit program gets.
"""

from __future__ import annotations

from ctypes import POINTER, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from typing import Any

Device = c_int
DevicePointer = c_uint64
Handle = c_void_p

PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuDeviceGetCount": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(Device), c_int),
    "cuDeviceGetName": (c_char_p, c_int, Device),
    "cuDeviceGetUuid": (POINTER(c_ubyte * 16), Device),
    "cuDeviceGetUuid_v2": (POINTER(c_ubyte * 16), Device),
    "cuDeviceGetPCIBusId": (c_char_p, c_int, Device),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, Device),
    "cuDeviceCanAccessPeer": (POINTER(c_int), Device, Device),
    "cuDeviceGetP2PAttribute": (POINTER(c_int), c_int, Device, Device),
    "cuDeviceTotalMem_v2": (POINTER(c_size_t), Device),
    "cuDevicePrimaryCtxRetain": (POINTER(Handle), Device),
    "cuDevicePrimaryCtxRelease_v2": (Device,),
    "cuCtxCreate_v2": (POINTER(Handle), c_uint, Device),
    "cuCtxDestroy_v2": (Handle,),
    "cuCtxSetCurrent": (Handle,),
    "cuCtxSynchronize": (),
    "cuCtxEnablePeerAccess": (Handle, c_uint),
    "cuCtxDisablePeerAccess": (Handle,),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuMemAlloc_v2": (POINTER(DevicePointer), c_size_t),
    "cuMemFree_v2": (DevicePointer,),
    "cuMemHostAlloc": (POINTER(c_void_p), c_size_t, c_uint),
    "cuMemHostGetDevicePointer_v2": (POINTER(DevicePointer), c_void_p, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemHostRegister_v2": (c_void_p, c_size_t, c_uint),
    "cuMemHostUnregister": (c_void_p,),
    "cuMemAllocManaged": (POINTER(DevicePointer), c_size_t, c_uint),
    "cuMemPrefetchAsync": (DevicePointer, c_size_t, Device, Handle),
    "cuMemcpyHtoD_v2": (DevicePointer, c_void_p, c_size_t),
    "cuMemcpyDtoH_v2": (c_void_p, DevicePointer, c_size_t),
    "cuMemcpyHtoDAsync_v2": (DevicePointer, c_void_p, c_size_t, Handle),
    "cuMemcpyDtoHAsync_v2": (c_void_p, DevicePointer, c_size_t, Handle),
    "cuMemcpyDtoDAsync_v2": (DevicePointer, DevicePointer, c_size_t, Handle),
    "cuMemcpyPeerAsync": (DevicePointer, Handle, DevicePointer, Handle, c_size_t, Handle),
    "cuMemsetD32Async": (DevicePointer, c_uint, c_size_t, Handle),
    "cuStreamCreate": (POINTER(Handle), c_uint),
    "cuStreamSynchronize": (Handle,),
    "cuStreamDestroy_v2": (Handle,),
    "cuEventCreate": (POINTER(Handle), c_uint),
    "cuEventRecord": (Handle, Handle),
    "cuEventSynchronize": (Handle,),
    "cuEventElapsedTime": (POINTER(c_float), Handle, Handle),
    "cuEventDestroy_v2": (Handle,),
    "cuModuleLoadDataEx": (POINTER(Handle), c_char_p, c_uint, POINTER(c_int), POINTER(c_void_p)),
    "cuModuleGetFunction": (POINTER(Handle), Handle, c_char_p),
    "cuModuleUnload": (Handle,),
    "cuLaunchKernel": (Handle, *(c_uint,) * 7, Handle, POINTER(c_void_p), POINTER(c_void_p)),
}
