"""What the error codes of the CUDA driver API and of NVML mean, in plain words.

The driver can be asked for the names of its errors, but not when it is the driver that does not load, and not about a
code in a saved file. So the codes that a user meets are listed here; one that is not gets its number for a name.

Source: names and numbers from cuda.h (`CUresult`), driver_types.h (`cudaError`) and nvml.h (`nvmlReturn_t`) of
CUDA 13.0; the meanings condense the comments there.
"""

from __future__ import annotations

import msgspec


class ErrorMeaning(msgspec.Struct, frozen=True):
    """An error: its code, its name in the header, and a phrase that says what it means."""

    code: int
    name: str
    meaning: str


def _table(*rows: tuple[int, str, str]) -> dict[int, ErrorMeaning]:
    return {code: ErrorMeaning(code, name, meaning) for code, name, meaning in rows}


CUDA_ERRORS = _table(
    (0, "CUDA_SUCCESS", "no error"),
    (1, "CUDA_ERROR_INVALID_VALUE", "an argument is out of range; from cuInit, the driver's state is unusable"),
    (2, "CUDA_ERROR_OUT_OF_MEMORY", "not enough memory on the device, or host memory could not be pinned"),
    (3, "CUDA_ERROR_NOT_INITIALIZED", "the driver was not initialised, or its initialisation failed"),
    (4, "CUDA_ERROR_DEINITIALIZED", "the driver is shutting down"),
    (34, "CUDA_ERROR_STUB_LIBRARY", "the libcuda that was loaded is the toolkit's stub for linking, not the driver"),
    (36, "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER", "the call needs a newer driver than the one installed"),
    (46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "the device is busy or may not be used, as its compute mode can forbid"),
    (100, "CUDA_ERROR_NO_DEVICE", "the driver sees no device that computes, or CUDA_VISIBLE_DEVICES hides them all"),
    (101, "CUDA_ERROR_INVALID_DEVICE", "there is no device of that number, or the action is not valid for it"),
    (102, "CUDA_ERROR_DEVICE_NOT_LICENSED", "the device has no valid vGPU (GRID) licence"),
    (200, "CUDA_ERROR_INVALID_IMAGE", "the module is no valid binary or PTX"),
    (201, "CUDA_ERROR_INVALID_CONTEXT", "there is no context for the call, often because creating one failed"),
    (209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "the code was not built for this device's architecture"),
    (214, "CUDA_ERROR_ECC_UNCORRECTABLE", "an ECC error that could not be corrected: memory of the device is faulty"),
    (217, "CUDA_ERROR_PEER_ACCESS_UNSUPPORTED", "the two devices cannot reach each other's memory"),
    (218, "CUDA_ERROR_INVALID_PTX", "the driver's compiler refuses the PTX"),
    (220, "CUDA_ERROR_NVLINK_UNCORRECTABLE", "an NVLink error that could not be corrected"),
    (221, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND", "libnvidia-ptxjitcompiler is missing, so no PTX can be compiled"),
    (222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the PTX comes from a newer toolkit than the driver knows"),
    (223, "CUDA_ERROR_JIT_COMPILATION_DISABLED", "compiling PTX is switched off (CUDA_DISABLE_PTX_JIT)"),
    (226, "CUDA_ERROR_CONTAINED", "a fault that the device contained; the process must end to use it again"),
    (301, "CUDA_ERROR_FILE_NOT_FOUND", "a file that the call needs was not found"),
    (302, "CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND", "a library lacks a symbol: the driver's files do not match"),
    (303, "CUDA_ERROR_SHARED_OBJECT_INIT_FAILED", "a library of the driver did not start: it is missing or damaged"),
    (304, "CUDA_ERROR_OPERATING_SYSTEM", "the operating system refused, as with device nodes that may not be opened"),
    (400, "CUDA_ERROR_INVALID_HANDLE", "a handle is not valid, or belongs to another context"),
    (500, "CUDA_ERROR_NOT_FOUND", "a named symbol was not found"),
    (600, "CUDA_ERROR_NOT_READY", "the work that was asked about is not done yet"),
    (700, "CUDA_ERROR_ILLEGAL_ADDRESS", "a kernel read or wrote an address that is not its own"),
    (
        701,
        "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
        "the launch wants more registers or threads than there are",
    ),
    (702, "CUDA_ERROR_LAUNCH_TIMEOUT", "a kernel ran longer than the display watchdog allows"),
    (710, "CUDA_ERROR_ASSERT", "an assert in a kernel failed"),
    (716, "CUDA_ERROR_MISALIGNED_ADDRESS", "a kernel used an address that is not aligned"),
    (717, "CUDA_ERROR_INVALID_ADDRESS_SPACE", "a kernel used an address in the wrong memory space"),
    (719, "CUDA_ERROR_LAUNCH_FAILED", "a kernel failed, as by a bad pointer or too much shared memory"),
    (800, "CUDA_ERROR_NOT_PERMITTED", "the call is not permitted, as a container or a security module can decide"),
    (801, "CUDA_ERROR_NOT_SUPPORTED", "the call is not supported on this system or device"),
    (802, "CUDA_ERROR_SYSTEM_NOT_READY", "something is not running yet: on NVSwitch machines the fabric manager"),
    (803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "libcuda and the kernel driver are of releases that do not go together"),
    (804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", "the compat libcuda that was loaded does not support this card"),
    (805, "CUDA_ERROR_MPS_CONNECTION_FAILED", "the MPS server was not reached: its control daemon does not run here"),
    (806, "CUDA_ERROR_MPS_RPC_FAILURE", "the MPS server did not answer as it must"),
    (807, "CUDA_ERROR_MPS_SERVER_NOT_READY", "the MPS server takes no new clients now; it may be recovering"),
    (808, "CUDA_ERROR_MPS_MAX_CLIENTS_REACHED", "the MPS server has as many clients as it can have"),
    (809, "CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED", "the device's connections for MPS are all taken"),
    (810, "CUDA_ERROR_MPS_CLIENT_TERMINATED", "the MPS server ended this client, as after another client's fault"),
    (909, "CUDA_ERROR_TIMEOUT", "the call ran out of time"),
    (999, "CUDA_ERROR_UNKNOWN", "an error inside the driver that it has no name for"),
)
"""Errors of the driver API by code."""

RUNTIME_ERRORS = _table(
    (35, "cudaErrorInsufficientDriver", "the driver is older than the CUDA runtime that the program was built with"),
    (98, "cudaErrorInvalidDeviceFunction", "the kernel does not exist, or not for this device's architecture"),
)
"""Errors of the runtime API that the driver API does not have; from 100 on the two number alike."""

NVML_ERRORS = _table(
    (0, "NVML_SUCCESS", "no error"),
    (1, "NVML_ERROR_UNINITIALIZED", "NVML was not initialised"),
    (2, "NVML_ERROR_INVALID_ARGUMENT", "an argument is not valid"),
    (3, "NVML_ERROR_NOT_SUPPORTED", "this device or system does not support what was asked"),
    (4, "NVML_ERROR_NO_PERMISSION", "this user may not do that, or may not open the device nodes"),
    (6, "NVML_ERROR_NOT_FOUND", "what was asked for was not found"),
    (7, "NVML_ERROR_INSUFFICIENT_SIZE", "the buffer is too small for the answer"),
    (8, "NVML_ERROR_INSUFFICIENT_POWER", "a device's power cable is missing or not plugged in properly"),
    (9, "NVML_ERROR_DRIVER_NOT_LOADED", "the NVIDIA kernel driver is not loaded"),
    (10, "NVML_ERROR_TIMEOUT", "the call ran out of time"),
    (11, "NVML_ERROR_IRQ_ISSUE", "the kernel found a fault with a device's interrupts"),
    (12, "NVML_ERROR_LIBRARY_NOT_FOUND", "libnvidia-ml was not found or could not be loaded"),
    (13, "NVML_ERROR_FUNCTION_NOT_FOUND", "this release of libnvidia-ml does not have the function"),
    (14, "NVML_ERROR_CORRUPTED_INFOROM", "the device's infoROM is damaged"),
    (15, "NVML_ERROR_GPU_IS_LOST", "the device fell off the bus, or cannot be reached for another reason"),
    (16, "NVML_ERROR_RESET_REQUIRED", "the device must be reset before it can be used again"),
    (17, "NVML_ERROR_OPERATING_SYSTEM", "the operating system blocks the device, as cgroups do in a container"),
    (18, "NVML_ERROR_LIB_RM_VERSION_MISMATCH", "libnvidia-ml and the loaded kernel driver are of different releases"),
    (19, "NVML_ERROR_IN_USE", "the device is in use"),
    (20, "NVML_ERROR_MEMORY", "not enough memory"),
    (21, "NVML_ERROR_NO_DATA", "there is no data"),
    (23, "NVML_ERROR_INSUFFICIENT_RESOURCES", "the device's resources are all taken"),
    (25, "NVML_ERROR_ARGUMENT_VERSION_MISMATCH", "the structure is of a version that this libnvidia-ml does not know"),
    (27, "NVML_ERROR_NOT_READY", "the system is not ready for the request"),
    (28, "NVML_ERROR_GPU_NOT_FOUND", "no device was found"),
    (29, "NVML_ERROR_INVALID_STATE", "the resource is in a state that does not allow the request"),
    (999, "NVML_ERROR_UNKNOWN", "an error inside the driver that it has no name for"),
)
"""Errors of NVML by code."""


def cuda_error(code: int) -> ErrorMeaning:
    """Return the meaning of an error of the driver API; a code that is not listed is named by its number."""
    unlisted = ErrorMeaning(code, f"CUDA error {code}", "an error that is not in the list")
    return CUDA_ERRORS.get(code) or RUNTIME_ERRORS.get(code) or unlisted


def nvml_error(code: int) -> ErrorMeaning:
    """Return the meaning of an NVML error; a code that is not listed is named by its number."""
    return NVML_ERRORS.get(code) or ErrorMeaning(code, f"NVML error {code}", "an error that is not in the list")
