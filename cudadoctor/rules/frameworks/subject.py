"""A framework as the rules see it: its files, and what it said itself where it was asked."""

from __future__ import annotations

import re

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing, known
from cudadoctor.facts.driver import Driver
from cudadoctor.facts.frameworks import Framework, Frameworks
from cudadoctor.facts.host import Host
from cudadoctor.facts.nvml import Nvml
from cudadoctor.facts.packages import Build, Packages
from cudadoctor.findings import Confidence, Evidence
from cudadoctor.rules.reading import said, seen, system_of, text_of, version_of
from cudadoctor.tables.reader import TABLE_DATE
from cudadoctor.tables.support import architectures_of
from cudadoctor.tables.wheels import runs_on, torch_wheel

TITLES = {
    "torch": "PyTorch",
    "jax": "JAX",
    "tensorflow": "TensorFlow",
    "cupy": "CuPy",
    "paddle": "PaddlePaddle",
    "mxnet": "MXNet",
    "onnxruntime": "ONNX Runtime",
}

_NO_IMAGE = re.compile(r"no kernel image|NoKernelImageForDevice|NO_BINARY_FOR_GPU|invalid device function")
_OLD_DRIVER = re.compile(r"driver .{0,40}too old|InsufficientDriver|driver version is insufficient", re.IGNORECASE)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One framework: `build` is what its files tell, `asked` what it said; at least one of the two is there."""

    name: str
    build: Build | None
    asked: Framework | None

    @property
    def title(self) -> str:
        """Name and version for a sentence: `PyTorch 2.6.0+cu124`."""
        told = known(self.asked.version) if self.asked is not None else None
        version = told or (self.build.version if self.build is not None else "")
        return f"{TITLES.get(self.name, self.name)} {version}".strip()

    @property
    def cuda(self) -> Fact[str]:
        """The CUDA version of the build, "" for one without CUDA; its own word counts more than its files."""
        if self.asked is not None and isinstance(self.asked.built_with_cuda, Known):
            return self.asked.built_with_cuda
        return self.build.cuda_version if self.build is not None else Missing("it did not tell")

    @property
    def works(self) -> bool:
        """Whether it was asked and used the GPU."""
        return self.asked is not None and self.asked.works

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What it is, and how the asking ended."""
        first: tuple[Evidence, ...] = ()
        if self.build is not None:
            source = "conda-meta" if self.build.build_string else "*.dist-info"
            text = f"{self.build.version} {self.build.build_string}".strip()
            first = (Evidence(self.build.package, text, source),)
        elif self.asked is not None:
            first = seen(self.name, self.asked.version)
        if isinstance(self.cuda, Known):
            first += (Evidence(f"CUDA version of {self.name}", self.cuda.value or "none", self.cuda.source),)
        failure = self.asked.failure if self.asked is not None else None
        return first + ((said(failure),) if failure is not None else ())

    @property
    def said_no_image(self) -> bool:
        """Whether it failed because no code in it runs on the GPU."""
        return self._failed_with(_NO_IMAGE)

    @property
    def said_old_driver(self) -> bool:
        """Whether it failed because the driver is too old for it."""
        return self._failed_with(_OLD_DRIVER)

    def _failed_with(self, pattern: re.Pattern[str]) -> bool:
        failure = self.asked.failure if self.asked is not None else None
        return failure is not None and pattern.search(f"{failure.detail} {failure.code_name or ''}") is not None


def sees_none(subject: Subject) -> bool:
    """Say whether a framework was asked, could be imported, and saw no GPU."""
    step = subject.asked.step("device-count") if subject.asked is not None else None
    return step is not None and step.state == "failed"


def subjects(packages: Packages | Missing, frameworks: Frameworks | Missing) -> tuple[Subject, ...]:
    """Return the frameworks that are installed or were asked; builds for another kind of device are left out."""
    builds: tuple[Build, ...] = ()
    if isinstance(packages, Packages):
        builds = _by_name(packages) if isinstance(packages.builds, Missing) else packages.builds
    asked = frameworks.asked if isinstance(frameworks, Frameworks) else ()
    by_build = {build.framework: build for build in builds}
    by_word = {framework.name: framework for framework in asked}
    return tuple(
        Subject(name=name, build=by_build.get(name), asked=by_word.get(name))
        for name in dict.fromkeys([*by_build, *by_word])
        if name not in by_build or not by_build[name].other_platform
    )


def _by_name(packages: Packages) -> tuple[Build, ...]:
    """Return the builds as names and versions tell them, for facts saved before builds were gathered."""
    found: dict[str, Build] = {}
    plugins = [match[1] for p in packages.installed if (match := re.fullmatch(r"jax-cuda(\d\d)-plugin", p.name))]
    for package in packages.installed:
        told: tuple[str, Fact[str]] | None = None
        source = f"version of {package.name}"
        tag = re.search(r"\+(?:cu(\d{1,2})(\d)|(cpu))$", package.version)
        if package.name == "torch" and tag:
            told = "torch", Known("" if tag[3] else f"{tag[1]}.{tag[2]}", source)
        elif package.name == "jaxlib" and "+cuda" not in package.version:
            told = "jax", Known(max(plugins, default=""), "names of the plugins of JAX")
        elif match := re.fullmatch(r"cupy-cuda(\d\d)x", package.name):
            told = "cupy", Known(match[1], f"the name {package.name}")
        if told is not None:
            found[told[0]] = Build(
                framework=told[0], package=package.name, version=package.version, cuda_version=told[1]
            )
    return tuple(found.values())


def processor_of(host: Host | Missing) -> str:
    """Return the processor as wheels name it: `x86_64` or `aarch64`."""
    text = text_of(host.architecture).lower() if isinstance(host, Host) else ""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(text, text)


def lacks_code(subject: Subject, capability: tuple[int, int], host: Host | Missing) -> Evidence | None:
    """Return what shows that a framework holds no code for a compute capability; None where it does, or nobody knows.

    Best is its own list of architectures, then that in its files, then the table of wheels, and last what the CUDA
    version of the build can compile for at all.
    """
    if subject.works and subject.asked is not None and known(subject.asked.device_capability) == _dotted(capability):
        return None
    targets, source = _targets(subject, host)
    if targets:
        name = f"architectures in {TITLES.get(subject.name, subject.name)}"
        return None if runs_on(targets, capability) else Evidence(name, ", ".join(targets), source)
    cuda = known(subject.cuda) or ""
    # Where only the major release is known (`13`), its first minor release compiles for the oldest cards.
    listed = architectures_of(cuda if "." in cuda else f"{cuda}.0") if cuda else None
    lowest = version_of(listed.capabilities[0]) if listed is not None else None
    if listed is None or lowest is None or capability >= lowest:
        return None
    value = f"{listed.capabilities[0]} and above"
    return Evidence(f"CUDA {cuda} compiles for", value, f"table of {TABLE_DATE} ({listed.source})")


def sureness(subject: Subject, evidence: Evidence) -> Confidence:
    """Return how sure it is that a framework lacks code: proven where it failed for that, less by a table."""
    if subject.said_no_image:
        return "proven"
    return "possible" if evidence.source.endswith("(likely)") else "supported"


def _targets(subject: Subject, host: Host | Missing) -> tuple[tuple[str, ...], str]:
    for holder in (subject.asked, subject.build):
        if holder is not None and isinstance(holder.architectures, Known):
            return holder.architectures.value, holder.architectures.source
    build, cuda = subject.build, known(subject.cuda)
    # The table is about wheels; conda's builds have other lists.
    if subject.name == "torch" and build is not None and not build.build_string and cuda:
        wheel = torch_wheel(build.version, cuda, processor_of(host))
        if wheel is not None:
            unsure = "" if wheel.certainty == "certain" else f" ({wheel.certainty})"
            return wheel.targets, f"table of {TABLE_DATE}: {wheel.source}{unsure}"
    return (), ""


def needs_newer_driver(cuda: str | None, driver_cuda: tuple[int, ...] | None) -> bool:
    """Say whether a build needs a newer driver; within 11.x and later majors none does, before that each minor did."""
    wanted = version_of(cuda)
    if wanted is None or driver_cuda is None:
        return False
    if wanted[0] != driver_cuda[0]:
        return wanted[0] > driver_cuda[0]
    return wanted[0] < 11 and wanted[:2] > driver_cuda[:2]


def driver_cuda(driver: Driver | Missing, nvml: Nvml | Missing) -> Fact[str]:
    """Return the driver's CUDA version as libcuda tells it, or NVML."""
    if isinstance(driver, Driver) and isinstance(driver.cuda_version, Known):
        return driver.cuda_version
    return nvml.cuda_version if isinstance(nvml, Nvml) else Missing("neither libcuda nor NVML told it")


def on_windows(host: Host | Missing) -> bool:
    """Say whether this is Windows itself."""
    return system_of(host) == "Windows"


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
