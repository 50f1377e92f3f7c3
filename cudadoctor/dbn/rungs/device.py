"""Whether the GPU lanes can run on a device at all, and whether an error leaves it usable."""

from __future__ import annotations

import os

from cudadoctor.dbn.ops.device import cuda

# Errors after which every call of the process fails, by the driver API's codes: the context is gone.
# Source: CUDA driver API, CUresult ("the process must be terminated and relaunched").
_ENDS_THE_CONTEXT = frozenset({214, 700, 702, 708, 709, 710, 714, 715, 716, 717, 718, 719, 720, 999})


def why_no_device(index: int) -> str | None:
    """Return why the device cannot be used, as a phrase that completes "because ...", or None if it can.

    Initialises the driver, so it belongs in a child process.
    """
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"):
        return "NUMBA_ENABLE_CUDASIM is set: numba would run the kernels in Python, and such times mean nothing"
    try:
        count = len(cuda.gpus)
    except Exception as error:  # noqa: BLE001 - numba raises its own errors, the loader OSError, a stub anything
        return f"CUDA did not start: {' '.join(str(error).split()) or type(error).__name__}"
    if count == 0:
        return "there is no CUDA device"
    if not 0 <= index < count:
        return f"there is no CUDA device {index}; the driver shows {count}, counted from 0"
    return None


def ends_the_context(error: BaseException) -> bool:
    """Say whether no CUDA call of this process can succeed after an error."""
    code = getattr(error, "code", None)
    return code is not None and int(code) in _ENDS_THE_CONTEXT
