"""Who differs from whom, which files are of one node, and what the nodes are called."""

from __future__ import annotations

import pytest

from cudadoctor.fleet.drift import drift
from cudadoctor.fleet.identity import NO_GPU, groups_of, names_of, newest
from cudadoctor.fleet.traits import WEIGHTS, traits_of
from tests.fleet import build as b
from tests.fleet import simulated


def differs(*values: str, group: str = "g") -> tuple[list[list[str]], str | None]:
    rows, traits = drift([group] * len(values), [(("driver release", value),) for value in values])
    return [[each.value for each in row] for row in rows], traits[0].majority if traits else None


def test_the_minority_differs_and_the_majority_does_not() -> None:
    assert differs("580", "580", "570") == ([[], [], ["570"]], "580")


def test_a_tie_accuses_nobody() -> None:
    assert differs("580", "570") == ([[], []], None)
    assert differs("580", "580", "570", "570") == ([[], [], [], []], None)


def test_the_largest_group_is_no_majority_unless_it_is_more_than_half() -> None:
    assert differs("580", "580", "570", "560", "550") == ([[]] * 5, None)


def test_one_node_of_a_kind_is_not_judged() -> None:
    rows, traits = drift(["a", "b", "b"], [(("kernel", "1"),), (("kernel", "2"),), (("kernel", "2"),)])
    assert rows == [(), (), ()]
    assert [(trait.group, trait.majority) for trait in traits] == [("b", "2")]


def test_what_a_node_does_not_tell_is_no_difference() -> None:
    rows, traits = drift(["a"] * 3, [(("ECC", "on"),), (("ECC", "on"),), ()])
    assert rows == [(), (), ()]
    assert traits[0].values == (("on", 2),)


def test_a_gpu_that_differs_within_its_node_is_seen() -> None:
    like = simulated.base("ubuntu24-2xh200-healthy")
    import msgspec

    from cudadoctor.facts.base import Known

    nvml = like.nvml
    assert not hasattr(nvml, "reason")
    first, second = nvml.devices  # type: ignore[union-attr]
    odd = msgspec.structs.replace(second, power_limit_w=Known(300.0, "test"))
    machine = msgspec.structs.replace(like, nvml=msgspec.structs.replace(nvml, devices=(first, odd)))  # type: ignore[type-var]
    assert dict(traits_of(like, ""))["power limit"] == "700 W"
    assert dict(traits_of(machine, ""))["power limit"] == "300 W on 1, 700 W on 1"
    assert dict(traits_of(machine, ""))["GPUs"] == "2"


@pytest.mark.parametrize("name", sorted(path.name for path in simulated.MACHINES.iterdir()))
def test_every_recorded_machine_has_traits_in_the_order_of_the_table(name: str) -> None:
    names = [name for name, _ in traits_of(simulated.base(name), "0.1.0")]
    assert names == [name for name in WEIGHTS if name in names]
    assert {"kernel", "cudadoctor"} <= set(names)


def test_the_newest_of_two_files_with_the_same_gpus_counts() -> None:
    old, new = b.digest("a", when=1.0), b.digest("b", when=2.0, gpu_uuids=("GPU-a",))
    kept, skipped, shared = newest([old, new])
    assert [each.node.name for each in kept] == ["b"]
    assert [(item.file, item.kind, item.other) for item in skipped] == [("a.json", "older", "b.json")]
    assert shared == []


def test_a_job_that_saw_some_of_the_gpus_is_the_same_node() -> None:
    whole = b.digest("a", when=1.0, gpu_uuids=("GPU-1", "GPU-2"))
    part = b.digest("b", when=2.0, gpu_uuids=("GPU-2",))
    assert [each.node.name for each in newest([whole, part])[0]] == ["b"]


def test_two_nodes_that_share_a_gpu_but_not_all_are_both_kept_and_told() -> None:
    one = b.digest("a", when=1.0, gpu_uuids=("GPU-1", "GPU-2"))
    two = b.digest("b", when=2.0, gpu_uuids=("GPU-2", "GPU-3"))
    found = b.fleet(one, two)
    assert [node.name for node in found.nodes] == ["a", "b"]
    assert [(each.uuid, each.nodes) for each in found.shared_gpus] == [("GPU-2", ("a", "b"))]


def test_an_older_file_with_measurements_of_its_own_is_told_so() -> None:
    old = b.digest("a", when=1.0, figures=(b.rate(55.0),))
    new = b.digest("b", when=2.0, gpu_uuids=("GPU-a",))
    assert "holds measurements" in newest([old, new])[1][0].reason


def test_an_older_file_whose_kernel_the_newer_one_did_not_try_is_told_so() -> None:
    old, new = b.digest("a", when=1.0, kernel_tried=True), b.digest("b", when=2.0, gpu_uuids=("GPU-a",))
    assert "holds a kernel that was tried" in newest([old, new])[1][0].reason
    both = b.digest("b", when=2.0, gpu_uuids=("GPU-a",), kernel_tried=True)
    assert "holds" not in newest([old, both])[1][0].reason


def test_nodes_without_a_uuid_are_kept_apart_unless_file_and_name_are_equal() -> None:
    import msgspec

    one = b.digest("a", gpu_uuids=())
    other = msgspec.structs.replace(b.digest("b", gpu_uuids=()), mark=one.mark)
    copy = msgspec.structs.replace(b.digest("a", gpu_uuids=(), file="copies/a.json"), mark=one.mark)
    kept, skipped, _ = newest([one, other, copy])
    assert [each.node.file for each in kept] == ["a.json", "b.json"]
    assert [(item.kind, item.other) for item in skipped] == [("duplicate", "a.json")]


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["x/n1.json", "x/n2.json"], ["n1", "n2"]),
        (["n1/facts.json", "n2/facts.json"], ["n1", "n2"]),
        (["a/n1.json", "b/n1.json"], ["a", "b"]),
        (["a/n1.json", "a/n2.json", "b/n1.json", "b/n2.json"], ["a/n1", "n2", "b/n1", "b/n2"]),
        (["x/a/n1.json", "y/a/n1.json"], ["x/a/n1.json", "y/a/n1.json"]),
        (["x/plain"], ["plain"]),
    ],
)
def test_nodes_get_the_shortest_names_that_differ(files: list[str], names: list[str]) -> None:
    found = names_of(files)
    assert len(set(found)) == len(files)
    if "n2" not in names[1:]:
        assert found == names


def test_a_node_whose_driver_does_not_answer_belongs_to_those_with_its_card() -> None:
    well = [b.digest(f"n{place}", card_ids=("2330",)) for place in range(2)]
    ill = b.digest("ill", gpus=(), gpu_uuids=(), card_ids=("2330",))
    other = b.digest("other", gpus=(), gpu_uuids=(), card_ids=("1b80",))
    none = b.digest("none", gpus=(), gpu_uuids=())
    assert groups_of([*well, ill, other, none]) == [b.H100, b.H100, b.H100, "card 1b80", NO_GPU]
