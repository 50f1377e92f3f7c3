"""The process that talks to a Ray cluster: it asks every node, and tells each answer as it comes.

Only here is ray imported. It is a process of its own because Ray ends its own driver when the cluster's head goes away:
what had been told until then stands.
"""

from __future__ import annotations

import os
import socket
import time
import zlib
from typing import Any

from cudadoctor.fleet import ray_task
from cudadoctor.gpu.child import Reporter

CONNECT_LIMIT_S = 30.0
_PORT_LIMIT_S, _FETCH_LIMIT_S = 5.0, 5.0
_SILENCE_S = 10.0
"""How long the cluster's head may leave a question unanswered."""

_TURN_S = 0.5
_AT_ONCE = 64

_MEANING = {
    "TaskUnschedulableError": "it left the cluster before the task could start",
    "NodeDiedError": "it left the cluster while the task ran",
    "LocalRayletDiedError": "Ray's own process on it was killed",
    "WorkerCrashedError": "Ray's worker on it was killed while the task ran",
    "OutOfMemoryError": "Ray killed the task, for the node was short of memory",
    "ObjectLostError": "it left the cluster before its answer arrived",
    "OwnerDiedError": "it left the cluster before its answer arrived",
}
"""What errors of Ray say of a node."""


class NoClusterError(Exception):
    """There is no cluster to ask; the message is one line."""


def run(arguments: dict[str, Any], reporter: Reporter) -> None:
    """Ask every node.

    Args:
        arguments: `address` (or ""), `words`, `deadline_s`, `folder` for the answers, `only`: ids of nodes, or None
            for all; `skip`: host names to leave out.
        reporter: Gets `connected`, then `nodes` (all that the cluster knows), then `answer` or `silent` for each that
            was asked.
    """
    address = arguments["address"]
    with reporter.step("connect", limit_s=CONNECT_LIMIT_S):
        _check_port(address)
        import ray

        try:
            # An address is always given: without one Ray would start a cluster here.
            ray.init(address=address or "auto", logging_level="ERROR", log_to_driver=False, configure_logging=False)
        except Exception as error:  # noqa: BLE001 - whatever Ray raises, there is no cluster to ask
            raise NoClusterError(_line(error)) from None
        known = ray.nodes()
    reporter.send("nodes", nodes=[_described(node) for node in known])
    only = arguments["only"]
    asked = [
        node
        for node in known
        if node["Alive"]
        and (only is None or node["NodeID"] in only)
        and node["NodeManagerHostname"] not in arguments["skip"]
    ]
    with reporter.step("ask", limit_s=_SILENCE_S):
        _ask(ray, asked, arguments, reporter)


def _ask(ray: Any, nodes: list[dict[str, Any]], arguments: dict[str, Any], reporter: Reporter) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ray.cloudpickle.register_pickle_by_value(ray_task)
    # No CPU and no GPU are asked for, so that a node that is full of work answers too.
    task = ray.remote(num_cpus=0, num_gpus=0, max_retries=0)(ray_task.examine_here)
    started = time.monotonic()
    deadline = started + arguments["deadline_s"]
    # The program is ended a little before, so that the node itself can still say so.
    limit_s = max(1.0, 0.9 * arguments["deadline_s"] - 1.0)
    waiting: dict[Any, str] = {}
    for node in nodes:
        strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        reporter.alive()
        waiting[task.options(scheduling_strategy=strategy).remote(arguments["words"], limit_s)] = node["NodeID"]
    while waiting and time.monotonic() < deadline:
        patience_s = min(_TURN_S, max(0.01, deadline - time.monotonic()))
        ready, _ = ray.wait(list(waiting), num_returns=min(_AT_ONCE, len(waiting)), timeout=patience_s)
        for reference in ready:
            _tell(ray, reference, waiting.pop(reference), started, arguments["folder"], reporter)
        reporter.alive()
    now = {node["NodeID"]: node["Alive"] for node in ray.nodes()} if waiting else {}
    for reference, id in waiting.items():
        seconds = time.monotonic() - started
        if now.get(id, True):
            reason = f"no answer after {seconds:.0f} s, while the cluster holds it for alive"
            reporter.send("silent", id=id, state="hung", reason=reason, seconds=seconds)
        else:
            reporter.send("silent", id=id, state="died", reason="it left the cluster", seconds=seconds)
        ray.cancel(reference, force=True)


def _tell(ray: Any, reference: Any, id: str, started: float, folder: str, reporter: Reporter) -> None:
    """Tell one answer: a file in the folder, or why there is none."""
    seconds = time.monotonic() - started
    try:
        answer = ray.get(reference, timeout=_FETCH_LIMIT_S)
    except ray.exceptions.RayTaskError as error:
        reporter.send("silent", id=id, state="failed", reason=_line(error.cause or error), seconds=seconds)
        return
    except ray.exceptions.RuntimeEnvSetupError as error:
        reporter.send("silent", id=id, state="failed", reason=_line(error), seconds=seconds)
        return
    except ray.exceptions.GetTimeoutError:
        reporter.send("silent", id=id, state="hung", reason="its answer did not arrive", seconds=seconds)
        return
    except ray.exceptions.RayError as error:
        # Its worker was killed, or the node went away before or while it answered.
        name = type(error).__name__
        reason = _MEANING.get(name) or f"{name}: {_line(error)}"
        reporter.send(
            "silent", id=id, state="died", reason=f"{reason} ({seconds:.0f} s after it was asked)", seconds=seconds
        )
        return
    if answer["facts"] is None:
        state, reason = _why_no_facts(answer)
        reporter.send("silent", id=id, state=state, reason=reason, seconds=seconds)
        return
    path = os.path.join(folder, f"{id}.json")
    with open(path, "wb") as file:
        file.write(zlib.decompress(answer["facts"]))
    reporter.send("answer", id=id, seconds=seconds)


def _why_no_facts(answer: dict[str, Any]) -> tuple[str, str]:
    if answer["code"] is None:
        return "hung", f"cudadoctor did not end within {answer['seconds']:.0f} s, and was killed"
    said = " ".join(answer["said"].split()[-60:]) or "it printed nothing"
    return "failed", f"cudadoctor ended with {answer['code']}: {said}"


def _described(node: dict[str, Any]) -> dict[str, Any]:
    name = node.get("NodeManagerHostname") or node.get("NodeName") or node["NodeManagerAddress"]
    return {
        "id": node["NodeID"],
        "name": str(name),
        "alive": bool(node["Alive"]),
        "why": node.get("DeathReasonMessage"),
    }


def _check_port(address: str) -> None:
    """Refuse at once an address where nobody listens: Ray would try for a minute."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PORT_LIMIT_S).close()
    except (OSError, OverflowError) as error:
        raise NoClusterError(f"nothing answers at {address}: {_line(error)}") from None


def _line(error: BaseException) -> str:
    """Return the first lines of an error as one."""
    return " ".join(str(error).split())[:300] or type(error).__name__
