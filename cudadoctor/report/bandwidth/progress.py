"""How far a measurement is, in one line: what is measured, and the time that is left."""

from __future__ import annotations

from collections.abc import Mapping

from cudadoctor.report.bandwidth.names import kind


class Progress:
    """What was planned and what is done; the caller tells the time in seconds.

    The time left is that of what is still to come, at the pace of what is done. It is not given before one kind of copy
    is done, since until then it would be a guess.
    """

    def __init__(self, planned: Mapping[str, float], samples: int, now: float) -> None:
        """Begin at that time.

        Args:
            planned: What is measured, in its order, each with what it costs beside the others, such as its bytes.
            samples: How many samples are taken of what is sampled.
            now: The time.
        """
        self._cost = dict(planned)
        self._left = dict(planned)
        self._samples = samples
        self._began = now
        self._paid = 0.0
        self._one_is_done = False
        self._at = next(iter(planned), "")

    def sampled(self, key: str) -> None:
        """Count one sample of that kind."""
        if key not in self._left:  # what was not planned by that name takes part all the same
            cost = sum(self._cost.values()) / len(self._cost) if self._cost else 1.0
            self._cost[key] = self._left[key] = cost
        self._at = key
        self._pay(key, self._cost[key] / self._samples)

    def ended(self, key: str = "", *, measured: bool = True) -> None:
        """Count that kind as done, by default the one that was sampled last, or as skipped if it was not measured."""
        key = key or self._at
        if key in self._left:
            if measured:
                self._pay(key, self._left[key])
            self._left[key] = 0.0
        self._one_is_done = self._one_is_done or measured
        self._at = next((each for each, left in self._left.items() if left > 0), self._at)

    def line(self, now: float) -> str:
        """Return `measuring host to device, pinned (1 of 5), about 6 s left`."""
        if not self._at:
            return "measuring"
        text = f"measuring {kind(self._at)} ({list(self._left).index(self._at) + 1} of {len(self._left)})"
        seconds = self._seconds_left(now)
        return text if seconds is None else f"{text}, about {seconds:.0f} s left"

    def _pay(self, key: str, cost: float) -> None:
        cost = min(cost, self._left[key])
        self._left[key] -= cost
        self._paid += cost

    def _seconds_left(self, now: float) -> float | None:
        if not self._one_is_done or self._paid <= 0:
            return None
        return max(1.0, (now - self._began) / self._paid * sum(self._left.values()))
