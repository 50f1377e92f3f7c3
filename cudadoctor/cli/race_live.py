"""A race told line by line while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cudadoctor.dbn.events import Event, Options


def teller(stream: object, options: Options) -> Callable[[Event], None]:
    """Return what prints a race's events."""
    from cudadoctor.dbn.contenders import LANE_KINDS
    from cudadoctor.dbn.events import DataReady, EpochDone, LaneDone, LaneReady, LaneSkipped, LaneStarted, RungSampled
    from cudadoctor.report.race import data_line, epoch_line, lane_line, network_line
    from cudadoctor.text import printable

    def say(text: str) -> None:
        print(printable(text), file=stream, flush=True)  # type: ignore[call-overload]

    climbing = False

    def tell(event: Event) -> None:
        nonlocal climbing
        if isinstance(event, DataReady):
            say(data_line(event.data, event.training_samples, event.test_samples))
            network = options.network
            say(network_line(network.layers, network.batch_size, event.minibatches_per_epoch, options.seed))
        elif isinstance(event, LaneStarted):
            say("")
        elif isinstance(event, LaneReady):
            say(lane_line(event.name, event.device_name, event.compile_seconds))
            say(f"  {LANE_KINDS[event.name].what}")
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
