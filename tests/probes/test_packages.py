"""Installed packages, and where they do not go together."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from cudadoctor.facts.base import Missing
from cudadoctor.facts.packages import Packages
from cudadoctor.probes import packages
from cudadoctor.probes.distributions import normalized
from cudadoctor.probes.requirements import applies, meets
from cudadoctor.probes.root import Root
from tests.probes.machine_tree import MachineTree

SITE = "/site"


@pytest.fixture
def tree(tmp_path: Path) -> MachineTree:
    return MachineTree(tmp_path)


def gather(tree: MachineTree, *sites: str) -> Packages:
    section = packages.gather(Root(tree.root), sites or [SITE])
    assert isinstance(section, Packages)
    return section


def test_this_environment_is_read_as_importlib_metadata_reads_it() -> None:
    section = packages.gather(Root())
    assert isinstance(section, Packages)
    found = {package.name: package.version for package in section.installed}
    everything = {normalized(d.metadata["Name"]): d.version for d in reversed(list(importlib.metadata.distributions()))}
    assert found == {name: version for name, version in everything.items() if packages.is_of_interest(name)}


def test_an_unmet_requirement_is_a_clash_and_a_met_one_is_not(tree: MachineTree) -> None:
    tree.distribution(SITE, "numba", "0.61.2", ["numpy<2.3,>=1.24", "llvmlite<0.45,>=0.44.0dev0"])
    tree.distribution(SITE, "numpy", "2.3.0")
    tree.distribution(SITE, "llvmlite", "0.44.0")
    (clash,) = gather(tree).clashes
    assert (clash.package, clash.requires, clash.found) == ("numba", "numpy<2.3,>=1.24", "2.3.0")
    assert clash.source == "Requires-Dist of numba 0.61.2"


def test_extras_and_other_platforms_do_not_count(tree: MachineTree) -> None:
    requires = ["cuda-bindings<13; extra == 'cu12'", "numpy<1; sys_platform == 'plan9'", "numpy (<3,>=1)", "numpy"]
    tree.distribution(SITE, "numba-cuda", "0.20.0", requires)
    tree.distribution(SITE, "cuda-bindings", "13.5.0")
    tree.distribution(SITE, "numpy", "2.0.0")
    assert gather(tree).clashes == ()


@pytest.mark.parametrize(("numpy", "clashes"), [("2.4.6", 0), ("2.5.0", 1), ("2.6.1", 1)])
def test_numba_cuda_and_the_numpy_that_lost_row_stack(tree: MachineTree, numpy: str, clashes: int) -> None:
    tree.distribution(SITE, "numba-cuda", "0.30.4")
    tree.distribution(SITE, "numpy", numpy)
    found = gather(tree).clashes
    assert [clash.source for clash in found] == ["np.row_stack, removed in numpy 2.5"] * clashes


def test_two_majors_of_cupy_clash(tree: MachineTree) -> None:
    tree.distribution(SITE, "cupy-cuda12x", "13.6.0")
    assert gather(tree).clashes == ()
    tree.distribution(SITE, "cupy-cuda11x", "12.3.0")
    (clash,) = gather(tree).clashes
    assert {clash.package, clash.found.partition(" ")[0]} == {"cupy-cuda11x", "cupy-cuda12x"}


def test_the_first_folder_on_the_path_wins(tree: MachineTree) -> None:
    tree.distribution("/user", "numpy", "1.26.4")
    tree.distribution(SITE, "numpy", "2.4.6")
    section = gather(tree, "/user", SITE)
    assert section.version_of("numpy") == "1.26.4"
    assert section.clashes == ()


def test_two_versions_in_one_folder_are_a_clash(tree: MachineTree) -> None:
    tree.distribution(SITE, "numpy", "1.26.4")
    tree.distribution(SITE, "numpy", "2.4.6")
    (clash,) = gather(tree).clashes
    assert clash.requires == "to be installed once"


def test_a_folder_without_metadata_is_a_leftover(tree: MachineTree) -> None:
    tree.write(f"{SITE}/numpy-1.26.4.dist-info/RECORD", "")
    assert gather(tree).installed == ()


def test_egg_info_of_distributions_is_read(tree: MachineTree) -> None:
    tree.write(f"{SITE}/numpy-1.26.4.egg-info", "Metadata-Version: 2.1\nVersion: 1.26.4\n")
    tree.write(f"{SITE}/numba.egg-info/PKG-INFO", "Name: numba\nVersion: 0.61.0\n")
    section = gather(tree)
    assert (section.version_of("numpy"), section.version_of("numba")) == ("1.26.4", "0.61.0")


def test_packages_of_this_process_are_not_those_of_a_tree(tree: MachineTree) -> None:
    assert isinstance(packages.gather(Root(tree.root)), Missing)


_RELEASES = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
_SUFFIXES = st.sampled_from(["", "", "", ".*", "dev0", ".dev1", "rc1", "a2", "b3"])
_CLAUSES = st.tuples(st.sampled_from([">=", "<=", "<", ">", "==", "!="]), _RELEASES, _SUFFIXES).filter(
    lambda clause: clause[2] != ".*" or clause[0] in ("==", "!=")
)


@given(version=_RELEASES, clauses=st.lists(_CLAUSES.map("".join), min_size=1, max_size=3))
def test_requirements_are_judged_as_packaging_judges_them(version: str, clauses: list[str]) -> None:
    specifier = ",".join(clauses)
    assert meets(version, specifier) == SpecifierSet(specifier).contains(version, prereleases=True)


@pytest.mark.parametrize(
    ("version", "specifier", "met"),
    [("2.5.0rc1", "<2.5", False), ("2.6.0+cu124", ">=2.6", True), ("1.4.2", "~=1.4", True), ("x", ">=1", None)],
)
def test_what_is_no_plain_release_is_left_to_packaging(version: str, specifier: str, met: bool | None) -> None:
    assert meets(version, specifier) is met


def test_markers_that_ask_for_extras_or_cannot_be_read_do_not_apply() -> None:
    assert applies("")
    assert applies("python_version >= '3'")
    assert not applies("extra == 'cu12'")
    assert not applies("nonsense ==")
