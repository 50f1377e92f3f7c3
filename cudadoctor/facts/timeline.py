"""The timeline of a profiled run: the whole run as a strip, and a few typical steps span by span.

Times are of the traced run, so they hold the tracer's cost.
"""

from __future__ import annotations

from typing import Literal

import msgspec

SpanKind = Literal[
    "kernel",
    "graph",
    "to device",
    "to host",
    "on device",
    "between devices",
    "on host",
    "set",
    "launching",
    "copying",
    "synchronizing",
    "allocating",
    "compiling and loading",
    "context",
    "other calls",
]
"""What a device did (a kernel, a whole graph, a copy by direction, a memset), or what a thread called."""


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the timeline: a thread of the host, or a stream of a device (then `device` is its index).

    `main` marks the thread that ran the script.
    """

    kind: Literal["thread", "stream"]
    number: int
    device: int | None = None
    main: bool = False


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Something that took time, from `start_us` to `end_us` after the excerpt's beginning.

    `lane` is a place in the timeline's lanes. A `count` above 1 stands for as many of one kind that follow each other
    too closely to be drawn apart; `filled` is which part of the time they take, and `name` that of the first, shortened
    where it is long.
    """

    lane: int
    kind: SpanKind
    name: str
    start_us: float
    end_us: float
    count: int = 1
    filled: float = 1.0


class Excerpt(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the steady run, `start_s` after the program's first line.

    `steps` says how many steps it holds, None where none were found. `lanes_left_out` are not shown, though they had
    something to do.
    """

    start_s: float
    length_us: float
    lanes: tuple[Lane, ...]
    spans: tuple[Span, ...]
    steps: float | None = None
    lanes_left_out: int = 0


class StripRow(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of each bucket one thing took, 0 to 1.

    Of a device (`device` is its index) the things are `kernels` and `copies`, the latter without what kernels hide. Of
    the thread that issues work (`device` is None) they are what it was at, by the names of the idle parts; `host` where
    it is not known.
    """

    name: str
    shares: tuple[float, ...]
    device: int | None = None


class Strip(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run in buckets of `bucket_s`, from the program's first line on.

    `thread` is the one whose rows stand for the host. From `known_until_s` on records were lost; None if none were.
    """

    bucket_s: float
    rows: tuple[StripRow, ...]
    thread: int
    known_until_s: float | None = None


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn of a traced run; `excerpt` is None where no operation of a device was recorded."""

    strip: Strip
    excerpt: Excerpt | None = None
