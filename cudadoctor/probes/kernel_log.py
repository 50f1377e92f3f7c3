"""Gather what the kernel log of this boot says of NVIDIA GPUs.

/dev/kmsg is the kernel's own buffer, and most distributions let only root read it. The files that a log daemon writes
are next; journalctl is not called, because it takes longer than all other probes together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Set

import msgspec

from cudadoctor.facts.base import Missing
from cudadoctor.facts.kernel_log import KernelEvent, KernelLog
from cudadoctor.probes.guard import never_raises
from cudadoctor.probes.root import Root, why
from cudadoctor.text import printable

KMSG = "/dev/kmsg"
# The last is where a sosreport keeps what dmesg said.
_FILES = ("/var/log/kern.log", "/var/log/messages", "/var/log/dmesg", "/sos_commands/kernel/dmesg")
_TAIL_BYTES = 1 << 20
_MAX_RECORDS = 20_000  # a buffer of 1 MiB holds about 10 000
_MAX_EVENTS = 100
_TEXT_LENGTH = 200

_ADDRESS = r"(?P<address>[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-7])?)"
_XID = re.compile(
    rf"NVRM: Xid \((?:PCI:)?{_ADDRESS}[^)]*\): (?P<xid>\d{{1,4}})"
    r"(?:, pid='?(?P<pid>\d{1,10})'?)?(?:, name=(?P<process>[^,]{1,64}))?"
)
_BEGINS_WITH_CARD = re.compile(rf"(?:nvidia|pci|vfio-pci|nouveau) {_ADDRESS}: ")
_ANY_ADDRESS = re.compile(rf"(?:(?<=PCI:)|(?<![\w:])){_ADDRESS}(?![\w:])")
# In this order: the first that fits names the kind. All but `module-rejected` and `resumed` name NVIDIA.
_KINDS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("fallen-off-bus", r"NVRM: .*fallen off the bus"),
        ("rm-init-failed", r"NVRM: .*(RmInitAdapter failed|rm_init_adapter failed)"),
        ("bar-invalid", r"NVRM: BAR\d+ is "),
        ("already-bound", r"NVRM: .*is already bound to"),
        ("probe-not-called", r"NVRM: The NVIDIA probe routine was not called"),
        ("probe-failed", r"NVRM: The NVIDIA probe routine failed|nvidia: probe of .{1,20} failed with error"),
        ("open-module-required", r"NVRM: .*requires use of the NVIDIA open kernel modules"),
        ("not-supported", r"NVRM: .*(is not supported by (the )?(NVIDIA|open)|supported through the NVIDIA .* Legacy)"),
        ("version-mismatch", r"NVRM: API mismatch"),
        ("module-loaded", r"NVRM: loading NVIDIA UNIX"),
        ("module-mismatch", r"nvidia: (version magic |disagrees about version of symbol |Unknown symbol )"),
        (
            "module-rejected",
            r"(Loading of (unsigned module|module with (unavailable|unsupported)).* is rejected"
            r"|Lockdown: .{1,64}: unsigned module loading is restricted|nvidia.*Key was rejected by service)",
        ),
        ("resumed", r"PM: suspend exit$|PM: hibernation: hibernation exit$|PM: hibernation exit$"),
    )
)
# One of these is in every line that matters: two regular expressions are spared on each of 10 000 others.
_WORDS = ("NVRM", "nvidia", "is rejected", "unsigned module", "PM: ", "BAR ", "AER", "PCIe Bus Error")
_BOOTED = "Linux version "
_OF_A_CARD = (
    ("bar-unassigned", re.compile(r"BAR \d+.*(can't assign; no|no space for|failed to assign)")),
    ("pcie-corrected", re.compile(r"PCIe Bus Error: severity=Correct")),
    ("pcie-error", re.compile(r"PCIe Bus Error: severity=|AER: .*error")),
)
_STAMP = re.compile(r"(?:<\d{1,3}>)?\[\s*(\d{1,10}\.\d{1,9})\]\s?")
_SYSLOG_HEAD = re.compile(r"^.{10,48}? \S{1,64} kernel: ")


@never_raises
def gather(root: Root, addresses: Set[str] = frozenset()) -> KernelLog | Missing:
    """Gather the kernel_log section.

    Args:
        root: The machine's files.
        addresses: The PCI addresses of its NVIDIA cards; lines of the bus driver count for these alone.
    """
    if root.system != "Linux":
        return Missing(f"{root.system} has no kernel log of this form")
    refused = f"{KMSG} is not among the files of another machine"
    if root.is_live:
        lines = _kmsg()
        if isinstance(lines, list):
            return KernelLog(events=_events(lines, addresses), source=KMSG)
        refused = lines.reason
    for path in _FILES:
        text = root.read_tail(path, _TAIL_BYTES)
        if isinstance(text, bytes) and text.strip() and not _of_an_earlier_boot(root, path):
            return KernelLog(events=_events(_lines(text), addresses), source=path)
    return Missing(f"{refused}, and no log file could be read; `sudo dmesg` would tell")


def _kmsg() -> list[tuple[float | None, str]] | Missing:
    """Read the kernel's buffer without waiting for more."""
    try:
        descriptor = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Missing(f"{KMSG}: {why(error)}")
    lines: list[tuple[float | None, str]] = []
    try:
        for _ in range(_MAX_RECORDS):
            try:
                record = os.read(descriptor, 8192)
            except BrokenPipeError:
                continue  # the record was overwritten while we came to it; the next read goes on
            except BlockingIOError:
                break
            if not record:
                break
            lines.append(_of_record(record))
    except OSError as error:
        if not lines:
            return Missing(f"{KMSG}: {why(error)}")
    finally:
        os.close(descriptor)
    return lines


def _of_record(record: bytes) -> tuple[float | None, str]:
    r"""Parse `6,1234,98765432,-;message`, whose time is in microseconds; later lines of a record are its device."""
    head, _, rest = record.partition(b";")
    fields = head.split(b",")
    micros = int(fields[2]) if len(fields) > 2 and fields[2].isdigit() and len(fields[2]) < 20 else None
    message = rest.partition(b"\n")[0].decode("utf-8", "replace")
    return (None if micros is None else micros / 1e6), message.replace("\\x0a", " ")


def _lines(text: bytes) -> list[tuple[float | None, str]]:
    """Return those lines of this boot at the end of a log file that may matter."""
    ends: dict[int, int] = {}
    for word in (*_WORDS, _BOOTED):
        sought = word.encode()
        place = text.find(sought)
        while place >= 0 and len(ends) < _MAX_RECORDS:
            end = text.find(b"\n", place)
            end = len(text) if end < 0 else end
            ends[text.rfind(b"\n", 0, place) + 1] = end
            place = text.find(sought, end)
    found: list[tuple[float | None, str]] = []
    for start in sorted(ends):
        line = _SYSLOG_HEAD.sub("", text[start : ends[start]].decode("utf-8", "replace"), count=1)
        stamp = _STAMP.match(line)
        message = (line[stamp.end() :] if stamp else line).strip()
        if message.startswith(_BOOTED):
            found.clear()
        found.append((float(stamp[1]) if stamp else None, message))
    return found


def _of_an_earlier_boot(root: Root, path: str) -> bool:
    """Say whether nothing was written to a file since this boot."""
    if not root.is_live:
        return False
    about, clock = root.stat(path), root.read("/proc/stat", 1 << 20)
    booted = re.search(r"^btime (\d{1,12})$", clock, re.MULTILINE) if isinstance(clock, str) else None
    return not isinstance(about, Missing) and booted is not None and about.st_mtime < int(booted[1])


def _events(lines: list[tuple[float | None, str]], addresses: Set[str]) -> tuple[KernelEvent, ...]:
    """Parse and count; what comes again on the same card is one event."""
    found: dict[tuple[object, ...], KernelEvent] = {}
    for at, event in _parsed(lines, addresses):
        key = (event.kind, event.xid, event.pci_address, event.process)
        before = found.get(key)
        if before is not None:
            found[key] = msgspec.structs.replace(before, count=before.count + 1, last_s=at)
        elif len(found) < _MAX_EVENTS:
            found[key] = msgspec.structs.replace(event, first_s=at, last_s=at)
    return tuple(found.values())


def _parsed(lines: list[tuple[float | None, str]], addresses: Set[str]) -> Iterator[tuple[float | None, KernelEvent]]:
    card = ""
    for at, line in lines:
        if not any(word in line for word in _WORDS):
            continue
        # "NVRM: The NVIDIA GPU 0000:b3:00.0" comes on a line of its own, before what happened to it.
        named = _ANY_ADDRESS.search(line) if "NVRM" in line else None
        if named is not None:
            card = _sysfs(named["address"])
        elif "NVRM" not in line:
            card = ""
        event = _event(line, card, addresses)
        if event is not None:
            yield at, event


def _event(line: str, card: str, addresses: Set[str]) -> KernelEvent | None:
    text = printable(line)[:_TEXT_LENGTH]
    xid = _XID.search(line)
    if xid is not None:
        return KernelEvent(
            kind="xid",
            text=text,
            xid=int(xid["xid"]),
            pci_address=_sysfs(xid["address"]),
            pid=int(xid["pid"]) if xid["pid"] else None,
            process=printable(xid["process"] or "").strip(),
        )
    for kind, pattern in _KINDS:
        if pattern.search(line):
            of_module = kind.startswith("module-") or kind in ("resumed", "version-mismatch", "probe-not-called")
            return KernelEvent(kind=kind, text=text, pci_address="" if of_module else card)
    device = _BEGINS_WITH_CARD.match(line)
    if device is None or _sysfs(device["address"]) not in addresses:
        return None
    for kind, pattern in _OF_A_CARD:
        if pattern.search(line):
            return KernelEvent(kind=kind, text=text, pci_address=_sysfs(device["address"]))
    return None


def _sysfs(address: str) -> str:
    """Return an address as sysfs writes it; the driver leaves out the function and may write a domain of 8 digits."""
    domain, _, rest = address.lower().partition(":")
    return f"{domain[-4:]}:{rest if '.' in rest else rest + '.0'}"
