"""What a call of the driver API is for, by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from cudadoctor.attribution.profile.trace import MARKED, CallKind

# The first that matches counts; prefixes cu and cuda are cut off, and so are suffixes such as _v2, _ptsz, _v11040.
_PATTERNS = (
    (CallKind.LAUNCH, r"Launch(?!HostFunc)|GraphLaunch"),
    (CallKind.CAPTURE, r"Graph|StreamBeginCapture|StreamEndCapture|StreamIsCapturing|StreamGetCapture|ThreadExchange"),
    (CallKind.ALLOCATE, r"Mem(Host)?(Alloc|Create|Map|Register|AddressReserve)|Malloc|HostAlloc|HostRegister|MemPool"),
    (CallKind.FREE, r"Mem(Host)?(Free|Release|Unmap|Unregister|AddressFree)|Free|HostUnregister|MemPoolTrim"),
    (CallKind.MEMSET, r"Memset"),
    (CallKind.COPY, r"Mem[cC]py|MemPrefetch"),
    (CallKind.SYNC, r"(Ctx|Stream|Event|Device|Thread)Synchronize|StreamWaitValue"),
    (CallKind.EVENT, r"Event|StreamWaitEvent|StreamQuery|LaunchHostFunc|StreamAddCallback"),
    (CallKind.MODULE, r"Module|Library|Link|KernelGetFunction|FuncLoad"),
    (CallKind.QUERY, r".*Get|Peek|Occupancy|Ctx(Set|Push|Pop)Current|SetDevice"),
    (CallKind.CONTEXT, r"Ctx|DevicePrimaryCtx|Init|Device|SetDevice|GetDevice|SetValidDevices|Stream|ProfilerSt"),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _PATTERNS)
_POOLS = re.compile(r"MemPool(Get|Set)")


def kind_of_call(name: str) -> CallKind:
    """Return what `cuMemcpyHtoD_v2` is for."""
    short = re.sub(r"^cu(da)?", "", name)
    if _POOLS.match(short):
        return CallKind.QUERY
    return next((kind for kind, pattern in _COMPILED if pattern.match(short)), CallKind.OTHER)


def marked_calls(names: Mapping[int, str]) -> list[int]:
    """Return the ids, out of a table of names by id, of the calls whose beginnings a control run notes."""
    return [number for number, name in names.items() if kind_of_call(name) in MARKED]
