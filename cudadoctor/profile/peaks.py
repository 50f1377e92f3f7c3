"""What this machine's link and memory reach, measured beside the program by the bandwidth library."""

from __future__ import annotations

from cudadoctor.bandwidth.events import Finished
from cudadoctor.bandwidth.measure import BandwidthError, run
from cudadoctor.bandwidth.plan import MIB, Plan
from cudadoctor.bandwidth.plan import Options as BandwidthOptions

_KEYS = ("h2d_pinned", "d2h_pinned", "d2d_local")
_SIZE_BYTES = 64 * MIB
_READ_AND_WRITTEN = 2


def measured_rates(device: int, limit_s: float) -> tuple[dict[str, float], str]:
    """Return bytes a second as `to_device`, `to_host` and `device_memory` (read plus written), and why some lack."""
    plan = Plan(device=device, keys=_KEYS, size_bytes=_SIZE_BYTES)
    try:
        last = None
        for event in run(BandwidthOptions(plan=plan), limit_s=limit_s):
            last = event
    except BandwidthError as error:
        return {}, str(error)
    if not isinstance(last, Finished):
        return {}, "the measurement did not end"
    found = {result.key: result.gb_per_s * 1e9 for result in last.bandwidth.results if result.verified}
    names = {"h2d_pinned": "to_device", "d2h_pinned": "to_host", "d2d_local": "device_memory"}
    rates = {name: found[key] for key, name in names.items() if key in found}
    if "device_memory" in rates:
        rates["device_memory"] *= _READ_AND_WRITTEN
    return rates, "; ".join(dict.fromkeys(item.reason for item in last.bandwidth.skipped if item.key in _KEYS))
