"""Compile the fake driver and write scenarios for it.

    driver = build(tmp_path)                       # None without a C compiler
    environment = driver.scenario(nvml_init=18)    # for subprocess.run(..., env=environment)

A scenario is `key = value` lines; what is not said is a healthy H100. Keys that many tests want:

    nvml_init, cu_init        return code, or "hang" or "crash"
    hang_in, crash_in         names of functions, separated by commas ("cuMemcpyHtoD_v2")
    error_in                  "function:code" pairs, separated by commas ("nvmlDeviceGetName:15,cuCtxSetCurrent:201")
    trace                     a file that gets one line "function value" for each call, in order
    driver_release            "580.159.04"; also in the names of the library files
    cuda_version              13000
    device_count              1; any key below can be said for one device alone: **{"name.1": "..."}
    name                      text or bytes, anything but a line end needs no escape here
    compute_capability_major, compute_capability_minor, memory_total_bytes, memory_used_bytes, compute_mode, ecc_mode
    link_generation (under load), link_generation_idle, link_generation_max, gpu_link_generation_max, link_width,
    link_width_max, performance_state, sm_clock_mhz, memory_clock_mhz, clock_event_reasons, temperature_c,
    power_draw_mw, power_limit_mw, persistence_mode, mig_mode, compute_processes, pcie_replays, pcie_replays_under_load
    (more), pci_domain, pci_bus, pci_device; -1 makes NVML answer "not supported" where it reads a number
    ecc_uncorrectable, ecc_uncorrectable_aggregate, remapped_rows_correctable, remapped_rows_uncorrectable,
    remap_pending, remap_failed, recovery_action, mig_instances, virtualization_mode
    vgpu_licensed (1 or 0 on a virtual GPU), confidential_compute, confidential_compute_ready
    attribute.<number>        a device attribute of cuda.h: **{"attribute.100": 1}
    cores, memory_bus_width, power_limit_default_mw, power_limit_min_mw, power_limit_max_mw, vbios, display_active
    peer_access               1 where all devices reach each other's memory; "peer_access.0" for that of device 0
    memory_allocatable_bytes, host_pinnable_bytes   allocation fails above it, whatever is said to be free
    h2d_pinned_gb_per_s, d2h_pinned_gb_per_s, h2d_pageable_gb_per_s, d2h_pageable_gb_per_s, d2d_gb_per_s;
    the same with _write_combined, _registered, _managed, _mapped (by a kernel), _bidirectional; d2d_kernel_gb_per_s
    p2p_read_gb_per_s, p2p_write_gb_per_s with peer access, p2p_staged_gb_per_s without
    copy_overhead_s, host_latency_s   what a queued copy costs besides its bytes, and a load from the host by a kernel
    corrupt_copies            h2d, d2h, d2d, p2p, or with _pinned, _pageable, _local and the kinds above, or
                              d2d_kernel: a byte of each such copy is changed
    broken_chase              so many loads are left out of a chain of pointers
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

DEFAULT_RELEASE = "580.159.04"
LIBRARIES = {
    "cuda": ("libcuda.so", "libcuda.c"),
    "nvml": ("libnvidia-ml.so", "libnvidia_ml.c"),
    "cupti": ("libcupti.so", "libcupti.c"),
}

_SOURCES = Path(__file__).parent
# What would make a test depend on the caller's own settings.
_NOT_INHERITED = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES", "LD_PRELOAD")


class FakeDriver:
    """The compiled libraries; `scenario` gives the environment in which a program meets them."""

    def __init__(self, directory: Path) -> None:
        """Use the libraries that `build` put into this directory."""
        self._directory = directory
        self._count = 0

    @property
    def cupti(self) -> Path:
        """The fake libcupti; see its source for what it understands."""
        return self._directory / LIBRARIES["cupti"][0]

    def scenario(
        self,
        *,
        libraries: tuple[str, ...] = ("cuda", "nvml"),
        libcuda_release: str | None = None,
        nvml_release: str | None = None,
        environment: dict[str, str] | None = None,
        **keys: object,
    ) -> dict[str, str]:
        """Write a scenario and return the environment of a process that meets it.

        Args:
            libraries: Which of "cuda" and "nvml" the loader finds here; a real one elsewhere stays in reach.
            libcuda_release: Release in the file name of libcuda, `driver_release` by default.
            nvml_release: The same for libnvidia-ml.
            environment: Variables to set besides.
            keys: The scenario, see the module.
        """
        self._count += 1
        folder = self._directory / f"scenario-{self._count}"
        folder.mkdir()
        release = str(keys.get("driver_release", DEFAULT_RELEASE))
        for kind, own in (("cuda", libcuda_release), ("nvml", nvml_release)):
            if kind in libraries:
                self._install(kind, own or release, folder)
        file = folder / "scenario.txt"
        file.write_text("".join(f"{key} = {_escaped(value)}\n" for key, value in keys.items()), encoding="ascii")
        result = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
        others = result.get("LD_LIBRARY_PATH")
        result["LD_LIBRARY_PATH"] = f"{folder}:{others}" if others else str(folder)
        result["FAKE_NVIDIA_SCENARIO"] = str(file)
        result.update(environment or {})
        return result

    def _install(self, kind: str, release: str, folder: Path) -> None:
        """Give the library its release, as a driver's installer does: the file's real name ends in it."""
        stem = LIBRARIES[kind][0]
        real = folder / f"{stem}.{release}"
        shutil.copyfile(self._directory / stem, real)
        (folder / f"{stem}.1").symlink_to(real.name)
        (folder / stem).symlink_to(f"{stem}.1")


def build(directory: Path) -> FakeDriver | None:
    """Compile the libraries into the directory; None where there is no C compiler, or no Linux.

    Raises:
        RuntimeError: There is a compiler and it refuses the sources.
    """
    compiler = find_compiler()
    if compiler is None or not sys.platform.startswith("linux"):
        return None
    # The zig compiler keeps a cache, by default in the home folder.
    environment = {
        **os.environ,
        "ZIG_LOCAL_CACHE_DIR": str(directory / "zig"),
        "ZIG_GLOBAL_CACHE_DIR": str(directory / "zig"),
    }
    for stem, source in LIBRARIES.values():
        command = [*compiler, "-std=gnu11", "-shared", "-fPIC", "-O1", "-fvisibility=hidden", "-pthread"]
        command += [f"-Wl,-soname,{stem}.1", "-o", str(directory / stem), str(_SOURCES / source), "-ldl"]
        made = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if made.returncode != 0:
            raise RuntimeError(f"{shlex.join(command)}\n{made.stderr}")
    return FakeDriver(directory)


def find_compiler() -> list[str] | None:
    """Return the command of the first C compiler there is: $CC, cc, gcc, clang, the ziglang package."""
    named = shlex.split(os.environ.get("CC", ""))
    if named and shutil.which(named[0]):
        return named
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    return None


def _escaped(value: object) -> str:
    data = value if isinstance(value, bytes) else str(value).encode()
    return "".join(chr(byte) if 0x20 < byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in data)
