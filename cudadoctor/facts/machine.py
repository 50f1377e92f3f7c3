"""All facts of one machine."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.base import Missing
from cudadoctor.facts.compilers import Compilers
from cudadoctor.facts.containers import Containers
from cudadoctor.facts.cuda_libraries import CudaLibraries
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.facts.devices import Devices
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.environment import Environment
from cudadoctor.facts.fleet import Fleet
from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.host import Host
from cudadoctor.facts.jit_cache import JitCache
from cudadoctor.facts.kernel_driver import KernelDriver
from cudadoctor.facts.kernel_log import KernelLog
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.libraries import Libraries
from cudadoctor.facts.macos import MacOS
from cudadoctor.facts.module_build import ModuleBuilds
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Packages
from cudadoctor.facts.pci import Pci
from cudadoctor.facts.power import Power
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.facts.scheduler import Scheduler
from cudadoctor.facts.services import Services
from cudadoctor.facts.toolkits import Toolkits
from cudadoctor.facts.windows import Windows

_NOT_GATHERED = Missing("it was not gathered")
_NOT_MEASURED = Missing("it was not measured")
_NOT_ASKED = Missing("only `cudadoctor devices` asks for it")
_NOT_PROFILED = Missing("only `cudadoctor profile` measures it")
_ONE_MACHINE = Missing("only `cudadoctor fleet` merges many machines")
_NO_FRAMEWORKS = Missing("not asked for; --frameworks lets each installed framework use the GPU")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One machine: each field is a section, or the reason why that section is missing."""

    host: Host | Missing = _NOT_GATHERED
    environment: Environment | Missing = _NOT_GATHERED
    pci: Pci | Missing = _NOT_GATHERED
    kernel_driver: KernelDriver | Missing = _NOT_GATHERED
    module_build: ModuleBuilds | Missing = _NOT_GATHERED
    kernel_log: KernelLog | Missing = _NOT_GATHERED
    power: Power | Missing = _NOT_GATHERED
    macos: MacOS | Missing = _NOT_GATHERED
    windows: Windows | Missing = _NOT_GATHERED
    device_nodes: DeviceNodes | Missing = _NOT_GATHERED
    libraries: Libraries | Missing = _NOT_GATHERED
    nvml: Nvml | Missing = _NOT_GATHERED
    driver: Driver | Missing = _NOT_GATHERED
    ladder: Ladder | Missing = _NOT_GATHERED
    toolkits: Toolkits | Missing = _NOT_GATHERED
    cuda_libraries: CudaLibraries | Missing = _NOT_GATHERED
    compilers: Compilers | Missing = _NOT_GATHERED
    jit_cache: JitCache | Missing = _NOT_GATHERED
    packages: Packages | Missing = _NOT_GATHERED
    frameworks: Frameworks | Missing = _NO_FRAMEWORKS
    bandwidth: Bandwidth | Missing = _NOT_MEASURED
    race: Race | Missing = _NOT_MEASURED
    profile: Profile | Missing = _NOT_PROFILED
    devices: Devices | Missing = _NOT_ASKED
    containers: Containers | Missing = _NOT_GATHERED
    scheduler: Scheduler | Missing = _NOT_GATHERED
    services: Services | Missing = _NOT_GATHERED
    fleet: Fleet | Missing = _ONE_MACHINE
