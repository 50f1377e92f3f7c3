"""What names one card, machine, network or account is gone from every report that is meant to be shared."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from cudadoctor.facts.machine import Machine
from cudadoctor.report.document import render_json
from cudadoctor.report.identifiers import whole_uuids, without_identifiers
from cudadoctor.report.markdown import render_markdown
from cudadoctor.report.redact import redacted
from tests.report.test_reports import diagnosis

MACHINES = Path(__file__).parents[1] / "machines"
UUID = "06e16885-e3a0-c09e-3442-360a00ff52e8"

PLANTED = {
    "uuid of a GPU": f"GPU-{UUID}",
    "uuid of a MIG instance": f"MIG-{UUID}",
    "uuid of an old MIG instance": f"MIG-GPU-{UUID}/7/0",
    "any uuid": f"root=UUID={UUID}",
    "serial": "NVRM: GPU Board Serial Number: 0322716036227",
    "serial in nvidia-smi": "Serial Number                      : 1322121001234",
    "IPv4 address": "192.168.11.119: kern: warning: NVRM: Xid",
    "IPv4 address with small parts": "connect to 10.0.0.7 failed",
    "IPv4 address with a port": "tcp://10.1.2.3:29500",
    "IPv6 address": "peer fe80::1ff:fe23:4567:890a is gone",
    "MAC address": "eth0 02:42:ac:11:00:02",
    "password in a URL": "https://me:hunter22@pypi.example.org/simple",
    "token": "downloading with hf_AbCdEfGhIjKlMnOpQrSt",
    "token of AWS": "AKIAIOSFODNN7EXAMPLE",
    "web token": "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2QT4",
    "assigned": "WANDB_API_KEY=0123456789abcdef0123456789abcdef",
    "assigned in JSON": '{"password": "correct horse"}',
    "header": "Authorization: Bearer abcdef.ghijkl",
}
SECRET = {
    "uuid of a GPU": UUID,
    "uuid of a MIG instance": UUID,
    "uuid of an old MIG instance": UUID,
    "any uuid": UUID,
    "serial": "0322716036227",
    "serial in nvidia-smi": "1322121001234",
    "IPv4 address": "192.168.11.119",
    "IPv4 address with small parts": "10.0.0.7",
    "IPv4 address with a port": "10.1.2.3",
    "IPv6 address": "fe80::1ff:fe23:4567:890a",
    "MAC address": "02:42:ac:11:00:02",
    "password in a URL": "hunter22",
    "token": "hf_AbCdEfGhIjKlMnOpQrSt",
    "token of AWS": "AKIAIOSFODNN7EXAMPLE",
    "web token": "eyJzdWIiOiIxMjM0",
    "assigned": "0123456789abcdef",
    "assigned in JSON": "correct",
    "header": "abcdef.ghijkl",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_each_kind_that_is_planted_is_in_no_shared_report(kind: str) -> None:
    report = diagnosis(PLANTED[kind], PLANTED[kind])
    assert SECRET[kind] in render_json(report).decode().replace("\\", "")
    shared = redacted(report)
    for text in (render_json(shared).decode(), render_markdown(shared, "an answer")):
        assert SECRET[kind] not in text


@pytest.mark.parametrize(
    "text",
    [
        "libcurand.so.10.4.0.35",
        "nvidia-cublas 13.0.2.14, curand 10.3.9.90 from pip",
        "5.15.153.1-microsoft-standard-WSL2",
        "/lib/modules/5.15.167.4-microsoft-standard-WSL2/build",
        "0000:00:06.0 and 00000000:65:00.0 at 12:30:45",
        "at::native::add, std::bad_alloc, a::b",
        "driver 580.159.04, 570.86.10.01",
        "Serial Number : N/A",
        "tokenizer = fast, max_tokens=4096000, token: none",
        "127.0.0.1:8888",
        "GPU-accelerated, MIG-1g.10gb, GPU-0",
        "0.00.026.212 I Device 0: Tesla M60",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert without_identifiers(text) == text


def test_a_stand_in_is_the_same_everywhere_and_is_replaced_by_itself() -> None:
    once = without_identifiers(f"GPU-{UUID}")
    assert re.fullmatch(r"GPU-00000000-0000-0000-[0-9a-f]{4}-[0-9a-f]{12}", once)
    assert once == without_identifiers(f"GPU-{UUID.upper()}")
    assert without_identifiers(once) == once
    assert without_identifiers(f"GPU-{UUID[:-1]}9") != once


def test_the_beginning_of_a_uuid_still_names_the_same_gpu() -> None:
    """CUDA takes the beginning of one that is like no other's."""
    whole = whole_uuids([f"GPU-{UUID}", "GPU-16e16885-e3a0-c09e-3442-360a00ff52e8"])
    assert without_identifiers(f"GPU-{UUID[:8]}", whole) == without_identifiers(f"GPU-{UUID}")
    assert without_identifiers("GPU-16e1", whole) != without_identifiers("GPU-06e1", whole)
    assert UUID[:8] not in without_identifiers(f"GPU-{UUID[:8]}")


@pytest.mark.parametrize("folder", sorted(path.name for path in MACHINES.iterdir() if (path / "facts.json").is_file()))
def test_of_recorded_machines_nothing_but_uuids_is_taken(folder: str) -> None:
    data = (MACHINES / folder / "facts.json").read_bytes()
    text = json.dumps(json.loads(data))
    shared = without_identifiers(text, whole_uuids([text]))
    uuid = re.compile(r"(GPU|MIG)-[0-9a-f-]{4,}")
    assert uuid.sub("*", shared) == uuid.sub("*", text)


def test_facts_that_are_shared_can_be_read_again() -> None:
    facts = (MACHINES / "ubuntu24-h100-healthy" / "facts.json").read_bytes()
    document = json.loads(facts)
    machine = msgspec.convert(document.get("facts", document), Machine, strict=False)
    assert redacted(redacted(machine)) == redacted(machine)
