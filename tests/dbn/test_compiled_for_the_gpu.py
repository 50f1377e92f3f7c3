"""What the compiler makes of the kernels; needs the compiler (extra cu12 or cu13) and no GPU."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace
from typing import Any

import pytest

from cudadoctor.dbn.ops import (
    affine,
    bias_gradient,
    cd1,
    fused_forward,
    fused_output,
    fused_update,
    gather,
    hidden_delta,
    nesterov,
    output_delta,
    plain,
    relu,
    sigmoid,
    sigmoid_delta,
    softmax,
    weight_gradient,
)

OF_2014 = {
    "binary_kernel": "int64, float32[::1], float32[::1], float32[::1]",
    "scalar_kernel": "int64, float32[::1], float32, float32[::1]",
    "unary_kernel": "int64, float32[::1], float32[::1]",
    "copy_kernel": "float32[::1], float32[::1], int64, int64",
    "transpose_kernel": "float32[:,::1], float32[:,::1]",
    "product_kernel": "float32[:,::1], float32[:,::1], float32[:,::1]",
    "row_maximum_kernel": "float32[:,::1], float32[:,::1]",
    "expand_kernel": "float32[:,::1], float32[:,::1]",
}
OF_PRETRAINING = {
    "up_kernel": "float32[:,::1], float32[:,::1], float32[::1], int64, float32[:,::1]",
    "down_kernel": "float32[:,::1], float32[:,::1], float32[::1], int64, float32[:,::1]",
    "sample_kernel": "float32[::1], float32[::1], int64, float32[::1]",
    "learn_kernel": "float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1], "
    "float32[::1]",
    "learn_bias_kernel": "float32[:,::1], float32[:,::1], float32[::1], float32[::1], float32[::1]",
    "error_kernel": "float32[:,::1], float32[:,::1], float32[::1]",
}
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
    sigmoid: "float32[::1]",
    sigmoid_delta: "float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1]",
    softmax: "float32[:,::1], uint8[::1], int64, float32[:,::1]",
    weight_gradient: "float32[:,::1], float32[:,::1], float32[:,::1]",
}


KERNELS = [
    *((operation.__name__.rpartition(".")[2], operation.kernel, text) for operation, text in SIGNATURES.items()),
    *((name, getattr(plain, name), text) for name, text in OF_2014.items()),
    *((name, getattr(cd1, name), text) for name, text in OF_PRETRAINING.items()),
]


@pytest.mark.skipif(
    os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"), reason="the simulator compiles nothing"
)
@pytest.mark.parametrize(("kernel", "text"), [row[1:] for row in KERNELS], ids=[row[0] for row in KERNELS])
def test_a_kernel_computes_nothing_in_double_precision(kernel: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core import sigutils

    from cudadoctor.dbn.ops.device import cuda

    # The parts of a kernel are compiled for the current device, and there may be none.
    dispatcher = pytest.importorskip("numba.cuda.dispatcher")
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))
    signature, _ = sigutils.normalize_signature(f"void({text})")
    try:
        ptx, _ = cuda.compile_ptx(kernel.py_func, signature, cc=(9, 0))
    except Exception as error:
        if re.search(r"nvvm|nvrtc|libdevice|not found|No such", str(error), re.IGNORECASE):
            pytest.skip(f"no CUDA compiler here: {error}")
        raise
    assert ".entry" in ptx or ".func" in ptx
    assert ".f64" not in ptx
