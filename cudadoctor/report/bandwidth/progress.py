"""How far a measurement is, in one line: what is measured, and the time that is left."""

from __future__ import annotations

from collections.abc import Mapping

from cudadoctor.report.bandwidth.names import kind


class Progress:
    """What was planned and what is done; the caller tells the time in seconds.

    The time left is that of the samples that are still to come, at the pace of those that are done. It is not given
    before one kind of copy is done, since until then it would be a guess.
    """

    def __init__(self, planned: Mapping[str, float], samples: int, now: float) -> None:
        """Begin at that time.

        Args:
            planned: The kinds of copy in their order, each with what a sample of it costs beside the others, such as
                its bytes.
            samples: How many of each.
            now: The time.
        """
        self._cost = dict(planned)
        self._left = dict.fromkeys(planned, samples)
        self._samples = samples
        self._began = now
        self._paid = 0.0
        self._one_is_done = False
        self._at = next(iter(planned), "")

    def sampled(self, key: str) -> None:
        """Count one sample of that kind."""
        if key not in self._left:  # what was not planned by that name takes part all the same
            self._cost[key] = sum(self._cost.values()) / len(self._cost) if self._cost else 1.0
            self._left[key] = self._samples
        self._at = key
        self._left[key] = max(0, self._left[key] - 1)
        self._paid += self._cost[key]

    def ended(self, key: str) -> None:
        """Count that kind as done, or as given up: no more samples of it will come."""
        if key in self._left:
            self._left[key] = 0
        self._one_is_done = True
        self._at = next((each for each, left in self._left.items() if left), self._at)

    def line(self, now: float) -> str:
        """Return `measuring host to device, pinned (1 of 5), about 6 s left`."""
        if not self._at:
            return "measuring"
        text = f"measuring {kind(self._at)} ({list(self._left).index(self._at) + 1} of {len(self._left)})"
        seconds = self._seconds_left(now)
        return text if seconds is None else f"{text}, about {seconds:.0f} s left"

    def _seconds_left(self, now: float) -> float | None:
        if not self._one_is_done or self._paid <= 0:
            return None
        to_pay = sum(self._cost[key] * left for key, left in self._left.items())
        return max(1.0, (now - self._began) / self._paid * to_pay)
