"""No facts crash a rule, whatever a file or a driver says."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cudadoctor.facts.base import Known, Missing
from cudadoctor.facts.device_nodes import DeviceNode, DeviceNodes
from cudadoctor.facts.ladder import STEP_NAMES, Ladder, Step
from cudadoctor.facts.machine import Machine
from cudadoctor.rules.catalogue import RULES
from cudadoctor.rules.diagnose import diagnose
from cudadoctor.rules.verdict import status, summary_sentence
from tests.rules import build as b

WORDS = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "12.8",
        "13.0",
        "6.1",
        "3.0",
        "570.124.06",
        "9" * 5000,
        "٣.٤",
        "\x1b]0;x\x07; rm -rf ~",
        "libcuda.so.1",
        "/usr/local/cuda/compat",
        "/a/stubs/libcuda.so",
        "/dev/nvidia-uvm",
        "nouveau",
        "vfio-pci",
        "docker",
        "Linux",
        "Windows",
        "cpu",
        "gpu:0",
        "h2d_pinned",
        "0000:01:00.0",
        "EACCES",
        "NvvmSupportError: libnvvm not found",
        "nothing was learned",
        "verification failed",
    ]
)
TEXTS = WORDS | st.text(max_size=8)
NUMBERS = st.sampled_from([0, 1, -1, 5, 16, 18, 34, 46, 100, 222, 802, 803, 804, 999, 10**30])
FLOATS = st.sampled_from([0.0, -1.0, 2.5, 32.0, 0.287, 1e308]) | st.floats(allow_nan=False, allow_infinity=False)


STEPS = st.builds(
    Step,
    name=st.sampled_from(STEP_NAMES),
    state=st.sampled_from(["passed", "failed", "timed out", "crashed", "not reached"]),
    call=TEXTS,
    detail=TEXTS,
    code=st.none() | NUMBERS,
    code_name=st.none() | TEXTS,
    signal=st.none() | TEXTS,
    seconds=st.none() | FLOATS,
)


def strategy_of(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a msgspec type: structs by their fields, facts as known or missing."""
    info = msgspec.inspect.type_info(kind)
    return _strategy(info)


def _strategy(info: Any) -> st.SearchStrategy[Any]:
    inspect = msgspec.inspect
    if isinstance(info, inspect.StructType):
        cls = info.cls
        if cls is Step:
            return STEPS
        return st.builds(cls, **{field.name: _strategy(field.type) for field in info.fields})
    if isinstance(info, inspect.UnionType):
        return st.one_of(*(_strategy(each) for each in info.types))
    if isinstance(info, inspect.VarTupleType):
        return st.lists(_strategy(info.item_type), max_size=2).map(tuple)
    if isinstance(info, inspect.TupleType):
        return st.tuples(*(_strategy(each) for each in info.item_types))
    if isinstance(info, inspect.DictType):
        names = st.sampled_from(["CUDA_VISIBLE_DEVICES", "NUMBA_ENABLE_CUDASIM", "CUDA_HOME", "LD_LIBRARY_PATH"])
        return st.dictionaries(names, TEXTS, max_size=4)
    if isinstance(info, inspect.LiteralType):
        return st.sampled_from(info.values)
    simple = {
        inspect.StrType: TEXTS,
        inspect.IntType: NUMBERS,
        inspect.FloatType: FLOATS,
        inspect.BoolType: st.booleans(),
        inspect.NoneType: st.none(),
    }
    return simple[type(info)]


SECTIONS = {
    field.name: strategy_of(field.type) for field in msgspec.structs.fields(Machine) if field.name != "ladder"
} | {"ladder": st.builds(Ladder, steps=st.lists(STEPS, max_size=12).map(tuple)) | st.builds(Missing, reason=TEXTS)}
SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def judge(machine: Machine) -> None:
    for rule in RULES:
        rule.examine(machine)
    findings, skipped = diagnose(machine)
    assert not [skip for skip in skipped if "this rule failed" in skip.reason]
    for finding in findings:
        assert finding.summary
        assert finding.fix.text
        assert finding.evidence
        assert not any(word in command for command in finding.fix.commands for word in ("\x1b", "rm -rf"))
    state = status(machine, findings)
    sentence = summary_sentence(machine, findings)
    assert (state == "error") == any(finding.severity.value == "error" for finding in findings)
    assert sentence
    assert "\x1b" not in sentence


@SLOW
@given(st.data())
def test_no_facts_crash_a_rule(data: st.DataObject) -> None:
    judge(Machine(**{name: data.draw(strategy, label=name) for name, strategy in SECTIONS.items()}))


@SLOW
@given(st.data())
def test_no_two_odd_sections_of_a_healthy_machine_crash_a_rule(data: st.DataObject) -> None:
    """Most rules need several sections to make sense together, which random ones seldom do."""
    names = data.draw(st.lists(st.sampled_from(sorted(SECTIONS)), min_size=1, max_size=2, unique=True))
    judge(b.machine(**{name: data.draw(SECTIONS[name], label=name) for name in names}))


@SLOW
@given(st.lists(STEPS, min_size=1, max_size=3), st.sampled_from([b.HEALTHY, b.DRIVERLESS]))
def test_any_answers_of_the_driver_get_a_finding_or_none_but_never_a_crash(steps: list[Step], base: Machine) -> None:
    judge(msgspec.structs.replace(base, ladder=b.ladder(*steps)))


@SLOW
@given(TEXTS, TEXTS, TEXTS)
def test_hostile_nodes_and_names_stay_out_of_commands(path: str, owner: str, error: str) -> None:
    node = DeviceNode(path=path, mode=owner, owner=owner, error=Known(error, path))
    judge(b.machine(device_nodes=DeviceNodes(nodes=(node,), source=path), ladder=b.stopped(b.nvml_failed(4))))
