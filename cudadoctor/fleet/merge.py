"""Digests to one fleet: one line a node, worst first, with its outliers and drifts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from cudadoctor.facts.fleet import Fleet, Group, Node, NodeStatus, Run, SilentNode, SkippedFile
from cudadoctor.findings import Finding
from cudadoctor.fleet.digest import Digest
from cudadoctor.fleet.drift import drift
from cudadoctor.fleet.identity import groups_of, names_of, newest, shared_gpus
from cudadoctor.fleet.peers import compare
from cudadoctor.fleet.reading import Read
from cudadoctor.fleet.traits import WEIGHTS

_MOST_DETAILS = 8
_RANK: dict[NodeStatus, int] = {"error": 0, "warning": 1, "unknown": 2, "ok": 3}


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet, and each finding of its nodes in full, once: with the name of the node that it is of."""

    fleet: Fleet
    details: dict[str, tuple[str, Finding]]


def merge(
    read: Iterable[Read],
    *,
    silent: tuple[SilentNode, ...] = (),
    run: Run | None = None,
    again: Mapping[str, tuple[int, str]] | None = None,
) -> Merged:
    """Hold all nodes against each other.

    Args:
        read: Digests, and files that were left out.
        silent: Nodes of a cluster that gave no facts.
        run: How the nodes were examined, if they were.
        again: For nodes that were examined more than once, by file: how often, and in what the times differed.
    """
    digests: list[Digest] = []
    skipped: list[SkippedFile] = []
    details: dict[str, list[tuple[float, str, Finding]]] = {}
    alike: dict[object, object] = {}
    for each in read:
        if isinstance(each, SkippedFile):
            skipped.append(each)
            continue
        digests.append(_slim(each, alike))
        for finding in each.details:
            of_kind = details.setdefault(finding.id, [])
            of_kind.append((each.when, each.node.file, finding))
            # A file is left out for a newer one, so the newest of the worst are those that stay.
            of_kind.sort(key=lambda one: (one[2].severity.rank, -one[0]))
            del of_kind[_MOST_DETAILS:]
    files = len(digests) + len(skipped)
    digests, older, shared = newest(digests)
    names = dict(zip((each.node.file for each in digests), names_of([each.node.file for each in digests]), strict=True))
    groups = groups_of(digests)
    drifts, traits = drift(groups, [each.traits for each in digests])
    nodes, spreads = compare(
        msgspec.structs.replace(each.node, name=names[each.node.file], group=group, drifts=differs)
        for each, group, differs in zip(digests, groups, drifts, strict=True)
    )
    nodes = [_judged(_again(node, again or {})) for node in nodes]
    nodes.sort(key=_worst_first)
    fleet = Fleet(
        nodes=tuple(nodes),
        silent=silent,
        skipped=tuple(skipped + older),
        groups=tuple(Group(name=name, nodes=count) for name, count in Counter(groups).most_common()),
        traits=traits,
        spreads=spreads,
        shared_gpus=shared_gpus(shared, names),
        files=files,
        run=run,
    )
    # What a file said that was left out for a newer one does not count.
    still = {finding.id for node in nodes for finding in node.findings}
    kept = {id: _in_full(of_kind, names) for id, of_kind in details.items() if id in still}
    return Merged(fleet=fleet, details=kept)


def _in_full(of_kind: list[tuple[float, str, Finding]], names: Mapping[str, str]) -> tuple[str, Finding]:
    """Return the finding of a node that is in the fleet, with the node's name; "" if each file was left out."""
    for _, file, finding in of_kind:
        if file in names:
            return names[file], finding
    return "", of_kind[0][2]


def _slim(each: Digest, alike: dict[object, object]) -> Digest:
    """Return a digest that shares what is equal with those before it, and without its findings in full."""

    def one(value: object) -> object:
        return alike.setdefault(value, value)

    node = msgspec.structs.replace(
        each.node,
        version=one(each.node.version),
        gpus=one(each.node.gpus),
        findings=tuple(one(finding) for finding in each.node.findings),
        figures=tuple(
            msgspec.structs.replace(figure, key=one(figure.key), peers=one(figure.peers))
            for figure in each.node.figures
        ),
    )
    return msgspec.structs.replace(
        each,
        node=node,
        traits=one(tuple(one(pair) for pair in each.traits)),
        details=(),
        card_ids=one(each.card_ids),
        card_names=one(each.card_names),
    )


def _again(node: Node, again: Mapping[str, tuple[int, str]]) -> Node:
    runs, unsteady = again.get(node.file, (1, ""))
    return msgspec.structs.replace(node, runs=runs, unsteady=unsteady) if runs > 1 else node


def _judged(node: Node) -> Node:
    """Return the node with its verdict: its own status, or worse where it is held against the others."""
    slow = any(not outlier.explained_by for outlier in node.outliers)
    differs = any(WEIGHTS[each.trait] != "note" for each in node.drifts)
    if (slow or differs or node.unsteady) and _RANK[node.status] > _RANK["warning"]:
        return msgspec.structs.replace(node, verdict="warning")
    return node


def _worst_first(node: Node) -> tuple[int, int, float, int, str]:
    serious = sum(finding.severity != "note" for finding in node.findings)
    farthest = max((abs(outlier.z) for outlier in node.outliers), default=0.0)
    return _RANK[node.verdict], -serious, -farthest, -len(node.drifts), node.name
