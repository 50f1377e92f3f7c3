"""Which NUMA node is near a GPU and which far from it, from made-up trees of /sys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cudadoctor.bandwidth.nodes import NoNodesError, nodes_of

GPU = "0000:04:00.0"


def sysfs(
    root: Path,
    cpus: Mapping[int, str],
    *,
    gpu: str | None = "0",
    distances: Mapping[int, str] | None = None,
    memory: str | None = None,
) -> Path:
    """Write a tree: the CPUs of each node, the GPU's `numa_node`, distances by node, and which nodes have memory."""
    folder = root / "sys/devices/system/node"
    folder.mkdir(parents=True)
    (folder / "online").write_text(",".join(map(str, cpus)) + "\n")
    if memory is not None:
        (folder / "has_memory").write_text(memory + "\n")
    for number, listed in cpus.items():
        (folder / f"node{number}").mkdir()
        (folder / f"node{number}/cpulist").write_text(listed + "\n")
        if distances:
            (folder / f"node{number}/distance").write_text(distances[number] + "\n")
    if gpu is not None:
        device = root / "sys/bus/pci/devices" / GPU
        device.mkdir(parents=True)
        (device / "numa_node").write_text(gpu + "\n")
    return root


TWO = {0: "0-3,8-11", 1: "4-7,12-15"}


def test_with_two_sockets_the_other_one_is_far(tmp_path: Path) -> None:
    nodes = nodes_of(GPU, sysfs(tmp_path, TWO, gpu="1", memory="0-1"))
    assert (nodes.near.number, nodes.far.number) == (1, 0)
    assert nodes.near.cpus == {4, 5, 6, 7, 12, 13, 14, 15}
    assert nodes.far.cpus == {0, 1, 2, 3, 8, 9, 10, 11}


def test_the_farthest_is_the_one_with_the_greatest_distance(tmp_path: Path) -> None:
    four = {0: "0", 1: "1", 2: "2", 3: "3"}
    distances = {0: "10 12 32 32", 1: "12 10 32 32", 2: "32 32 10 12", 3: "32 32 12 10"}
    nodes = nodes_of(GPU, sysfs(tmp_path, four, gpu="1", distances=distances))
    assert (nodes.near.number, nodes.far.number) == (1, 2)


def test_nodes_that_are_the_memory_of_a_gpu_are_not_sockets(tmp_path: Path) -> None:
    # As on two Grace Hopper boards: each GPU's memory is a node without CPUs, and the farthest of all.
    cpus = {0: "0-71", 1: "72-143", 4: "", 12: ""}
    distances = {0: "10 40 80 120", 1: "40 10 120 80", 4: "80 120 10 160", 12: "120 80 160 10"}
    nodes = nodes_of(GPU, sysfs(tmp_path, cpus, distances=distances, memory="0-1,4,12"))
    assert (nodes.near.number, nodes.far.number) == (0, 1)


@pytest.mark.parametrize("distances", [None, {0: "10", 1: "10 11 12"}, {0: "", 1: "ten eleven"}])
def test_without_distances_another_node_is_far_all_the_same(
    tmp_path: Path, distances: Mapping[int, str] | None
) -> None:
    assert nodes_of(GPU, sysfs(tmp_path, TWO, distances=distances)).far.number == 1


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ({"cpus": {0: "0-15"}}, "this machine has one NUMA node"),
        ({"cpus": {0: "0-15", 1: ""}, "memory": "0-1"}, "this machine has one NUMA node"),
        ({"cpus": TWO, "memory": "0"}, "this machine has one NUMA node"),
        ({"cpus": TWO, "gpu": "-1"}, r"does not say which NUMA node the GPU is on \(numa_node is -1\)"),
        ({"cpus": TWO, "gpu": None}, "numa_node of the GPU cannot be read"),
        ({"cpus": TWO, "gpu": "7"}, "the GPU's NUMA node 7 has no CPUs or no memory"),
    ],
)
def test_where_there_is_no_near_and_far_it_says_why(tmp_path: Path, tree: dict, reason: str) -> None:
    with pytest.raises(NoNodesError, match=reason):
        nodes_of(GPU, sysfs(tmp_path, **tree))


@pytest.mark.parametrize("text", [None, "", "none", "0-", "0,,1", "\x00\xff"])
def test_a_kernel_that_shows_no_nodes_is_no_crash(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        folder = tmp_path / "sys/devices/system/node"
        folder.mkdir(parents=True)
        (folder / "online").write_text(text)
    with pytest.raises(NoNodesError, match="shows no NUMA nodes" if text != "" else "one NUMA node"):
        nodes_of(GPU, tmp_path)
