"""Files of a fleet: all are met once, and what is no node is named with its reason."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from cudadoctor.doctor import diagnose
from cudadoctor.facts.fleet import SkippedFile
from cudadoctor.fleet.digest import Digest
from cudadoctor.fleet.reading import MOST_BYTES, NoSuchPathError, Read, listed, read_all, read_one
from tests.fleet import simulated

LIKE = simulated.base()


def skipped(path: Path) -> SkippedFile:
    found = read_one(str(path), diagnose)
    assert isinstance(found, SkippedFile)
    return found


def test_a_folder_is_read_with_its_folders_by_name_and_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b.json", "a/z.json", "a/.hidden.json", ".git/c.json", "a.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = [Path(str(item)).relative_to(tmp_path).as_posix() for item in listed([str(tmp_path)])]
    assert found == ["a.json", "b.json", "a/z.json"]


def test_a_file_that_is_met_twice_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    (tmp_path / "link.json").symlink_to(path)
    found = list(listed([str(path), str(tmp_path)]))
    assert [item for item in found if isinstance(item, str)] == [str(path)]
    assert {item.kind for item in found if isinstance(item, SkippedFile)} == {"duplicate"}
    assert {item.other for item in found if isinstance(item, SkippedFile)} == {str(path)}


def test_a_folder_that_holds_a_link_to_itself_comes_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    kinds = [item.kind if isinstance(item, SkippedFile) else "file" for item in listed([str(tmp_path)])]
    assert kinds.count("file") == 1


@pytest.mark.skipif(os.name != "posix", reason="pipes in folders are a matter of POSIX")
def test_a_pipe_and_a_dangling_link_are_named_and_nobody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    found = [item for item in listed([str(tmp_path)]) if isinstance(item, SkippedFile)]
    assert {Path(item.file).name: item.reason for item in found} == {
        "gone.json": "cannot be read: No such file or directory",
        "pipe.json": "is not a regular file",
    }


def test_a_path_that_is_not_there_is_an_error_and_no_skipped_file(tmp_path: Path) -> None:
    with pytest.raises(NoSuchPathError, match="nowhere"):
        list(listed([str(tmp_path / "nowhere")]))


@pytest.mark.parametrize(
    ("data", "kind", "said"),
    [
        (b"", "broken", "is empty"),
        (b" \n", "broken", "is empty"),
        (b'{"kind": "cudadoctor-facts", "schema_ver', "broken", "is not JSON, or is damaged"),
        (bytes(range(256)) * 40, "broken", "is not JSON, or is damaged"),
        (b"\x1f\x8b\x08" + bytes(500), "broken", "is not JSON, or is damaged"),
        (b'{"a": 1}', "foreign", "not a facts file"),
        (b"[" * 100_000, "broken", "is not JSON, or is damaged"),
        (b'{"kind": "cudadoctor-facts", "schema_version": 1, "facts": {}}', "foreign", "holds no facts of a machine"),
        (b'{"kind": "cudadoctor-facts", "schema_version": 7, "facts": {}}', "newer", "newer cudadoctor (schema 7"),
        (b'{"kind": "cudadoctor-facts", "schema_version": 1, "facts": {"nvml": 3}}', "broken", "is damaged"),
    ],
)
def test_what_is_no_node_is_said_in_one_line(tmp_path: Path, data: bytes, kind: str, said: str) -> None:
    path = tmp_path / "node.json"
    path.write_bytes(data)
    found = skipped(path)
    assert (found.kind, found.file) == (kind, str(path))
    assert said in found.reason
    assert "\n" not in found.reason


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES * 1000)  # sparse: 8 GB that take no room
    assert "larger than 8 MiB" in skipped(path).reason


def test_the_report_of_a_fleet_is_no_node(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    document: dict[str, Any] = {"command": "fleet report", "findings": [], "schema_version": 1}
    document["facts"] = {"fleet": {"state": "missing", "reason": "x"}}
    path.write_text(json.dumps(document))
    assert skipped(path).kind == "foreign"
    document["facts"] = {"fleet": {"state": "known", "nodes": []}}
    document["command"] = "check"
    path.write_text(json.dumps(document))
    assert skipped(path).reason == "is the report of a fleet, not of a node"


def test_a_report_in_json_is_a_node_too(tmp_path: Path) -> None:
    from cudadoctor.report.document import render_json

    path = tmp_path / "node.json"
    path.write_bytes(render_json(diagnose(LIKE)))
    found = read_one(str(path), diagnose)
    assert isinstance(found, Digest)
    assert found.when == pytest.approx(path.stat().st_mtime)


def test_a_node_keeps_the_verdict_of_its_own_report(tmp_path: Path) -> None:
    for name in sorted(path.name for path in simulated.MACHINES.iterdir()):
        machine = simulated.base(name)
        own = diagnose(machine)
        found = read_one(str(simulated.write(tmp_path, name, machine)), diagnose)
        assert isinstance(found, Digest)
        assert found.node.status == own.status
        assert [(each.id, each.severity) for each in found.node.findings] == [
            (each.id, each.severity.value) for each in own.findings
        ]


def test_several_processes_read_what_one_reads(tmp_path: Path) -> None:
    paths = [str(simulated.write(tmp_path, f"n{number}", simulated.node(number, LIKE))) for number in range(40)]
    (tmp_path / "broken.json").write_text("{")
    paths.insert(17, str(tmp_path / "broken.json"))

    def told(found: Read) -> object:
        return found if isinstance(found, SkippedFile) else (found.node, found.traits, found.when, found.details)

    alone, together = (
        [told(found) for found in read_all(paths, diagnose, processes=processes)] for processes in (1, 2)
    )
    assert alone == together


def test_a_digest_is_small_whatever_the_file_holds(tmp_path: Path) -> None:
    import pickle

    path = simulated.write(tmp_path, "node", LIKE)
    found = read_one(str(path), diagnose)
    assert path.stat().st_size > 100_000
    assert len(pickle.dumps(found)) < 8_000


def test_a_log_among_the_facts_is_foreign_and_facts_that_were_cut_off_are_broken(tmp_path: Path) -> None:
    for name, data in (("job.out", b"srun: queued"), ("node", b'{"kind": "cudadoctor-f'), ("node.json", bytes(9))):
        (tmp_path / name).write_bytes(data)
    kinds = {name: skipped(tmp_path / name).kind for name in ("job.out", "node", "node.json")}
    assert kinds == {"job.out": "foreign", "node": "broken", "node.json": "broken"}
