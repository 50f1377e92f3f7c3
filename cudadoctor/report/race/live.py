"""A race as it stands at a moment: one line a lane, with its progress. Pure: facts in, lines out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from cudadoctor.facts.race import Epoch, Race
from cudadoctor.units import format_percent, format_seconds

_BAR = 18
_FULL, _EMPTY = "█", "·"


class Standing(msgspec.Struct):
    """Where a lane is: `state` is what it does if it is not training."""

    lane: str
    state: str = "waiting"
    done: int = 0
    seconds: float = 0.0
    latest: Epoch | None = None

    def trained(self, epoch: Epoch) -> None:
        """Count an epoch."""
        self.done, self.latest, self.state = epoch.epoch, epoch, "training"
        self.seconds += epoch.seconds


class Moment(NamedTuple):
    """An epoch of a lane that ended so many seconds after the lane's start."""

    seconds: float
    lane: str
    epoch: Epoch


def standing_lines(standings: Sequence[Standing], epochs: int, width: int = 80) -> list[str]:
    """Return one line a lane, cut at the width."""
    longest = max((len(standing.lane) for standing in standings), default=0)
    return [_line(standing, epochs, longest)[:width] for standing in standings]


def moments(race: Race) -> list[Moment]:
    """Return the epochs of all lanes in the order in which they would have ended, had all lanes begun together."""
    found = []
    for lane in race.lanes:
        seconds = 0.0
        for epoch in lane.epochs:
            seconds += epoch.seconds
            found.append(Moment(seconds, lane.name, epoch))
    return sorted(found, key=lambda moment: moment.seconds)


def _line(standing: Standing, epochs: int, longest: int) -> str:
    filled = round(_BAR * standing.done / epochs)
    head = f"{standing.lane:{longest}}  {_FULL * filled}{_EMPTY * (_BAR - filled)} "
    if standing.latest is None:
        return head + standing.state
    loss, err = standing.latest.loss, standing.latest.err
    curve = "loss nan" if loss is None or err is None else f"loss {loss:.4f}  err {format_percent(err, 2):>7}"
    end = "" if standing.state == "training" else f"  {standing.state}"
    return f"{head}{standing.done:2d}/{epochs}  {curve}  {format_seconds(standing.seconds)}{end}"
