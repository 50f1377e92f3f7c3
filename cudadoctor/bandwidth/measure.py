"""Measure copy bandwidth on one GPU, in a child process (`task`) that alone touches the driver."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cudadoctor.bandwidth.events import (
    Curved,
    Event,
    Finished,
    Measured,
    MeasuredPeer,
    MeasuredTogether,
    Sampled,
    Skipped,
    Started,
    Timed,
)
from cudadoctor.bandwidth.expected import expected_link
from cudadoctor.bandwidth.plan import KEYS, LATENCY_KEYS, Options, curve_name
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


class BandwidthError(Exception):
    """Nothing could be measured; the text is one line that says why."""


def run(
    options: Options, *, environment: Mapping[str, str] | None = None, limit_s: float = DRIVER_CALL_LIMIT_S
) -> Iterator[Event]:
    """Measure, and yield what happens; the last event is `Finished`.

    What was measured before a crash or a hang is kept, and the rest is skipped with the reason.

    Args:
        options: What to measure.
        environment: The child's environment, this process's own by default.
        limit_s: How long one driver call, or one sample, may take.

    Raises:
        BandwidthError: There is no GPU to measure, or nothing was measured before the driver hung or died.
        ValueError: The plan asks for a kind of copy that does not exist.
    """
    if options.plan.unknown:
        there = (*KEYS, *LATENCY_KEYS)
        raise ValueError(f"no such measurement: {', '.join(options.plan.unknown)}; there are {', '.join(there)}")
    began = time.monotonic()
    started: Started | None = None
    results: list[BandwidthResult] = []
    skipped: list[SkippedMeasurement] = []
    curves: list[SizeCurve] = []
    latencies: list[Latency] = []
    together: list[BandwidthResult] = []
    peers: list[PeerResult] = []
    link: LinkUnderLoad | None = None
    errors: LinkErrors | None = None
    arguments = {"plan": msgspec.to_builtins(options.plan), "limit_s": limit_s}
    answered: set[str] = set()
    with Worker(TASK, arguments, limit_s=limit_s, environment=environment) as worker:
        for message in worker:
            event = _event(message)
            if isinstance(event, Started):
                started = event
            elif isinstance(event, Measured):
                results.append(event.result)
                answered.add(message["asked"])
            elif isinstance(event, Skipped):
                skipped.append(event.skipped)
                answered.add(event.skipped.key)
            elif isinstance(event, Curved):
                curves.append(event.curve)
                answered.add(curve_name(event.curve.key))
            elif isinstance(event, Timed):
                latencies.append(event.latency)
                answered.add(event.latency.key)
            elif isinstance(event, MeasuredTogether):
                together.append(event.result)
            elif isinstance(event, MeasuredPeer):
                peers.append(event.result)
            elif isinstance(event, LinkUnderLoad):
                link = event
                errors = msgspec.convert(message["errors"], LinkErrors)
                continue
            if event is not None:
                yield event
    reason = _reason(worker.ending)
    if started is None or (not results and worker.ending.state != "finished"):
        raise BandwidthError(reason)
    plan = options.plan
    for key in (*plan.keys, *plan.latencies, *map(curve_name, plan.curves)):
        if key not in answered:
            skip = SkippedMeasurement(key=key, device=started.device, reason=reason)
            skipped.append(skip)
            yield Skipped(skip)
    to_host = [result.gb_per_s for result in results if result.key != "d2d_local"]
    expected = expected_link(
        _on_bus(options.pci, started.pci_address),
        link,
        address=started.pci_address,
        coherent=started.coherent,
        measured_gb_per_s=max(to_host, default=None),
    )
    yield Finished(
        Bandwidth(
            device=started.device,
            device_name=started.name,
            device_uuid=started.uuid,
            pci_address=started.pci_address,
            results=tuple(results),
            skipped=tuple(skipped),
            expected=expected,
            link_under_load=link,
            curves=tuple(curves),
            latencies=tuple(latencies),
            together=tuple(together),
            peers=tuple(peers),
            link_errors=errors,
            seconds=time.monotonic() - began,
            cut_short=_cut_short(worker.ending, reason),
        )
    )


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
    if kind == "together":
        return MeasuredTogether(msgspec.convert(message["result"], BandwidthResult))
    if kind == "peer":
        return MeasuredPeer(msgspec.convert(message["result"], PeerResult))
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
