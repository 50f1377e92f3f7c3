"""The CPU lanes beside PyTorch's eager SGD, in one run: seconds an epoch, ratios, and part of the sgemm peak.

Run: `poe benchmark-cpu`, with PyTorch on PYTHONPATH if it is not installed; without it the rest is compared. An epoch
of every lane, then the peak, then the next epoch: a slow moment of the machine hits all alike. Every lane trains the
same network on the same minibatches. Prints the least and the median of the epochs; the first is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from cudadoctor.dbn.blas import BlasThreads
from cudadoctor.dbn.cpu import CpuFast
from cudadoctor.dbn.cpu_reference import CpuReference
from cudadoctor.dbn.digits import procedural
from cudadoctor.dbn.network import Network, first_weights, minibatches
from cudadoctor.dbn.threads import usable_cores

GFLOP = 732 * 2 * 64 * (784 * 300 * 2 + 300 * 10 * 3) / 1e9
"""Of the five dense products of an epoch: x A1, h A2, d2 A2^T, x^T d1, h^T d2."""

Epoch = Callable[[Any, float], tuple[float, float]]


def fast_on(threads: int, network: Network, weights: Any, digits: Any) -> Epoch:
    """Return the fast lane; with all threads it chooses how many to use, as it does in a race."""
    lane = CpuFast(network, weights, digits.training_pixels, digits.training_labels)
    lane.prepare(lambda: None)
    if threads < usable_cores():
        lane._contenders = lane._contenders._replace(numbers=(threads,))
    else:
        print("cpu-fast says:", *lane.notes, sep="\n  ")
    return lambda rows, rate: lane.train_epoch(rows, rate, lambda: None)


def numpy_on(threads: int, network: Network, weights: Any, digits: Any) -> Epoch:
    lane = CpuReference(network, weights, digits.training_pixels, digits.training_labels)
    blas = BlasThreads()

    def epoch(rows: Any, rate: float) -> tuple[float, float]:
        with blas.limited(threads):
            return lane.train_epoch(rows, rate, lambda: None)

    return epoch


def torch_on(threads: int, network: Network, weights: Any, digits: Any) -> Epoch:
    """Return PyTorch's eager SGD with Nesterov's momentum; weight decay on the weights only."""
    import torch

    inputs, hidden, classes = network.layers
    model = torch.nn.Sequential(torch.nn.Linear(inputs, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes))
    linear = [model[0], model[2]]
    with torch.no_grad():
        for layer, first in zip(linear, weights, strict=True):
            layer.weight.copy_(torch.from_numpy(first.weights.T.copy()))
            layer.bias.copy_(torch.from_numpy(first.biases))
    groups = [
        {"params": [layer.weight for layer in linear], "weight_decay": network.l2},
        {"params": [layer.bias for layer in linear], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=network.learn_rate, momentum=network.momentum, nesterov=True)
    x = torch.from_numpy(digits.training_pixels).float() / 255  # once, as people do
    t = torch.from_numpy(digits.training_labels.astype(np.int64))

    def epoch(rows: Any, rate: float) -> tuple[float, float]:
        torch.set_num_threads(threads)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss_sum, mistakes = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for minibatch in torch.from_numpy(rows.astype(np.int64)):
            optimizer.zero_grad(set_to_none=True)
            z = model(x[minibatch])
            targets = t[minibatch]
            loss = torch.nn.functional.cross_entropy(z, targets)
            loss.backward()
            optimizer.step()
            loss_sum += loss.detach() * len(minibatch)
            mistakes += (z.detach().argmax(1) != targets).sum()
        return float(loss_sum) / rows.size, int(mistakes) / rows.size

    return epoch


def sgemm_peak(threads: int) -> float:
    """Return the GFLOP/s of the fastest of five products of 2048 x 2048, float32, in NumPy's BLAS."""
    n = 2048
    a = np.ones((n, n), np.float32)
    out = np.empty_like(a)
    times = []
    with BlasThreads().limited(threads):
        for _ in range(5):
            started = time.perf_counter()
            np.matmul(a, a, out=out)
            times.append(time.perf_counter() - started)
    return 2 * n**3 / min(times) / 1e9


def compare(threads: int, epochs: int, network: Network, digits: Any) -> None:
    weights = first_weights(network, 0)
    makers: dict[str, Any] = {"cpu-fast": fast_on, "NumPy reference": numpy_on}
    try:
        import torch

        makers[f"PyTorch {torch.__version__.partition('+')[0]}"] = torch_on
    except ImportError as error:
        print(f"without PyTorch: {error}")
    lanes = {name: maker(threads, network, weights, digits) for name, maker in makers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in lanes}
    results: dict[str, tuple[float, float]] = {}
    peak = 0.0
    for epoch, rows in zip(range(1, epochs + 2), minibatches(network, len(digits.training_labels), 0), strict=False):
        for name, train in lanes.items():
            started = time.perf_counter()
            results[name] = train(rows, network.rate(min(epoch, 10)))
            if epoch > 1:
                seconds[name].append(time.perf_counter() - started)
        peak = max(peak, sgemm_peak(threads))
    print(f"\n{threads} thread{'s' if threads > 1 else ''}: sgemm peak {peak:.0f} GFLOP/s, {epochs} interleaved epochs")
    print(
        f"{'':20} {'least s':>8} {'median s':>9} {'GFLOP/s':>8} {'of peak':>8} {'cpu-fast / it':>26}   last loss, err"
    )
    least, middle = min(seconds["cpu-fast"]), statistics.median(seconds["cpu-fast"])
    for name, times in seconds.items():
        rate = GFLOP / min(times)
        ratios = f"{least / min(times):.2f} least, {middle / statistics.median(times):.2f} median"
        loss, err = results[name]
        print(
            f"{name:20} {min(times):8.3f} {statistics.median(times):9.3f} {rate:8.0f} {rate / peak:8.0%} "
            f"{ratios:>26}   {loss:.4f}, {err:.4f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, nargs="*", help="default: 1 and all that this process may use")
    options = parser.parse_args()
    network, digits = Network(), procedural()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}, {BlasThreads().description}")
    print(
        f"{CpuFast(network, [], digits.training_pixels, digits.training_labels).device_name}, "
        f"{usable_cores()} usable cores{load}; {GFLOP:.2f} Gflop an epoch if no pixel is skipped\n"
    )
    for threads in options.threads or sorted({1, usable_cores()}):
        compare(threads, options.epochs, network, digits)
        print()


if __name__ == "__main__":
    main()
