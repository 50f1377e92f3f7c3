"""The child's side of near and far: pinned copies with host memory on the GPU's own NUMA node, and on another one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import msgspec

from cudadoctor.bandwidth.nodes import Node, NoNodesError, nodes_of
from cudadoctor.bandwidth.placement import PlacementError, place
from cudadoctor.bandwidth.plan import NUMA, Plan
from cudadoctor.bandwidth.task import skip
from cudadoctor.bandwidth.transfers import TimingError, Transfer, VerificationError, measure
from cudadoctor.bandwidth.workspace import Workspace, round_down
from cudadoctor.gpu.child import Reporter
from cudadoctor.gpu.driver_api import DriverError

_KEYS = ("h2d_pinned", "d2h_pinned")


def measure_nodes(
    workspace: Workspace, device: int, address: str, plan: Plan, limit_s: float, reporter: Reporter, root: Path
) -> None:
    """Measure near and far, each in both directions; what fails is skipped with its reason."""
    try:
        nodes = nodes_of(address, root)
    except NoNodesError as error:
        skip(reporter, NUMA, device, str(error))
        return
    if workspace.not_pinned:
        skip(reporter, NUMA, device, workspace.not_pinned)
        return
    size = min(workspace.size_bytes, round_down(plan.extra_bytes))
    for where, node in (("near", nodes.near), ("far", nodes.far)):
        _measure_node(where, node, workspace, device, size, plan, limit_s, reporter)
    reporter.send("nodes")


def _measure_node(
    where: str,
    node: Node,
    workspace: Workspace,
    device: int,
    size: int,
    plan: Plan,
    limit_s: float,
    reporter: Reporter,
) -> None:
    with ExitStack() as stack:
        try:
            with reporter.step("cuMemHostRegister", limit_s=limit_s):
                words = place(node, size)
                stack.enter_context(workspace.driver.registered(words.ctypes.data, size))
        except (DriverError, PlacementError, OSError) as error:
            for key in _KEYS:
                skip(reporter, _name(key, where), device, str(error))
            return
        for key in _KEYS:
            transfer = Transfer(key, workspace, host=words)
            transfer.size_bytes = size
            try:
                result = measure(
                    transfer,
                    device=device,
                    plan=plan,
                    step=lambda call: reporter.step(call, limit_s=limit_s),
                    sampled=lambda gb_per_s: None,
                    note="; ".join(workspace.notes),
                )
            except VerificationError as error:
                skip(reporter, _name(key, where), device, f"verification failed: {error}")
            except (DriverError, TimingError) as error:
                skip(reporter, _name(key, where), device, str(error))
            else:
                result = msgspec.structs.replace(result, numa_node=node.number)
                reporter.send("node", where=where, result=msgspec.to_builtins(result))


def _name(key: str, where: str) -> str:
    """Return `h2d_far`: what copies are called where they must not be taken for those of any memory."""
    return f"{key.partition('_')[0]}_{where}"
