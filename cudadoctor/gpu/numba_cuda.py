"""The one import of `numba.cuda`: a successor of numba-cuda would be one changed line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import config as _config
from numba import cuda as _cuda

# numba-cuda's annotations know neither shared memory nor barriers, and leave half of its functions untyped.
cuda: Any = _cuda


def gpu_kernel(function: Callable[..., None]) -> Any:
    """Compile with numba for the types of the first launch and keep the result on disk, if there is a place for it.

    There is no signature, so nothing is compiled, and no driver asked, while the kernel's module is imported. Index the
    result with [grid, block] to launch.
    """
    return gpu_kernel_with()(function)


def gpu_kernel_with(**options: Any) -> Callable[[Callable[..., None]], Any]:
    """Return `gpu_kernel` with options of `cuda.jit`."""

    def decorate(function: Callable[..., None]) -> Any:
        try:
            return cuda.jit(cache=True, **options)(function)
        except RuntimeError:  # numba found no folder that it may write to
            return cuda.jit(**options)(function)

    return decorate


def gpu_function(function: Callable[..., Any]) -> Any:
    """Make a function part of the kernels that call it."""
    inline = {} if _config.ENABLE_CUDASIM else {"forceinline": True}  # the simulator knows no such option
    return cuda.jit(device=True, **inline)(function)


def load_registries() -> None:
    """Import what numba knows of functions and types, which it does at the first kernel: half a second, no driver."""
    from numba.cuda.descriptor import cuda_target

    cuda_target.typing_context.refresh()
    cuda_target.target_context.refresh()


def allow_shared_memory(compiled: Any, size_bytes: int) -> None:
    """Let a compiled kernel be launched with more dynamic shared memory than 48 KiB, which numba does not ask for.

    `compiled` is what a kernel's `compile` returned for the current device.
    """
    from numba.cuda.cudadrv.driver import binding, driver

    function = compiled._codelibrary.get_cufunc()
    attribute = binding.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    driver.cuKernelSetAttribute(attribute, size_bytes, function.handle, cuda.get_current_device().id)
