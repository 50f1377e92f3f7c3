"""Measure copy bandwidth on one GPU, in a child process (`task`) that alone touches the driver."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from typing import Any

import msgspec

from cudadoctor.bandwidth.events import (
    Curved,
    Event,
    Finished,
    Measured,
    MeasuredAlone,
    MeasuredOnNode,
    MeasuredPeer,
    MeasuredTogether,
    NodesDone,
    Sampled,
    Skipped,
    Started,
    Timed,
)
from cudadoctor.bandwidth.expected import expected_link
from cudadoctor.bandwidth.plan import KEYS, LATENCY_KEYS, NUMA, Options, Plan, curve_name
from cudadoctor.facts.bandwidth import (
    Bandwidth,
    BandwidthResult,
    Latency,
    LinkErrors,
    LinkUnderLoad,
    PeerResult,
    SizeCurve,
    SkippedMeasurement,
)
from cudadoctor.facts.base import Missing
from cudadoctor.facts.ladder import Step, StepState
from cudadoctor.facts.pci import Pci, PciDevice
from cudadoctor.gpu.worker import DRIVER_CALL_LIMIT_S, Ending, Worker
from cudadoctor.text import printable

TASK = "cudadoctor.bandwidth.task:work"
_INTERRUPTED = "the measurement was interrupted"


class BandwidthError(Exception):
    """Nothing could be measured; the text is one line that says why."""


def run(
    options: Options, *, environment: Mapping[str, str] | None = None, limit_s: float = DRIVER_CALL_LIMIT_S
) -> Generator[Event, None, None]:
    """Measure, and yield what happens; the last event is `Finished`.

    What was measured before a crash, a hang or Ctrl-C is kept, and the rest is skipped with the reason. A caller that
    catches KeyboardInterrupt itself, between two events, hands it over with `throw` and goes on reading.

    Args:
        options: What to measure.
        environment: The child's environment, this process's own by default.
        limit_s: How long one driver call, or one sample, may take.

    Raises:
        BandwidthError: There is no GPU to measure, or nothing was measured before the driver hung or died.
        ValueError: The plan asks for a kind of copy that does not exist.
        KeyboardInterrupt: Ctrl-C, before anything was measured.
    """
    if options.plan.unknown:
        there = (*KEYS, *LATENCY_KEYS)
        raise ValueError(f"no such measurement: {', '.join(options.plan.unknown)}; there are {', '.join(there)}")
    began = time.monotonic()
    record = _Record()
    arguments = {"plan": msgspec.to_builtins(options.plan), "limit_s": limit_s, "root": options.root}
    struck: KeyboardInterrupt | None = None
    with Worker(TASK, arguments, limit_s=limit_s, environment=environment) as worker:
        try:
            for message in worker:
                event = record.take(message)
                if event is not None:
                    yield event
        except KeyboardInterrupt as error:
            struck = error
    started, reason = record.started, _INTERRUPTED if struck is not None else _reason(worker.ending)
    if struck is not None and (started is None or not record.measured):
        raise struck
    if started is None or (not record.results and worker.ending.state != "finished" and struck is None):
        raise BandwidthError(reason)
    for key in record.unanswered(options.plan):
        skip = SkippedMeasurement(key=key, device=started.device, reason=reason)
        record.skipped.append(skip)
        yield Skipped(skip)
    results, link = record.results, record.link
    over_link = [result.gb_per_s for result in results if result.key != "d2d_local"]
    expected = expected_link(
        _on_bus(options.pci, started.pci_address),
        link,
        address=started.pci_address,
        coherent=started.coherent,
        measured_gb_per_s=max(over_link, default=None),
    )
    yield Finished(
        Bandwidth(
            device=started.device,
            device_name=started.name,
            device_uuid=started.uuid,
            pci_address=started.pci_address,
            results=tuple(results),
            skipped=tuple(record.skipped),
            expected=expected,
            link_under_load=link,
            curves=tuple(record.curves),
            latencies=tuple(record.latencies),
            together=tuple(record.together),
            alone=tuple(record.alone),
            peers=tuple(record.peers),
            near=tuple(record.nodes["near"]),
            far=tuple(record.nodes["far"]),
            link_errors=record.errors,
            parameters=options.plan.parameters,
            seconds=time.monotonic() - began,
            cut_short=None if struck is not None else _cut_short(worker.ending, reason),
            interrupted=struck is not None,
        )
    )


class _Record:
    """What the child has sent so far."""

    def __init__(self) -> None:
        self.started: Started | None = None
        self.results: list[BandwidthResult] = []
        self.skipped: list[SkippedMeasurement] = []
        self.curves: list[SizeCurve] = []
        self.latencies: list[Latency] = []
        self.together: list[BandwidthResult] = []
        self.alone: list[BandwidthResult] = []
        self.peers: list[PeerResult] = []
        self.nodes: dict[str, list[BandwidthResult]] = {"near": [], "far": []}
        self.link: LinkUnderLoad | None = None
        self.errors: LinkErrors | None = None
        self._answered: set[str] = set()

    @property
    def measured(self) -> bool:
        """Whether there is anything to keep."""
        copies = (self.results, self.together, self.alone, self.peers, *self.nodes.values())
        return any((*copies, self.curves, self.latencies))

    def unanswered(self, plan: Plan) -> list[str]:
        """Return what was planned and neither measured nor skipped."""
        planned = dict.fromkeys((*plan.keys, *plan.costs))
        return [key for key in planned if key not in self._answered]

    def take(self, message: dict[str, Any]) -> Event | None:
        """Keep what a message says, and return its event, if it is one."""
        event = _event(message)
        if isinstance(event, Started):
            self.started = event
        elif isinstance(event, Measured):
            self.results.append(event.result)
            self._answered.add(message["asked"])
        elif isinstance(event, Skipped):
            self.skipped.append(event.skipped)
            self._answered.add(event.skipped.key)
        elif isinstance(event, Curved):
            self.curves.append(event.curve)
            self._answered.add(curve_name(event.curve.key))
        elif isinstance(event, Timed):
            self.latencies.append(event.latency)
            self._answered.add(event.latency.key)
        elif isinstance(event, MeasuredAlone):
            self.alone.append(event.result)
        elif isinstance(event, MeasuredTogether):
            self.together.append(event.result)
        elif isinstance(event, MeasuredPeer):
            self.peers.append(event.result)
        elif isinstance(event, MeasuredOnNode):
            self.nodes[event.where].append(event.result)
        elif isinstance(event, NodesDone):
            self._answered.add(NUMA)
        elif isinstance(event, LinkUnderLoad):
            self.link = event
            self.errors = msgspec.convert(message["errors"], LinkErrors)
            return None
        return event


def _event(message: dict[str, Any]) -> Event | LinkUnderLoad | None:
    kind = message["kind"]
    if kind == "started":
        return msgspec.convert(message["device"], Started)
    if kind == "sample":
        return Sampled(message["key"], message["gb_per_s"])
    if kind == "result":
        return Measured(msgspec.convert(message["result"], BandwidthResult))
    if kind == "curve":
        return Curved(_fitted(msgspec.convert(message["curve"], SizeCurve)))
    if kind == "latency":
        return Timed(msgspec.convert(message["latency"], Latency))
    if kind == "alone":
        return MeasuredAlone(msgspec.convert(message["result"], BandwidthResult))
    if kind == "together":
        return MeasuredTogether(msgspec.convert(message["result"], BandwidthResult))
    if kind == "peer":
        return MeasuredPeer(msgspec.convert(message["result"], PeerResult))
    if kind == "node":
        return MeasuredOnNode(message["where"], msgspec.convert(message["result"], BandwidthResult))
    if kind == "nodes":
        return NodesDone()
    if kind == "skipped":
        return Skipped(msgspec.convert(message["skipped"], SkippedMeasurement))
    if kind == "link":
        return msgspec.convert(message["link"], LinkUnderLoad)
    return None


def _fitted(curve: SizeCurve) -> SizeCurve:
    """Return a curve with its fit: overhead, rate, and the size that reaches half of it."""
    from cudadoctor.bandwidth.fit import fit_curve

    return msgspec.structs.replace(curve, fit=fit_curve(curve.points))


def _reason(ending: Ending) -> str:
    """Say in one line why the child did not do all that it was asked."""
    where = ending.step or "the measurement"
    if ending.state == "timed out":
        return f"{where} did not return in time"
    if ending.state == "crashed":
        return f"the driver crashed in {where} ({ending.signal or f'exit code {ending.exit_code}'})"
    return printable(ending.detail.strip().partition("\n")[0]) or "the measurement ended without a reason"


def _cut_short(ending: Ending, reason: str) -> Step | None:
    """Return the call in which the driver hung or died, None if it did neither."""
    if ending.state not in ("timed out", "crashed"):
        return None
    call = ending.step or "the measurement"
    state: StepState = "timed out" if ending.state == "timed out" else "crashed"
    return Step(name="bandwidth", state=state, call=call, detail=reason, signal=ending.signal, seconds=ending.seconds)


def _on_bus(pci: Pci | Missing, address: str) -> PciDevice | None:
    if isinstance(pci, Missing):
        return None
    return next((device for device in pci.devices if device.address == address), None)
