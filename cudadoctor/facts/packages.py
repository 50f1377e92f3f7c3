"""Python packages of this environment that take part in computing on a GPU."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Section


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One installed distribution."""

    name: str
    version: str


class Clash(msgspec.Struct, frozen=True, kw_only=True):
    """A requirement that the installed version does not meet. `source` says who states the requirement."""

    package: str
    package_version: str
    requires: str
    found: str
    source: str


class Packages(Section, frozen=True, kw_only=True):
    """Installed packages of interest, and the requirements among them that are not met."""

    installed: tuple[Package, ...]
    clashes: tuple[Clash, ...]
    source: str

    def version_of(self, name: str) -> str | None:
        """Return the installed version of a package, or None."""
        for package in self.installed:
            if package.name == name:
                return package.version
        return None
