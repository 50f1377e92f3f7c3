"""What a node should share with its group, against what most of the group have."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from cudadoctor.facts.fleet import NodeDrift, Trait
from cudadoctor.fleet.traits import WEIGHTS

_MOST_VALUES = 12

Traits = tuple[tuple[str, str], ...]


def drift(groups: Sequence[str], traits: Sequence[Traits]) -> tuple[list[tuple[NodeDrift, ...]], tuple[Trait, ...]]:
    """Compare nodes with the majority of their group.

    Args:
        groups: The group of each node.
        traits: What is known of each node, as (name, value).

    Returns:
        For each node where it differs; and all traits that two nodes or more of a group tell. A majority is more than
        half of those; where there is none, nobody differs from it.
    """
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for group, pairs in zip(groups, traits, strict=True):
        for name, value in pairs:
            counts[group, name][value] += 1
    order = {name: place for place, name in enumerate(WEIGHTS)}
    found = {
        key: _trait(*key, counter)
        for key, counter in sorted(counts.items(), key=lambda item: (item[0][0], order[item[0][1]]))
        if counter.total() > 1
    }
    differs: dict[tuple[str, Traits], tuple[NodeDrift, ...]] = {}
    for key in zip(groups, traits, strict=True):
        if key not in differs:  # most nodes of a group are alike
            differs[key] = _differences(*key, found)
    return [differs[key] for key in zip(groups, traits, strict=True)], tuple(found.values())


def _trait(group: str, name: str, counter: Counter[str]) -> Trait:
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0]))
    value, count = ordered[0]
    return Trait(
        group=group,
        name=name,
        weight=WEIGHTS[name],
        values=tuple(ordered[:_MOST_VALUES]),
        majority=value if 2 * count > counter.total() else None,
        more=max(0, len(ordered) - _MOST_VALUES),
    )


def _differences(group: str, pairs: Traits, found: dict[tuple[str, str], Trait]) -> tuple[NodeDrift, ...]:
    made = []
    for name, value in pairs:
        trait = found.get((group, name))
        if trait is not None and trait.majority is not None and value != trait.majority:
            made.append(NodeDrift(name, value, trait.majority))
    return tuple(made)
