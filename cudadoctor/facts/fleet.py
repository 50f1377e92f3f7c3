"""Many machines as one: a line for each node, what they share, where one differs, and which files were left out.

Nothing here is a machine's whole facts: of each node only what is compared with others is kept.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cudadoctor.facts.base import Section

NodeStatus = Literal["ok", "warning", "error", "unknown"]
Weight = Literal["error", "warning", "note"]


class NodeFinding(msgspec.Struct, frozen=True):
    """A finding of one node, as that node's own report has it."""

    id: str
    severity: Weight
    title: str
    summary: str


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One measured figure of a node. `peers` names the kind of hardware and of measurement that it compares with.

    `unit` is `GB/s` or `s` (seconds an epoch). `link_share` is the part of the line rate of the narrowest hop on this
    node's own path, None where that is unknown or does not apply.
    """

    key: str
    value: float
    unit: Literal["GB/s", "s"]
    peers: str
    link_share: float | None = None


class Outlier(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of a node that lies far from those of its peers, to the bad side.

    `z` is 0.6745 (value - median) / spread, where `spread` is the median absolute deviation, and 1 % of the median at
    least. `explained_by` is the id of a finding of that node's own which says why, or "".
    """

    key: str
    value: float
    unit: Literal["GB/s", "s"]
    median: float
    spread: float
    z: float
    peers: str
    nodes: int
    explained_by: str = ""


class NodeDrift(msgspec.Struct, frozen=True):
    """One thing in which a node differs from the majority of its group."""

    trait: str
    value: str
    majority: str


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node.

    `name` is its file's name, or that of its folder where file names repeat. `status` is what its own facts come to,
    `verdict` what is left when it is held against the others too. `findings` are worst first, the root cause at the
    head. `group` is the hardware that it is compared with. `runs` counts how often it was examined; `unsteady` says in
    what the first and the second time differed.
    """

    name: str
    file: str
    recorded_at: str
    version: str
    status: NodeStatus
    verdict: NodeStatus
    group: str
    gpus: tuple[str, ...]
    gpu_uuids: tuple[str, ...]
    findings: tuple[NodeFinding, ...] = ()
    figures: tuple[Measured, ...] = ()
    outliers: tuple[Outlier, ...] = ()
    drifts: tuple[NodeDrift, ...] = ()
    runs: int = 1
    unsteady: str = ""


class SilentNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node of a cluster that was asked and gave no facts.

    `state` is `died` (it left the cluster, or its worker was killed), `hung` (no answer before the deadline), `failed`
    (cudadoctor did not run there) or `not alive` (the cluster knew it as dead before anything was asked).
    """

    name: str
    state: Literal["died", "hung", "failed", "not alive"]
    reason: str
    seconds: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How the nodes were examined, where it was not from saved files."""

    engine: str
    command: str
    asked: int
    answered: int
    deadline_s: float
    seconds: float
    cut_short: str = ""


class SkippedFile(msgspec.Struct, frozen=True):
    """A file that is no node, and why.

    `kind`: `broken` (unreadable or damaged), `foreign` (not cudadoctor's, or not of one node), `newer` (of a newer
    cudadoctor), `duplicate` (the same file or bytes as another), `older` (an older report of a node that is there).
    Where `reason` ends in the name of another file or node, that stands in `other`.
    """

    file: str
    kind: Literal["broken", "foreign", "newer", "duplicate", "older"]
    reason: str
    other: str = ""


class Trait(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that nodes of a group should have in common, with how many have which value.

    `values` are (value, nodes), most frequent first, and `more` counts values that are left out. `majority` is the
    value of more than half of the nodes that tell it; None where no value has that many. `weight` is how bad it is to
    differ.
    """

    group: str
    name: str
    weight: Weight
    values: tuple[tuple[str, int], ...]
    majority: str | None
    more: int = 0

    @property
    def agreed(self) -> bool:
        """Whether all nodes that tell it have the same."""
        return len(self.values) == 1


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """One figure over all nodes that compare. `deviation` is the median absolute deviation, without a floor.

    `judged` is False where there are too few nodes for a median to say what is normal.
    """

    peers: str
    key: str
    unit: Literal["GB/s", "s"]
    nodes: int
    median: float
    deviation: float
    lowest: float
    highest: float
    median_link_share: float | None
    judged: bool


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Nodes with the same models of GPU, whatever their number."""

    name: str
    nodes: int


class SharedGpu(msgspec.Struct, frozen=True):
    """A GPU that two nodes show, of which neither can be a part of the other's report."""

    uuid: str
    nodes: tuple[str, ...]


class Fleet(Section, frozen=True, kw_only=True):
    """Many nodes merged, worst first. `files` counts all that were looked at, with those that were left out."""

    nodes: tuple[Node, ...]
    silent: tuple[SilentNode, ...] = ()
    skipped: tuple[SkippedFile, ...] = ()
    groups: tuple[Group, ...] = ()
    traits: tuple[Trait, ...] = ()
    spreads: tuple[Spread, ...] = ()
    shared_gpus: tuple[SharedGpu, ...] = ()
    files: int = 0
    run: Run | None = None
