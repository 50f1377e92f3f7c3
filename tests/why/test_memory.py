"""Programs that run out of memory which they hold themselves, and others."""

from __future__ import annotations

import pytest

from cudadoctor.rules.pasted.answer import answer
from cudadoctor.rules.pasted.memory import own_memory

LARGE = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 23.68 GiB "
    "of which 12.00 MiB is free. Including non-PyTorch memory, this process has 23.66 GiB memory in use. Of the "
    "allocated memory 22.90 GiB is allocated by PyTorch, and 300.00 MiB is reserved by PyTorch but unallocated."
)
SPLIT = LARGE.replace("22.90 GiB is", "18.90 GiB is").replace("300.00 MiB", "4.50 GiB")
OLDER = (
    "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 7.79 GiB total capacity; 5.90 GiB already "
    "allocated; 1.12 GiB free; 6.20 GiB reserved in total by PyTorch)"
)
NAMED = LARGE.replace("Including non-PyTorch memory, this process has", "Process 1234 has")
OTHERS = OLDER.replace("5.90 GiB already", "0.40 GiB already").replace("6.20 GiB reserved", "0.50 GiB reserved")


@pytest.mark.parametrize(
    ("text", "held", "total", "unused"),
    [(LARGE, 23.66, 23.68, 300 / 1024), (SPLIT, 23.66, 23.68, 4.5), (OLDER, 6.2, 7.79, 0), (NAMED, 22.9, 23.68, 0.293)],
)
def test_what_the_program_holds_is_read(text: str, held: float, total: float, unused: float) -> None:
    assert own_memory(text) == pytest.approx((held, total, unused), rel=1e-3)


@pytest.mark.parametrize("text", [LARGE, SPLIT, OLDER, NAMED])
def test_a_program_that_is_too_large_for_its_card_has_no_cause_and_hears_so(text: str) -> None:
    diagnosis, sentence = answer(text, None, version="1")
    assert diagnosis.findings == ()
    assert sentence.startswith("The program itself holds ")
    assert ("expandable_segments" in sentence) is (text is SPLIT)


def test_where_others_hold_the_memory_they_are_the_cause() -> None:
    assert own_memory(OTHERS) is None
    assert own_memory(OLDER.replace("1.12 GiB free", "20.00 MiB free").replace("6.20 GiB", "5.95 GiB")) is None
    diagnosis, _ = answer(OTHERS, None, version="1")
    assert diagnosis.findings[0].id == "memory-held-by-other-process"


def test_a_cause_that_the_text_proves_beside_it_is_still_named() -> None:
    text = f"Failed to initialize NVML: Driver/library version mismatch\n{LARGE}"
    diagnosis, sentence = answer(text, None, version="1")
    assert diagnosis.findings[0].id == "driver-library-mismatch"
    assert not sentence.startswith("The program itself")


@pytest.mark.parametrize(
    "text", ["CUDA out of memory", LARGE.replace("23.68", "2..3"), LARGE.replace("23.66 GiB", "1e9 GiB")]
)
def test_figures_that_are_none_say_nothing(text: str) -> None:
    own = own_memory(text)
    assert own is None or own.held <= 1.01 * own.total
