"""From facts to findings: run the rules, leave out what only follows from something else, and put the worst first."""

from __future__ import annotations

import msgspec

from cudadoctor.attribution.profile.causes import judge
from cudadoctor.facts.base import Missing
from cudadoctor.facts.machine import Machine
from cudadoctor.findings import Finding, Severity, SkippedRule
from cudadoctor.rules.base import Rule
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.elsewhere import for_its_system
from cudadoctor.text import printable

# "*" explains all findings but these: a race on the CPU and what was measured stand for themselves.
_STAND_ALONE = frozenset(
    {
        "training-learned-nothing",
        "race-lanes-disagree",
        "race-lane-failed",
        "program-not-traced",
        "launch-bound-small-work",
        "implicit-host-copies",
        "small-transfers",
        "readback-every-step",
        "sync-every-step",
        "allocation-in-loop",
        "host-bound-not-gpu",
        "compile-every-step",
        "transfer-bound",
        "dataloader-bound",
        "storage-bound",
        "low-occupancy-grid",
        "uncoalesced-access",
        "fp64-on-consumer-gpu",
        "low-end-gpu",
        "clock-ramp",
        "warmup-in-timing",
        "ptx-jit-first-run",
        "cpu-baseline-blas",
        "cpu-threads-oversubscribed",
        "gpu-lost-while-measured",
        "bandwidth-not-verified",
        "bandwidth-below-link",
        "low-power-state",
        "pcie-link-degraded",
        "link-flapping",
        "far-numa-node",
        "pcie-chipset-lanes",
        "pcie-card-better-than-slot",
        "shared-uplink",
        "peer-access-slow",
        "pageable-transfer",
        "wsl-pinned-memory-limit",
        "pinned-allocation-limited",
    }
)

RULE_FAILED = "this rule failed on these facts"
"""How the reason of a skipped rule begins that raised an error."""


def diagnose(machine: Machine, rules: tuple[Rule, ...] = RULES) -> tuple[tuple[Finding, ...], tuple[SkippedRule, ...]]:
    """Judge a machine.

    Args:
        machine: The facts, however they were come by.
        rules: In the order of what explains what.

    Returns:
        Findings, worst first, each with the ids of those that follow from it as `consequences`; and the rules that
        could not be judged, with the reason. A rule that raises is one of these: it never takes the report along.
    """
    findings: list[tuple[int, Finding]] = []
    skipped: list[SkippedRule] = []
    for place, rule in enumerate(rules):
        try:
            found, skip = rule.examine(machine)
        except Exception as error:  # noqa: BLE001 - a fault of one rule must not hide what the others found
            found, skip = (), SkippedRule(rule.id, _fault(error))
        findings += ((place, finding) for finding in found)
        if skip is not None:
            skipped.append(skip)
    return for_its_system(_as_judged(machine, _roots(findings, rules)), machine.host), tuple(skipped)


def _as_judged(machine: Machine, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Put the causes of a profiled program in the order in which they should be tackled, among those as severe."""
    if isinstance(machine.profile, Missing):
        return findings
    order = {cause.id: place for place, cause in enumerate(judge(machine.profile).causes)}
    places = [place for place, finding in enumerate(findings) if finding.id in order]
    told = sorted((findings[place] for place in places), key=lambda each: (each.severity.rank, order[each.id]))
    made = list(findings)
    for place, finding in zip(places, told, strict=True):
        made[place] = finding
    return tuple(made)


def _roots(findings: list[tuple[int, Finding]], rules: tuple[Rule, ...]) -> tuple[Finding, ...]:
    """Leave out explained findings and note their ids at the root of the chain."""
    root_of: dict[int, int] = {}
    consequences: dict[int, list[str]] = {}
    for index, (place, finding) in enumerate(findings):
        root_of[index] = index
        for earlier in range(index):
            explainer = rules[findings[earlier][0]]
            if findings[earlier][0] < place and _explains(explainer, findings[earlier][1], finding):
                root_of[index] = root_of[earlier]
                consequences.setdefault(root_of[earlier], []).append(finding.id)
                break
    roots = [
        (finding.severity.rank, place, msgspec.structs.replace(finding, consequences=_unique(consequences.get(index))))
        for index, (place, finding) in enumerate(findings)
        if root_of[index] == index
    ]
    return tuple(finding for _, _, finding in sorted(roots, key=lambda item: item[:2]))


def _explains(rule: Rule, cause: Finding, finding: Finding) -> bool:
    """Say whether a finding only follows from another; what is a mere note never hides what is worse."""
    if cause.severity is Severity.NOTE and finding.severity is not Severity.NOTE:
        return False
    return finding.id in rule.explains or ("*" in rule.explains and finding.id not in _STAND_ALONE)


def _unique(ids: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids or ()))


def _fault(error: Exception) -> str:
    text = printable(" ".join(str(error).split()))[:200]
    return f"{RULE_FAILED} ({type(error).__name__}: {text}); please report it"
