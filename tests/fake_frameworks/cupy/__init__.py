"""Behaves like CuPy on one GPU, unless FAKE_CUPY says otherwise."""

import types

import fake_behaviour as fake

fake.on_import("cupy")
HOW = fake.behaviour("cupy")
__version__ = "14.2.0"


def _count():
    if HOW == "old-driver":
        raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version")
    return 1


cuda = types.SimpleNamespace(
    Device=fake.Context,
    runtime=types.SimpleNamespace(getDeviceCount=_count, runtimeGetVersion=lambda: 13000),
    get_local_runtime_version=lambda: 13020,
)


def asarray(rows, dtype):
    assert dtype == "float32"
    return fake.Array(rows, "cupy")
