"""Memory on a NUMA node, with this machine's own kernel."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cudadoctor.bandwidth import placement
from cudadoctor.bandwidth.nodes import Node
from cudadoctor.bandwidth.paging import fresh_words
from cudadoctor.bandwidth.placement import PlacementError, in_numa_maps, pages_by_node, place

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="NUMA nodes are read from Linux")
SIZE = 8 * 2**20
ABSENT = Node(number=900, cpus=frozenset({100_000}))


def here() -> Node:
    """The node of a page that was just touched; its CPUs are taken to be all."""
    words = fresh_words(SIZE)
    words[:] = 1
    try:
        found = pages_by_node(words.ctypes.data, SIZE)
    except PlacementError as error:
        pytest.skip(f"this kernel does not tell: {error}")
    number = max(found, key=lambda node: found[node])
    if number < 0:
        pytest.skip("this kernel does not tell the node of a page")
    return Node(number=number, cpus=frozenset(os.sched_getaffinity(0)))


def test_memory_is_where_it_was_asked_and_the_thread_may_run_where_it_could_before() -> None:
    before = os.sched_getaffinity(0)
    node = here()
    words = place(Node(number=node.number, cpus=frozenset(sorted(before)[:1])), SIZE)
    assert set(pages_by_node(words.ctypes.data, SIZE)) == {node.number}
    assert os.sched_getaffinity(0) == before


def test_pages_that_were_never_touched_are_nowhere() -> None:
    here()
    words = fresh_words(SIZE)
    assert all(node < 0 for node in pages_by_node(words.ctypes.data, SIZE))


def test_a_node_that_is_not_there_is_refused_with_both_reasons() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(PlacementError, match=r"mbind failed with E[A-Z]+, and running on its CPUs with EINVAL"):
        place(ABSENT, SIZE)
    assert os.sched_getaffinity(0) == before


def test_memory_that_came_from_elsewhere_is_not_taken_for_the_node_s() -> None:
    here()
    elsewhere = Node(number=900, cpus=frozenset(os.sched_getaffinity(0)))  # the CPUs can be had, the memory cannot
    with pytest.raises(PlacementError, match=r"asked of NUMA node 900, 0 of \d+ pages are there"):
        place(elsewhere, SIZE)


@pytest.mark.parametrize("allowed", ["mbind", "affinity"])
def test_one_of_the_two_ways_is_enough(monkeypatch: pytest.MonkeyPatch, allowed: str) -> None:
    node = here()
    if allowed == "affinity":
        monkeypatch.setattr(placement, "prefer", lambda *_: "EPERM")
    else:
        node = Node(number=node.number, cpus=ABSENT.cpus)
        words = fresh_words(SIZE)
        if placement.prefer(words.ctypes.data, SIZE, node.number):
            pytest.skip("mbind is not allowed here")
        maps = Path("/proc/self/numa_maps").read_text(encoding="ascii").splitlines()
        assert any(f"{words.ctypes.data:08x} prefer" in line and f":{node.number} " in line for line in maps)
    assert set(pages_by_node(place(node, SIZE).ctypes.data, SIZE)) == {node.number}


def test_without_move_pages_the_kernel_s_own_list_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    node = here()
    if not Path("/proc/self/numa_maps").exists():
        pytest.skip("this kernel has no numa_maps")
    words = place(node, SIZE)
    monkeypatch.setattr(placement, "_CALLS", {})
    assert set(pages_by_node(words.ctypes.data, SIZE)) == {node.number}


MAPS = """55d0c8000000 default file=/usr/bin/python3 mapped=3 N0=3 kernelpagesize_kB=4
7f0000000000 prefer:1 anon=32768 dirty=32768 N0=8 N1=32760 kernelpagesize_kB=4
7f1000000000 default stack anon=3 dirty=3 N0=3 kernelpagesize_kB=4
not a line
"""


def test_the_list_s_line_is_the_one_that_holds_the_address() -> None:
    assert in_numa_maps(MAPS, 0x7F0000001000) == {0: 8, 1: 32760}
    assert in_numa_maps(MAPS, 0x7F0000000000) == {0: 8, 1: 32760}
    assert in_numa_maps(MAPS, 0x1000) == {}
    assert in_numa_maps("", 0x7F0000000000) == {}


def test_where_nothing_tells_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(placement, "_CALLS", {})
    monkeypatch.setattr(placement, "Path", lambda _: tmp_path / "absent")
    with pytest.raises(PlacementError, match="move_pages failed with ENOSYS, and /proc/self/numa_maps cannot be read"):
        pages_by_node(fresh_words(SIZE).ctypes.data, SIZE)
