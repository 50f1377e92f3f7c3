"""Examine the nodes of a Ray cluster: all once, suspects twice, with a deadline for all of it."""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec

from cudadoctor.facts.document import MAX_BYTES
from cudadoctor.facts.fleet import Node, Run, SilentNode
from cudadoctor.fleet.digest import Digest, Judge
from cudadoctor.fleet.merge import Merged, merge
from cudadoctor.fleet.peers import EXPLAINING
from cudadoctor.fleet.reading import Read, read_one
from cudadoctor.gpu.worker import Worker

ENGINE = "Ray"
_TASK = "cudadoctor.fleet.ray_child:run"
_FIRST_ROUND = 0.6
"""The part of the deadline that the first round may take, so that a node that hangs leaves time for the second."""
_LEAST_S = 3.0
"""Seconds that must be left for a second round: less than a check takes would only accuse."""
_CHANGED = 0.10
"""Part of a figure from which on two measurements of one node are told as different."""


class CannotRunError(Exception):
    """No node could be asked; the message is one line."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to run where. `words` is the command on each node; `address` is that of the cluster, "" to look for one."""

    words: tuple[str, ...]
    address: str = ""
    deadline_s: float = 60.0
    skip: tuple[str, ...] = ()


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet, and the facts of each node that answered, by its name."""

    merged: Merged
    facts: dict[str, bytes]
    interrupted: bool


class _Round(msgspec.Struct):
    """One time that nodes were asked: what the cluster knows of them, and what came of it, by their ids."""

    names: dict[str, str] = msgspec.field(default_factory=dict)
    dead: dict[str, str] = msgspec.field(default_factory=dict)
    answered: dict[str, str] = msgspec.field(default_factory=dict)
    silent: dict[str, SilentNode] = msgspec.field(default_factory=dict)
    asked: int = 0
    cut_short: str = ""
    interrupted: bool = False


def examine(plan: Plan, judge: Judge, tell: Callable[[str], None] = lambda text: None) -> Examined:
    """Run the command on every node of a cluster and merge the answers.

    Args:
        plan: What to run, where, and for how long.
        judge: Makes the diagnosis of one node.
        tell: Gets a line about how far it is.

    Raises:
        CannotRunError: There is no cluster, or it has no node to ask.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cudadoctor-fleet-") as folder:
        first = _ask(plan, folder, _FIRST_ROUND * plan.deadline_s, None, tell)
        if not first.asked:
            raise CannotRunError("the cluster has no node that can be asked")
        digests = _read(first, judge)
        suspects = {} if first.cut_short else _suspects(first, digests)
        again: dict[str, tuple[int, str]] = {}
        left_s = plan.deadline_s - (time.monotonic() - started)
        if suspects and left_s >= _LEAST_S:
            other = os.path.join(folder, "again")
            os.mkdir(other)
            second = _ask(plan, other, left_s, suspects, tell)
            _take_second(first, digests, second, _read(second, judge), again)
        facts: dict[str, bytes] = {}
        for id, path in first.answered.items():
            with open(path, "rb") as file:
                facts[first.names[id]] = file.read(MAX_BYTES)
        run = Run(
            engine=ENGINE,
            command=f"cudadoctor {' '.join(plan.words)}",
            asked=first.asked,
            answered=len(first.answered),
            deadline_s=plan.deadline_s,
            seconds=time.monotonic() - started,
            cut_short=first.cut_short,
        )
        silent = sorted(first.silent.values(), key=lambda node: (node.state == "not alive", node.state, node.name))
        merged = merge(digests.values(), silent=tuple(silent), run=run, again=again)
    # The folder is gone; under these names --save keeps the files.
    nodes = tuple(msgspec.structs.replace(node, file=os.path.basename(node.file)) for node in merged.fleet.nodes)
    merged = msgspec.structs.replace(merged, fleet=msgspec.structs.replace(merged.fleet, nodes=nodes))
    return Examined(merged=merged, facts=facts, interrupted=first.interrupted)


def file_name(name: str) -> str:
    """Return the name of a node's file."""
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', name).lstrip('.') or 'node'}.json"


def _ask(
    plan: Plan, folder: str, deadline_s: float, only: Mapping[str, str] | None, tell: Callable[[str], None]
) -> _Round:
    """Ask all nodes, or only some, and wait for the answers until the deadline."""
    done = _Round()
    arguments = {
        "address": plan.address,
        "words": list(plan.words),
        "deadline_s": deadline_s,
        "folder": folder,
        "only": None if only is None else list(only),
        "skip": list(plan.skip),
    }
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    with Worker(_TASK, arguments, environment=environment) as worker:
        try:
            for message in worker:
                _hear(message, done, folder, plan, only)
                if message["kind"] in ("answer", "silent"):
                    heard = len(done.answered) + sum(node.state != "not alive" for node in done.silent.values())
                    again = "" if only is None else " a second time"
                    tell(f"{heard:,} of {done.asked:,} nodes answered{again}")
        except KeyboardInterrupt:
            done.interrupted, done.cut_short = True, "Ctrl-C ended it"
            return done
        ending = worker.ending
    if ending.state == "finished":
        return done
    if not done.names:
        words = "nothing was heard of it for too long" if ending.state == "timed out" else ending.detail
        raise CannotRunError(words or f"the process that asks it ended with {ending.signal or ending.exit_code}")
    if ending.state == "timed out":
        done.cut_short = "the cluster's head did not answer any more"
    else:
        last = ending.detail.splitlines()[-1:] or [
            f"the process that asks it ended ({ending.signal or ending.exit_code})"
        ]
        done.cut_short = last[0][:300]
    return done


def _hear(message: Mapping[str, object], done: _Round, folder: str, plan: Plan, only: Mapping[str, str] | None) -> None:
    """Note what one message of the child says."""
    kind = message["kind"]
    if kind == "nodes":
        nodes = msgspec.convert(message["nodes"], list[dict[str, object]])
        done.names = _names([(str(node["id"]), str(node["name"])) for node in nodes])
        for node in nodes:
            id, skipped = str(node["id"]), str(node["name"]) in plan.skip
            if node["alive"]:
                done.asked += (only is None or id in only) and not skipped
            elif only is not None and id in only:
                reason = "it answered once, and had left the cluster when it was asked again"
                done.silent[id] = SilentNode(name=only[id], state="died", reason=reason, seconds=0.0)
            elif only is None and not skipped:
                reason = f"the cluster knows it as dead: {node['why'] or 'no reason is told'}"
                name = done.names[id]
                done.silent[id] = SilentNode(name=name, state="not alive", reason=reason, seconds=0.0)
    elif kind == "answer":
        id = str(message["id"])
        # Under the node's own name, which the report then takes from it.
        path = os.path.join(folder, file_name(done.names[id]))
        os.replace(os.path.join(folder, f"{id}.json"), path)
        done.answered[id] = path
    elif kind == "silent":
        id = str(message["id"])
        done.silent[id] = msgspec.convert(
            {"name": done.names[id], **{key: message[key] for key in ("state", "reason", "seconds")}}, SilentNode
        )


def _names(nodes: list[tuple[str, str]]) -> dict[str, str]:
    """Return a name for each node: its host's, with a part of its id where hosts are called alike."""
    counts = Counter(file_name(name) for _, name in nodes)
    return {id: name if counts[file_name(name)] == 1 else f"{name}-{id[:8]}" for id, name in nodes}


def _read(done: _Round, judge: Judge) -> dict[str, Read]:
    return {id: read_one(path, judge) for id, path in done.answered.items()}


def _suspects(done: _Round, digests: dict[str, Read]) -> dict[str, str]:
    """Return ids and names of nodes that are to be asked a second time before they are accused."""
    merged = merge(digests.values())
    ids = {path: id for id, path in done.answered.items()}
    found = {ids[node.file]: node.name for node in merged.fleet.nodes if _is_suspect(node)}
    return found | {id: node.name for id, node in done.silent.items() if node.state in ("failed", "hung")}


def _is_suspect(node: Node) -> bool:
    measured = any(finding.id in EXPLAINING and finding.severity != "note" for finding in node.findings)
    return node.status == "error" or bool(node.outliers) or measured


def _take_second(
    first: _Round, digests: dict[str, Read], second: _Round, again: dict[str, Read], told: dict[str, tuple[int, str]]
) -> None:
    """Put the second answers in the place of the first, and say in what they differ."""
    for id, new in again.items():
        old = digests.get(id)
        if not isinstance(new, Digest):
            continue
        if isinstance(old, Digest):
            unsteady = _difference(old.node, new.node)
        else:
            unsteady = f"at first it gave no facts: {first.silent[id].reason}" if id in first.silent else ""
        digests[id] = new
        first.answered[id] = second.answered[id]
        first.silent.pop(id, None)
        told[new.node.file] = (2, unsteady)
    for id, node in second.silent.items():
        old = digests.get(id)
        if isinstance(old, Digest) and node.state == "died":
            del digests[id]  # its facts are saved, if any are; of a node that is gone no more is said
            first.silent[id] = node
        elif isinstance(old, Digest):
            told[old.node.file] = (2, f"the second time it gave no facts ({node.state}): {node.reason}")
        else:
            before = first.silent[id].reason if id in first.silent else ""
            reason = f"{before}; asked again: {node.reason}" if before else node.reason
            first.silent[id] = msgspec.structs.replace(node, reason=reason)


def _difference(one: Node, two: Node) -> str:
    """Return in what two answers of a node differ, "" where they agree."""
    before, after = ({f.id for f in node.findings if f.severity != "note"} for node in (one, two))
    parts = []
    if before != after:
        parts.append(f"first {', '.join(sorted(before)) or 'nothing'}, then {', '.join(sorted(after)) or 'nothing'}")
    values = {figure.key: figure.value for figure in one.figures}
    for figure in two.figures:
        was = values.get(figure.key)
        if was and abs(figure.value / was - 1) > _CHANGED:
            parts.append(f"{figure.key} {was:.4g}, then {figure.value:.4g} {figure.unit}")
    return "; ".join(parts)
