"""A race told while it runs, or run again from a file: bars on a terminal, plain lines where it is piped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from cudadoctor.facts.race import Race
from cudadoctor.report.race import data_line, epoch_line, lane_line, network_line, pretraining_line
from cudadoctor.report.race.live import Standing, moments, standing_lines
from cudadoctor.text import printable

if TYPE_CHECKING:
    from cudadoctor.dbn.events import Event, Options

_REPLAY_S = 12.0
"""The longest that a replay takes; a longer race is shown faster, and says so."""


@contextmanager
def watching(stream: IO[str], options: Options) -> Iterator[Callable[[Event], None]]:
    """Yield what shows a race's events on a stream."""
    if not _has_bars(stream):
        yield _teller(stream, options)
        return
    board = _Board(options)
    with _screen(stream, board.lines) as refresh:

        def tell(event: Event) -> None:
            board.take(event)
            refresh()

        yield tell


def replay(stream: IO[str], race: Race) -> None:
    """Show a finished race again, all lanes side by side, at the pace at which each ran."""
    standings = {lane.name: Standing(lane.name) for lane in race.lanes}
    events = moments(race)
    if not events:
        return
    bars = _has_bars(stream)
    faster = max(1.0, events[-1].seconds / _REPLAY_S) if bars else 1.0
    pace = "as fast as it ran" if faster == 1 else f"{faster:.0f} times as fast as it ran"
    if not bars:
        for moment in events:
            line = f"{moment.seconds:8.3f} s  {moment.lane:16}  {epoch_line(moment.epoch)}"
            print(printable(line), file=stream, flush=True)
        return
    with _screen(
        stream, lambda: [f"replay, {pace}", *standing_lines(list(standings.values()), race.epochs)]
    ) as refresh:
        began = time.monotonic()
        for moment in events:
            time.sleep(max(0.0, began + moment.seconds / faster - time.monotonic()))
            standings[moment.lane].trained(moment.epoch)
            refresh()


class _Board:
    """The lanes of a race that runs, one line each, and the ladder."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._heading: list[str] = []
        self._standings = {lane: Standing(lane) for lane in options.lanes}
        self._rungs: set[str] = set()
        self._samples = 0
        self._latest = ""

    def take(self, event: Event) -> None:
        from cudadoctor.dbn.events import (
            DataReady,
            EpochDone,
            EpochPretrained,
            LaneDone,
            LaneReady,
            LaneSkipped,
            LaneStarted,
            RungSampled,
        )

        if isinstance(event, DataReady):
            network = self._options.network
            self._heading = [
                data_line(event.data, event.training_samples, event.test_samples),
                network_line(
                    network.layers, network.batch_size, event.minibatches_per_epoch, self._options.seed, network.hidden
                ),
            ]
        elif isinstance(event, LaneStarted):
            self._of(event.name).state = "compiling or loading"
        elif isinstance(event, LaneReady):
            self._of(event.name).state = "training"
        elif isinstance(event, EpochPretrained):
            self._of(event.name).state = f"pretraining layer {event.epoch.layer}, epoch {event.epoch.epoch}"
        elif isinstance(event, EpochDone):
            self._of(event.name).trained(event.epoch)
        elif isinstance(event, LaneDone):
            self._of(event.lane.name).state = event.lane.state
        elif isinstance(event, LaneSkipped):
            self._of(event.skipped.name).state = f"does not run: {event.skipped.reason}"
        elif isinstance(event, RungSampled):
            self._rungs.add(event.rung)
            self._samples += 1
            self._latest = f"{event.rung} {event.us:.1f} µs a minibatch"

    def lines(self) -> list[str]:
        lines = [*self._heading, "", *standing_lines(list(self._standings.values()), self._options.epochs)]
        if self._samples:
            total = len(self._rungs) * self._options.rounds
            lines += ["", f"the ladder: {self._samples} of about {total} samples, the latest {self._latest}"]
        return lines

    def _of(self, lane: str) -> Standing:
        return self._standings.setdefault(lane, Standing(lane))


@contextmanager
def _screen(stream: IO[str], lines: Callable[[], list[str]]) -> Iterator[Callable[[], None]]:
    """Keep lines on the screen up to date for the length of the block; they are taken away at its end."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(file=stream, highlight=False)

    def shown() -> Text:
        return Text("\n".join(printable(line) for line in lines()), no_wrap=True, overflow="ellipsis")

    with Live(get_renderable=shown, console=console, refresh_per_second=8, transient=True) as live:
        yield live.refresh


def _has_bars(stream: IO[str]) -> bool:
    import os

    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _teller(stream: IO[str], options: Options) -> Callable[[Event], None]:
    """Return what prints a race's events line by line."""
    from cudadoctor.dbn.contenders import LANE_KINDS
    from cudadoctor.dbn.events import (
        DataReady,
        EpochDone,
        EpochPretrained,
        LaneDone,
        LaneReady,
        LaneSkipped,
        LaneStarted,
        RungSampled,
    )

    def say(text: str) -> None:
        print(printable(text), file=stream, flush=True)

    climbing = False

    def tell(event: Event) -> None:
        nonlocal climbing
        if isinstance(event, DataReady):
            say(data_line(event.data, event.training_samples, event.test_samples))
            network = options.network
            say(
                network_line(
                    network.layers, network.batch_size, event.minibatches_per_epoch, options.seed, network.hidden
                )
            )
        elif isinstance(event, LaneStarted):
            say("")
        elif isinstance(event, LaneReady):
            say(lane_line(event.name, event.device_name, event.compile_seconds))
            say(f"  {LANE_KINDS[event.name].what}")
        elif isinstance(event, EpochPretrained):
            say("  " + pretraining_line(event.epoch))
        elif isinstance(event, EpochDone):
            say("  " + epoch_line(event.epoch))
        elif isinstance(event, LaneDone) and event.lane.state != "finished":
            say(f"  {event.lane.state}: {event.lane.reason}")
        elif isinstance(event, LaneSkipped):
            say(f"{event.skipped.name} does not run: {event.skipped.reason}")
        elif isinstance(event, RungSampled) and not climbing:
            climbing = True
            say("")
            say(f"the ladder: the same network without one cause of slowness after the other, {options.rounds} rounds")

    return tell
