"""Let each installed framework use the GPU, one after the other, each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.machinery import PathFinder
from typing import Any

import msgspec

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.frameworks import Framework, Frameworks, MappedLibrary
from cudadoctor.facts.ladder import Ladder, Step
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S, Worker
from cudadoctor.probes.endings import cut_short
from cudadoctor.probes.guard import never_raises

NAMES = ("torch", "jax", "tensorflow", "cupy")
"""What is asked, in this order, where it is installed."""

DRIVER_CALLS_A_STEP = 8
"""How many times the limit of a driver call a framework's step may take: it loads gigabytes and makes many calls."""

_STEPS = ("import", "device-count", "operation")
_LINES, _LONGEST_LINE = 20, 400

# Without these JAX and TensorFlow take nearly all memory of the GPU at their first call.
_MODEST = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def installed_frameworks() -> tuple[str, ...]:
    """Return the frameworks that this Python would find; none is imported, and a bare folder of that name is none."""
    specs = {name: PathFinder.find_spec(name) for name in NAMES}
    return tuple(name for name, spec in specs.items() if spec is not None and spec.origin is not None)


@never_raises
def gather(
    ladder: Ladder | Missing, *, device: int | None, limit_s: float = DRIVER_CALL_LIMIT_S
) -> Frameworks | Missing:
    """Gather the frameworks section.

    Args:
        ladder: How the driver answered; one that hangs would hang the frameworks too, so they are left alone then.
        device: Index of the GPU, 0 by default.
        limit_s: Longest that one driver call may take; a framework's step may take eight times as long.
    """
    hung = next((step for step in getattr(ladder, "steps", ()) if step.state == "timed out"), None)
    if hung is not None:
        return Missing(f"{hung.call} hung, and the frameworks would hang with it")
    found = installed_frameworks()
    return Frameworks(asked=tuple(_ask(name, device or 0, limit_s * DRIVER_CALLS_A_STEP) for name in found))


def _ask(name: str, device: int, limit_s: float) -> Framework:
    arguments = {"framework": name, "device": device, "limit_s": limit_s}
    environment: Mapping[str, str] = {**_MODEST, **os.environ}
    with Worker("cudadoctor.gpu.ask_framework:work", arguments, limit_s=limit_s, environment=environment) as worker:
        messages = list(worker)
        ending, words = worker.ending, worker.last_words()
    steps = [msgspec.convert(m["step"], Step) for m in messages if m["kind"] == "step-result"]
    if ending.state != "finished" and len(steps) < len(_STEPS) and all(step.state == "passed" for step in steps):
        step = _STEPS[len(steps)]
        steps.append(cut_short(step, ending, limit_s, call=f"{name}: {step}"))
    stopped = next((step for step in steps if step.state != "passed"), None)
    for left in _STEPS[len(steps) :]:
        reason = f"{stopped.name} {_PAST[stopped.state]}" if stopped is not None else "it was not tried"
        steps.append(Step(name=left, state="not reached", call="", detail=reason))
    facts = {m["name"]: m["fact"] for m in messages if m["kind"] == "fact"}
    reason = f"{stopped.call}: {stopped.detail}" if stopped is not None else "it was not told"
    libraries = [item for m in messages if m["kind"] == "libraries" for item in m["libraries"]]
    return Framework(
        name=name,
        version=_fact(facts, "version", str, reason),
        steps=tuple(steps),
        built_with_cuda=_fact(facts, "built_with_cuda", str, reason),
        device_count=_fact(facts, "device_count", int, reason),
        device_capability=_fact(facts, "device_capability", str, reason),
        architectures=_fact(facts, "architectures", tuple[str, ...], reason),
        cuda_runtime_version=_fact(facts, "cuda_runtime_version", str, reason),
        cudnn_version=_fact(facts, "cudnn_version", str, reason),
        libraries=tuple(msgspec.convert(item, MappedLibrary) for item in libraries),
        said=tuple(line.strip()[:_LONGEST_LINE] for line in words.splitlines() if line.strip())[-_LINES:],
    )


_PAST = {"failed": "failed", "timed out": "hung", "crashed": "crashed"}


def _fact(facts: Mapping[str, Any], name: str, kind: Any, reason: str) -> Any:
    if name not in facts:
        return Missing(reason)
    return msgspec.convert(facts[name], type=Known[kind] | Missing)
