"""A text may hold anything and any amount of it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.pasted.text import MAX_CHARACTERS, Pasted
from cudadoctor.rules.pasted.vocabulary import ROWS
from cudadoctor.rules.pasted.weigh import weigh
from tests.why.asked import hypotheses

CAUSES = RULES
WORDS = sorted({letters for _, letters, _ in ROWS})


@given(st.text(max_size=300) | st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_it(text: str) -> None:
    for found in hypotheses(text):
        assert found.evidence
        assert found.cause
        assert found.fix.text


@pytest.mark.parametrize(
    "unit",
    [
        "cuda error ",
        "\x1b[",
        "undefined symbol: ",
        "cuda-" * 30 + " ",
        "\n",
        "nvidia-smi driver version: 1\n",
        "(" * 50,
    ],
    ids=repr,
)
def test_time_grows_no_faster_than_the_text(unit: str) -> None:
    def seconds(characters: int) -> float:
        text = unit * (characters // len(unit))
        started = time.perf_counter()
        weigh(Pasted(text), CAUSES)
        return time.perf_counter() - started

    seconds(1000)
    small, large = seconds(100_000), seconds(1_000_000)
    # Ten times the text: quadratic would be a hundred times the time.
    assert large < 30 * max(small, 0.02)


def test_lines_after_megabytes_are_found() -> None:
    filler = "step 1 loss 0.3 on cuda:0\n" * 80_000
    assert 2_000_000 < len(filler) < MAX_CHARACTERS
    found = weigh(Pasted(filler + "CUDA error: uncorrectable ECC error encountered\n"), CAUSES)
    assert found[0].rule.id == "ecc-uncorrectable"


def test_the_rest_of_a_text_beyond_the_limit_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cudadoctor.rules.pasted.text.MAX_CHARACTERS", 1000)
    message = "CUDA error: uncorrectable ECC error encountered\n"
    assert weigh(Pasted("x" * 900 + "\n" + message), CAUSES)[0].rule.id == "ecc-uncorrectable"
    assert not weigh(Pasted("x" * 1000 + "\n" + message), CAUSES)
