"""Nodes are looked at by the probe and opened by whoever it is given."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.device_nodes import DeviceNodes
from cudadoctor.probes import device_nodes
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree


class LiveTree(Root):
    """A tree that counts as this machine, so that its nodes are opened."""

    @property
    def is_live(self) -> bool:
        return True


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    made = MachineTree(tmp_path)
    made.linux("6.8.0", os_release="ID=ubuntu\n")
    for name in ("nvidiactl", "nvidia10", "nvidia2", "nvidia-uvm", "nvidia-uvm-tools", "null"):
        made.write(f"/dev/{name}")
    return made


def nodes(section: DeviceNodes | Missing) -> DeviceNodes:
    assert isinstance(section, DeviceNodes)
    return section


def test_nodes_are_listed_in_the_order_of_their_numbers(tree: MachineTree) -> None:
    section = nodes(device_nodes.gather(Root(tree.root)))
    assert [node.path for node in section.nodes] == [
        "/dev/nvidia-uvm",
        "/dev/nvidiactl",
        "/dev/nvidia2",
        "/dev/nvidia10",
    ]


def test_nodes_of_a_tree_are_not_opened(tree: MachineTree) -> None:
    def opener(paths: Sequence[str]) -> dict[str, str | None]:
        raise AssertionError("opened")

    section = nodes(device_nodes.gather(Root(tree.root), opener))
    assert {node.error for node in section.nodes} == {Missing("--sysroot: not opened")}


def test_errors_are_named_and_an_opener_that_did_not_come_back_is_a_reason(tree: MachineTree) -> None:
    def opener(paths: Sequence[str]) -> dict[str, str | None]:
        return {"/dev/nvidiactl": None, "/dev/nvidia2": "EACCES"}

    section = nodes(device_nodes.gather(LiveTree(tree.root), opener))
    assert {node.path: node.error for node in section.nodes} == {
        "/dev/nvidiactl": Known(None, "open(O_RDWR)"),
        "/dev/nvidia2": Known("EACCES", "open(O_RDWR)"),
        "/dev/nvidia10": Missing("opening it did not come to an end"),
        "/dev/nvidia-uvm": Missing("opening it did not come to an end"),
    }


def test_mode_and_owner_are_as_ls_shows_them(tree: MachineTree) -> None:
    tree.host_path("/dev/nvidia2").chmod(0o640)
    tree.write("/etc/passwd", f"someone:x:{os.getuid()}:0::/:/bin/sh\n")
    tree.write("/etc/group", "")
    section = nodes(device_nodes.gather(Root(tree.root)))
    node = next(node for node in section.nodes if node.path == "/dev/nvidia2")
    assert (node.mode, node.owner) == ("-rw-r-----", f"someone:{os.getgid()}")


def test_opening_names_the_error_and_survives_a_missing_node(tmp_path: Path) -> None:
    assert device_nodes.open_nodes([os.devnull, str(tmp_path), str(tmp_path / "none")]) == {
        os.devnull: None,
        str(tmp_path): "EISDIR",
        str(tmp_path / "none"): "ENOENT",
    }
