"""An epoch of the reference network by this project's one-kernel lane and by frameworks, interleaved in one run.

Run: `python tests/benchmarks/trainers.py [ROUNDS]` on a machine with a GPU. The same digits, first weights,
minibatches, Nesterov momentum and minibatch of 64, float32 with TF32 off; pixels stay on the device as bytes. An epoch
is timed on the host from its row numbers in host memory to its loss in host memory. Rounds are interleaved, so that a
slow moment hits all alike; the first two rounds warm up. A framework that is absent, or fails, is said and left out.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from cudadoctor.dbn.digits import procedural
from cudadoctor.dbn.network import Network, first_weights, minibatches

ROUNDS = 12
WARM_UP = 2
SAMPLES = 46_900
TARGET = 5.0
LEARNED_ALIKE = 0.02
"""Losses of the first epoch differ by up to 0.014 with the order of sums alone; a wrong step differs by far more."""

Train = Callable[[Any, float], tuple[float, float]]


def ours(network: Network, layers: Any, pixels: Any, labels: Any) -> Train:
    from cudadoctor.dbn.persistent.lane import GpuPersistent

    lane = GpuPersistent(network, layers, pixels, labels)
    lane.prepare(lambda: None)
    return lambda rows, rate: lane.train_epoch(rows, rate, lambda: None)


def torch_graph(network: Network, layers: Any, pixels: Any, labels: Any) -> Train:
    """Return an epoch of torch.compile'd steps captured in one CUDA graph."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    m, mu, l2 = network.batch_size, network.momentum, network.l2
    steps = network.minibatches_per_epoch(len(pixels))

    def put(values: Any) -> Any:
        return torch.from_numpy(np.ascontiguousarray(values)).cuda()

    data, targets = put(pixels), put(labels.astype(np.int64))
    (a1, c1), (a2, c2) = [(put(w), put(b)) for w, b in layers]
    speeds = [torch.zeros_like(p) for p in (a1, c1, a2, c2)]
    rows = torch.zeros((steps, m), dtype=torch.int64, device="cuda")
    totals = torch.zeros((steps, 2), device="cuda")
    rate = torch.zeros((), device="cuda")

    def step(rows: Any, total: Any) -> None:
        x, t = data[rows].float() / 255, targets[rows]
        h = torch.relu(x @ a1 + c1)
        z = h @ a2 + c2
        log_p = torch.log_softmax(z, 1)
        hit = torch.nn.functional.one_hot(t, network.classes).float()
        total[0] = -(log_p * hit).sum()
        total[1] = (z.argmax(1) != t).sum()
        d2 = hit - log_p.exp()
        d1 = (d2 @ a2.T) * (h > 0)
        gradients = x.T @ d1 / m - l2 * a1, d1.sum(0) / m, h.T @ d2 / m - l2 * a2, d2.sum(0) / m
        for a, v, gradient in zip((a1, c1, a2, c2), speeds, gradients, strict=True):
            g = rate * gradient
            v.copy_(mu * v + g)
            a.add_(mu * v + g)

    compiled = torch.compile(step, fullgraph=True)
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):  # at learning rate 0 and velocities of 0 nothing changes
            compiled(rows[0], totals[0])
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(steps):
            compiled(rows[i], totals[i])

    def train(epoch_rows: Any, learn_rate: float) -> tuple[float, float]:
        rows.copy_(torch.from_numpy(epoch_rows.astype(np.int64)))
        rate.fill_(learn_rate)
        graph.replay()
        loss, mistakes = totals.cpu().numpy().sum(axis=0, dtype=np.float64) / epoch_rows.size
        return float(loss), float(mistakes)

    return train


def jax_scan(network: Network, layers: Any, pixels: Any, labels: Any) -> Train:
    """Return an epoch as one jitted `lax.scan`."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax
    import jax.numpy as jnp

    if jax.default_backend() != "gpu":
        raise RuntimeError(f"JAX computes on {jax.default_backend()} here")
    jax.config.update("jax_default_matmul_precision", "highest")
    m, mu, l2 = network.batch_size, network.momentum, network.l2
    data, targets = jnp.asarray(pixels), jnp.asarray(labels.astype(np.int32))
    ahead = [jnp.asarray(part) for layer in layers for part in layer]
    state = (ahead, [jnp.zeros_like(part) for part in ahead])

    def epoch(state: Any, rows: Any, rate: Any) -> Any:
        def step(state: Any, rows: Any) -> Any:
            (a1, c1, a2, c2), speeds = state
            x, t = data[rows].astype(jnp.float32) / 255, targets[rows]
            h = jax.nn.relu(x @ a1 + c1)
            z = h @ a2 + c2
            log_p = jax.nn.log_softmax(z)
            hit = jax.nn.one_hot(t, network.classes)
            d2 = hit - jnp.exp(log_p)
            d1 = (d2 @ a2.T) * (h > 0)
            gradients = x.T @ d1 / m - l2 * a1, d1.sum(0) / m, h.T @ d2 / m - l2 * a2, d2.sum(0) / m
            changes = [rate * g for g in gradients]
            speeds = [mu * v + g for v, g in zip(speeds, changes, strict=True)]
            ahead = [a + mu * v + g for a, v, g in zip((a1, c1, a2, c2), speeds, changes, strict=True)]
            return (ahead, speeds), jnp.stack([-(log_p * hit).sum(), (z.argmax(1) != t).sum().astype(jnp.float32)])

        return jax.lax.scan(step, state, rows)

    compiled = jax.jit(epoch, donate_argnums=0)

    def train(rows: Any, learn_rate: float) -> tuple[float, float]:
        nonlocal state
        state, totals = compiled(state, rows, np.float32(learn_rate))
        loss, mistakes = np.asarray(totals).sum(axis=0, dtype=np.float64) / rows.size
        return float(loss), float(mistakes)

    return train


TRAINERS = {
    "gpu-persistent": ours,
    "torch.compile in an epoch's CUDA graph": torch_graph,
    "JAX lax.scan over the epoch": jax_scan,
}


def made_or_said(name: str, network: Network, layers: Any, digits: Any) -> Train | None:
    """Return a trainer, or say why there is none."""
    try:
        return TRAINERS[name](network, layers, digits.training_pixels, digits.training_labels)
    except ImportError as error:
        print(f"{name}: not here ({' '.join(str(error).split())})")
    except Exception as error:  # noqa: BLE001 - one framework's trouble is not the others'
        print(f"{name}: failed ({type(error).__name__}: {' '.join(str(error).split())})")
    return None


def installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} absent"


def device() -> str:
    import pynvml

    pynvml.nvmlInit()
    name = pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(0))
    return f"{name}, driver {pynvml.nvmlSystemGetDriverVersion()}"


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    network = Network()
    digits = procedural(SAMPLES, 1)
    layers = first_weights(network, 0)
    made = {name: made_or_said(name, network, layers, digits) for name in TRAINERS}
    trainers = {name: train for name, train in made.items() if train is not None}
    mine = "gpu-persistent"
    if mine not in trainers or len(trainers) == 1:
        sys.exit("nothing to compare")
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    stream = minibatches(network, SAMPLES, 0)
    for number in range(1, rounds + WARM_UP + 1):
        rows = next(stream)
        for name, train in trainers.items():
            started = time.perf_counter()
            loss, _ = train(rows, network.rate(number))
            elapsed = time.perf_counter() - started
            first.setdefault(name, loss)
            last[name] = loss
            if number > WARM_UP:
                seconds[name].append(elapsed)

    print(device())
    print(", ".join(map(installed, ("numba-cuda", "torch", "jax", "numpy"))), f"Python {sys.version.split()[0]}")
    steps = network.minibatches_per_epoch(SAMPLES)
    print(f"{'-'.join(map(str, network.layers))}, minibatch {network.batch_size}, {steps} minibatches an epoch")
    print(f"medians of {rounds} interleaved epochs after {WARM_UP}, from row numbers in host memory to the loss there")
    middles = {name: statistics.median(values) for name, values in seconds.items()}
    for name, middle in middles.items():
        low, high = min(seconds[name]), max(seconds[name])
        print(
            f"{name:40} {middle * 1e3:7.3f} ms ({low * 1e3:.3f} to {high * 1e3:.3f}), {middle / steps * 1e6:6.2f} µs a "
            f"minibatch, loss {first[name]:.4f} after the first epoch, {last[name]:.4f} after the last"
        )
    others = {name: middle for name, middle in middles.items() if name != mine}
    if max(first.values()) - min(first.values()) > LEARNED_ALIKE:
        sys.exit("they did not learn the same in the first epoch, so their times mean nothing")
    fastest = min(others, key=lambda name: others[name])
    for name, middle in others.items():
        print(f"{mine} is {middle / middles[mine]:.2f} times as fast as {name}")
    ratio = others[fastest] / middles[mine]
    print(f"{ratio:.2f} times as fast as the faster of them: {'reaches' if ratio >= TARGET else 'MISSES'} {TARGET:g}")


if __name__ == "__main__":
    main()
