"""The link itself: what it was while copies ran, its errors before and after, and its narrowest hop."""

from __future__ import annotations

from cudadoctor.facts.bandwidth import Bandwidth, ExpectedLink, LinkErrors, LinkUnderLoad
from cudadoctor.facts.base import Fact, Known, Missing
from cudadoctor.report.bandwidth.names import wrapped
from cudadoctor.report.device_words import clock_reasons


def link_lines(bandwidth: Bandwidth, width: int) -> list[str]:
    """Return what is known of the link, as lines of that width."""
    return [line for text in link_sentences(bandwidth) for line in wrapped(text, width)]


def link_sentences(bandwidth: Bandwidth) -> list[str]:
    """Return what is known of the link."""
    told: list[str] = []
    if bandwidth.link_under_load is not None:
        told.append(_under_load(bandwidth.link_under_load))
    errors = _errors(bandwidth.link_errors) if bandwidth.link_errors is not None else ""
    if errors:
        told.append(errors)
    expected = bandwidth.expected
    if isinstance(expected, ExpectedLink):
        told.append(
            f"Narrowest hop: {expected.hop}, Gen{expected.generation} x{expected.width}, "
            f"line rate {expected.gb_per_s:.1f} GB/s in each direction ({expected.source})"
        )
    else:
        told.append(f"Not judged against a link: {expected.reason}")
    return told


def _under_load(link: LinkUnderLoad) -> str:
    text = (
        f"Link while copying: {_link(link.generation, link.width)} "
        f"(at most {_link(link.generation_max, link.width_max)}); "
        f"performance state {_number(link.performance_state, 'P')}; SM clock {_number(link.sm_clock_mhz)} MHz"
    )
    reasons = link.clock_event_reasons
    if isinstance(reasons, Known) and reasons.value:
        text += f"; clock event reasons: {clock_reasons(reasons.value)}"
    return text


def _errors(errors: LinkErrors) -> str:
    """Return the counters that could be read; that a system hides one is nothing to tell a reader of a table."""
    counted = {
        "PCIe replays": _before_and_after(errors.replays_before, errors.replays_after),
        "corrected errors": _before_and_after(errors.corrected_before, errors.corrected_after),
    }
    told = "; ".join(f"{name} {text}" for name, text in counted.items() if text)
    return f"Errors of the link: {told}" if told else ""


def _before_and_after(before: Fact[int], after: Fact[int]) -> str:
    if isinstance(before, Missing) or isinstance(after, Missing):
        return ""
    grown = after.value - before.value
    return f"{before.value} before and {after.value} after" + (f" ({grown:+d} during the copies)" if grown else "")


def _link(generation: Fact[int], width: Fact[int]) -> str:
    return f"Gen{_number(generation)} x{_number(width)}"


def _number(fact: Fact[int], prefix: str = "") -> str:
    return f"{prefix}{fact.value}" if isinstance(fact, Known) else "?"
