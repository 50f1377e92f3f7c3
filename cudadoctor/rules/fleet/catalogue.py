"""The rules of a fleet, in the order of a report; kept apart from those of one machine, which never need them."""

from __future__ import annotations

from cudadoctor.rules.base import Rule
from cudadoctor.rules.fleet.fleet_drift import fleet_drift
from cudadoctor.rules.fleet.fleet_file_broken import fleet_file_broken
from cudadoctor.rules.fleet.fleet_gpu_twice import fleet_gpu_twice
from cudadoctor.rules.fleet.fleet_no_majority import fleet_no_majority
from cudadoctor.rules.fleet.fleet_node_died import fleet_node_died
from cudadoctor.rules.fleet.fleet_node_hung import fleet_node_hung
from cudadoctor.rules.fleet.fleet_node_not_examined import fleet_node_not_examined
from cudadoctor.rules.fleet.fleet_node_slow import fleet_node_slow
from cudadoctor.rules.fleet.fleet_node_unsteady import fleet_node_unsteady
from cudadoctor.rules.fleet.fleet_run_cut_short import fleet_run_cut_short

FLEET_RULES: tuple[Rule, ...] = tuple(
    each.rule
    for each in (
        fleet_run_cut_short,
        fleet_node_died,
        fleet_node_hung,
        fleet_node_not_examined,
        fleet_node_slow,
        fleet_node_unsteady,
        fleet_drift,
        fleet_file_broken,
        fleet_gpu_twice,
        fleet_no_majority,
    )
)
