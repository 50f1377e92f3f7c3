"""Gather what the installed frameworks were built for, from small files of theirs; none of them is imported.

A wheel says it in its version (`2.6.0+cu124`), in its name (`cupy-cuda12x`) or in a generated file; a conda package
in its build string (`pytorch-2.5.1-cuda126_generic_py311_h..._200.json`). The file is what the framework itself goes
by, so it comes first: the wheels of PyTorch on PyPI have no `+cu130` in their version.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.packages import Build, LegacyModule
from cudadoctor.probes.distributions import Distribution
from cudadoctor.probes.root import Root, shown

_FILE_BYTES = 1 << 16
_SOURCE_BYTES = 1 << 19
_TENSORFLOW = ("tensorflow", "tensorflow-gpu", "tensorflow-cpu", "tf-nightly", "tf-nightly-gpu", "tf-nightly-cpu")
_CONDA_NAMES = {"torch": "pytorch", "tensorflow": "tensorflow-base", "jax": "jaxlib", "cupy": "cupy"}
_LEGACY = {"gnumpy": ("gnumpy.py",), "cudamat": ("cudamat/cudamat.py", "cudamat.py"), "gdbn": ("gdbn/dbn.py",)}

Distributions = Mapping[str, Distribution]


def builds(root: Root, found: Distributions, prefix: str) -> tuple[Build, ...]:
    """Return the builds of the frameworks among the installed distributions.

    Args:
        root: The machine's files.
        found: Distributions by normalized name.
        prefix: Of the Python environment (`sys.prefix`); a conda environment has a folder `conda-meta` there.
    """
    conda = _conda_builds(root, prefix)
    every = (_torch, _tensorflow, _jax, _cupy, _paddle, _mxnet, _onnxruntime)
    return tuple(_with_conda(build, conda) for look in every for build in look(root, found))


def legacy_modules(root: Root, folders: Sequence[str]) -> tuple[LegacyModule, ...]:
    """Return the modules of the years of Python 2 in these folders, and whether this Python's parser takes them."""
    seen: dict[str, LegacyModule] = {}
    for folder in folders:
        for name, places in _LEGACY.items():
            for place in places:
                path = os.path.join(folder, *place.split("/"))
                if name not in seen and root.is_file(path):
                    seen[name] = LegacyModule(name=name, path=shown(path), syntax_error=_syntax_error(root, path))
    return tuple(seen.values())


def _syntax_error(root: Root, path: str) -> str:
    """Parse a file without running it."""
    text = root.read_bytes(path, _SOURCE_BYTES)
    if isinstance(text, Missing):
        return ""
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:  # IndentationError and TabError are among these
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError):
        return ""
    return ""


def _torch(root: Root, found: Distributions) -> Iterator[Build]:
    distribution = found.get("torch")
    if distribution is None:
        return
    path = os.path.join(distribution.folder, "torch", "version.py")
    text = root.read(path, _FILE_BYTES)
    version = distribution.version
    cuda: Fact[str]
    other = ""
    if isinstance(text, str) and re.search(r"^cuda\b", text, re.MULTILINE):
        cuda = Known(_assigned(text, "cuda") or "", f"cuda in {shown(path)}")
        version = _assigned(text, "__version__") or version
        other = next((name for name in ("hip", "xpu") if _assigned(text, name)), "")
    else:
        cuda = _local_tag(version, "version of torch")
        other = "hip" if "+rocm" in version else "xpu" if "+xpu" in version else ""
    yield Build(framework="torch", package="torch", version=version, cuda_version=cuda, other_platform=other)


def _tensorflow(root: Root, found: Distributions) -> Iterator[Build]:
    distribution = next((found[name] for name in _TENSORFLOW if name in found), None)
    if distribution is None:
        return
    path = os.path.join(distribution.folder, "tensorflow", "python", "platform", "build_info.py")
    text = root.read(path, _FILE_BYTES)
    cuda: Fact[str] = Missing(text.reason) if isinstance(text, Missing) else Missing(f"{shown(path)} does not tell")
    if isinstance(text, Missing) and distribution.name.endswith("-cpu"):
        cuda = Known("", f"the name {distribution.name}")
    untold = cuda if isinstance(cuda, Missing) else Missing("it is a build without CUDA")
    cudnn: Fact[str] = untold
    architectures: Fact[tuple[str, ...]] = untold
    other = ""
    if isinstance(text, str):
        source = f"build_info in {shown(path)}"
        if re.search(r"['\"]is_cuda_build['\"]\s*[,:]\s*False", text):
            cuda = Known("", source)
        elif (version := _entry(text, "cuda_version")) is not None:
            cuda = Known(version, source)
        if (version := _entry(text, "cudnn_version")) is not None:
            cudnn = Known(version, source)
        listed = re.search(r"['\"]cuda_compute_capabilities['\"]\s*[,:]\s*[\[(]([^\])]{0,2000})[\])]", text)
        if listed:
            targets = tuple(_targets(re.findall(r"['\"]([\w.]{2,20})['\"]", listed[1])))
            architectures = Known(targets, source)
        other = "hip" if re.search(r"['\"]is_rocm_build['\"]\s*[,:]\s*True", text) else ""
    yield Build(
        framework="tensorflow",
        package=distribution.name,
        version=distribution.version,
        cuda_version=cuda,
        other_platform=other,
        cudnn_version=cudnn,
        architectures=architectures,
    )


def _targets(written: Sequence[str]) -> Iterator[str]:
    """Yield the targets of TensorFlow's list: `compute_90` and `9.0` there mean machine code as well as PTX."""
    for text in written:
        number = text.replace("compute_", "").replace(".", "")
        if text.startswith("sm_") or not number[:2].isdigit():
            yield text
        else:
            yield from (f"sm_{number}", f"compute_{number}")


def _jax(root: Root, found: Distributions) -> Iterator[Build]:
    jaxlib = found.get("jaxlib")
    if jaxlib is None:
        return
    cuda: Fact[str] = Known("", "jaxlib without a CUDA plugin")
    other = ""
    # JAX uses the newest plugin that is installed; older releases had CUDA in jaxlib itself (0.4.13+cuda12.cudnn89).
    for name in sorted(found, reverse=True):
        match = re.fullmatch(r"jax-(cuda|rocm)(\d+)-plugin", name)
        if match and match[1] == "cuda":
            cuda = Known(match[2], f"the name {name}")
            break
        other = "hip" if match else other
    local = re.search(r"\+cuda(\d+)", jaxlib.version)
    if local:
        number = local[1]
        cuda = Known(number if len(number) < 3 else f"{number[:2]}.{number[2:]}", "version of jaxlib")
    yield Build(framework="jax", package="jaxlib", version=jaxlib.version, cuda_version=cuda, other_platform=other)


def _cupy(root: Root, found: Distributions) -> Iterator[Build]:
    for name in sorted((name for name in found if re.match(r"cupy(-|$)", name)), reverse=True):
        match = re.fullmatch(r"cupy-cuda(\d+)(x?)", name)
        cuda: Fact[str] = Missing(f"{name} does not tell")
        if match:
            number = match[1]
            dotted = number if match[2] else f"{number[:-1]}.{number[-1]}"
            cuda = Known(dotted, f"the name {name}")
        other = "hip" if "rocm" in name else ""
        version = found[name].version
        yield Build(framework="cupy", package=name, version=version, cuda_version=cuda, other_platform=other)
        return


def _paddle(root: Root, found: Distributions) -> Iterator[Build]:
    distribution = found.get("paddlepaddle-gpu") or found.get("paddlepaddle")
    if distribution is None:
        return
    path = os.path.join(distribution.folder, "paddle", "version", "__init__.py")
    text = root.read(path, _FILE_BYTES)
    cuda: Fact[str] = Missing(text.reason) if isinstance(text, Missing) else Missing(f"{shown(path)} does not tell")
    if isinstance(text, str) and (version := _assigned(text, "cuda_version")) is not None:
        cuda = Known("" if version == "False" else version, f"cuda_version in {shown(path)}")
    elif distribution.name == "paddlepaddle":
        cuda = Known("", "the name paddlepaddle")
    yield Build(framework="paddle", package=distribution.name, version=distribution.version, cuda_version=cuda)


def _mxnet(root: Root, found: Distributions) -> Iterator[Build]:
    for name in sorted((name for name in found if re.match(r"mxnet(-|$)", name)), reverse=True):
        match = re.fullmatch(r"mxnet-cu(\d+)(mkl)?", name)
        cuda = Known(f"{match[1][:-1]}.{match[1][-1]}" if match else "", f"the name {name}")
        yield Build(framework="mxnet", package=name, version=found[name].version, cuda_version=cuda)
        return


def _onnxruntime(root: Root, found: Distributions) -> Iterator[Build]:
    distribution = found.get("onnxruntime-gpu") or found.get("onnxruntime")
    if distribution is None:
        return
    path = os.path.join(distribution.folder, "onnxruntime", "capi", "build_and_package_info.py")
    text = root.read(path, _FILE_BYTES)
    cuda: Fact[str] = Missing(text.reason) if isinstance(text, Missing) else Missing(f"{shown(path)} does not tell")
    if isinstance(text, str) and (version := _assigned(text, "cuda_version")) is not None:
        cuda = Known(version, f"cuda_version in {shown(path)}")
    elif distribution.name == "onnxruntime":
        cuda = Known("", "the name onnxruntime")
    yield Build(framework="onnxruntime", package=distribution.name, version=distribution.version, cuda_version=cuda)


def _assigned(text: str, name: str) -> str | None:
    """Return the string that a generated module assigns to a name at its left margin; None if it is not a string."""
    match = re.search(rf"^{name}\s{{0,40}}(?::[^=\n]{{0,80}})?=\s*['\"]([^'\"\n]{{1,80}})['\"]", text, re.MULTILINE)
    return match[1] if match else None


def _entry(text: str, key: str) -> str | None:
    match = re.search(rf"['\"]{key}['\"]\s*[,:]\s*['\"]([^'\"\n]{{1,40}})['\"]", text)
    return match[1] if match else None


def _local_tag(version: str, source: str) -> Fact[str]:
    """Return the CUDA version of a local version (`+cu124`, `+cpu`)."""
    match = re.search(r"\+cu(\d{2,3})$", version)
    if match:
        return Known(f"{match[1][:-1]}.{match[1][-1]}", source)
    if version.endswith("+cpu") or "+rocm" in version or "+xpu" in version:
        return Known("", source)
    return Missing(f"the version {version} does not tell")


def _conda_builds(root: Root, prefix: str) -> dict[str, tuple[str, str]]:
    """Return (file name, build string) of each conda package by its name."""
    names = root.listdir(os.path.join(prefix, "conda-meta"))
    found: dict[str, tuple[str, str]] = {}
    for name in () if isinstance(names, Missing) else names:
        parts = name.removesuffix(".json").rsplit("-", 2)
        if name.endswith(".json") and len(parts) == 3:
            found[parts[0]] = (name, parts[2])
    return found


def _with_conda(build: Build, conda: Mapping[str, tuple[str, str]]) -> Build:
    """Return the build with what conda's build string says of it, where its own files say nothing."""
    listed = conda.get(_CONDA_NAMES.get(build.framework, ""))
    if listed is None:
        return build
    name, text = listed
    build = msgspec.structs.replace(build, build_string=text)
    # With conda, CUDA is part of jaxlib, and no plugin need be there.
    silent = isinstance(build.cuda_version, Missing) or (build.framework == "jax" and build.cuda_version.value == "")
    cuda = cuda_of_build_string(text)
    if not silent or cuda is None:
        return build
    return msgspec.structs.replace(build, cuda_version=Known(cuda, f"conda-meta/{name}"))


def cuda_of_build_string(text: str) -> str | None:
    """Return the CUDA version in a conda build string, "" for one without CUDA, None where it does not tell."""
    match = re.search(r"cuda_?(\d{1,2})\.(\d)", text) or re.search(r"cuda_?(\d{2})(\d)(?!\d)", text)
    if match:
        return f"{match[1]}.{match[2]}"
    match = re.search(r"cuda_?(\d{2})(?!\d)", text)
    if match:
        return match[1]
    return "" if re.search(r"(?:^|_)(?:cpu|mkl|eigen)(?:_|$|py)", text) else None
