"""Gather the host compilers, the one that nvcc takes first; only where there is an nvcc that would take one.

Versions come from names and folders (gcc-13, lib/gcc/x86_64-linux-gnu/13, llvm-18). Only for the first compiler, where
no file tells it, the compiler itself is started, with a limit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

import msgspec

from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.facts.compilers import Compilers, HostCompiler
from cudadoctor.facts.toolkits import Toolkit, Toolkits
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, shown
from cudadoctor.probes.toolkit_folders import started_by
from cudadoctor.tables.reader import numbers

_PROGRAM_LIMIT_S = 2.0
# Plain texts: most machines have no nvcc, and then none of them is ever compiled.
_CCBIN = r"(?:^|\s)(?:-ccbin|--compiler-bindir)(?:=|\s+)[\"']?([^\s\"']+)"
_UNCHECKED = r"(?:^|\s)--?allow-unsupported-compiler\b"
_FLAGS = ("NVCC_APPEND_FLAGS", "NVCC_PREPEND_FLAGS")  # of two, nvcc takes the last
_KIND = r"(clang)|(?:^|-)(?:gcc|g\+\+|cc|c\+\+)(?:-|$|\.exe)"
_GCC_NAME = r"(?:gcc|g\+\+|cc|c\+\+)-(\d{1,3}(?:\.\d+)*)$"
_CLANG_NAME = r"clang(?:\+\+)?-(\d{1,3}(?:\.\d+)*)$"
_OTHERS = r"(?:g\+\+|clang)-\d{1,3}"
_MSVC = r"[\\/]MSVC[\\/]14\.(\d\d)[\d.]*[\\/]"
_WRAPPERS = ("ccache", "distcc", "sccache", "icecc")


@never_raises
def gather(root: Root, toolkits: Toolkits | Missing, environ: Mapping[str, str] | None = None) -> Compilers | Missing:
    """Gather the compilers section.

    Args:
        root: The machine's files.
        toolkits: The toolkits that were found.
        environ: The variables to go by, this process's own by default, and none for another machine's files.
    """
    if isinstance(toolkits, Missing):
        return toolkits
    variables = root.variables(environ)
    toolkit = next((kit for kit in toolkits.found if _builds(kit)), None)
    if toolkit is None or isinstance(toolkit.nvcc, Missing):
        none = Missing("there is no nvcc")
        return Compilers(nvcc=none, nvcc_root=none, found=(), check_disabled=none)
    look = _Look(root, variables)
    found: dict[str, HostCompiler] = {}
    for path, via in look.candidates(toolkit.nvcc.value):
        compiler = look.describe(path, via)
        if compiler is not None:
            found.setdefault(compiler.real_path, compiler)
    compilers = list(found.values())
    if compilers and isinstance(compilers[0].version, Missing) and root.is_live and root.system == "Linux":
        compilers[0] = msgspec.structs.replace(compilers[0], version=_ask(compilers[0].path))
    flags = " ".join(variables.get(name, "") for name in _FLAGS)
    disabled: Fact[bool] = Known(re.search(_UNCHECKED, flags) is not None, " and ".join(_FLAGS))
    if not root.is_live and environ is None:
        disabled = Missing("--sysroot: the variables of this process are not those of that machine")
    return Compilers(
        nvcc=toolkit.nvcc,
        nvcc_root=Known(toolkit.root, toolkit.found_via),
        found=tuple(compilers),
        check_disabled=disabled,
    )


def _builds(toolkit: Toolkit) -> bool:
    """Say whether programs are built with this toolkit: one with nvcc that is no wheel."""
    return isinstance(toolkit.nvcc, Known) and toolkit.found_via != "CUDA wheels"


class _Look:
    """Where compilers are, on one machine."""

    def __init__(self, root: Root, variables: Mapping[str, str]) -> None:
        self.root, self.variables = root, variables
        folders = variables.get("PATH", "").split(os.pathsep)[:512]
        self.path = [folder for folder in folders if os.path.isabs(folder)]
        if not self.path and not root.is_live:
            self.path = ["/usr/local/bin", "/usr/bin"]
        self.default = "cl.exe" if root.system == "Windows" else "gcc"

    def candidates(self, nvcc: str) -> Iterator[tuple[str, str]]:
        """Yield (path, how it was found), in the order in which nvcc would take them; then what else is there."""
        for variable in _FLAGS:
            for match in reversed(re.findall(_CCBIN, self.variables.get(variable, ""))):
                yield from self._named(match, variable)
        yield from self._named(self.variables.get("NVCC_CCBIN", ""), "NVCC_CCBIN")
        nvcc_folder = os.path.dirname(started_by(self.root, nvcc))
        yield from self._named(self._of_profile(nvcc_folder), "nvcc.profile")
        # Debian lays links to a compiler that fits beside its nvcc.
        if nvcc_folder not in self.path:
            yield os.path.join(nvcc_folder, self.default), "folder of nvcc"
        yield from self._on_path(self.default, "PATH")
        for variable in ("CUDAHOSTCXX", "CXX", "CC"):
            yield from self._named(self.variables.get(variable, ""), variable)
        if self.root.system == "Windows":
            yield from self._visual_studio()
            return
        for folder in ("/usr/bin", "/usr/local/bin"):
            names = self.root.listdir(folder)
            others = [name for name in names if re.fullmatch(_OTHERS, name)] if isinstance(names, list) else []
            for name in sorted(others, reverse=True):
                yield os.path.join(folder, name), folder

    def describe(self, path: str, found_via: str) -> HostCompiler | None:
        """Return the compiler at a path; None where there is none, or only a wrapper of one."""
        if not self.root.is_file(path):
            return None
        real_path = self.root.resolve(path)
        name = os.path.basename(real_path)
        if name in _WRAPPERS:
            return None
        if name.lower() == "cl.exe":
            kind, version = "msvc", self._msvc(real_path)
        else:
            match = re.search(_KIND, name) or re.search(_KIND, os.path.basename(path))
            if match is None:
                return None
            kind = "clang" if match[1] else "gcc"
            version = self._clang(real_path) if kind == "clang" else self._gcc(real_path)
        return HostCompiler(
            kind=kind, version=version, path=shown(path), real_path=shown(real_path), found_via=found_via
        )

    def _named(self, value: str, found_via: str) -> Iterator[tuple[str, str]]:
        """Yield what a variable names: a path, a folder with the usual compiler, or a name to look for on PATH."""
        name = value.split()[0] if value.split() else ""
        if not name:
            return
        if os.path.isabs(name):
            yield (os.path.join(name, self.default) if self.root.is_dir(name) else name), found_via
        else:
            yield from self._on_path(name, found_via)

    def _on_path(self, name: str, found_via: str) -> Iterator[tuple[str, str]]:
        for folder in self.path:
            path = os.path.join(folder, name)
            if self.root.is_file(path) and os.path.basename(self.root.resolve(path)) not in _WRAPPERS:
                yield path, found_via
                return

    def _of_profile(self, folder: str) -> str:
        text = self.root.read(os.path.join(folder, "nvcc.profile"), 1 << 14)
        match = re.search(r"^\s*compiler-bindir\s*=\s*(\S+)", text, re.M) if isinstance(text, str) else None
        return match[1] if match is not None else ""

    def _visual_studio(self) -> Iterator[tuple[str, str]]:
        """Yield the compilers of all installations, the newest first, as build systems choose."""
        found: list[tuple[tuple[int, ...], str, str]] = []
        for variable, usual in (
            ("ProgramFiles", "C:\\Program Files"),
            ("ProgramFiles(x86)", "C:\\Program Files (x86)"),
        ):
            base = os.path.join(self.variables.get(variable, usual), "Microsoft Visual Studio")
            for year in _names(self.root, base):
                for edition in _names(self.root, os.path.join(base, year)):
                    tools = os.path.join(base, year, edition, "VC", "Tools", "MSVC")
                    for version in _names(self.root, tools):
                        path = os.path.join(tools, version, "bin", "Hostx64", "x64", "cl.exe")
                        found.append((numbers(version), path, base))
        yield from ((path, base) for _, path, base in sorted(found, reverse=True))

    def _gcc(self, real_path: str) -> Fact[str]:
        match = re.search(_GCC_NAME, os.path.basename(real_path))
        if match is not None:
            return Known(match[1], "the file's name")
        base = os.path.join(os.path.dirname(os.path.dirname(real_path)), "lib", "gcc")
        found: dict[str, str] = {}
        for triplet in _names(self.root, base):
            # An environment of conda has compilers for several systems, each named with its triplet.
            if os.path.basename(real_path).startswith(("gcc", "g++", "cc", "c++", triplet)):
                folder = os.path.join(base, triplet)
                found |= {name: folder for name in _names(self.root, folder) if re.fullmatch(r"\d+(\.\d+)*", name)}
        if len(found) == 1:
            ((version, folder),) = found.items()
            return Known(version, shown(os.path.join(folder, version)))
        return Missing(f"{shown(base)} holds {len(found) or 'no'} versions")

    def _clang(self, real_path: str) -> Fact[str]:
        match = re.search(_CLANG_NAME, os.path.basename(real_path)) or re.search(
            r"/llvm-(\d{1,3})(?:\.\d)?/bin/", real_path
        )
        if match is not None:
            return Known(match[1], "the file's name")
        base = os.path.join(os.path.dirname(os.path.dirname(real_path)), "lib", "clang")
        found = [name for name in _names(self.root, base) if re.fullmatch(r"\d+(\.\d+)*", name)]
        if len(found) == 1:
            return Known(found[0], shown(os.path.join(base, found[0])))
        return Missing(f"{shown(base)} holds {len(found) or 'no'} versions")

    def _msvc(self, real_path: str) -> Fact[str]:
        match = re.search(_MSVC, real_path, re.IGNORECASE)
        return Known(f"19{match[1]}", "the folder's name") if match else Missing("the folder's name tells no version")


def _names(root: Root, folder: str) -> list[str]:
    names = root.listdir(folder)
    return names if isinstance(names, list) else []


def _ask(path: str) -> Fact[str]:
    """Ask a compiler for its version; it is started with that question and nothing else."""
    import subprocess

    command = [path, "-dumpfullversion", "-dumpversion"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROGRAM_LIMIT_S, check=False
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Missing(f"{shown(path)} -dumpversion failed: {error}")
    match = re.match(rb"\d+(?:\.\d+){0,3}", done.stdout[:100])
    if match is None:
        return Missing(f"{shown(path)} -dumpversion printed no version")
    return Known(match.group().decode(), f"{shown(path)} -dumpversion")
