"""How each framework is asked: what it was built for, how many GPUs it sees, and a matrix product on one of them.

Importing an adapter imports nothing; making one imports its framework. What is asked are the functions that a user
would call. Whatever a framework raises is for the caller.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

Matrix = list[list[float]]


class Adapter(ABC):
    """One framework; `module` is what is imported."""

    name = ""

    def __init__(self) -> None:
        """Import the framework."""
        self.module: Any = importlib.import_module(self.name)

    def version(self) -> str:
        """Return the framework's version."""
        return str(self.module.__version__)

    @abstractmethod
    def built_with_cuda(self) -> str | None:
        """Return the CUDA version of the build, "" for a build without CUDA, None where it does not tell."""

    @abstractmethod
    def count(self) -> int:
        """Return how many GPUs it sees."""

    def why_none(self) -> str:
        """Make it say why it sees no GPU: raise its own error, or return what there is to say."""
        return "it sees no GPU and does not say why"

    @abstractmethod
    def product(self, left: Matrix, right: Matrix, device: int) -> Matrix:
        """Return left @ right + 1, computed on the GPU in float32."""

    def architectures(self) -> list[str] | None:
        """Return the compute targets of the build (`sm_90`, `compute_90`), None where it does not tell."""
        return None

    def capability(self, device: int) -> str | None:
        """Return the compute capability of a GPU as the framework knows it."""
        return None

    def runtime(self) -> int | None:
        """Return the version of the CUDA runtime that it loaded, as the runtime writes it: 12040."""
        return None

    def cudnn(self) -> int | None:
        """Return the version of cuDNN that it loaded, as cuDNN writes it: 90100."""
        return None


class _Torch(Adapter):
    """PyTorch."""

    name = "torch"

    def built_with_cuda(self) -> str | None:
        return self.module.version.cuda or ""

    def count(self) -> int:
        return int(self.module.cuda.device_count())

    def why_none(self) -> str:
        self.module.cuda.init()
        return super().why_none()

    def product(self, left: Matrix, right: Matrix, device: int) -> Matrix:
        place = f"cuda:{device}"
        a, b = (self.module.tensor(m, dtype=self.module.float32, device=place) for m in (left, right))
        result: Matrix = (a @ b + 1).cpu().tolist()
        return result

    def architectures(self) -> list[str] | None:
        # get_arch_list() is empty where no GPU is available; the flags are those of the build all the same.
        return list(self.module.cuda.get_arch_list()) or str(self.module._C._cuda_getArchFlags()).split()

    def capability(self, device: int) -> str | None:
        return ".".join(map(str, self.module.cuda.get_device_capability(device)))

    def cudnn(self) -> int | None:
        version: int | None = self.module.backends.cudnn.version()
        return version


class _Jax(Adapter):
    """JAX; its CUDA support is a plugin."""

    name = "jax"

    def _gpus(self) -> list[Any]:
        return [device for device in self.module.devices() if device.platform in ("gpu", "cuda")]

    def built_with_cuda(self) -> str | None:
        return None

    def count(self) -> int:
        return len(self._gpus())

    def why_none(self) -> str:
        self.module.devices("cuda")
        return super().why_none()

    def product(self, left: Matrix, right: Matrix, device: int) -> Matrix:
        with self.module.default_device(self._gpus()[device]):
            numpy = importlib.import_module("jax.numpy")
            a, b = (numpy.asarray(m, dtype="float32") for m in (left, right))
            result: Matrix = (a @ b + 1).tolist()
            return result

    def capability(self, device: int) -> str | None:
        return str(self._gpus()[device].compute_capability)

    def runtime(self) -> int | None:
        return int(importlib.import_module("jax._src.lib").cuda_versions.cuda_runtime_get_version())

    def cudnn(self) -> int | None:
        return int(importlib.import_module("jax._src.lib").cuda_versions.cudnn_get_version())


class _TensorFlow(Adapter):
    """TensorFlow."""

    name = "tensorflow"

    def _gpus(self) -> list[Any]:
        return list(self.module.config.list_physical_devices("GPU"))

    def built_with_cuda(self) -> str | None:
        info = self.module.sysconfig.get_build_info()
        return str(info.get("cuda_version", "")) if info.get("is_cuda_build") else ""

    def count(self) -> int:
        return len(self._gpus())

    def product(self, left: Matrix, right: Matrix, device: int) -> Matrix:
        with self.module.device(f"/GPU:{device}"):
            a, b = (self.module.constant(m, dtype="float32") for m in (left, right))
            result: Matrix = (self.module.matmul(a, b) + 1.0).numpy().tolist()
            return result

    def architectures(self) -> list[str] | None:
        listed = self.module.sysconfig.get_build_info().get("cuda_compute_capabilities")
        return None if listed is None else [str(item) for item in listed]

    def capability(self, device: int) -> str | None:
        details = self.module.config.experimental.get_device_details(self._gpus()[device])
        return ".".join(map(str, details["compute_capability"]))


class _Cupy(Adapter):
    """CuPy; it compiles most of its kernels with NVRTC when they are first called."""

    name = "cupy"

    def built_with_cuda(self) -> str | None:
        return dotted(int(self.module.cuda.runtime.runtimeGetVersion()))

    def count(self) -> int:
        return int(self.module.cuda.runtime.getDeviceCount())

    def product(self, left: Matrix, right: Matrix, device: int) -> Matrix:
        with self.module.cuda.Device(device):
            a, b = (self.module.asarray(m, dtype="float32") for m in (left, right))
            result: Matrix = (a @ b + 1).get().tolist()
            return result

    def capability(self, device: int) -> str | None:
        number = str(self.module.cuda.Device(device).compute_capability)
        return f"{number[:-1]}.{number[-1]}"

    def runtime(self) -> int | None:
        return int(self.module.cuda.get_local_runtime_version())


ADAPTERS: dict[str, Callable[[], Adapter]] = {
    "torch": _Torch,
    "jax": _Jax,
    "tensorflow": _TensorFlow,
    "cupy": _Cupy,
}
"""What `check --frameworks` can ask, by the name that is imported."""


def dotted(version: int) -> str:
    """Return `12.4` for the CUDA runtime's 12040."""
    return f"{version // 1000}.{version % 1000 // 10}"


def dotted_cudnn(version: int) -> str:
    """Return `9.1.0` for cuDNN's 90100, and `8.9.2` for 8902: the number of digits changed with release 9."""
    major = 10000 if version >= 90000 else 1000
    return f"{version // major}.{version % major // 100}.{version % 100}"
