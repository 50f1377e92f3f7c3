"""Follow many orbits by Kepler's equation, moment by moment."""

import os
import time

import cupy as cp

STEPS = int(os.environ.get("STEPS", "20000"))
N = int(os.environ.get("SIZE", "65536"))
RATE = cp.float32(0.001)

eccentricity = cp.linspace(0, 0.5, N, dtype=cp.float32)
mean = cp.zeros(N, cp.float32)
anomaly = cp.zeros(N, cp.float32)
_ = mean + eccentricity * cp.sin(anomaly) + RATE
cp.cuda.Device().synchronize()
began = time.perf_counter()
for _ in range(STEPS):
    mean = mean + RATE
    anomaly = mean + eccentricity * cp.sin(anomaly)
cp.cuda.Device().synchronize()
seconds = time.perf_counter() - began
print(f"result={float(anomaly.mean(dtype=cp.float64)):.4f}")
print(f"loop_seconds={seconds:.6f}")
