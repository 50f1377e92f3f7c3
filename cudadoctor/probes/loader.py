"""Where the dynamic loader of Linux would look for a shared library: LD_LIBRARY_PATH, ld.so.cache, default folders.

The loader passes over files of another architecture, so these are left out here too.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping

from cudadoctor.facts.base import Missing
from cudadoctor.probes.root import Root

CACHE = "/etc/ld.so.cache"
_CACHE_LIMIT_BYTES = 16 << 20
_OLD_MAGIC = b"ld.so-1.7.0"
_NEW_MAGIC = b"glibc-ld.so.cache1.1"
_NEW_HEADER_BYTES = 48
_ENTRY = struct.Struct("<iIIIQ")  # flags, offset of the name, offset of the path, OS version, hardware capabilities
# dl-cache.h: FLAG_ELF_LIBC6 together with FLAG_X8664_LIB64 or FLAG_AARCH64_LIB64.
_FLAGS_64_BIT = frozenset({0x0303, 0x0A03})

DEFAULT_FOLDERS = (
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
)
_MACHINES = {62: "x86_64", 183: "aarch64"}


def candidates(root: Root, environ: Mapping[str, str], soname: str, cache: Cache) -> Iterator[tuple[str, str]]:
    """Yield (path, how the loader comes to it) of each file of that name, in the order in which it would try them."""
    for folder in variable_folders(environ):
        path = f"{folder.rstrip('/')}/{soname}"
        if is_loadable(root, path):
            yield path, "LD_LIBRARY_PATH"
    for path in cache.paths(soname):
        if is_loadable(root, path):
            yield path, "ld.so.cache"
    for folder in DEFAULT_FOLDERS:
        path = f"{folder}/{soname}"
        if is_loadable(root, path):
            yield path, f"default folder {folder}"


def variable_folders(environ: Mapping[str, str]) -> list[str]:
    """Return the folders of LD_LIBRARY_PATH; an empty entry stands for the working directory."""
    value = environ.get("LD_LIBRARY_PATH", "")
    if not value:
        return []
    return [os.path.abspath(part) for part in value.replace(";", ":").split(":")[:256]]


def is_loadable(root: Root, path: str) -> bool:
    """Say whether a file is there that is not plainly of another architecture; an empty or torn one is there."""
    if not root.is_file(path):
        return False
    head = root.read_bytes(path, 20)
    if isinstance(head, Missing) or len(head) < 20 or head[:4] != b"\x7fELF":
        return True
    if head[4] != 2:
        return False
    machine = _MACHINES.get(int.from_bytes(head[18:20], "little"))
    return not root.is_live or os.name != "posix" or machine == os.uname().machine


class Cache:
    """/etc/ld.so.cache: what `ldconfig -p` lists, 64-bit entries only."""

    def __init__(self, root: Root) -> None:
        """Read the cache; one that is not there or damaged has no entries."""
        data = root.read_bytes(CACHE, _CACHE_LIMIT_BYTES)
        self._data = b"" if isinstance(data, Missing) else data
        self._start = _start_of_new_format(self._data)

    @property
    def is_there(self) -> bool:
        """Whether there is a cache that could be read."""
        return self._start is not None

    def paths(self, soname: str) -> list[str]:
        """Return the paths of a soname, in the cache's order."""
        wanted = soname.encode() + b"\0"
        if self._start is None or wanted not in self._data:
            return []
        paths = (self._text(path) for name, path in self._entries() if self._data.startswith(wanted, name))
        return [path for path in paths if path]

    def named(self, beginnings: tuple[str, ...]) -> list[tuple[str, str]]:
        """Return (soname, path) of all libraries whose name begins so, in the cache's order."""
        wanted = tuple(name.encode() for name in beginnings)
        if self._start is None or not any(name in self._data for name in wanted):
            return []
        found: list[tuple[str, str]] = []
        for name, path in self._entries():
            if self._data.startswith(wanted, name):
                found.append((self._text(name), self._text(path)))
        return [entry for entry in found if all(entry)]

    def _entries(self) -> Iterator[tuple[int, int]]:
        """Yield where name and path of each 64-bit entry stand in the data."""
        start = self._start
        if start is None:
            return
        count = int.from_bytes(self._data[start + 20 : start + 24], "little")
        first = start + _NEW_HEADER_BYTES
        count = min(count, (len(self._data) - first) // _ENTRY.size)
        entries = self._data[first : first + max(count, 0) * _ENTRY.size]
        for flags, name, path, _, _ in _ENTRY.iter_unpack(entries):
            if flags in _FLAGS_64_BIT:
                yield start + name, start + path

    def _text(self, place: int) -> str:
        """Return the text that ends at the next zero byte, "" where none ends in reach."""
        end = self._data.find(b"\0", place, place + 4097)
        return os.fsdecode(self._data[place:end]) if end > place else ""


def _start_of_new_format(data: bytes) -> int | None:
    """Return where the new format begins: at the start, or behind the entries of the format of libc5's days."""
    start = 0
    if data.startswith(_OLD_MAGIC):
        old_entries = int.from_bytes(data[12:16], "little")
        start = (16 + 12 * old_entries + 7) // 8 * 8
    return start if data.startswith(_NEW_MAGIC, start) else None
