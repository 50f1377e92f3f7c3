"""What an idle device may be charged to: what the host was at meanwhile."""

from __future__ import annotations

from enum import IntEnum

from cudadoctor.attribution.profile.trace import CallKind


class At(IntEnum):
    """What an idle device may be charged to."""

    LAUNCHING = 0
    COPYING = 1
    SYNCHRONIZING = 2
    ALLOCATING = 3
    LOADING = 4
    CONTEXT = 5
    OTHER = 6
    PYTHON = 7
    WAITING = 8
    READING = 9
    IMPORTING = 10
    HOST = 11


NAMES = {
    At.LAUNCHING: "launching",
    At.COPYING: "copying",
    At.SYNCHRONIZING: "synchronizing",
    At.ALLOCATING: "allocating",
    At.LOADING: "compiling and loading",
    At.CONTEXT: "context",
    At.OTHER: "other calls",
    At.PYTHON: "Python",
    At.WAITING: "waiting",
    At.READING: "reading files",
    At.IMPORTING: "importing",
    At.HOST: "host",
}
"""The names of the parts in the facts."""

OF_CALL = {
    CallKind.LAUNCH: At.LAUNCHING,
    CallKind.COPY: At.COPYING,
    CallKind.MEMSET: At.COPYING,
    CallKind.SYNC: At.SYNCHRONIZING,
    CallKind.ALLOCATE: At.ALLOCATING,
    CallKind.FREE: At.ALLOCATING,
    CallKind.MODULE: At.LOADING,
    CallKind.CONTEXT: At.CONTEXT,
}
OWN = (At.LOADING, At.IMPORTING, At.READING, At.PYTHON, At.WAITING, At.HOST)
"""What a gap that is no way into a call may be made of, in the order of `Host.shares`."""
