"""The file system that the probes read: this machine's, or a tree of another machine's files (`--sysroot DIR`).

Links are followed inside the tree, component by component, so that an absolute target (/etc/alternatives/cuda) or a
`..` too many stays in it. Paths are always given and returned as the machine itself would write them.

Nothing here raises for what it finds, and nothing here waits: only regular files are opened (a FIFO would block),
and only so many bytes of them are read (a file may have no end).
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping

from cudadoctor.facts.base import Missing
from cudadoctor.text import from_bytes

READ_LIMIT_BYTES = 1 << 20
"""How much of a file is read unless the caller asks for more: the files of /proc and /sys are far smaller."""

LIST_LIMIT = 20_000
"""How many names of a folder are looked at; /var/lib/dpkg/info of a full desktop has about 10 000."""

_MAX_LINKS = 40  # as the Linux kernel
_OPEN_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


class Root:
    """The files of one machine."""

    def __init__(self, directory: str | None = None) -> None:
        """Read this machine's own files, or those of the tree under `directory`."""
        self._prefix = None if directory is None else os.path.realpath(directory).rstrip("/")

    @property
    def is_live(self) -> bool:
        """Whether these are the files of the machine that this process runs on."""
        return self._prefix is None

    @property
    def system(self) -> str | None:
        """`Linux`, `Darwin` or `Windows` for this machine; a tree is one of Linux, unless macOS has left its mark."""
        if self._prefix is not None:
            # Asked of a folder that is always there: one look, on a path that no Linux has.
            return "Darwin" if os.path.isdir(f"{self._prefix}/System/Library/CoreServices") else "Linux"
        if sys.platform.startswith("linux"):
            return "Linux"
        return {"darwin": "Darwin", "win32": "Windows"}.get(sys.platform)

    def variables(self, given: Mapping[str, str] | None) -> Mapping[str, str]:
        """Return the variables that go with these files: those given, else this process's own, or none for a tree."""
        if given is not None:
            return given
        return os.environ if self.is_live else {}

    def resolve(self, path: str) -> str:
        """Return the path with all links followed; what does not exist, or loops, stays as it is."""
        if self._prefix is None:
            try:
                return os.path.realpath(path)
            except (OSError, ValueError):
                return path
        resolved = self._follow(path, last=True)
        return path if resolved is None else resolved

    def read(self, path: str, limit: int = READ_LIMIT_BYTES) -> str | Missing:
        """Return a file's text, at most `limit` bytes of it, without the white space at both ends."""
        data = self.read_bytes(path, limit)
        return data if isinstance(data, Missing) else from_bytes(data).strip().strip("\x00")

    def read_bytes(self, path: str, limit: int = READ_LIMIT_BYTES, *, start: int = 0) -> bytes | Missing:
        """Return a file's bytes from `start` on, at most `limit` of them."""
        try:
            host = self._host_path(path)
            if host is None:
                return Missing(f"{shown(path)} is a loop of links")
            if not stat.S_ISREG(os.stat(host).st_mode):
                return Missing(f"{shown(path)} is not a regular file")
            # In a tree the links have been followed; one that appears now may lead out of it.
            descriptor = os.open(host, _OPEN_FLAGS if self.is_live else _OPEN_FLAGS | getattr(os, "O_NOFOLLOW", 0))
            try:
                # Looked at again: what was a file may have become a FIFO since.
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return Missing(f"{shown(path)} is not a regular file")
                if start:
                    os.lseek(descriptor, start, os.SEEK_SET)
                return _read(descriptor, limit)
            finally:
                os.close(descriptor)
        except (OSError, ValueError) as error:
            return Missing(f"{shown(path)}: {why(error)}")

    def read_tail(self, path: str, limit: int) -> bytes | Missing:
        """Return a regular file's last bytes, at most `limit` of them; a line may be cut at the beginning."""
        about = self.stat(path)
        if isinstance(about, Missing):
            return about
        return self.read_bytes(path, limit, start=max(0, about.st_size - limit))

    def listdir(self, path: str) -> list[str] | Missing:
        """Return the names in a folder, sorted, at most `LIST_LIMIT` of them."""
        try:
            host = self._host_path(path)
            if host is None:
                return Missing(f"{shown(path)} is a loop of links")
            names: list[str] = []
            with os.scandir(host) as entries:
                for entry in entries:
                    names.append(entry.name)
                    if len(names) == LIST_LIMIT:
                        break
            return sorted(names)
        except (OSError, ValueError) as error:
            return Missing(f"{shown(path)}: {why(error)}")

    def stat(self, path: str, *, follow: bool = True) -> os.stat_result | Missing:
        """Return what is at a path (behind a link, unless told not to follow it)."""
        try:
            host = self._host_path(path, last=follow)
            if host is None:
                return Missing(f"{shown(path)} is a loop of links")
            return os.stat(host, follow_symlinks=follow)
        except (OSError, ValueError) as error:
            return Missing(f"{shown(path)}: {why(error)}")

    def exists(self, path: str) -> bool:
        """Say whether something is at a path, behind its links."""
        return not isinstance(self.stat(path), Missing)

    def is_file(self, path: str) -> bool:
        """Say whether a regular file is at a path, behind its links."""
        found = self.stat(path)
        return not isinstance(found, Missing) and stat.S_ISREG(found.st_mode)

    def is_dir(self, path: str) -> bool:
        """Say whether a folder is at a path, behind its links."""
        found = self.stat(path)
        return not isinstance(found, Missing) and stat.S_ISDIR(found.st_mode)

    def link_target(self, path: str) -> str | Missing | None:
        """Return what a link says, as it says it; None where there is nothing or something else than a link."""
        try:
            host = self._host_path(path, last=False)
            if host is None:
                return Missing(f"{shown(path)} is a loop of links")
            return os.readlink(host) if os.path.islink(host) else None
        except (OSError, ValueError) as error:
            return Missing(f"{shown(path)}: {why(error)}")

    def _host_path(self, path: str, *, last: bool = True) -> str | None:
        """Return where this machine keeps the path, or None for a loop of links."""
        if self._prefix is None:
            return path
        inside = self._follow(path, last=last)
        return None if inside is None else self._prefix + inside

    def _follow(self, path: str, *, last: bool) -> str | None:
        """Follow all links of a path inside the tree, that of its last component only if told so."""
        assert self._prefix is not None
        pending = path.replace("\\", "/").split("/")[::-1] if os.name == "nt" else path.split("/")[::-1]
        done: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del done[-1:]
                continue
            done.append(part)
            if not last and not any(pending):
                break
            try:
                target = os.readlink(self._prefix + "/" + "/".join(done))
            except (OSError, ValueError):
                continue  # no link, or nothing at all: the caller finds out
            links += 1
            if links > _MAX_LINKS:
                return None
            done.pop()
            if target.startswith("/"):
                done.clear()
            pending += target.split("/")[::-1]
        return "/" + "/".join(done)


def shown(path: str) -> str:
    """Return a path as text that can be stored: bytes of a file name that are no text become visible escapes."""
    if path.isascii():
        return path
    return from_bytes(os.fsencode(path))


def why(error: OSError | ValueError) -> str:
    """Return an error in words, without the path that the prefix of a tree would show in."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)


def _read(descriptor: int, limit: int) -> bytes:
    chunks: list[bytes] = []
    left = limit
    while left > 0:
        chunk = os.read(descriptor, min(left, 1 << 16))
        if not chunk:
            break
        chunks.append(chunk)
        left -= len(chunk)
    return b"".join(chunks)
