"""Behaves like TensorFlow 2.18 on one GPU, unless FAKE_TENSORFLOW says otherwise."""

import types

import fake_behaviour as fake

fake.on_import("tensorflow")
HOW = fake.behaviour("tensorflow")
__version__ = "2.18.0"
GPUS = [] if HOW == "cpu-build" else ["GPU:0"]
INFO = {"is_cuda_build": False}
if HOW != "cpu-build":
    INFO = {"is_cuda_build": True, "cuda_version": "12.5.1", "cuda_compute_capabilities": ["sm_90", "compute_90"]}

config = types.SimpleNamespace(
    list_physical_devices=lambda kind: GPUS if kind == "GPU" else [],
    experimental=types.SimpleNamespace(get_device_details=lambda gpu: {"compute_capability": (9, 0)}),
)
sysconfig = types.SimpleNamespace(get_build_info=lambda: INFO)
device = fake.Context


def constant(rows, dtype):
    assert dtype == "float32"
    return fake.Array(rows, "tensorflow")


def matmul(left, right):
    return left @ right
