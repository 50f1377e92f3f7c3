"""Small machines for tests of rules: a healthy one, and what is needed to break it."""

from __future__ import annotations

from typing import Any

import msgspec

from cudadoctor.facts.bandwidth import (
    Bandwidth,
    BandwidthResult,
    ExpectedLink,
    LinkUnderLoad,
    SkippedMeasurement,
)
from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.compilers import Compilers, HostCompiler
from cudadoctor.facts.containers import Containers, Engine
from cudadoctor.facts.cuda_libraries import CudaLibraries, CudaLibrary
from cudadoctor.facts.device_nodes import DeviceNode, DeviceNodes
from cudadoctor.facts.driver import Driver, DriverDevice
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.frameworks import Framework, Frameworks
from cudadoctor.facts.host import Host
from cudadoctor.facts.jit_cache import JitCache
from cudadoctor.facts.kernel_driver import KernelDriver, ModuleFile
from cudadoctor.facts.kernel_log import KernelEvent, KernelLog
from cudadoctor.facts.ladder import STEP_NAMES, Ladder, Step
from cudadoctor.facts.libraries import Libraries, LibraryFile
from cudadoctor.facts.machine import Machine
from cudadoctor.facts.module_build import Blacklist, ModuleBuild, ModuleBuilds
from cudadoctor.facts.nvml import GpuProcess, Nvml, NvmlDevice
from cudadoctor.facts.packages import Build, Clash, LegacyModule, Package, Packages
from cudadoctor.facts.pci import Hop, Pci, PciDevice
from cudadoctor.facts.power import Power
from cudadoctor.facts.race import Epoch, Lane, Race
from cudadoctor.facts.scheduler import Scheduler
from cudadoctor.facts.services import Services
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.findings import Finding
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.diagnose import diagnose

NONE: Missing = Missing("a test left it out")
KERNEL = "6.8.0-45-generic"
RELEASE = "580.159.04"
H100 = "NVIDIA H100 80GB HBM3"
LIBRARY_FOLDER = "/usr/lib/x86_64-linux-gnu"


def fact(value: Any) -> Any:
    """Return a fact of a value; `Missing` stays what it is."""
    return value if isinstance(value, (Known, Missing)) else Known(value, "test")


def ids(machine: Machine) -> list[str]:
    """Return the ids of a machine's findings, in the order of the report."""
    return [finding.id for finding in diagnose(machine)[0]]


def only(machine: Machine) -> Finding:
    """Return a machine's finding, which must be the only one."""
    findings = diagnose(machine)[0]
    assert len(findings) == 1, [finding.id for finding in findings]
    return findings[0]


def fires(rule_id: str, machine: Machine) -> bool:
    """Say whether one rule, judged alone, has a finding."""
    rule = next(rule for rule in RULES if rule.id == rule_id)
    return bool(rule.examine(machine)[0])


def machine(**sections: Any) -> Machine:
    """Return the healthy machine with other sections."""
    return msgspec.structs.replace(HEALTHY, **sections)


def host(**values: Any) -> Host:
    told = {
        "system": "Linux",
        "kernel_release": KERNEL,
        "architecture": "x86_64",
        "distribution": "Ubuntu 24.04",
        "distribution_family": "ubuntu debian",
        "cpu_name": "AMD EPYC",
        "cpu_count": 16,
        "memory_total_bytes": 2**37,
        "python_version": "3.11.9",
        "container": "",
        "wsl": False,
        "jetson_model": NONE,
    } | values
    return Host(**{name: fact(value) for name, value in told.items()})


def environment(**variables: str) -> Environment:
    return Environment(variables=variables, source="environment")


def hop(address: str, *, generation: int = 5, width: int = 16, of: int = 5, lanes: int = 16) -> Hop:
    speed = {1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0, 6: 64.0}
    return Hop(
        address=address,
        current_speed_gt_s=fact(speed[generation]),
        current_width=fact(width),
        max_speed_gt_s=fact(speed[of]),
        max_width=fact(lanes),
    )


def card(
    name: str = H100,
    *,
    device_id: str = "2330",
    capability: str | Missing = "9.0",
    bound: Any = "nvidia",
    address: str = "0000:01:00.0",
    path: tuple[Hop, ...] = (),
) -> PciDevice:
    return PciDevice(
        address=address,
        device_id=device_id,
        class_code="030200",
        name=fact(name),
        architecture=fact("Hopper"),
        compute_capability=fact(capability),
        bound_driver=fact(bound),
        power_state=fact("D0"),
        numa_node=fact(0),
        path=path,
    )


def gtx1080(**values: Any) -> PciDevice:
    return card("GeForce GTX 1080", device_id="1b80", capability="6.1", **values)


def pci(*devices: PciDevice, nvswitches: Any = 0) -> Pci:
    return Pci(devices=devices, source="/sys/bus/pci/devices", nvswitches=fact(nvswitches))


def kernel_driver(
    *, loaded: Any = True, release: Any = RELEASE, modules: tuple[str, ...] = (KERNEL,), package: Any = NONE
) -> KernelDriver:
    return KernelDriver(
        loaded=fact(loaded),
        loaded_release=fact(release),
        flavour=fact("open"),
        module_files=tuple(
            ModuleFile(kernel_release=kernel, path=f"/lib/modules/{kernel}/updates/dkms/nvidia.ko")
            for kernel in modules
        ),
        package_release=fact(package),
    )


def no_kernel_driver() -> KernelDriver:
    return kernel_driver(loaded=False, release=NONE, modules=())


def event(kind: str = "xid", text: str = "", *, address: str = "0000:01:00.0", **values: Any) -> KernelEvent:
    told = {"last_s": 120.0, "pci_address": address} | values
    return KernelEvent(kind=kind, text=text or f"NVRM: {kind}", **told)


def xid(number: int, **values: Any) -> KernelEvent:
    return event("xid", f"NVRM: Xid (PCI:0000:01:00): {number}", xid=number, **values)


def kernel_log(*events: KernelEvent) -> KernelLog:
    return KernelLog(events=events, source="/dev/kmsg")


def module_build(
    *builds: ModuleBuild, secure_boot: Any = False, signed: Any = NONE, blacklisted: tuple[str, ...] = (), **values: Any
) -> ModuleBuilds:
    told = {"headers": True, "signature_enforced": secure_boot, "lockdown": "none"} | values
    return ModuleBuilds(
        builds=builds,
        secure_boot=fact(secure_boot),
        module_signed=fact(signed),
        blacklists=tuple(Blacklist(module=name, source="/etc/modprobe.d/test.conf") for name in blacklisted),
        **{name: fact(value) for name, value in told.items()},
    )


def failed_build(kernel: str = KERNEL, *errors: str) -> ModuleBuild:
    path = f"/var/lib/dkms/nvidia/{RELEASE}/build/make.log"
    return ModuleBuild(release=RELEASE, kernel_release=kernel, state="failed", errors=errors, source=path)


def process(pid: int, used_bytes: int | None, kind: str = "") -> GpuProcess:
    return GpuProcess(pid=pid, used_bytes=used_bytes, kind=kind)


def power(mode: Any = NONE, *, chassis: str = "laptop", on_mains: Any = True, battery: Any = NONE) -> Power:
    return Power(
        on_mains=fact(on_mains),
        battery_percent=fact(battery),
        chassis=fact(chassis),
        graphics_mode=fact(mode),
        devices=(),
    )


def node(path: str, error: str | None = None, *, mode: str = "crw-rw-rw-", owner: str = "root:root") -> DeviceNode:
    return DeviceNode(path=path, mode=mode, owner=owner, error=Known(error, "open"))


def nodes(*found: DeviceNode) -> DeviceNodes:
    return DeviceNodes(nodes=found, source="/dev")


ALL_NODES = nodes(node("/dev/nvidiactl"), node("/dev/nvidia0"), node("/dev/nvidia-uvm"))


def driver_file(
    soname: str = "libcuda.so.1",
    release: Any = RELEASE,
    *,
    folder: str = LIBRARY_FOLDER,
    found_via: str = "ld.so.cache",
) -> LibraryFile:
    ending = f"{soname.removesuffix('.1')}.{release}" if isinstance(release, str) else soname
    return LibraryFile(
        soname=soname,
        path=f"{folder}/{soname}",
        real_path=f"{folder}/{ending}",
        release=fact(release),
        found_via=found_via,
    )


def libraries(*files: LibraryFile) -> Libraries:
    return Libraries(files=files)


BOTH_LIBRARIES = libraries(driver_file(), driver_file("libnvidia-ml.so.1"))


def nvml_device(index: int = 0, name: str = H100, **values: Any) -> NvmlDevice:
    told = {
        "name": name,
        "uuid": f"GPU-0000000{index}-aaaa",
        "pci_address": f"0000:{index + 1:02x}:00.0",
        "compute_capability": "9.0",
        "memory_total_bytes": 80 * 2**30,
        "memory_used_bytes": 0,
        # An idle GPU trains its link down: that is healthy.
        "link_generation": 1,
        "link_generation_max": 5,
        "link_width": 16,
        "link_width_max": 16,
        "performance_state": 8,
        "sm_clock_mhz": 345,
        "sm_clock_max_mhz": 1980,
        "memory_clock_mhz": 2619,
        "clock_event_reasons": 1,
        "temperature_c": 30,
        "power_draw_w": 70.0,
        "power_limit_w": 700.0,
        "persistence_mode": True,
        "compute_mode": 0,
        "ecc_enabled": True,
        "mig_enabled": False,
        "compute_processes": 0,
        "ecc_uncorrectable_volatile": 0,
        "ecc_uncorrectable_aggregate": 0,
        "remapped_rows_correctable": 0,
        "remapped_rows_uncorrectable": 0,
        "remap_pending": False,
        "remap_failed": False,
        "recovery_action": "none",
        "mig_instances": NONE,
        "virtualization": "none",
        "vgpu_licence": NONE,
        "fabric_state": "completed",
        "driver_model": NONE,
        "processes": (),
        "power_limit_default_w": 700.0,
        "slowdown_temperature_c": 95,
        "maximum_temperature_c": 87,
        "target_temperature_c": NONE,
    } | values
    return NvmlDevice(index=index, **{name: fact(value) for name, value in told.items()})


def nvml(*devices: NvmlDevice, release: Any = RELEASE, cuda: Any = "13.0", **values: Any) -> Nvml:
    told = {
        "mapped_path": f"{LIBRARY_FOLDER}/libnvidia-ml.so.{RELEASE}",
        "mapped_release": RELEASE,
        "driver_release": release,
        "nvml_version": "13.580.159.04",
        "cuda_version": cuda,
        "device_count": len(devices),
        "confidential_compute": False,
        "confidential_compute_ready": True,
    } | values
    return Nvml(devices=devices, **{name: fact(value) for name, value in told.items()})


def driver_device(index: int = 0, name: str = H100, capability: str | Missing = "9.0") -> DriverDevice:
    return DriverDevice(
        index=index,
        name=fact(name),
        uuid=fact(f"GPU-0000000{index}-aaaa"),
        pci_address=fact(f"0000:{index + 1:02x}:00.0"),
        compute_capability=fact(capability),
        memory_total_bytes=fact(80 * 2**30),
        multiprocessors=fact(132),
    )


def driver(
    *devices: DriverDevice,
    cuda: Any = "13.0",
    count: Any = None,
    all_visible: Any = NONE,
    path: Any = f"{LIBRARY_FOLDER}/libcuda.so.{RELEASE}",
    release: Any = RELEASE,
) -> Driver:
    return Driver(
        mapped_path=fact(path),
        mapped_release=fact(release),
        cuda_version=fact(cuda),
        device_count=fact(len(devices) if count is None else count),
        devices=devices,
        count_with_all_visible=fact(all_visible),
    )


def step(name: str, state: str = "failed", **values: Any) -> Step:
    told = {"call": name, "detail": ""} | values
    return Step(name=name, state=state, **told)  # type: ignore[arg-type]


def ladder(*changed: Step) -> Ladder:
    """Return a ladder on which all steps passed but those that are given."""
    by_name = {each.name: each for each in changed}
    return Ladder(steps=tuple(by_name.get(name) or step(name, "passed") for name in STEP_NAMES))


def stopped(*ends: Step) -> Ladder:
    """Return a ladder that ends at the last of these steps: all after it were not reached."""
    last = STEP_NAMES.index(ends[-1].name)
    rest = (step(name, "not reached", call="", detail=f"{ends[-1].name} failed") for name in STEP_NAMES[last + 1 :])
    return ladder(*ends, *rest)


def not_asked(reason: str = "under --sysroot no driver is asked") -> Ladder:
    return ladder(*(step(name, "not reached", call="", detail=reason) for name in STEP_NAMES[4:]))


def nvml_failed(code: int, name: str = "NVML_ERROR", **values: Any) -> Step:
    return step("nvml", call="nvmlInit_v2", code=code, code_name=name, **values)


def cuda_failed(code: int, name: str = "CUDA_ERROR", at: str = "cu-init", **values: Any) -> Step:
    return step(at, call="cuInit", code=code, code_name=name, **values)


# How a machine without any driver answers.
NO_DRIVER_ANSWERS = stopped(nvml_failed(12), step("libcuda", detail="libcuda.so.1: cannot open shared object file"))


def toolkit(version: str = "13.0", *, nvjitlink: Any = "/t/lib/libnvJitLink.so", **values: Any) -> Toolkits:
    told = {
        "version": version,
        "nvcc": NONE,
        "libnvvm": "/t/nvvm/lib64/libnvvm.so",
        "libdevice": "/t/nvvm/libdevice/libdevice.10.bc",
        "nvrtc": "/t/lib/libnvrtc.so",
        "nvjitlink": nvjitlink,
        "architectures": NONE,
    } | values
    found = Toolkit(root="/t", found_via="wheels", **{name: fact(value) for name, value in told.items()})
    return Toolkits(found=(found,), selected_root=fact("/t"))


NO_TOOLKIT = Toolkits(found=(), selected_root=NONE)


def copy(
    name: str, version: Any = NONE, *, folder: str = "/usr/local/cuda-12.4/lib64", found_via: str = "ld.so.cache"
) -> CudaLibrary:
    """Return a copy of a CUDA library by the name that programs ask for: `libcudnn.so.9`, `cudart64_110.dll`."""
    stem = name.partition(".")[0].partition("64_")[0]
    path = f"{folder}{chr(92) if name.endswith('.dll') else '/'}{name}"
    library = stem if stem.startswith("lib") else f"lib{stem}"
    return CudaLibrary(
        base_name=library, name=name, path=path, real_path=path, version=fact(version), found_via=found_via
    )


def cuda_libraries(*files: CudaLibrary, **values: Any) -> CudaLibraries:
    return CudaLibraries(files=files, source="search path, wheels, conda, toolkits", **values)


def compiler(version: Any = "13", kind: str = "gcc", *, path: str = "/usr/bin/gcc", via: str = "PATH") -> HostCompiler:
    return HostCompiler(kind=kind, version=fact(version), path=path, real_path=path, found_via=via)


def compilers(*found: HostCompiler, root: str = "/usr/local/cuda-12.1", unchecked: bool = False) -> Compilers:
    return Compilers(nvcc=fact(f"{root}/bin/nvcc"), nvcc_root=fact(root), found=found, check_disabled=fact(unchecked))


NO_COMPILER = Compilers(nvcc=NONE, nvcc_root=NONE, found=(), check_disabled=NONE)


def installed_toolkit(version: str = "12.1", *, via: str = "PATH", **values: Any) -> Toolkits:
    """Return one toolkit in its usual folder, with nvcc."""
    root = f"/usr/local/cuda-{version}"
    (kit,) = toolkit(version, nvcc=f"{root}/bin/nvcc", **values).found
    return Toolkits(found=(msgspec.structs.replace(kit, root=root, found_via=via),), selected_root=fact(root))


def jit_cache(path: str = "/home/ada/.nv/ComputeCache", **values: Any) -> JitCache:
    told = {"set_by": "default", "exists": True, "asked_path": path, "writable": fact(True), "owner": fact("ada")}
    return JitCache(path=path, **(told | values))


def with_packages(**versions: str) -> Packages:
    """Return packages by name, `_` for `-`; numba and numpy are there too."""
    more = tuple(Package(name=name.replace("_", "-"), version=version) for name, version in versions.items())
    return msgspec.structs.replace(packages(), installed=(*packages().installed, *more))


def packages(*clashes: Clash) -> Packages:
    installed = (Package(name="numba", version="0.68.1"), Package(name="numpy", version="2.4.6"))
    return Packages(installed=installed, clashes=clashes, source="importlib.metadata")


def build(framework: str = "torch", version: str = "2.9.1+cu130", cuda: Any = "13.0", **values: Any) -> Build:
    told = {"package": framework, "build_string": "", "other_platform": ""} | values
    facts = {name: fact(told.pop(name)) for name in ("architectures", "cudnn_version") if name in told}
    return Build(framework=framework, version=version, cuda_version=fact(cuda), **told, **facts)


def installed(*builds: Build, also: dict[str, str] | None = None, legacy: tuple[LegacyModule, ...] = ()) -> Packages:
    """Return the packages of a Python environment that has these builds, and others by name and version."""
    by_name = {each.package: each.version.partition("+")[0] for each in builds} | (also or {})
    rest = tuple(Package(name=name, version=version) for name, version in by_name.items())
    return Packages(
        installed=packages().installed + rest, clashes=(), source="*.dist-info", builds=builds, legacy_modules=legacy
    )


def asked(name: str = "torch", failed: Step | None = None, **values: Any) -> Framework:
    """Return a framework that used the GPU, or failed at a step."""
    names = ("import", "device-count", "operation")
    last = names.index(failed.name) if failed is not None else len(names)
    steps = [step(each, "passed") for each in names[:last]] + ([failed] if failed is not None else [])
    steps += [step(each, "not reached", call="") for each in names[last + 1 :]]
    told = {
        "version": "2.9.1+cu130",
        "built_with_cuda": "13.0",
        "device_count": 1,
        "device_capability": "9.0",
        "architectures": NONE,
        "cuda_runtime_version": "13.0",
        "cudnn_version": "9.13.0",
    } | values
    said = told.pop("said", ())
    facts = {name: fact(value) for name, value in told.items()}
    return Framework(name=name, steps=tuple(steps), libraries=(), said=said, **facts)  # type: ignore[arg-type]


def frameworks(*all_asked: Framework) -> Frameworks:
    return Frameworks(asked=all_asked)


CLASH = Clash(
    package="numba-cuda", package_version="0.30.4", requires="numpy<2.5", found="numpy 2.5.0", source="tried here"
)


def bandwidth(
    h2d: float = 54.95,
    d2h: float = 55.17,
    *,
    expected: Any = None,
    under_load: tuple[int, int] = (5, 16),
    possible: tuple[int, int] = (5, 16),
    size_bytes: int = 512 * 2**20,
    skipped: tuple[SkippedMeasurement, ...] = (),
) -> Bandwidth:
    results = tuple(
        BandwidthResult(
            key=key,
            device=0,
            size_bytes=size_bytes,
            gb_per_s=rate,
            samples_gb_per_s=(rate - 0.1, rate, rate + 0.1),
            verified=True,
            copies_per_sample=16,
            timer="events",
        )
        for key, rate in (("h2d_pinned", h2d), ("d2h_pinned", d2h))
    )
    values = dict(zip(("generation", "width"), under_load, strict=True))
    most = dict(zip(("generation_max", "width_max"), possible, strict=True))
    load = LinkUnderLoad(
        device=0,
        performance_state=fact(0),
        sm_clock_mhz=fact(1980),
        memory_clock_mhz=fact(2619),
        clock_event_reasons=fact(0),
        samples=12,
        **{name: fact(value) for name, value in (values | most).items()},
    )
    return Bandwidth(
        device=0,
        device_name=H100,
        device_uuid="GPU-0",
        pci_address="0000:01:00.0",
        results=results,
        skipped=skipped,
        expected=expected or link(),
        link_under_load=load,
        seconds=9.0,
    )


def link(gb_per_s: float = 63.0, *, hop: str = "0000:01:00.0", generation: int = 5, width: int = 16) -> ExpectedLink:
    return ExpectedLink(gb_per_s=gb_per_s, hop=hop, generation=generation, width=width, source="sysfs and NVML")


def lane(name: str, device: str, *epochs: tuple[float | None, float | None], **values: Any) -> Lane:
    told: dict[str, Any] = {"state": "finished", "device_name": device} | values
    rows = tuple(Epoch(epoch=n, loss=loss, err=err, seconds=0.3) for n, (loss, err) in enumerate(epochs, 1))
    return Lane(name=name, device=device, epochs=rows, **told)


def race(*lanes: Lane, layers: tuple[int, ...] = (784, 300, 10)) -> Race:
    return Race(
        data="procedural",
        layers=layers,
        batch_size=64,
        minibatches_per_epoch=732,
        epochs=1,
        seed=0,
        training_samples=46_900,
        test_samples=23_100,
        data_seconds=1.0,
        lanes=lanes,
    )


def containers(*engines: Engine, daemon: Any = "system", **values: Any) -> Containers:
    told = {"toolkit_files": (), "cdi_specs": ()} | values
    return Containers(engines=engines, daemon=fact(daemon), runtimes=fact(told.pop("runtimes", NONE)), **told)


def engine(name: str = "docker", path: str = "/usr/bin/docker", origin: str = "package") -> Engine:
    return Engine(name=name, path=path, origin=origin)


def scheduler(system: str = "", job: str = "", gpus: Any = NONE, rules: Any = NONE) -> Scheduler:
    return Scheduler(system=system, job=job, gpus=fact(gpus), device_rules=fact(rules))


def services(
    *, fabric: Any = "not installed", mps: Any = False, persistenced: Any = True, fabric_release: Any = NONE
) -> Services:
    return Services(
        persistence_daemon=fact(persistenced),
        mps_control=fact(mps),
        mps_pipe_directory="/tmp/nvidia-mps",
        fabric_manager=fact(fabric),
        fabric_manager_release=fact(fabric_release),
    )


HEALTHY = Machine(
    host=host(),
    environment=environment(),
    pci=pci(card()),
    kernel_driver=kernel_driver(),
    module_build=module_build(),
    kernel_log=kernel_log(),
    power=power(chassis="server"),
    device_nodes=ALL_NODES,
    libraries=BOTH_LIBRARIES,
    nvml=nvml(nvml_device()),
    driver=driver(driver_device()),
    ladder=ladder(),
    toolkits=toolkit(),
    cuda_libraries=cuda_libraries(),
    compilers=NO_COMPILER,
    jit_cache=jit_cache(),
    packages=packages(),
    frameworks=frameworks(),
    containers=containers(daemon=NONE),
    scheduler=scheduler(),
    services=services(),
)
"""An H100 on driver 580 with the wheels of CUDA 13, idle, where everything passed."""

DRIVERLESS = msgspec.structs.replace(
    HEALTHY,
    kernel_driver=no_kernel_driver(),
    device_nodes=nodes(),
    libraries=libraries(),
    nvml=NONE,
    driver=NONE,
    ladder=NO_DRIVER_ANSWERS,
)
"""The same machine before a driver was installed."""
