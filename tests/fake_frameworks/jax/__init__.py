"""Behaves like JAX with a CUDA plugin on one GPU, unless FAKE_JAX says otherwise."""

import sys
import types

import fake_behaviour as fake

fake.on_import("jax")
HOW = fake.behaviour("jax")
__version__ = "0.11.2"
GPU = types.SimpleNamespace(platform="gpu", compute_capability="9.0")
CPU = types.SimpleNamespace(platform="cpu")


def devices(backend=None):
    if HOW in ("cpu-build", "plugin-fails"):
        if HOW == "plugin-fails":
            sys.stderr.write(
                "Jax plugin configuration error: Exception when calling jax_plugins.xla_cuda13.initialize()\n"
            )
        if backend == "cuda":
            raise RuntimeError(
                "Unknown backend: 'cuda' requested, but no platforms that are instances of cuda are present."
            )
        return [CPU]
    return [GPU]


default_device = fake.Context
