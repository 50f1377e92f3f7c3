"""What the compiler makes of the kernel that trains an epoch; needs the compiler (extra cu12 or cu13) and no GPU."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace

import pytest

from cudadoctor.dbn.network import Network
from cudadoctor.dbn.persistent.plan import divide

H100 = {"multiprocessors": 132, "shared_bytes": 232_448}


@pytest.mark.skipif(
    os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"), reason="the simulator compiles nothing"
)
def test_the_kernel_computes_nothing_in_double_precision_and_divides_no_long(monkeypatch: pytest.MonkeyPatch) -> None:
    dispatcher = pytest.importorskip("numba.cuda.dispatcher")
    from cudadoctor.dbn.persistent.kernel import kernel_for, signature
    from cudadoctor.gpu.numba_cuda import cuda

    # The parts of a kernel are compiled for the current device, and there is none.
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))
    try:
        ptx, _ = cuda.compile_ptx(kernel_for(divide(Network(), **H100)).py_func, signature(), cc=(9, 0))
    except Exception as error:
        if re.search(r"nvvm|nvrtc|libdevice|not found|No such", str(error), re.IGNORECASE):
            pytest.skip(f"no CUDA compiler here: {error}")
        raise
    assert "mma.sync.aligned.m16n8k16" in ptx
    assert "red.relaxed.gpu.global.add.u64" in ptx
    assert ".f64" not in ptx
    assert not re.search(r"(div|rem)\.[su]64", ptx)
