"""Learn `cudadoctor/tables/words.tsv`: how much each word and sign of a pasted text speaks for each cause.

    python tests/why/learn_words.py [labelled.jsonl ...]

Each line of a labelled file is `{"id": cause or "none", "text": "...", "also": [other causes that fit as well]}`;
`also` may be left out. `threads.json`, `fresh.txt` and `harmless.txt` are learned from as well. Multinomial logistic
regression on the words and signs of a text, each weighted by its rarity, each text of length one; a thread that other
causes fit as well counts by `SHARE_OF_OTHERS` for them; weights decay (L2), and small ones are left out of the table.
"""

from __future__ import annotations

import collections
import json
import math
import re
import sys
from pathlib import Path

import numpy as np

from cudadoctor.rules.pasted.signs import read_signs
from cudadoctor.rules.pasted.text import Pasted
from cudadoctor.rules.pasted.words import _SHARPNESS, NO_CAUSE, SIGN, words_of

HERE = Path(__file__).parent
TABLE = HERE.parents[1] / "cudadoctor" / "tables" / "words.tsv"
DECAY, STEPS, RATE, MOMENTUM = 3e-4, 400, 2.0, 0.9
SHARE_OF_OTHERS = 0.25
Labelled = tuple[str, str, tuple[str, ...]]
"""The cause of a text, the text, and the other causes that fit it as well."""

LEAST_TEXTS = 2
LEAST_WEIGHT = 0.08


def blocks(name: str) -> list[tuple[str, str]]:
    parts = re.split(r"^=== ", (HERE / name).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [(heading, text) for heading, _, text in (part.partition("\n") for part in parts)]


def labelled(files: list[str]) -> list[Labelled]:
    threads = json.loads((HERE / "threads.json").read_text(encoding="utf-8"))
    texts: list[Labelled] = [(thread["id"], "\n".join(thread["text"]), ()) for thread in threads]
    texts += [(cause, text, ()) for cause, text in blocks("fresh.txt")]
    texts += [(NO_CAUSE, text, ()) for _, text in blocks("harmless.txt")]
    for file in files:
        rows = (json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip())
        texts += [(row["id"], row["text"], tuple(row.get("also", ()))) for row in rows]
    return texts


def features(text: str) -> set[str]:
    """Return the words of a text and, marked, its signs."""
    words = {word for line in text.splitlines() for word in words_of(line)}
    return words | {SIGN + sign for sign in read_signs(Pasted(text))}


def learn(texts: list[Labelled]) -> tuple[list[str], list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Return (words, causes, rarity of each word, weights (words, causes), bias of each cause)."""
    bags = [features(text) for _, text, _ in texts]
    count = collections.Counter(word for bag in bags for word in bag)
    words = sorted(word for word, texts_with in count.items() if texts_with >= LEAST_TEXTS)
    place = {word: index for index, word in enumerate(words)}
    rarity = np.array([math.log(1 + len(bags) / count[word]) for word in words])
    causes = sorted({cause for cause, _, _ in texts})
    x = np.zeros((len(bags), len(words)), dtype=np.float32)
    y = np.zeros((len(bags), len(causes)), dtype=np.float32)
    many = collections.Counter(cause for cause, _, _ in texts)
    for row, ((cause, _, also), bag) in enumerate(zip(texts, bags, strict=True)):
        for word in bag & place.keys():
            x[row, place[word]] = rarity[place[word]]
        x[row] /= np.linalg.norm(x[row]) or 1
        others = [each for each in also if each in many and each != cause]
        y[row, causes.index(cause)] = 1 - SHARE_OF_OTHERS * bool(others)
        for each in others:
            y[row, causes.index(each)] += SHARE_OF_OTHERS / len(others)
    # A cause with many threads is not likelier in the next one: its texts count less.
    share = np.array([1 / math.sqrt(many[cause]) for cause, _, _ in texts], dtype=np.float32)
    share /= share.mean()
    weights = np.zeros((len(words), len(causes)), dtype=np.float32)
    velocity, bias = np.zeros_like(weights), np.zeros(len(causes), dtype=np.float32)
    for _ in range(STEPS):
        z = _SHARPNESS * (x @ weights) + bias
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        error = (p - y) * share[:, None] / len(bags)
        velocity = MOMENTUM * velocity - RATE * (_SHARPNESS * (x.T @ error) + DECAY * weights)
        weights += velocity
        bias -= 0.3 * error.sum(axis=0)
    return words, causes, rarity, weights, bias


def main() -> None:
    """Write the table."""
    texts = labelled(sys.argv[1:])
    words, causes, rarity, weights, bias = learn(texts)
    lines = [
        "# How much each word of a pasted text speaks for each cause: word, rarity, cause:weight (causes by number).",
        f"# Learned by tests/why/learn_words.py from {len(texts)} labelled texts, mostly of public threads.",
        "*\t0\t" + " ".join(causes),
        "+\t0\t" + " ".join(f"{value:.3f}" for value in bias),
    ]
    for index, word in enumerate(words):
        told = [f"{place}:{value:.2f}" for place, value in enumerate(weights[index]) if abs(value) >= LEAST_WEIGHT]
        if told:
            lines.append(f"{word}\t{rarity[index]:.2f}\t{' '.join(told)}")
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(texts)} texts, {len(lines) - 4} words, {len(causes)} causes, {TABLE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
