"""Made-up programs: each slow for one reason, the same without it, and twins with the same calls that lose nothing."""

from __future__ import annotations

from collections.abc import Callable

from cudadoctor.attribution.profile.trace import Doing
from tests.attribution.profile.build import Machine, Program, loop

KB, MB = 1 << 10, 1 << 20


def tiny(m: Machine, _: int) -> None:
    for kernel in range(8):
        m.launch(f"k{kernel % 5}", 4)


def tiny_fused(m: Machine, _: int) -> None:
    m.launch("fused", 8 * 5.1)


def pageable(m: Machine, _: int) -> None:
    m.copy_in(16 * MB)
    m.launch("forward", 200)
    m.launch("backward", 50)


def pageable_pinned(m: Machine, _: int) -> None:
    m.copy_in(16 * MB, pageable=False)
    m.launch("forward", 200)
    m.launch("backward", 50)


def pageable_back(m: Machine, _: int) -> None:
    m.launch("render", 60)
    m.copy_out(32 * MB)


def pageable_back_pinned(m: Machine, _: int) -> None:
    m.launch("render", 60)
    m.copy_out(32 * MB, pageable=False)


def pinned(m: Machine, _: int) -> None:
    m.copy_in(16 * MB, pageable=False)
    m.launch("relax", 50)


def resident(m: Machine, _: int) -> None:
    m.launch("relax", 50)


def host_arrays(m: Machine, _: int) -> None:
    for kernel in ("add", "scale"):
        for _array in range(3):
            m.allocate(5)
            m.copy_in(MB)
        m.launch(kernel, 20)
        for _array in range(3):
            m.copy_out(MB)
        m.free_memory(8)


def device_arrays(m: Machine, _: int) -> None:
    m.launch("add", 20)
    m.launch("scale", 20)


def small_copies(m: Machine, _: int) -> None:
    for _row in range(60):
        m.copy_in(4 * KB)
    m.launch("update", 100)


def one_copy(m: Machine, _: int) -> None:
    m.copy_in(240 * KB)
    m.launch("update", 100)


def synced(m: Machine, _: int) -> None:
    for kernel in range(4):
        m.launch(f"k{kernel}", 40)
        m.sync()


def not_synced(m: Machine, _: int) -> None:
    for kernel in range(4):
        m.launch(f"k{kernel}", 40)


def read_back(m: Machine, _: int) -> None:
    for kernel in range(6):
        m.launch(f"k{kernel}", 25)
    m.copy_out(4)
    m.python(60)


def not_read_back(m: Machine, _: int) -> None:
    for kernel in range(6):
        m.launch(f"k{kernel}", 25)
    m.python(60)


def allocates(m: Machine, _: int) -> None:
    m.allocate(200)
    m.launch("blur", 60)
    m.launch("sharpen", 60)
    m.free_memory(150, waits=True)


def allocates_not(m: Machine, _: int) -> None:
    m.launch("blur", 60)
    m.launch("sharpen", 60)


def compiles(m: Machine, _: int) -> None:
    m.python(8000, Doing.COMPILING)
    m.module(500)
    m.launch("jitted", 300)


def compiled(m: Machine, _: int) -> None:
    m.launch("jitted", 300)


def one_block(m: Machine, _: int) -> None:
    m.launch("scan", 3000, blocks=1)
    m.launch("apply", 50)


def many_blocks(m: Machine, _: int) -> None:
    m.launch("scan", 3000 / 132, blocks=264)
    m.launch("apply", 50)


def sleeping(m: Machine, _: int) -> None:
    m.sleep(3000)
    trains(m, _)


def computing(m: Machine, _: int) -> None:
    m.python(3000)
    trains(m, _)


def feeding(m: Machine, _: int) -> None:
    m.python(2500, Doing.FEEDING)
    m.python(500)
    trains(m, _)


def reading(m: Machine, _: int) -> None:
    m.sleep(2000, Doing.READING)
    m.python(1000, Doing.READING)
    trains(m, _)


def trains(m: Machine, _: int) -> None:
    m.copy_in(MB, pageable=False)
    m.launch("forward", 400)
    m.launch("backward", 200)


def reading_unseen(m: Machine, _: int) -> None:
    m.read(16 * MB, 9000)
    trains(m, _)


def first_step_compiles(m: Machine, number: int) -> None:
    if number == 0:
        m.copy_in(MB)
        for kernel in range(4):
            m.python(80_000, Doing.COMPILING)
            m.module(1_000)
            m.launch(f"k{kernel}", 200)
        return
    for kernel in range(4):
        m.launch(f"k{kernel}", 200)


PLANTED: dict[str, tuple[str, Program, Program]] = {
    "launches": ("launch-bound-small-work", loop(tiny), loop(tiny_fused)),
    "pageable": ("pageable-transfer", loop(pageable, 200), loop(pageable_pinned, 200)),
    "pageable back": ("pageable-transfer", loop(pageable_back, 200), loop(pageable_back_pinned, 200)),
    "pinned": ("transfer-bound", loop(pinned), loop(resident)),
    "host arrays": ("implicit-host-copies", loop(host_arrays, 100), loop(device_arrays, 100)),
    "small copies": ("small-transfers", loop(small_copies, 200), loop(one_copy, 200)),
    "sync": ("sync-every-step", loop(synced), loop(not_synced)),
    "read-back": ("readback-every-step", loop(read_back), loop(not_read_back)),
    "allocation": ("allocation-in-loop", loop(allocates), loop(allocates_not)),
    "compilation": ("compile-every-step", loop(compiles, 100), loop(compiled, 100)),
    "one block": ("low-occupancy-grid", loop(one_block, 200), loop(many_blocks, 200)),
    "sleeping loader": ("dataloader-bound", loop(sleeping, 200), loop(trains, 200)),
    "busy loader": ("dataloader-bound", loop(feeding, 200), loop(trains, 200)),
    "busy Python": ("host-bound-not-gpu", loop(computing, 200), loop(trains, 200)),
    "files that no sample shows": ("storage-bound", loop(reading_unseen, 100), loop(trains, 100)),
    "reading files": ("storage-bound", loop(reading, 200), loop(trains, 200)),
}
"""The cause, the slow program, and the same without it."""


def heavy(m: Machine, _: int) -> None:
    for kernel in range(5):
        m.launch(f"k{kernel}", 120)


def then(first: Callable[[Machine, int], None], more: Callable[[Machine], None]) -> Callable[[Machine, int], None]:
    def step(m: Machine, number: int) -> None:
        first(m, number)
        more(m)

    return step


def copies_beside(m: Machine, _: int) -> None:
    m.copy_in(4 * MB, pageable=False, asynchronous=True, stream=9)
    m.launch("step", 500)


def allocates_beside(m: Machine, _: int) -> None:
    m.allocate(60)
    heavy(m, _)
    m.free_memory(30)


def logs(m: Machine, number: int) -> None:
    heavy(m, number)
    if number % 10 == 9:
        m.copy_out(4)


def compiles_once(m: Machine, number: int) -> None:
    if number == 0:
        m.python(60_000, Doing.COMPILING)
        m.module(2_000)
    heavy(m, number)


def slow_at_first(m: Machine, number: int) -> None:
    m.python(2000 if number < 4 else 5)
    heavy(m, number)


TWINS: dict[str, Program] = {
    "long healthy kernel": loop(lambda m, _: m.launch("matmul", 2000)),
    "healthy kernels": loop(heavy),
    "sync that does not matter": loop(then(heavy, lambda m: m.sync())),
    "read-back that does not matter": loop(then(heavy, lambda m: m.copy_out(4))),
    "few large copies hidden behind kernels": loop(copies_beside),
    "allocation that does not matter": loop(allocates_beside),
    "Python that does not matter": loop(then(heavy, lambda m: m.python(300))),
    "logging every ten steps": loop(logs),
    "compiles in the first step only": loop(compiles_once),
    "slow in the first steps only": loop(slow_at_first),
    "one large pageable copy before all": loop(lambda m, n: (m.copy_in(64 * MB) if n == 0 else None, heavy(m, n))[1]),
}
"""Nobody may be accused, and kernels run nearly all the time."""
