"""Behaves like PyTorch 2.6.0+cu124 on one GPU of compute capability 9.0, unless FAKE_TORCH says otherwise."""

import types
import warnings

import fake_behaviour as fake

fake.on_import("torch")
HOW = fake.behaviour("torch")
CPU = HOW == "cpu-build"
__version__ = "2.6.0+cpu" if CPU else "2.6.0+cu124"
version = types.SimpleNamespace(cuda=None if CPU else "12.4")
float32 = "float32"
ARCHITECTURES = ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"]


def _init():
    if CPU:
        raise AssertionError("Torch not compiled with CUDA enabled")
    if HOW == "old-driver":
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).")


def _count():
    if HOW == "no-kernel":
        warnings.warn(
            "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch "
            "installation.",
            stacklevel=1,
        )
    return {"cpu-build": 0, "old-driver": 0, "two": 2}.get(HOW, 1)


cuda = types.SimpleNamespace(
    init=_init,
    device_count=_count,
    get_arch_list=lambda: [] if CPU or HOW == "old-driver" else ARCHITECTURES,
    get_device_capability=lambda device: (12, 0) if HOW == "no-kernel" else (9, 0),
)
_C = types.SimpleNamespace(_cuda_getArchFlags=lambda: "" if CPU else " ".join(ARCHITECTURES))
backends = types.SimpleNamespace(cudnn=types.SimpleNamespace(version=lambda: 90100))


def tensor(rows, *, dtype, device):
    assert (dtype, device) == (float32, "cuda:0")
    return fake.Array(rows, "torch")
