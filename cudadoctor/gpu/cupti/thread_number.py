"""Where the C library keeps the number of a thread, so that a callback can read it without asking the kernel."""

from __future__ import annotations

import _thread
import ctypes

_WORDS = 256
"""Looked through from where `pthread_self()` points; what glibc keeps there is more than twice as long."""


def place_in_self(library: ctypes.CDLL) -> int:
    """Return how many bytes behind `pthread_self()` the number of the calling thread stands; 0 where it is not seen.

    Reading it there takes 2 ns, and asking the kernel 150 (see the measurements), in each call that is traced. It is
    taken for found where it stands at one and the same place in two threads, each with its own number.

    Args:
        library: The C library of this process.
    """
    pthread_self = library.pthread_self
    pthread_self.restype = ctypes.c_void_p
    elsewhere: list[set[int]] = []
    done = _thread.allocate_lock()
    done.acquire()

    def look() -> set[int]:
        words = (ctypes.c_int32 * _WORDS).from_address(pthread_self())
        mine = _thread.get_native_id()
        return {4 * place for place, word in enumerate(words) if word == mine}

    def look_elsewhere() -> None:
        try:
            elsewhere.append(look())
        finally:
            done.release()

    _thread.start_new_thread(look_elsewhere, ())
    done.acquire()
    places = look().intersection(*elsewhere) - {0}
    return places.pop() if elsewhere and len(places) == 1 else 0
