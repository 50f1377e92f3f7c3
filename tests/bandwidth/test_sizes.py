"""How large the buffers become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from cudadoctor.bandwidth.host_memory import available_bytes
from cudadoctor.bandwidth.workspace import NoRoomError, fitting_size

MIB, GIB = 2**20, 2**30


def test_the_wanted_size_is_taken_where_there_is_room() -> None:
    assert fitting_size(512 * MIB, 80 * GIB, 100 * GIB) == (512 * MIB, "")


def test_little_device_memory_shrinks_the_buffers_to_whole_mib_and_says_so() -> None:
    size, note = fitting_size(512 * MIB, 300 * MIB, 100 * GIB)
    assert size == 135 * MIB
    assert note == "135 MiB instead of 512 MiB: only 300 MiB of device memory is free"


def test_little_host_memory_shrinks_the_buffers_too() -> None:
    size, note = fitting_size(512 * MIB, 80 * GIB, 300 * MIB)
    assert size == 60 * MIB
    assert "300 MiB of host memory" in note


def test_a_full_device_has_no_room() -> None:
    with pytest.raises(NoRoomError, match="only 64 KiB of device memory is free"):
        fitting_size(512 * MIB, 64 * 1024, 100 * GIB)


def test_a_size_is_a_whole_number_of_words() -> None:
    assert fitting_size(1001, 80 * GIB, 100 * GIB) == (1000, "")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a function that writes files under a fake root and asks how much memory there is, with 64 GiB free."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * GIB))

    def ask(**files: str) -> int:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return available_bytes(tmp_path)

    return ask


def test_without_a_cgroup_the_machine_decides(machine: Callable[..., int]) -> None:
    assert machine() == 64 * GIB


def test_a_containers_limit_decides_less_what_it_uses_but_not_its_page_cache(machine: Callable[..., int]) -> None:
    room = machine(
        **{
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{2 * GIB}\n",
            "sys/fs/cgroup/memory.current": f"{GIB}\n",
            "sys/fs/cgroup/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
        }
    )
    assert room == 3 * GIB // 2


def test_a_limit_further_up_decides_too(machine: Callable[..., int]) -> None:
    room = machine(
        **{
            "proc/self/cgroup": "0::/slurm/job_7\n",
            "sys/fs/cgroup/slurm/job_7/memory.max": "max\n",
            "sys/fs/cgroup/slurm/job_7/memory.current": "5\n",
            "sys/fs/cgroup/slurm/memory.max": f"{GIB}\n",
            "sys/fs/cgroup/slurm/memory.current": "0\n",
        }
    )
    assert room == GIB


def test_version_1_of_cgroups_is_read(machine: Callable[..., int]) -> None:
    room = machine(
        **{
            "proc/self/cgroup": "9:cpuset:/\n4:memory:/docker/abc\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{3 * GIB}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
        }
    )
    assert room == 2 * GIB
