"""Error codes in a text: what the driver API, the runtime, NVML and the kernel driver call the same thing.

One sign stands for one error, whoever names it and however: `cuda:100` for `CUDA_ERROR_NO_DEVICE`, `cudaErrorNoDevice`,
`ERROR_NO_DEVICE`, error 100, the runtime's old number 38, and "no CUDA-capable device is detected".

Sources: cuda.h, driver_types.h (of CUDA 9.2 for the old numbers) and nvml.h; the sentences are those that
cudaGetErrorString, cuGetErrorString and nvmlErrorString return.
"""

from __future__ import annotations

import re

# Names without prefix and punctuation, in lower case: CUDA_ERROR_NO_DEVICE, cudaErrorNoDevice, ERROR_NO_DEVICE.
CUDA_NAMES = {
    "outofmemory": 2,
    "memoryallocation": 2,
    "stublibrary": 34,
    "insufficientdriver": 35,
    "callrequiresnewerdriver": 36,
    "deviceunavailable": 46,
    "devicesunavailable": 46,
    "invaliddevicefunction": 98,
    "nodevice": 100,
    "invaliddevice": 101,
    "devicenotlicensed": 102,
    "invalidimage": 200,
    "invalidkernelimage": 200,
    "nobinaryforgpu": 209,
    "nokernelimagefordevice": 209,
    "eccuncorrectable": 214,
    "invalidptx": 218,
    "jitcompilernotfound": 221,
    "unsupportedptxversion": 222,
    "operatingsystem": 304,
    "illegaladdress": 700,
    "launchtimeout": 702,
    "assert": 710,
    "hardwarestackerror": 714,
    "illegalinstruction": 715,
    "misalignedaddress": 716,
    "invalidaddressspace": 717,
    "invalidpc": 718,
    "launchfailed": 719,
    "launchfailure": 719,
    "notpermitted": 800,
    "systemnotready": 802,
    "mpsconnectionfailed": 805,
    "mpsrpcfailure": 806,
    "mpsservernotready": 807,
    "mpsmaxclientsreached": 808,
    "mpsmaxconnectionsreached": 809,
    "systemdrivermismatch": 803,
    "compatnotsupportedondevice": 804,
    "unknown": 999,
}

# What the runtime called them up to CUDA 10.0; only where a text says that it means a runtime error.
OLD_RUNTIME = {8: 98, 10: 101, 30: 999, 38: 100, 39: 214, 47: 200, 48: 209, 71: 801, 77: 700, 59: 710, 4: 719}
CUDA_CODES = frozenset(CUDA_NAMES.values())

CUDA_SENTENCES = {
    "cuda driver is a stub library": 34,
    "driver version is insufficient for cuda runtime": 35,
    "all cuda-capable devices are busy or unavailable": 46,
    "cuda-capable device(s) is/are busy or unavailable": 46,
    "busy or unavailable": 46,
    "invalid device function": 98,
    "no cuda-capable device is detected": 100,
    "no cuda-capable device is available": 100,
    "no cuda devices found": 100,
    "no cuda devices available": 100,
    "no cuda gpus are available": 100,
    "no cuda-capable devices": 100,
    "only 0 devices available": 100,
    "invalid device ordinal": 101,
    "device kernel image is invalid": 200,
    "no kernel image is available": 209,
    "no binary for gpu": 209,
    "uncorrectable ecc error encountered": 214,
    "ptx jit compilation failed": 218,
    "ptx jit compiler library not found": 221,
    "compiled with an unsupported toolchain": 222,
    "os call failed or operation not supported on this os": 304,
    "an illegal memory access was encountered": 700,
    "the launch timed out and was terminated": 702,
    "device-side assert triggered": 710,
    "hardware stack error": 714,
    "an illegal instruction was encountered": 715,
    "misaligned address": 716,
    "operation not supported on global/shared address space": 717,
    "invalid program counter": 718,
    "unspecified launch failure": 719,
    "operation not permitted when": 800,
    "device context 800": 800,
    "system not yet initialized": 802,
    "unsupported display driver": 803,
    "forward compatibility was attempted on non supported hw": 804,
    "cuda unknown error": 999,
    "cuda error: unknown error": 999,
    "unknown cuda error": 999,
    "unable to init gpu: unknown error": 999,
    "cuda out of memory": 2,
    "cuda error: out of memory": 2,
    "cuda_error_out_of_memory": 2,
    "cudaerrormemoryallocation": 2,
}

NVML_NAMES = {
    "nopermission": 4,
    "drivernotloaded": 9,
    "librarynotfound": 12,
    "gpuislost": 15,
    "resetrequired": 16,
    "operatingsystem": 17,
    "librmversionmismatch": 18,
    "unknown": 999,
}

NVML_CODES = frozenset(NVML_NAMES.values())

NVML_SENTENCES = {
    "driver/library version mismatch": 18,
    "rm has detected an nvml/rm version mismatch": 18,
    "gpu access blocked by the operating system": 17,
    "gpu is lost": 15,
    "nvml shared library not found": 12,
    "nvml: insufficient permissions": 4,
    "nvml: driver not loaded": 9,
    "nvml: unknown error": 999,
    "nvml: gpu is lost": 15,
    "nvml: gpu requires reset": 16,
}

_NAMES = re.compile(r"\b(?:cuda_?error_?|error_)([a-z_]{4,40})\b", re.ASCII)
_BARE_NAMES = re.compile(r"\b(?:error)?([a-z]{9,40})\b", re.ASCII)  # ErrorIllegalAddress, Cuda(NoBinaryForGpu)
_NVML_NAMES = re.compile(r"\bnvml_?error_([a-z_]{4,40})\b", re.ASCII)
_ENDED = r"(?:\(\w{0,20}\))? ?(?:failed|returned|returns|error|->|=|:)[a-z:=>() #-]{0,40}?\b(\d{1,3})\b(?!\.?\d)"
_NUMBERS = (
    # numba: `[100] Call to cuInit results in ...`
    (re.compile(r"\[(\d{1,3})\] call to cu[a-z]{2,40} results in"), False),
    # `cuInit returned 804`, `cuInit(0) -> 999`; `cudaGetDeviceCount failed with error 35`
    (re.compile(r"\bcu(?!da)[a-z]\w{2,40}" + _ENDED), False),
    (re.compile(r"\bcuda[a-z]\w{2,40}" + _ENDED), True),
    # `CUDA error 803`, `CUDA driver error: 999`, `cuda error code=100`
    (
        re.compile(
            r"\bcuda (?:driver |api |initialization )?(?:error|failure)(?: with error| code)?"
            r"[ :=(#]{1,3}(\d{1,3})\b(?!\.?\d)"
        ),
        False,
    ),
    # `CUDA runtime error (38)`, `THCudaCheck FAIL ... error=38`
    (
        re.compile(
            r"\b(?:cuda runtime(?: api)? error|cudaerror_t|thcudacheck fail .{0,200}? error) ?[=:(]{1,2} ?(\d{1,3})\b"
        ),
        True,
    ),
    # `(code 100, ERROR_NO_DEVICE)`, `code=209(cudaErrorNoKernelImageForDevice)`
    (re.compile(r"\b(?:code|result) ?= ?(\d{1,3}) ?\(\"?cuda"), False),
    (re.compile(r"\(code (\d{1,3}), error_"), False),
    # `CudaAPIError: [34]`, `cuInit err: 999`, `cuda driver library init failure: 803`,
    # `error == cudaSuccess (46 vs. 0)`
    (re.compile(r"\bcudaapierror: \[(\d{1,3})\]"), False),
    (re.compile(r"\bcuinit err(?:or)?:? ?(\d{1,3})\b"), False),
    (re.compile(r"\b(?:cuda|nvcuda).{0,60} init failure: (\d{1,3})\b"), False),
    (re.compile(r"cudasuccess \((\d{1,3}) vs\.? 0\)"), True),
    # `Return value 46 from 'cudaStreamCreate(&stream)'`
    (re.compile(r"\breturn(?:ed)? (?:value|code|status) (\d{1,3}) (?:from|by|of) '?cu[a-z]"), True),
    # `Unable to read CUDA capable devices. Return status: 999`
    (re.compile(r"\bcuda\b.{0,60}\breturn(?:ed)? (?:status|code|value)[ :=]{1,3}(\d{1,3})\b"), False),
    # `CUDA error: error code 34`, `cudaSetDevice err: 35`
    (re.compile(r"\bcuda[ \w]{0,24}error:? ?(?:error )?code:? ?(\d{1,3})\b"), False),
    (re.compile(r"\bcu(?:da)?[a-z]{3,40} err(?:or)?:? ?(\d{1,3})\b"), True),
    # `Invalid error code (700)`, `gives error 804`: three digits that are an error of CUDA and hardly anything else.
    (re.compile(r"\berror(?: code)?:? ?\(?(209|214|222|700|716|719|80[234])\b(?!\.\d|[:/])"), False),
)
# `NVML: can't get GPU #1, error code 15`, `nvmlInit failed: 9`, `NVML error 18`
_NVML_NUMBERS = re.compile(
    r"\bnvml(?:[a-z]\w{2,40})?\b.{0,60}?\b(?:error|err|code|status|result|returned|failed)\b(?: code)?[ :=#(]{1,3}"
    r"(\d{1,3})\b(?!\.?\d)"
)
_TELLS = re.compile(r"fail|return|code|result|->|cu[a-z]{2,40}(?:\(\w{0,20}\))? ?[=:]|vs\.? 0")
_XID = re.compile(r"\bxid\b(?: error)?[s]?[ :=]{0,3}(?:\(pci:[0-9a-f:.]{1,20}\)[ :]{0,3})?(\d{1,3})\b")


def codes_in(line: str) -> list[str]:
    """Return the signs `cuda:N`, `nvml:N` and `xid:N` of a line in lower case."""
    found: list[str] = []
    # Most lines of a long log name CUDA and tell of no error; the patterns are for the others.
    if "err" in line or ("cu" in line and _TELLS.search(line) is not None):
        for kind, pattern, names in (
            ("cuda", _NAMES, CUDA_NAMES),
            ("cuda", _BARE_NAMES, CUDA_NAMES),
            ("nvml", _NVML_NAMES, NVML_NAMES),
        ):
            for match in pattern.finditer(line):
                named = names.get(match[1].replace("_", ""))
                if named is not None:
                    found.append(f"{kind}:{named}")
        for pattern, runtime in _NUMBERS:
            for match in pattern.finditer(line):
                code = int(match[1])
                # 38 and 48 never meant anything but these, whoever names them.
                if runtime or code in (38, 48):
                    code = OLD_RUNTIME.get(code, code)
                if code in CUDA_CODES:
                    found.append(f"cuda:{code}")
    if "nvml" in line:
        found += (f"nvml:{code}" for match in _NVML_NUMBERS.finditer(line) if (code := int(match[1])) in NVML_CODES)
    if "xid" in line:
        found += (f"xid:{int(match[1])}" for match in _XID.finditer(line))
    return found
