"""What the lifecycle programs do when run plainly: the measure for what they must do under a profiler."""

from __future__ import annotations

import importlib.util
import sys

import msgspec
import pytest

if sys.platform == "win32":
    pytest.skip("signals as on POSIX", allow_module_level=True)

from tests.planted.lifecycle import CASES, FOLDER, Case, Ended, differences, run
from tests.simulator import ON_GPU

TINY = {"STEPS": "3", "SIZE": "40"}


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_the_program_does_what_its_case_says(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, str] = {}
    if case.needs and not ON_GPU:
        if case.needs != "numba":
            pytest.skip(f"{case.needs} needs a GPU for this program")
        if not case.simulated:
            pytest.skip("numba's simulator cannot launch from several threads")
        if importlib.util.find_spec("numba.cuda") is None:
            pytest.skip("numba.cuda is not installed")
        monkeypatch.setenv("NUMBA_ENABLE_CUDASIM", "1")
        sizes = TINY
        case = msgspec.structs.replace(case, output=case.output.replace(b"320032", b"128"))
    elif case.needs and importlib.util.find_spec(case.needs) is None:
        pytest.skip(f"{case.needs} is not installed")
    assert differences(case, run(case, sizes=sizes)) == []


def test_every_program_has_a_case() -> None:
    helpers = {"neighbour.py"}
    there = {path.name for path in FOLDER.iterdir() if path.name != "__pycache__"} - helpers
    assert {case.program for case in CASES} == there


@pytest.mark.parametrize(
    ("ended", "what"),
    [
        (Ended(0, b"before the end\n", ""), "exit code 0"),
        (Ended(3, b"before the end", ""), "output"),
    ],
)
def test_a_difference_is_said(ended: Ended, what: str) -> None:
    case = CASES[0]
    assert differences(case, Ended(3, b"before the end\n", "")) == []
    assert [text.startswith(what) for text in differences(case, ended)] == [True]


def test_pieces_of_standard_error_must_come_in_their_order() -> None:
    case = Case(name="two", program="two.py", errors=("one", "two"))
    assert differences(case, Ended(0, b"", "one and two")) == []
    assert differences(case, Ended(0, b"", "two and one")) != []
