"""Minibatches made by hand, and strategies that make others."""

from __future__ import annotations

from hypothesis import strategies as st

from cudadoctor.facts.explanation import Call, Rung


def python(us: float, name: str = "loop") -> Call:
    return Call(name=name, kind="host", host_us=us)


def launch(host_us: float, device_us: float, name: str = "kernel") -> Call:
    return Call(name=name, kind="launch", host_us=host_us, device_us=device_us)


def copy_in(host_us: float, device_us: float, *, size: int = 200_704, pinned: bool = False, **told: object) -> Call:
    told = {"name": "copy x", "waits": not pinned} | told
    return Call(kind="copy-to-device", host_us=host_us, device_us=device_us, bytes=size, pinned=pinned, **told)  # type: ignore[arg-type]


def read_back(host_us: float, device_us: float, *, size: int = 4, **told: object) -> Call:
    told = {"name": "read loss", "waits": True} | told
    return Call(kind="copy-to-host", host_us=host_us, device_us=device_us, bytes=size, **told)  # type: ignore[arg-type]


def wait(host_us: float) -> Call:
    return Call(name="synchronize", kind="wait", host_us=host_us, waits=True)


def allocate(host_us: float) -> Call:
    return Call(name="device_array", kind="allocate", host_us=host_us)


def rung(id: str, *calls: Call, median_us: float | None, half_us: float = 0.0, **told: object) -> Rung:
    told = {"lane": "gpu-per-operation", "device": "gpu:0", "removes": "", "state": "measured"} | told
    ends = {} if median_us is None else {"low_us": median_us - half_us, "high_us": median_us + half_us}
    return Rung(id=id, calls=calls, median_us=median_us, **ends, **told)  # type: ignore[arg-type]


TIMES = st.floats(0.0, 500.0)
KINDS = st.sampled_from(["host", "launch", "copy-to-device", "copy-to-host", "allocate", "free", "wait"])


@st.composite
def calls(draw: st.DrawFn) -> Call:
    kind = draw(KINDS)
    works = kind in ("launch", "copy-to-device", "copy-to-host")
    return Call(
        name=draw(st.sampled_from("abc")),
        kind=kind,
        host_us=draw(TIMES),
        device_us=draw(TIMES) if works else 0.0,
        waits=kind == "wait" or (works and draw(st.booleans())),
        pinned=draw(st.booleans()),
    )


MINIBATCHES = st.lists(calls(), min_size=1, max_size=12).map(tuple)
