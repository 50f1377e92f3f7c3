"""Near and far memory against the fake driver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cudadoctor.bandwidth import measure
from cudadoctor.bandwidth.events import Finished, MeasuredOnNode, NodesDone
from cudadoctor.bandwidth.plan import Options, Plan
from cudadoctor.facts.bandwidth import Bandwidth
from tests.bandwidth.test_measure import left_over, reasons
from tests.bandwidth.test_nodes import TWO, sysfs
from tests.fake_driver.build import FakeDriver

MIB = 2**20
PLAN = Plan(keys=("d2d_local",), size_bytes=2 * MIB, extra_bytes=MIB, copies=4, numa=True)


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "TASK", "tests.bandwidth.two_nodes:work")


def run(fake_driver: FakeDriver, root: Path, plan: Plan = PLAN, **keys: Any) -> tuple[Bandwidth, list[Any]]:
    events = list(measure.run(Options(plan=plan, root=str(root)), environment=fake_driver.scenario(**keys)))
    assert isinstance(events[-1], Finished)
    return events[-1].bandwidth, events


@pytest.mark.usefixtures("two_nodes")
def test_both_nodes_are_measured_both_ways_and_said_where(fake_driver: FakeDriver, tmp_path: Path) -> None:
    rates = {"h2d_registered_gb_per_s": 50.0, "d2h_registered_gb_per_s": 40.0}
    result, events = run(fake_driver, sysfs(tmp_path / "root", TWO, gpu="1"), **rates)
    assert result.skipped == ()
    for results, node in ((result.near, 1), (result.far, 0)):
        assert [(one.key, one.numa_node, one.size_bytes) for one in results] == [
            ("h2d_pinned", node, MIB),
            ("d2h_pinned", node, MIB),
        ]
        for one, wanted in zip(results, (50.0, 40.0), strict=True):
            assert one.gb_per_s == pytest.approx(wanted, rel=1e-2)
            assert (one.verified, len(one.samples_gb_per_s), one.timer) == (True, 3, "events")
    assert [one.key for one in result.results] == ["d2d_local"]
    assert [event.where for event in events if isinstance(event, MeasuredOnNode)] == ["near", "near", "far", "far"]
    assert sum(isinstance(event, NodesDone) for event in events) == 1


@pytest.mark.usefixtures("two_nodes")
@pytest.mark.parametrize("keys", [{}, {"corrupt_copies": "h2d"}, {"error_in": "cuMemcpyHtoDAsync_v2:700"}])
def test_everything_is_given_back(fake_driver: FakeDriver, tmp_path: Path, keys: dict[str, Any]) -> None:
    trace = tmp_path / "trace"
    run(fake_driver, sysfs(tmp_path / "root", TWO), trace=trace, **keys)
    assert trace.read_text().count("cuMemHostRegister_v2") == 2
    assert left_over(trace) == {}


@pytest.mark.usefixtures("two_nodes")
def test_a_node_that_has_no_room_costs_only_its_own_rows(fake_driver: FakeDriver, tmp_path: Path) -> None:
    result, _ = run(fake_driver, sysfs(tmp_path / "root", TWO), environment={"FULL_NODE": "1"})
    assert [one.numa_node for one in result.near] == [0, 0]
    assert (result.far, set(reasons(result))) == ((), {"h2d_far", "d2h_far"})
    assert "0 of 1 pages are there" in reasons(result)["h2d_far"]


@pytest.mark.usefixtures("two_nodes")
def test_what_arrives_damaged_or_not_at_all_gives_no_rate(fake_driver: FakeDriver, tmp_path: Path) -> None:
    root = sysfs(tmp_path / "root", TWO)
    result, _ = run(fake_driver, root, corrupt_copies="h2d_registered")
    assert reasons(result)["h2d_near"].startswith("verification failed: sample 1: ")
    assert [one.key for one in (*result.near, *result.far)] == ["d2h_pinned", "d2h_pinned"]
    result, _ = run(fake_driver, root, error_in="cuMemHostRegister_v2:801")
    assert set(reasons(result)) == {"h2d_near", "d2h_near", "h2d_far", "d2h_far"}
    assert "CUDA_ERROR_NOT_SUPPORTED" in reasons(result)["h2d_near"]
    result, _ = run(fake_driver, root, crash_in="cuMemHostRegister_v2")
    assert reasons(result) == {"numa": "the driver crashed in cuMemHostRegister (SIGSEGV)"}


def test_a_tree_that_promises_two_nodes_is_not_believed_where_the_kernel_has_one(
    fake_driver: FakeDriver, tmp_path: Path
) -> None:
    # The second node's CPU is this machine's first, so the thread may run there; its pages come from elsewhere.
    result, _ = run(fake_driver, sysfs(tmp_path / "root", {900: "0", 901: "0"}, gpu="900"))
    assert (result.near, result.far) == ((), ())
    assert set(reasons(result)) == {"h2d_near", "d2h_near", "h2d_far", "d2h_far"}


@pytest.mark.parametrize(
    ("tree", "why"), [({"cpus": {0: "0-1"}}, "one NUMA node"), ({"cpus": TWO, "gpu": "-1"}, "numa_node is -1")]
)
def test_one_node_or_none_known_is_skipped_with_the_reason(
    fake_driver: FakeDriver, tmp_path: Path, tree: dict[str, Any], why: str
) -> None:
    result, _ = run(fake_driver, sysfs(tmp_path / "root", **tree))
    assert why in reasons(result)["numa"]
    assert [one.key for one in result.results] == ["d2d_local"]


def test_memory_that_cannot_be_pinned_has_no_near_and_far(fake_driver: FakeDriver, tmp_path: Path) -> None:
    result, _ = run(fake_driver, sysfs(tmp_path / "root", TWO), host_pinnable_bytes=8192)
    assert "could not be pinned" in reasons(result)["numa"]


def test_it_is_not_measured_unless_it_is_asked_for(fake_driver: FakeDriver, tmp_path: Path) -> None:
    plan = msgspec.structs.replace(PLAN, numa=False)
    result, _ = run(fake_driver, sysfs(tmp_path / "root", TWO), plan)
    assert (result.near, result.far, result.skipped) == ((), (), ())
