"""Follow many orbits by Kepler's equation, a hundred moments a kernel."""

import os
import time

import cupy as cp

STEPS = int(os.environ.get("STEPS", "20000"))
N = int(os.environ.get("SIZE", "65536"))
RATE = cp.float32(0.001)
follow = cp.ElementwiseKernel(
    "float32 eccentricity, float32 rate, int32 steps",
    "float32 mean, float32 anomaly",
    """
    for (int step = 0; step < steps; ++step) {
        mean += rate;
        anomaly = mean + eccentricity * sinf(anomaly);
    }
    """,
    "follow",
)

eccentricity = cp.linspace(0, 0.5, N, dtype=cp.float32)
mean = cp.zeros(N, cp.float32)
anomaly = cp.zeros(N, cp.float32)
follow(eccentricity, RATE, 0, mean, anomaly)
cp.cuda.Device().synchronize()
began = time.perf_counter()
for first in range(0, STEPS, 100):
    follow(eccentricity, RATE, min(100, STEPS - first), mean, anomaly)
cp.cuda.Device().synchronize()
seconds = time.perf_counter() - began
print(f"result={float(anomaly.mean(dtype=cp.float64)):.4f}")
print(f"loop_seconds={seconds:.6f}")
