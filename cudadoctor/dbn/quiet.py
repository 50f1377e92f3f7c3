"""Wait until this process has nothing under way: threads of a BLAS library turn for some 0.1 s after a product.

Measured on 16 cores with OpenBLAS 0.3.31: `cpu-fast` took 4 ms a minibatch and not 0.25 within 0.06 s after
`cpu-reference`, whose products ran on all cores.
"""

from __future__ import annotations

import time

_NAP_S = 0.002
_BUSY = 0.5
"""Part of one core's time that the process may spend asleep before it counts as busy."""

_LIMIT_S = 0.2


def wait_until_quiet(limit_s: float = _LIMIT_S) -> float:
    """Sleep until the process's threads take less than half of one core; return the seconds that took."""
    began = time.perf_counter()
    while True:
        wall, cpu = time.perf_counter(), time.process_time()
        time.sleep(_NAP_S)
        now = time.perf_counter()
        if time.process_time() - cpu < _BUSY * (now - wall) or now - began > limit_s:
            return now - began
