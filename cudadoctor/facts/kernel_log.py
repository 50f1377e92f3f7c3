"""What the kernel log of this boot says of NVIDIA GPUs: parsed events, never other lines, which may be private."""

from __future__ import annotations

import msgspec

from cudadoctor.facts.base import Section


class KernelEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of event on one card; what repeats is counted, and the first line stands for all.

    Attributes:
        kind: `xid`, `fallen-off-bus`, `rm-init-failed`, `bar-invalid`, `bar-unassigned`, `already-bound`,
            `probe-not-called`, `probe-failed`, `not-supported`, `open-module-required`, `version-mismatch`,
            `module-rejected`, `module-mismatch`, `pcie-corrected` (an error that the link repaired), `pcie-error` (any
            other), `module-loaded` or `resumed` (after a suspend).
        text: The line without its time, cut after 200 characters.
        xid: The number, for the kind `xid` alone.
        pci_address: As sysfs writes it (`0000:01:00.0`), "" where the line names no card.
        pid: Of the program that the line names.
        process: Its name, "" where the line has none.
        count: How often this came.
        first_s: Seconds from boot to the first time; None where the log does not say.
        last_s: Seconds from boot to the last time.
    """

    kind: str
    text: str
    xid: int | None = None
    pci_address: str = ""
    pid: int | None = None
    process: str = ""
    count: int = 1
    first_s: float | None = None
    last_s: float | None = None


class KernelLog(Section, frozen=True, kw_only=True):
    """Events of this boot, in the order in which they first came; `source` is the log that was read."""

    events: tuple[KernelEvent, ...]
    source: str

    def of_kind(self, *kinds: str) -> tuple[KernelEvent, ...]:
        """Return the events of some kinds."""
        return tuple(event for event in self.events if event.kind in kinds)

    def xids(self, *numbers: int) -> tuple[KernelEvent, ...]:
        """Return the Xid events with some numbers."""
        return tuple(event for event in self.events if event.kind == "xid" and event.xid in numbers)
