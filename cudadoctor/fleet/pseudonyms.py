"""Names of nodes taken out of a fleet, so that rows stay tellable: node-0001 for the first by name, and so on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from cudadoctor.facts.fleet import Fleet
from cudadoctor.findings import Finding
from cudadoctor.fleet.merge import Merged

_SHORTEST = 3
"""Shorter names are words elsewhere in a report."""

_PLAIN = re.compile(r"[A-Za-z0-9._-]+")
"""Names that stand in JSON as they are."""


def without_names(merged: Merged) -> Merged:
    """Return the fleet with a pseudonym for each node and each file, everywhere.

    The same nodes get the same pseudonyms in every report; that of another set of nodes may give others.
    """
    fleet = merged.fleet
    called = _numbered("node", {node.name for node in fleet.nodes} | {node.name for node in fleet.silent})
    files = {node.file: called[node.name] for node in fleet.nodes}
    files |= _numbered("file", {item.file for item in fleet.skipped} - set(files))
    nodes = tuple(
        _replaced(
            msgspec.structs.replace(node, name=called[node.name], file=called[node.name]), node.name, called[node.name]
        )
        for node in fleet.nodes
    )
    silent = tuple(
        msgspec.structs.replace(_replaced(node, node.name, called[node.name]), name=called[node.name])
        for node in fleet.silent
    )
    skipped = tuple(
        msgspec.structs.replace(item, file=files[item.file], other=files.get(item.other, "") if item.other else "")
        for item in fleet.skipped
    )
    shared = tuple(
        msgspec.structs.replace(each, nodes=tuple(sorted(called[name] for name in each.nodes)))
        for each in fleet.shared_gpus
    )
    details: dict[str, tuple[str, Finding]] = {}
    for id, (name, finding) in merged.details.items():
        details[id] = (called.get(name, ""), _replaced(finding, name, called.get(name, "")))
    without = msgspec.structs.replace(fleet, nodes=nodes, silent=silent, skipped=skipped, shared_gpus=shared)
    return Merged(fleet=_run_without(without, called), details=details)


def _run_without(fleet: Fleet, called: Mapping[str, str]) -> Fleet:
    if fleet.run is None or not fleet.run.cut_short:
        return fleet
    text = fleet.run.cut_short
    for name, pseudonym in called.items():
        text = _word(name).sub(pseudonym, text) if len(name) >= _SHORTEST else text
    return msgspec.structs.replace(fleet, run=msgspec.structs.replace(fleet.run, cut_short=text))


def _numbered(word: str, names: Iterable[str]) -> dict[str, str]:
    ordered = sorted(names)
    digits = max(4, len(str(len(ordered))))
    return {name: f"{word}-{place:0{digits}}" for place, name in enumerate(ordered, start=1)}


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")


def _replaced(value: Any, name: str, pseudonym: str) -> Any:
    """Return a struct in whose texts one name is replaced wherever it stands as a word."""
    if len(name) < _SHORTEST:
        return value
    # Most nodes do not speak of themselves, and looking is much cheaper than taking apart.
    if _PLAIN.fullmatch(name) and name.encode() not in msgspec.json.encode(value):
        return value
    pattern = _word(name)

    def walk(item: Any) -> Any:
        if isinstance(item, str):
            return pattern.sub(pseudonym, item) if name in item else item
        if isinstance(item, dict):
            return {key: walk(each) for key, each in item.items()}
        if isinstance(item, (list, tuple)):
            return [walk(each) for each in item]
        return item

    return msgspec.convert(walk(msgspec.to_builtins(value)), type=type(value))
