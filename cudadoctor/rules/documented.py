"""All causes that have a page: those of one machine, and those of a fleet."""

from __future__ import annotations

from cudadoctor.rules.base import Rule
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.fleet.catalogue import FLEET_RULES

DOCUMENTED: tuple[Rule, ...] = (*RULES, *FLEET_RULES)
