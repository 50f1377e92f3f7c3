"""`fleet run` on a Ray cluster of several nodes on this machine: one is killed, one is asleep, one loses its head.

Needs the extra `fleet`; without it these tests are skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="ray, the extra `fleet`, is not installed")

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="clusters on one machine are for Linux")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and two nodes, none of which has a CPU to give."""
    from ray.cluster_utils import Cluster

    environment = dict(os.environ)
    # The nodes' programs find the code under test, wherever it stands.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=0)
    made.wait_for_nodes()
    yield made
    made.shutdown()
    os.environ.clear()
    os.environ.update(environment)


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cudadoctor", "fleet", "run", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, "--format", "json", "--no-redact"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in out + err, err
    document: dict[str, Any] = json.loads(out)
    return document


def raylet(node: Any) -> int:
    """Return the process of Ray on a node."""
    number: int = node.all_processes["raylet"][0].process.pid
    return number


def test_every_node_is_examined_though_none_has_a_cpu_to_give(cluster: Any, tmp_path: Path) -> None:
    document = ended(start("--address", cluster.address, "--save", tmp_path))
    fleet = document["facts"]["fleet"]
    assert document["command"] == "fleet run"
    assert len(fleet["nodes"]) == 3
    assert fleet["silent"] == []
    assert (fleet["run"]["asked"], fleet["run"]["answered"], fleet["run"]["cut_short"]) == (3, 3, "")
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == sorted(node["file"] for node in fleet["nodes"])
    # Where there is no GPU that is an error, and what is suspected was asked twice.
    assert {node["runs"] for node in fleet["nodes"] if node["status"] == "error"} <= {2}
    again = subprocess.run(
        [sys.executable, "-m", "cudadoctor", "fleet", "report", str(tmp_path), "--format", "json", "--no-redact"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    reported = json.loads(again.stdout)["facts"]["fleet"]
    assert {node["name"] for node in reported["nodes"]} == {node["name"] for node in fleet["nodes"]}


@pytest.fixture
def never_ends(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a node on which cudadoctor writes a file, and then hangs."""
    package = tmp_path / "cudadoctor"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import os, pathlib, time\npathlib.Path(os.environ['STARTED']).touch()\ntime.sleep(600)\n"
    )
    return {"PYTHONPATH": str(tmp_path), "STARTED": str(tmp_path / "started")}


def test_a_killed_and_a_sleeping_node_are_findings_and_the_others_answer(
    cluster: Any, never_ends: dict[str, str]
) -> None:
    """One node is stopped as a whole; on the other the program hangs until the node is killed under it."""
    asleep, killed = cluster.add_node(num_cpus=0), cluster.add_node(num_cpus=0, env_vars=never_ends)
    cluster.wait_for_nodes()
    os.kill(raylet(asleep), signal.SIGSTOP)
    try:
        run = start("--address", cluster.address, "--deadline", 20)
        until = time.monotonic() + 30
        while not os.path.exists(never_ends["STARTED"]) and time.monotonic() < until:
            time.sleep(0.1)
        cluster.remove_node(killed, allow_graceful=False)
        document = ended(run)
    finally:
        with contextlib.suppress(OSError):
            os.kill(raylet(asleep), signal.SIGCONT)
        cluster.remove_node(asleep, allow_graceful=False)
    fleet = document["facts"]["fleet"]
    states = {node["name"].rpartition("-")[2]: node["state"] for node in fleet["silent"]}
    assert states[asleep.node_id[:8]] == "hung"
    assert states[killed.node_id[:8]] == "died"
    assert len(fleet["nodes"]) == 3
    assert {"fleet-node-died", "fleet-node-hung"} <= {finding["id"] for finding in document["findings"]}
    assert document["status"] == "error"


def test_without_a_cluster_it_is_one_line_and_3_and_none_is_started(tmp_path: Path) -> None:
    before = _rays()
    for address in ("127.0.0.1:1", None):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(tmp_path), "RAY_ADDRESS": ""}
        words = [] if address is None else ["--address", address]
        if address is None and os.path.exists("/tmp/ray/ray_current_cluster"):
            continue  # a cluster runs on this machine, and would be found
        done = subprocess.run(
            [sys.executable, "-m", "cudadoctor", "fleet", "run", *words],
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
            check=False,
        )
        assert done.returncode == 3, done.stderr
        assert done.stderr.startswith("cudadoctor: no node was asked: ")
        assert done.stderr.count("\n") == 1
    assert _rays() == before


def _rays() -> int:
    """Return how many processes of Ray's control store run."""
    import psutil

    return sum(process.info["name"] == "gcs_server" for process in psutil.process_iter(["name"]))


def test_an_address_that_would_start_a_cluster_is_refused() -> None:
    for address in ("local", "ray://head:10001"):
        process = start("--address", address)
        assert ended(process)["error"]["exit_code"] == 2
