"""Programs as XLA runs them: threads of a pool copy, the driver tells them by callbacks, and no call waits.

The order of calls, and the times from an operation's end to the thread that is told of it, are those of JAX 0.11 on an
H100: 65 µs for a thread of the pool, and twice that for the thread that asked for a value.
"""

from __future__ import annotations

from cudadoctor.attribution.profile.trace import CallKind
from tests.attribution.profile.build import COST, MAIN, US, Machine, Program, loop
from tests.attribution.profile.programs import MB

POOL = (MAIN + 11, MAIN + 12)
HOP_US = 65.0


def callback(m: Machine) -> None:
    """Ask for a function to be called once all before it is done."""
    m._call("cuLaunchHostFunc", CallKind.EVENT, COST.call, lambda: m._spin(3))


def execute(m: Machine, *kernels_us: float, way: float = 12) -> None:
    """Run a compiled function: its kernels, and a callback when they are done."""
    m.python(way)
    for number, us in enumerate(kernels_us):
        m.launch(f"fusion_{number}", us, host=3, way=2)
    callback(m)


def told(m: Machine, thread: int, at: float) -> None:
    """Let a thread go on at a moment, nanoseconds; it used no CPU until then."""
    m.now[thread] = max(m.now.get(thread, 0.0), at)
    m.thread = thread


def value_of(m: Machine, number: int, size: int = 4) -> None:
    """Bring a result to the host, as `float(loss)` does."""
    done = m.free[(0, 7)]
    told(m, POOL[number % 2], max(done, m.now[MAIN]) + HOP_US * US)
    m.copy_out(size, pageable=False, asynchronous=True, stream=16, way=1)
    callback(m)
    told(m, MAIN, m.free[(0, 16)] + 2 * HOP_US * US)


def read_back(m: Machine, number: int) -> None:
    execute(m, 35, 2, 2)
    value_of(m, number)


def short_read_back(m: Machine, number: int) -> None:
    """The kernels are done before the launching thread is with its calls."""
    execute(m, 1.5, 1.5)
    m.python(15)
    value_of(m, number)
    m.python(5)


def not_short_read_back(m: Machine, _: int) -> None:
    execute(m, 1.5, 1.5)
    m.python(20)


def not_read_back(m: Machine, _: int) -> None:
    execute(m, 35, 2, 2)


def synced(m: Machine, _: int) -> None:
    """As `block_until_ready` does it: no call waits, and the thread goes on when it is told."""
    execute(m, 35, 2, 2)
    told(m, MAIN, m.free[(0, 7)] + 2 * HOP_US * US)


def long_and_synced(m: Machine, _: int) -> None:
    execute(m, 4000)
    told(m, MAIN, m.free[(0, 7)] + 2 * HOP_US * US)


def busy(m: Machine, _: int) -> None:
    """The host is at work for longer than the device, with the same calls."""
    execute(m, 35, 2, 2)
    m.python(600)


def sleeps(m: Machine, _: int) -> None:
    execute(m, 35, 2, 2)
    m.sleep(600)


def constants(m: Machine, number: int) -> None:
    """Each operation of an expression by itself, two of them with a number that is brought to the device."""
    for kernel in range(5):
        if kernel in (1, 4):
            told(m, POOL[number % 2], m.now[MAIN] + 5 * US)
            m.copy_in(4, pageable=False, asynchronous=True, stream=15, way=1)
            callback(m)
            told(m, MAIN, m.now[m.thread] - 1 * US)  # the pool's last call is still on its way
        execute(m, 1.5, way=40)


def compiled(m: Machine, _: int) -> None:
    execute(m, 30)


def staged(m: Machine, number: int, *, gb_per_s: float = 8.0) -> None:
    """A large NumPy array: the host fills a pinned buffer, and a thread of the pool copies it."""
    m.python(16 * MB / gb_per_s / 1e3)
    told(m, POOL[number % 2], m.now[MAIN] + 5 * US)
    m.copy_in(16 * MB, pageable=False, asynchronous=True, stream=15, way=1)
    callback(m)
    told(m, MAIN, m.now[m.thread] + 1 * US)
    execute(m, 25)


def filled_ahead(m: Machine, number: int) -> None:
    staged(m, number, gb_per_s=1e6)


def made_there(m: Machine, number: int) -> None:
    """The array is computed in each step, too: ten times as long as a copy takes."""
    staged(m, number, gb_per_s=0.8)


PLANTED: dict[str, tuple[str, Program, Program]] = {
    "read-back": ("readback-every-step", loop(read_back), loop(not_read_back)),
    "short read-back": ("readback-every-step", loop(short_read_back, 3000), loop(not_short_read_back, 3000)),
    "sync": ("sync-every-step", loop(synced, 3000), loop(not_read_back, 3000)),
    "constants": ("launch-bound-small-work", loop(constants), loop(compiled)),
    "staged": ("pageable-transfer", loop(staged, 200), loop(filled_ahead, 200)),
}
"""The cause, the slow program, and the same without it."""
