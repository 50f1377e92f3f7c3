"""What the compiler makes of the kernels; needs the compiler (extra cu12 or cu13) and no GPU."""

from __future__ import annotations

import os
import re
from types import ModuleType

import pytest

from cudadoctor.dbn.ops import (
    affine,
    bias_gradient,
    fused_forward,
    fused_output,
    fused_update,
    gather,
    hidden_delta,
    nesterov,
    output_delta,
    relu,
    softmax,
    weight_gradient,
)

SIGNATURES = {
    affine: "float32[:,::1], float32[:,::1], float32[::1], float32[:,::1]",
    bias_gradient: "float32[:,::1], float32[::1]",
    fused_forward: "uint8[:,::1], uint32[:,::1], int64, float32, float32[:,::1], float32[::1], float32[:,::1]",
    fused_output: "float32[:,::1], float32[:,::1], float32[::1], uint8[::1], uint32[:,::1], int64, float32[:,::1], "
    "float32[:,:,::1]",
    fused_update: "uint8[:,::1], uint32[:,::1], int64, float32, float32[:,::1], float32[:,::1], float32[:,::1], "
    "float32[::1], float32[::1], float32[::1]",
    gather: "uint8[:,::1], uint8[::1], uint32[:,::1], int64, float32[:,::1], uint8[::1]",
    hidden_delta: "float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1]",
    nesterov: "float32[::1], float32[::1], float32[::1], float32, float32, float32",
    output_delta: "float32[:,::1], uint8[::1]",
    relu: "float32[::1]",
    softmax: "float32[:,::1], uint8[::1], int64, float32[:,::1]",
    weight_gradient: "float32[:,::1], float32[:,::1], float32[:,::1]",
}


@pytest.mark.skipif(
    os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"), reason="the simulator compiles nothing"
)
@pytest.mark.parametrize("operation", SIGNATURES, ids=lambda operation: operation.__name__.rpartition(".")[2])
def test_a_kernel_computes_nothing_in_double_precision(operation: ModuleType) -> None:
    from numba.core import sigutils

    from cudadoctor.dbn.ops.device import cuda

    signature, _ = sigutils.normalize_signature(f"void({SIGNATURES[operation]})")
    try:
        ptx, _ = cuda.compile_ptx(operation.kernel.py_func, signature, cc=(9, 0))
    except Exception as error:
        if re.search(r"nvvm|nvrtc|libdevice|not found|No such", str(error), re.IGNORECASE):
            pytest.skip(f"no CUDA compiler here: {error}")
        raise
    assert ".entry" in ptx or ".func" in ptx
    assert ".f64" not in ptx
