"""Small nodes and fleets for tests."""

from __future__ import annotations

from typing import Any

from cudadoctor.facts.fleet import Fleet, Measured, Node, NodeFinding
from cudadoctor.findings import Finding, Fix, Severity
from cudadoctor.fleet.digest import Digest
from cudadoctor.fleet.merge import Merged, merge

H100 = "NVIDIA H100 80GB HBM3"


def node(name: str, **values: Any) -> Node:
    told: dict[str, Any] = {
        "file": f"{name}.json",
        "recorded_at": "",
        "version": "0.1.0",
        "status": "ok",
        "verdict": "ok",
        "group": H100,
        "gpus": (H100,),
        "gpu_uuids": (f"GPU-{name}",),
    }
    return Node(name=name, **{**told, **values})


def rate(value: float, key: str = "h2d_pinned", peers: str = f"{H100}, Gen5 x16") -> Measured:
    return Measured(key=key, value=value, unit="GB/s", peers=peers)


def seconds(value: float) -> Measured:
    return Measured(key="race cpu-fast", value=value, unit="s", peers="a CPU; a network")


def finding(id: str, severity: str = "error", summary: str = "It is broken.") -> NodeFinding:
    return NodeFinding(id, severity, f"Title of {id}", summary)  # type: ignore[arg-type]


def detail(id: str, severity: str = "error", summary: str = "It is broken.") -> Finding:
    return Finding(
        id=id,
        severity=Severity(severity),
        title=f"Title of {id}",
        summary=summary,
        cause="Something.",
        confidence="proven",
        evidence=(),
        fix=Fix("Mend it.", ("true",)),
        docs=f"docs/findings/{id}.md",
    )


def digest(name: str, *, traits: dict[str, str] | None = None, when: float = 0.0, **values: Any) -> Digest:
    """Return a node as it was read; `card_ids` are those on its bus, `found` its findings by id and severity."""
    card_ids = values.pop("card_ids", ())
    found = values.pop("found", ())
    kernel_tried = values.pop("kernel_tried", False)
    details = tuple(detail(id, severity) for id, severity in found)
    values.setdefault("findings", tuple(finding(id, severity) for id, severity in found))
    return Digest(
        node=node(name, **values),
        when=when,
        traits=tuple((traits or {}).items()),
        details=details,
        card_ids=tuple(card_ids),
        card_names=tuple(f"card {id}" for id in card_ids),
        mark=f"{name}{when}".encode(),
        kernel_tried=kernel_tried,
    )


def merged(*digests: Any, **more: Any) -> Merged:
    return merge(digests, **more)


def fleet(*digests: Any, **more: Any) -> Fleet:
    return merge(digests, **more).fleet
