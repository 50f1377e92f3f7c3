"""What the sampler reads off a stack."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from cudadoctor.attribution.profile.trace import Doing
from cudadoctor.profile import sampler
from cudadoctor.profile.sampler import Sampler

LIBRARIES = sysconfig.get_paths()["purelib"]


class Told:
    """Takes what a sampler tells."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def tell(self, what: str, **told: Any) -> None:
        assert what == "line"
        self.lines.append(told)


def module(path: str, source: str) -> dict[str, Any]:
    """Return the names of a made-up module that lies at a path."""
    names: dict[str, Any] = {}
    exec(compile(source, path, "exec"), names)
    return names


CALLS = "def fetch(work):\n    return work()\n"
NEXT = "def batches(dataset):\n    for i in range(2):\n        yield dataset(i)\n"
LOADER = f"{LIBRARIES}/torch/utils/data/_utils/fetch.py"


def seen(through: Callable[[Callable[[], FrameType]], FrameType]) -> tuple[str, int]:
    """Return the function and what it does, as the sampler sees a frame that `through` hands out."""
    writer = Told()
    place = Sampler(writer, lambda: None)._place(through(sys._getframe))  # type: ignore[arg-type]
    assert place is not None
    return writer.lines[place[0]]["function"], place[1]


def test_the_numbers_are_those_of_the_trace() -> None:
    assert {name: getattr(sampler, name) for name in Doing.__members__} == {each.name: each for each in Doing}


def test_the_users_code_for_a_sample_is_the_loaders_business() -> None:
    fetch = module(LOADER, CALLS)["fetch"]

    def sample(frame: Callable[[], FrameType]) -> FrameType:
        return frame()

    assert seen(lambda frame: fetch(lambda: sample(frame))) == ("sample", Doing.FEEDING)


def test_so_is_what_the_loader_does_by_itself() -> None:
    fetch = module(LOADER, CALLS)["fetch"]

    def train(frame: Callable[[], FrameType]) -> FrameType:
        return fetch(frame)

    assert seen(train) == ("train", Doing.FEEDING)


@pytest.mark.parametrize("path", [f"{LIBRARIES}/torch/nn/modules/module.py", f"{LIBRARIES}/numpy/lib/x.py"])
def test_another_library_is_no_loader(path: str) -> None:
    fetch = module(path, CALLS)["fetch"]

    def forward(frame: Callable[[], FrameType]) -> FrameType:
        return frame()

    assert seen(lambda frame: fetch(lambda: forward(frame))) == ("forward", Doing.PYTHON)


def test_what_runs_between_two_batches_is_not_the_loaders() -> None:
    batches: Callable[..., Iterator[int]] = module(LOADER, NEXT)["batches"]

    def train(frame: Callable[[], FrameType]) -> FrameType:
        for _ in batches(lambda i: i):
            found = frame()
        return found

    assert seen(train) == ("train", Doing.PYTHON)


def test_a_loader_that_waits_for_its_workers_waits() -> None:
    fetch = module(LOADER, CALLS)["fetch"]
    get = module(f"{sysconfig.get_paths()['stdlib']}/queue.py", CALLS.replace("fetch", "get"))["get"]
    assert seen(lambda frame: fetch(lambda: get(frame)))[1] == Doing.SLEEPING
