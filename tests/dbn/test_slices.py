from __future__ import annotations

from itertools import pairwise

import pytest

from cudadoctor.dbn.study import Slices


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize(("epoch", "rounds"), [(732, 9), (732, 12), (732, 10), (183, 9), (46, 3), (45, 9), (7, 3)])
def test_slices_cover_the_window_one_after_the_other(epoch: int, rounds: int, slow: bool) -> None:
    slices = Slices(epoch, rounds, slow)
    told = [slices.of(number) for number in range(rounds)]
    assert told[0][0] == 0
    assert told[-1][2] == slices.window
    assert all(one[2] == other[0] for one, other in pairwise(told))
    assert all(start < timed < end for start, timed, end in told)
    assert slices.for_the_loss in {end for _, _, end in told}


def test_a_slow_rung_trains_a_third() -> None:
    fast, slow = Slices(732, 9, slow=False), Slices(732, 9, slow=True)
    assert (fast.window, slow.window) == (243, 81)
    assert fast.for_the_loss == slow.for_the_loss == 81
    assert (fast.of(0), slow.of(0)) == ((0, 21, 27), (0, 5, 9))


def test_a_slow_rung_in_a_short_epoch_trains_what_the_others_do() -> None:
    assert Slices(46, 9, slow=True).window == Slices(46, 9, slow=False).window == 18
