"""Reading a tree of another machine's files must not leave the tree, block, or fill the memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cudadoctor.facts.base import Missing
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import READ_LIMIT_BYTES, Root, shown


def test_an_absolute_link_stays_in_the_tree(tmp_path: Path) -> None:
    (tmp_path / "etc/alternatives").mkdir(parents=True)
    (tmp_path / "usr/local/cuda-12.4").mkdir(parents=True)
    (tmp_path / "usr/local/cuda").symlink_to("/etc/alternatives/cuda")
    (tmp_path / "etc/alternatives/cuda").symlink_to("/usr/local/cuda-12.4")
    (tmp_path / "usr/local/cuda-12.4/version.txt").write_text("CUDA Version 12.4.1\n")
    root = Root(str(tmp_path))
    assert root.resolve("/usr/local/cuda") == "/usr/local/cuda-12.4"
    assert root.read("/usr/local/cuda/version.txt") == "CUDA Version 12.4.1"


@pytest.mark.parametrize("target", ["../" * 40 + "secret", "/../../secret", "a/../../../secret"])
def test_no_link_leads_out_of_the_tree(tmp_path: Path, target: str) -> None:
    (tmp_path / "secret").write_text("of this machine")
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/link").symlink_to(target)
    root = Root(str(tree))
    assert isinstance(root.read("/etc/link"), Missing)
    assert isinstance(root.read("/etc/../../secret"), Missing)
    (tree / "secret").write_text("of that machine")
    assert root.read("/etc/../../secret") == "of that machine"


def test_a_loop_of_links_is_a_reason_and_not_a_hang(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("/a")
    root = Root(str(tmp_path))
    for found in (root.read("/a"), root.listdir("/a"), root.stat("/a/c"), root.link_target("/a/c")):
        assert isinstance(found, Missing)
        assert "loop" in found.reason
    assert root.resolve("/a") == "/a"
    assert not root.exists("/a")


def test_a_fifo_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "version")
    for root, path in ((Root(str(tmp_path)), "/version"), (Root(), str(tmp_path / "version"))):
        found = root.read(path)
        assert isinstance(found, Missing)
        assert "not a regular file" in found.reason


def test_only_so_many_bytes_are_read(tmp_path: Path) -> None:
    with open(tmp_path / "endless", "wb") as file:
        file.truncate(1 << 40)
    root = Root(str(tmp_path))
    data = root.read_bytes("/endless")
    assert not isinstance(data, Missing)
    assert len(data) == READ_LIMIT_BYTES


def test_reasons_show_the_path_without_the_prefix(tmp_path: Path) -> None:
    found = Root(str(tmp_path)).read("/etc/os-release")
    assert found == Missing("/etc/os-release: No such file or directory")


def test_bytes_that_are_no_text_become_visible(tmp_path: Path) -> None:
    (tmp_path / "name").write_bytes(b"H100\xff\x00\n")
    assert Root(str(tmp_path)).read("/name") == "H100\\xff"
    assert shown(os.fsdecode(b"/lib\xff")) == "/lib\\xff"


def test_link_target_tells_a_link_from_nothing(tmp_path: Path) -> None:
    (tmp_path / "driver").symlink_to("../../bus/pci/drivers/nvidia")
    root = Root(str(tmp_path))
    assert root.link_target("/driver") == "../../bus/pci/drivers/nvidia"
    assert root.link_target("/nothing") is None


def test_a_path_with_a_nul_is_a_reason(tmp_path: Path) -> None:
    for root in (Root(), Root(str(tmp_path))):
        assert isinstance(root.read("/etc\0/x"), Missing)
        assert not root.exists("\0")


def test_what_a_probe_raises_becomes_the_reason() -> None:
    @never_raises
    def broken() -> int | Missing:
        raise RuntimeError("no such luck")

    assert broken() == Missing("it could not be read (RuntimeError: no such luck)")
