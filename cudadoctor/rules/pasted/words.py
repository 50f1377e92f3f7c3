"""What the words of a text, and its signs, lean to: a linear model learned from labelled public threads.

Signs know messages; people also paste what no table foresaw. The table `words.tsv` holds how much each word and each
sign speaks for each cause, learned by `tests/why/learn_words.py` (multinomial logistic regression, weighted by rarity;
a thread that a second cause fits as well counts in part for it). A leaning ranks causes and can name one as possible;
it proves nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from cudadoctor.rules.pasted.text import Pasted
from cudadoctor.tables.reader import rows

NO_CAUSE = "none"
"""The class of texts that show no problem."""

SIGN = "="
"""What stands before the name of a sign in the table, so that it is taken for no word."""

_WORD = re.compile(r"[a-z][a-z0-9]+|\d{3,4}")
_CLOCK = re.compile(r"\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d(?:[.,]\d{1,9})?")
_MOST_LINES = 4000
_LINES_READ = 40
_SHARPNESS = 10.0
_LEAST_SHARE = 0.2
_LEAST_PROBABILITY = 1e-4
_EXPLAINED = 12


class Leanings(msgspec.Struct, frozen=True):
    """The probability of each cause under the model, and for each the lines that speak for it most."""

    probability: dict[str, float]
    lines: dict[str, tuple[int, ...]]

    def of(self, cause: str) -> float:
        """Return how much likelier than a guess a cause is, in nats; 0 for one that no learned text had."""
        if cause not in self.probability:
            return 0.0
        return math.log(max(self.probability[cause], _LEAST_PROBABILITY) * len(self.probability))


def words_of(line: str) -> list[str]:
    """Return the words of a line as the model knows them; a date or a time that a logger put there is none."""
    return _WORD.findall(_CLOCK.sub(" ", line.lower()))


def leanings(pasted: Pasted, signs: Iterable[str] = ()) -> Leanings | None:
    """Return what a text leans to by its words and signs; None where the model knows none of them."""
    model = _model()
    best = sorted(_informative(pasted, model), reverse=True)[:_LINES_READ]
    # What says little beside the best line is the chatter around it.
    chosen = [index for said, index in best if said >= _LEAST_SHARE * best[0][0]]
    known = {word for index in chosen for word in words_of(pasted.lines[index]) if word in model.weights}
    known |= {SIGN + sign for sign in signs if SIGN + sign in model.weights}
    if not known:
        return None
    norm = math.sqrt(sum(model.rarity[word] ** 2 for word in known))
    score = dict(model.bias)
    for word in known:
        share = _SHARPNESS * model.rarity[word] / norm
        for cause, weight in model.weights[word].items():
            score[cause] += share * weight
    top = max(score.values())
    total = sum(math.exp(value - top) for value in score.values())
    probability = {cause: math.exp(value - top) / total for cause, value in score.items()}
    likely = sorted(probability, key=lambda cause: -probability[cause])[:_EXPLAINED]
    return Leanings(probability, {cause: _speaking_for(cause, chosen, pasted, model) for cause in likely})


class _Model(msgspec.Struct, frozen=True):
    rarity: dict[str, float]
    weights: dict[str, dict[str, float]]
    bias: dict[str, float]


@lru_cache(maxsize=1)
def _model() -> _Model:
    rarity: dict[str, float] = {}
    weights: dict[str, dict[str, float]] = {}
    bias: dict[str, float] = {}
    causes: tuple[str, ...] = ()
    for word, rare, told in rows("words.tsv"):
        if word == "*":
            causes = tuple(told.split())
        elif word == "+":
            bias = dict(zip(causes, map(float, told.split()), strict=True))
        else:
            rarity[word] = float(rare)
            pairs = (pair.split(":") for pair in told.split())
            weights[word] = {causes[int(place)]: float(weight) for place, weight in pairs}
    return _Model(rarity, weights, bias)


def _informative(pasted: Pasted, model: _Model) -> list[tuple[float, int]]:
    """Return (how much it says, index) of each different line that says anything."""
    indices = range(len(pasted.lines))
    if len(pasted.lines) > _MOST_LINES:
        half = _MOST_LINES // 2
        indices = [*indices[:half], *indices[-half:]]  # type: ignore[assignment]
    seen: set[str] = set()
    found: list[tuple[float, int]] = []
    for index in indices:
        line = pasted.lines[index]
        if line in seen:
            continue
        seen.add(line)
        score: dict[str, float] = {}
        for word in set(words_of(line)):
            for cause, weight in model.weights.get(word, {}).items():
                if cause != NO_CAUSE:
                    score[cause] = score.get(cause, 0.0) + weight * model.rarity[word]
        most = max(score.values(), default=0.0)
        if most > 0:
            found.append((most, index))
    return found


def _speaking_for(cause: str, indices: list[int], pasted: Pasted, model: _Model) -> tuple[int, ...]:
    def said(index: int) -> float:
        words = set(words_of(pasted.lines[index]))
        return sum(model.weights.get(word, {}).get(cause, 0.0) * model.rarity.get(word, 0.0) for word in words)

    ranked = sorted(indices, key=lambda index: -said(index))
    return tuple(index for index in ranked[:2] if said(index) > 0)
