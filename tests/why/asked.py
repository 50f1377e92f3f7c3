"""What a text alone is said to show, with no machine beside it."""

from __future__ import annotations

from cudadoctor.findings import Finding
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.pasted.text import Pasted
from cudadoctor.rules.pasted.weigh import findings_of, weigh


def hypotheses(text: str) -> tuple[Finding, ...]:
    """Return the causes of a pasted text as findings, likeliest first; none where the text shows no problem."""
    pasted = Pasted(text)
    return findings_of(pasted, weigh(pasted, RULES))
