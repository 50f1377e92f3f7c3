"""All driver libraries, in the loader's order."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cudadoctor.facts.base import Missing, known
from cudadoctor.facts.libraries import NOT_ON_SEARCH_PATH, Libraries, LibraryFile
from cudadoctor.probes import libraries
from cudadoctor.probes.loader import Cache
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree

MULTIARCH = "/usr/lib/x86_64-linux-gnu"


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    made = MachineTree(tmp_path)
    made.linux("6.8.0", os_release="ID=ubuntu\n")
    return made


def gather(tree: MachineTree, **environ: str) -> tuple[LibraryFile, ...]:
    section = libraries.gather(Root(tree.root), environ)
    assert isinstance(section, Libraries)
    return section.files


def test_all_files_are_kept_in_the_loaders_order(tree: MachineTree) -> None:
    tree.driver_libraries("580.159.04")
    tree.loader_cache([("libcuda.so.1", f"{MULTIARCH}/libcuda.so.1")])
    tree.elf_library("/usr/local/cuda-12.4/compat/libcuda.so.550.54.15")
    tree.link("/usr/local/cuda-12.4/compat/libcuda.so.1", "libcuda.so.550.54.15")
    files = gather(tree, LD_LIBRARY_PATH="/nowhere:/usr/local/cuda-12.4/compat")
    assert [(file.soname, known(file.release), file.found_via) for file in files] == [
        ("libcuda.so.1", "550.54.15", "LD_LIBRARY_PATH"),
        ("libcuda.so.1", "580.159.04", "ld.so.cache"),
        ("libnvidia-ml.so.1", "580.159.04", "default folder /lib/x86_64-linux-gnu"),
    ]
    assert files[0].real_path == "/usr/local/cuda-12.4/compat/libcuda.so.550.54.15"
    assert gather(tree)[-1].found_via == libraries.NOT_ON_SEARCH_PATH


def test_a_stub_on_the_path_is_seen_by_the_name_that_numba_asks_for_first(tree: MachineTree) -> None:
    tree.driver_libraries("580.159.04")
    tree.elf_library("/usr/local/cuda/lib64/stubs/libcuda.so")
    (stub,) = [file for file in gather(tree) if "stubs" in file.path]
    assert (stub.soname, stub.found_via) == ("libcuda.so", libraries.NOT_ON_SEARCH_PATH)
    (stub,) = [file for file in gather(tree, LD_LIBRARY_PATH="/usr/local/cuda/lib64/stubs") if "stubs" in file.path]
    assert stub.found_via == "LD_LIBRARY_PATH"


def test_the_name_for_linkers_says_nothing_new_of_the_same_file(tree: MachineTree) -> None:
    tree.driver_libraries("580.159.04")
    assert [file.soname for file in gather(tree)] == ["libcuda.so.1", "libnvidia-ml.so.1"]


@pytest.mark.parametrize(
    "folder",
    [
        "/usr/local/cuda-13.0/targets/x86_64-linux/lib/stubs",
        "/usr/local/cuda-13.0/targets/sbsa-linux/lib/stubs",
        "/usr/local/cuda-12.6/targets/aarch64-linux/lib/stubs",
        "/usr/lib/x86_64-linux-gnu/nvidia/current",
        "/usr/lib/aarch64-linux-gnu/nvidia/current",
    ],
)
def test_what_the_loader_does_not_see_is_found_for_each_processor(tree: MachineTree, folder: str) -> None:
    tree.elf_library(f"{folder}/libcuda.so.1")
    (file,) = gather(tree)
    assert (file.path, file.found_via) == (f"{folder}/libcuda.so.1", NOT_ON_SEARCH_PATH)


def test_32_bit_files_are_passed_over_and_empty_ones_are_not(tree: MachineTree) -> None:
    tree.elf_library("/usr/lib/libcuda.so.1", bits=32, machine=3)
    assert gather(tree) == ()
    tree.write(f"{MULTIARCH}/libcuda.so.1", b"")
    (file,) = gather(tree)
    assert file.release == Missing("the file is empty")


@pytest.mark.parametrize("old_entries", [0, 1, 2])
def test_the_cache_is_read_behind_entries_of_the_old_format(tree: MachineTree, old_entries: int) -> None:
    entries = [("libc.so.6", "/lib/libc.so.6"), ("libcuda.so.1", "/opt/a/libcuda.so.1"), ("libcuda.so.1", "/opt/b")]
    tree.loader_cache(entries, old_entries=old_entries)
    assert Cache(Root(tree.root)).paths("libcuda.so.1") == ["/opt/a/libcuda.so.1", "/opt/b"]
    assert Cache(Root(tree.root)).paths("libc.so") == []


def test_32_bit_entries_of_the_cache_are_left_out(tree: MachineTree) -> None:
    tree.loader_cache([("libcuda.so.1", "/usr/lib32/libcuda.so.1")], flags=0x0003)
    assert Cache(Root(tree.root)).paths("libcuda.so.1") == []


def test_a_cache_whose_count_is_a_lie_is_read_to_its_end(tree: MachineTree) -> None:
    tree.loader_cache([("libcuda.so.1", "/opt/libcuda.so.1")])
    data = bytearray(tree.host_path("/etc/ld.so.cache").read_bytes())
    data[20:24] = b"\xff\xff\xff\xff"
    tree.write("/etc/ld.so.cache", bytes(data))
    assert "/opt/libcuda.so.1" in Cache(Root(tree.root)).paths("libcuda.so.1")


@pytest.mark.skipif(not os.path.exists("/sbin/ldconfig"), reason="there is no ldconfig to compare with")
def test_the_cache_of_this_machine_is_read_as_ldconfig_reads_it() -> None:
    listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False, timeout=20).stdout
    wanted: dict[str, list[str]] = {}
    for line in listing.splitlines():
        name, found, path = line.strip().partition(" => ")
        if found and ("(libc6,x86-64" in name or "(libc6,AArch64" in name):
            wanted.setdefault(name.partition(" ")[0], []).append(path)
    cache = Cache(Root())
    assert {name: cache.paths(name) for name in list(wanted)[:40]} == {name: wanted[name] for name in list(wanted)[:40]}
