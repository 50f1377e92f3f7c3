"""How well the CPU lane uses its processor, beside the best matrix product of the same minutes."""

from __future__ import annotations

import time

import numpy as np

from cudadoctor.dbn.network import Network
from cudadoctor.dbn.threads import usable_cores
from cudadoctor.facts.explanation import CpuEffort

_SIDE = 1024
_SECONDS = 0.15


def measure(lane: str, network: Network, minibatch_us: float) -> CpuEffort:
    """Measure the peak, and relate a lane's minibatch to it.

    Args:
        lane: Its name.
        network: Its dense work is counted: a lane that skips zeros may seem to beat the peak.
        minibatch_us: What a minibatch takes, microseconds.
    """
    from threadpoolctl import threadpool_info

    pools = threadpool_info()
    return CpuEffort(
        lane=lane,
        threads=max((pool["num_threads"] for pool in pools if pool["user_api"] == "blas"), default=1),
        cores=usable_cores(),
        gflop_per_s=flop(network) / minibatch_us / 1e3,
        sgemm_gflop_per_s=_peak(),
        pools=tuple(f"{pool['internal_api']}: {pool['num_threads']}" for pool in pools),
    )


def flop(network: Network) -> int:
    """Return the flop of a minibatch's matrix products; nothing is sent back through the first layer."""
    pairs = list(zip(network.layers, network.layers[1:], strict=False))
    once = sum(n * m for n, m in pairs)
    return 2 * network.batch_size * (2 * once + sum(n * m for n, m in pairs[1:]))


def _peak() -> float:
    """Return the best rate of a square product in single precision, Gflop/s; the fastest, for others only add time."""
    a = np.ones((_SIDE, _SIDE), np.float32)
    out = np.empty_like(a)
    best, end = float("inf"), time.perf_counter() + _SECONDS
    np.matmul(a, a, out=out)
    while time.perf_counter() < end or best == float("inf"):
        started = time.perf_counter()
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - started)
    return 2 * _SIDE**3 / best / 1e9
