"""Copies between GPUs as matrices: read and write, with peer access on and off."""

from __future__ import annotations

from collections.abc import Sequence

from cudadoctor.facts.bandwidth import PeerResult

_CELL = 8
_TITLES = {
    "p2p_read": "READ BY THE TARGET",
    "p2p_write": "WRITTEN BY THE SOURCE",
}


def peer_lines(peers: Sequence[PeerResult], width: int) -> list[str]:
    """Return one matrix for each kind of copy and each state of peer access."""
    peers = [peer for peer in peers if peer.verified]
    if not peers:
        return []
    lines = ["BETWEEN GPUS, GB/s (from the GPU of the row to the GPU of the column)"]
    for key in dict.fromkeys(peer.key for peer in peers):
        for access in (True, False):
            rates = {
                (peer.source, peer.target): peer.gb_per_s for peer in peers if (peer.key, peer.access) == (key, access)
            }
            if rates:
                title = _TITLES.get(key, key)
                lines += [f"{title}, PEER ACCESS {'ON' if access else 'OFF'}", *_matrix(rates, width)]
    return lines


def _matrix(rates: dict[tuple[int, int], float], width: int) -> list[str]:
    gpus = sorted({gpu for pair in rates for gpu in pair})
    fit = max(1, (width - _CELL) // _CELL)
    lines = []
    for start in range(0, len(gpus), fit):
        block = gpus[start : start + fit]
        lines.append(f"{'':{_CELL}}" + "".join(f"{f'GPU {target}':>{_CELL}}" for target in block))
        for source in gpus:
            found = [rates.get((source, target)) for target in block]
            cells = "".join(f"{'-' if rate is None else f'{rate:.2f}':>{_CELL}}" for rate in found)
            lines.append(f"{f'  GPU {source}':{_CELL}}{cells}")
    return lines
