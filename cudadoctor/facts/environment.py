"""Environment variables that change how CUDA programs run."""

from __future__ import annotations

from cudadoctor.facts.base import Section


class Environment(Section, frozen=True, kw_only=True):
    """The variables of this process that matter, by name; one that is not set has no entry."""

    variables: dict[str, str]
    source: str
