"""The report as one HTML file that needs no network: a diagnosis in, text out. Needs jinja2, the extra `report`."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined

from cudadoctor.facts.bandwidth import Bandwidth
from cudadoctor.facts.devices import Devices
from cudadoctor.facts.fleet import Fleet
from cudadoctor.facts.frameworks import Frameworks
from cudadoctor.facts.ladder import Ladder
from cudadoctor.facts.profile import Profile
from cudadoctor.facts.race import Race
from cudadoctor.findings import SAID_BY_TEXT, Diagnosis, Finding, by_reason
from cudadoctor.report.html.bandwidth import bandwidth_parts
from cudadoctor.report.html.devices import devices_parts
from cudadoctor.report.html.explanation import explanation
from cudadoctor.report.html.facts import fact_sections
from cudadoctor.report.html.fleet import fleet_parts
from cudadoctor.report.html.parts import Part
from cudadoctor.report.html.profile import profile_parts
from cudadoctor.report.html.race import race_parts
from cudadoctor.report.html.race_predicted import predicted_parts
from cudadoctor.report.html.race_why import why_parts
from cudadoctor.report.html.road import area_parts, framework_parts, road_parts
from cudadoctor.report.markdown import machine_rows
from cudadoctor.report.plan import wants_check
from cudadoctor.text import printable

FLEET_COMMANDS = ("fleet report", "fleet run")

_UNIT = re.compile(r"(?<=\d) (?=(?:%|(?:GB/s|[KMG]iB|GiB|min|ms|µs|ns|s)(?!\w)))")
_SENTENCES = re.compile(r"(?<=\.)\s+(?=[A-Z0-9])")


class Anchored(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with its place on the page; `first` where no finding above has the same id."""

    finding: Finding
    anchor: str
    first: bool


def render_html(
    diagnosis: Diagnosis,
    sentence: str,
    *,
    pages: Mapping[str, str] | None = None,
    only_device: int | None = None,
    everything: bool = False,
) -> str:
    """Return the report of a command.

    Args:
        diagnosis: What was found, without what a stranger need not see.
        sentence: The answer.
        pages: The page of each finding, in Markdown, by its id.
        only_device: The place of the one GPU in the section `devices` that is to be shown.
        everything: Show every attribute of the driver API.
    """
    return _rendered(
        "report.html.j2",
        command=diagnosis.command,
        version=diagnosis.version,
        schema_version=diagnosis.schema_version,
        status=diagnosis.status,
        answer=_SENTENCES.split(_UNIT.sub("\N{NO-BREAK SPACE}", sentence), maxsplit=1),
        machine=machine_rows(diagnosis.facts),
        findings=_anchored(diagnosis.findings) if diagnosis.plan is None else [],
        explanations={id: explanation(id, page) for id, page in (pages or {}).items()},
        plan=diagnosis.plan,
        wants_check=wants_check,
        parts=_parts(diagnosis, only_device, everything),
        skipped=by_reason(diagnosis.skipped),
        # Of a fleet, the parts show what there is; thousands of nodes in full are for JSON.
        sections=[] if diagnosis.command in FLEET_COMMANDS else fact_sections(diagnosis.facts),
        SAID_BY_TEXT=SAID_BY_TEXT,
    )


def render_page(id: str, severity: str, page: str, version: str) -> str:
    """Return the page of one finding.

    Args:
        id: Its id.
        severity: How bad it is at its worst.
        page: Its text in Markdown.
        version: Of cudadoctor.
    """
    return _rendered("page.html.j2", page=explanation(id, page), severity=severity, command="why", version=version)


def render_list(causes: Sequence[tuple[str, str, str]], version: str) -> str:
    """Return the list of all causes, each as (id, severity, title)."""
    return _rendered("list.html.j2", causes=causes, command="why", version=version)


def _rendered(template: str, **values: Any) -> str:
    environment, policy = _environment()
    return environment.get_template(template).render(policy=policy, **values).strip() + "\n"


@functools.cache
def _environment() -> tuple[Environment, str]:
    """Return the templates, and the policy that lets nothing but their own style and script work."""
    environment = Environment(
        loader=PackageLoader("cudadoctor.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    hashes = {name: _digest(environment.get_template(name).render()) for name in ("style.css", "copy.js")}
    return environment, (
        f"default-src 'none'; style-src 'sha256-{hashes['style.css']}'; script-src 'sha256-{hashes['copy.js']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _visible(value: Any) -> Any:
    """Write what a browser might obey (controls, marks that reorder text) as escapes; charts have done so already."""
    return value if hasattr(value, "__html__") else printable(str(value), keep_newlines=True)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _anchored(findings: Sequence[Finding]) -> list[Anchored]:
    made: list[Anchored] = []
    seen: dict[str, int] = {}
    for finding in findings:
        count = seen[finding.id] = seen.get(finding.id, 0) + 1
        anchor = f"finding-{finding.id}" if count == 1 else f"finding-{finding.id}-{count}"
        made.append(Anchored(finding=finding, anchor=anchor, first=count == 1))
    return made


def _parts(diagnosis: Diagnosis, only_device: int | None, everything: bool) -> list[Part]:
    """Return the parts that belong to the command: its own measurement, and for `check` all that is known.

    Where a command could not do what was asked, the road shows how far the machine got.
    """
    facts, command = diagnosis.facts, diagnosis.command
    if command in FLEET_COMMANDS and isinstance(facts.fleet, Fleet):
        return fleet_parts(facts.fleet)
    parts: list[Part] = []
    if command == "check" or diagnosis.error is not None:
        parts += area_parts(diagnosis.areas)
        parts += road_parts(facts.ladder) if isinstance(facts.ladder, Ladder) else []
        parts += framework_parts(facts.frameworks) if isinstance(facts.frameworks, Frameworks) else []
    if command in ("check", "profile") and isinstance(facts.profile, Profile):
        parts += profile_parts(facts.profile)
    if command in ("check", "dbn-race") and isinstance(facts.race, Race):
        parts += [*why_parts(facts.race), *race_parts(facts.race), *predicted_parts(facts.race)]
    if command in ("check", "bandwidth") and isinstance(facts.bandwidth, Bandwidth):
        parts += bandwidth_parts(facts.bandwidth, diagnosis.compare)
    if command in ("check", "devices") and isinstance(facts.devices, Devices):
        only = facts.devices.devices[only_device] if only_device is not None else None
        parts += devices_parts(facts.devices, only=only, everything=everything, folded=command == "check")
    return parts
