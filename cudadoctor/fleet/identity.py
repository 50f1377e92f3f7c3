"""Which files are of one node, what the nodes are called, and what hardware they compare with."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence

from cudadoctor.facts.fleet import SharedGpu, SkippedFile
from cudadoctor.fleet.digest import Digest

NO_GPU = "no GPU seen"


def newest(digests: Sequence[Digest]) -> tuple[list[Digest], list[SkippedFile], list[tuple[str, Digest, Digest]]]:
    """Keep one file a node, the newest.

    Files are of one node if their GPUs have the same UUIDs, or if one's are all among the other's: a job that was given
    some of a node's GPUs sees no others. Without a UUID only equal files of one name are copies: nothing else tells
    nodes apart that were made alike.

    Returns:
        What is kept, in the order given; what is left out; and (UUID, one, other) of GPUs that two kept nodes show.
    """
    places = sorted(range(len(digests)), key=lambda place: (-digests[place].when, place))
    owner: dict[str, list[int]] = defaultdict(list)
    marks: dict[tuple[bytes, str], int] = {}
    kept: set[int] = set()
    skipped: list[tuple[int, SkippedFile]] = []
    shared: list[tuple[str, Digest, Digest]] = []
    for place in places:
        this = digests[place]
        file, uuids = this.node.file, set(this.node.gpu_uuids)
        copy = marks.setdefault((this.mark, os.path.basename(file) if not uuids else ""), place)
        others = {other: uuid for uuid in this.node.gpu_uuids for other in owner[uuid]}
        same = next((other for other in others if _nested(uuids, set(digests[other].node.gpu_uuids))), None)
        if copy != place:
            skipped.append((place, SkippedFile(file, "duplicate", "holds the same as", digests[copy].node.file)))
            continue
        if same is not None:
            skipped.append((place, _older(this, digests[same])))
            continue
        shared += [(uuid, digests[other], this) for other, uuid in others.items()]
        kept.add(place)
        for uuid in this.node.gpu_uuids:
            owner[uuid].append(place)
    skipped.sort(key=lambda item: item[0])
    return [digests[place] for place in sorted(kept)], [item for _, item in skipped], shared


def _nested(one: set[str], other: set[str]) -> bool:
    return one <= other or other <= one


def _older(this: Digest, newer: Digest) -> SkippedFile:
    more = {figure.key for figure in this.node.figures} - {figure.key for figure in newer.node.figures}
    only = ["measurements"] * bool(more) + ["a kernel that was tried"] * (this.kernel_tried and not newer.kernel_tried)
    lost = f" (it holds {' and '.join(only)}, which the newer one lacks)" if only else ""
    return SkippedFile(this.node.file, "older", f"is an older report of the same GPUs{lost} as", newer.node.file)


def names_of(files: Sequence[str]) -> list[str]:
    """Return a name for each file's node: the file's without its ending, or the folder's where file names repeat."""
    stems = [_stem(file) for file in files]
    folders = [os.path.basename(os.path.dirname(os.path.abspath(file))) for file in files]
    tries = [stems, folders, [f"{folder}/{stem}" for folder, stem in zip(folders, stems, strict=True)], list(files)]
    chosen: list[str] = [""] * len(files)
    left = set(range(len(files)))
    for names in tries:
        counts = Counter(names[place] for place in left)
        taken = set(chosen)
        for place in sorted(left):
            if counts[names[place]] == 1 and names[place] and names[place] not in taken:
                chosen[place] = names[place]
                left.discard(place)
    for place in sorted(left):
        chosen[place] = f"{files[place]} ({place + 1})"
    return chosen


def _stem(file: str) -> str:
    name = os.path.basename(file)
    return name.removesuffix(".json").removesuffix(".facts") or name


def groups_of(digests: Sequence[Digest]) -> list[str]:
    """Return the hardware of each node: the models of its GPUs.

    A node whose driver does not answer shows cards on its bus, and belongs to the nodes that have the same ones.
    """
    models: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for each in digests:
        if each.node.gpus and each.card_ids:
            models[each.card_ids][_model(each)] += 1
    groups = []
    for each in digests:
        if each.node.gpus:
            groups.append(_model(each))
        elif each.card_ids in models:
            groups.append(models[each.card_ids].most_common(1)[0][0])
        else:
            groups.append(" + ".join(each.card_names) or NO_GPU)
    return groups


def _model(digest: Digest) -> str:
    return " + ".join(sorted(set(digest.node.gpus)))


def shared_gpus(shared: Sequence[tuple[str, Digest, Digest]], names: dict[str, str]) -> tuple[SharedGpu, ...]:
    """Return the GPUs that two nodes show, with the names of those nodes."""
    found: dict[str, set[str]] = defaultdict(set)
    for uuid, one, other in shared:
        found[uuid] |= {names[one.node.file], names[other.node.file]}
    return tuple(SharedGpu(uuid, tuple(sorted(nodes))) for uuid, nodes in sorted(found.items()))
