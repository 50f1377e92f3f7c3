"""The callbacks for each processor that they are made for, whichever one the tests run on, and those of this one.

Inline assembler can be read only by the assembler of the processor at hand, so it is emptied where code for another
one is looked at; that does not depend on it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import re
import struct
import threading
import time
from typing import Any

import pytest

from cudadoctor.gpu.cupti import callbacks, pool, thread_number, tracing
from cudadoctor.gpu.cupti.callback_source import TRIPLES, source
from cudadoctor.gpu.cupti.callbacks import NoNativeCodeError, compile_callbacks, compile_source
from cudadoctor.gpu.cupti.pool import NativeCode
from cudadoctor.profile.decode import read_marks
from tests.profile.pools import made_up

llvm = pytest.importorskip("llvmlite.binding")
LAYOUT = pool.Layout.within(64)


@pytest.fixture(autouse=True)
def _all_targets() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def _without_assembler(machine: str) -> str:
    if machine not in TRIPLES:
        pytest.skip("this machine is none of them")
    try:
        llvm.Target.from_triple(TRIPLES[machine])
    except RuntimeError:
        pytest.skip(f"this llvmlite cannot compile for {machine}")
    return re.sub(r'asm (sideeffect )?"[^"]*"', r'asm \1""', source(LAYOUT, machine))


def _assembly(machine: str) -> dict[str, list[str]]:
    """Return the instructions of each function."""
    module = llvm.parse_assembly(_without_assembler(machine))
    target = llvm.Target.from_triple(TRIPLES[machine])
    text = target.create_target_machine(opt=1, reloc="pic", codemodel="small").emit_assembly(module)
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        label = re.match(r"(\w+):", line)
        if label:
            name = label[1]
            found[name] = []
        elif line.startswith("\t") and not line.startswith("\t."):
            found[name].append(line.strip())
    return found


@pytest.mark.parametrize("machine", sorted(TRIPLES))
def test_the_code_needs_no_linker(machine: str) -> None:
    native = compile_source(_without_assembler(machine), machine)
    starts = sorted(native[1:])
    assert len(set(starts)) == 5
    assert starts[-1] < len(native.code) < pool.CODE_BYTES


def test_on_arm_every_counter_is_added_to_in_order_with_what_is_around_it() -> None:
    exclusive = [
        line.split()[0] for lines in _assembly("aarch64").values() for line in lines if "xr" in line.split()[0]
    ]
    assert set(exclusive) == {"ldaxr", "stlxr"}
    assert exclusive.count("ldaxr") == source(LAYOUT, "aarch64").count("atomicrmw") + 1  # and the cmpxchg


@pytest.mark.parametrize("function", ["call", "completed", "remember"])
def test_on_arm_what_is_complete_is_published_after_all_else(function: str) -> None:
    """x86 keeps stores in order by itself, aarch64 only before a store with release."""
    text = source(LAYOUT, "aarch64")
    body = text[text.index(f"@{function}(") :].partition("\n}\n")[0].splitlines()
    release = [number for number, line in enumerate(body) if "store atomic" in line]
    assert len(release) == 1
    assert re.search(r"store atomic i64 .* release, align 8$", body[release[0]])
    after = body[release[0] + 1 :]
    assert after[0].strip() in ("ret void", "br label %leave")
    assert [line.split()[0] for line in _assembly("aarch64")[function]].count("stlr") == 1


def test_an_option_that_llvmlite_does_not_know_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It asserts that its options are known, and names no reason."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(llvm.Target, "create_target_machine", refuse)
    monkeypatch.setattr(callbacks.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(callbacks.sys, "platform", "linux")
    with pytest.raises(NoNativeCodeError, match="AssertionError"):
        compile_callbacks(LAYOUT)


@pytest.fixture(scope="module")
def loaded() -> tuple[mmap.mmap, NativeCode, int]:
    """The callbacks of this machine in this process: their pool, and the address of their code."""
    try:
        native = compile_callbacks(LAYOUT)
    except NoNativeCodeError as error:
        pytest.skip(str(error))
    descriptor = os.memfd_create("pool")
    pool.prepare(descriptor, LAYOUT, native)
    memory, _ = pool.open_pool(descriptor)
    os.close(descriptor)
    # The code finds the pool by its address, so the mapping stays for good.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
    clock = ctypes.cast(ctypes.CDLL(None).clock_gettime, ctypes.c_void_p).value
    struct.pack_into("<Q", memory, pool.CLOCK_AT, clock)
    struct.pack_into("<Q", memory, pool.STAMP_AT, ctypes.cast(_stamp, ctypes.c_void_p).value)
    return memory, native, tracing._load_code(native.code, ctypes.addressof(ctypes.c_char.from_buffer(memory)))


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_uint64))
def _stamp(moment: Any) -> int:
    moment[0] = 77
    return 0


_UNTOLD = 0xDEADBEEF << 32
"""What a caller may leave in the upper half of a register that passes a number of 32 bits."""


def _callback(address: int) -> Any:
    return ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p)(address)


def test_of_numbers_of_32_bits_only_these_are_taken(loaded: tuple[mmap.mmap, NativeCode, int]) -> None:
    memory, native, code = loaded
    word, arguments = ctypes.c_uint64(), (ctypes.c_uint64 * 1)(0xABCDEF0123456789)
    result = (ctypes.c_uint32 * 2)(700, 0xFFFFFFFF)
    data = bytearray(72)
    struct.pack_into("<II", data, 0, 0, 0xFFFFFFFF)  # the site, and padding that may hold anything
    struct.pack_into("<QQ", data, 16, ctypes.addressof(arguments), ctypes.addressof(result))
    struct.pack_into("<QII", data, 56, ctypes.addressof(word), 4321, 0xFFFFFFFF)
    place = (ctypes.c_char * len(data)).from_buffer(data)
    call = _callback(code + native.call_at)
    call(None, _UNTOLD | 1, _UNTOLD | 307, ctypes.addressof(place))
    data[0] = 1
    call(None, _UNTOLD | 1, _UNTOLD | 307, ctypes.addressof(place))
    (called,) = struct.unpack_from("<Q", memory, pool.CALLED_AT)
    assert called == 1
    thread = threading.get_native_id()
    told = struct.unpack_from("<QQIIIIQ", memory, LAYOUT.calls_at)
    assert told == (77, 77, 307, thread, 4321, 700, 0xABCDEF0123456789)


def test_the_number_of_a_thread_is_read_where_the_c_library_keeps_it(loaded: tuple[mmap.mmap, NativeCode, int]) -> None:
    memory, native, code = loaded
    library = ctypes.CDLL(None)
    place = thread_number.place_in_self(library)
    if platform.libc_ver()[0] == "glibc":
        assert place > 0
    oneself = ctypes.cast(library.pthread_self, ctypes.c_void_p).value
    call, word = _callback(code + native.call_at), ctypes.c_uint64()
    data = bytearray(72)
    struct.pack_into("<Q", data, 56, ctypes.addressof(word))
    result = ctypes.c_uint32()
    struct.pack_into("<QQ", data, 16, 0, ctypes.addressof(result))
    struct.pack_into("<I", data, 0, 1)
    ends = (ctypes.c_char * len(data)).from_buffer(data)
    threads = []

    def work() -> None:
        threads.append(threading.get_native_id())
        call(None, 1, 307, ctypes.addressof(ends))

    (before,) = struct.unpack_from("<Q", memory, pool.CALLED_AT)
    for where in (place, 0):
        struct.pack_into("<QQ", memory, pool.SELF_AT, oneself, where)
        for _ in range(3):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    told = [
        struct.unpack_from("<I", memory, LAYOUT.calls_at + pool.CALL_BYTES * (before + number) + 20)[0]
        for number in range(6)
    ]
    assert told == threads


def test_where_no_thread_has_its_number_the_kernel_is_asked() -> None:
    class Library:
        """One whose `pthread_self` points to nothing of a thread."""

        memory = (ctypes.c_int32 * 300)(*range(1 << 28, (1 << 28) + 300))

    class Function:
        restype: Any = None

        def __call__(self) -> int:
            return ctypes.addressof(Library.memory)

    library: Any = Library()
    library.pthread_self = Function()
    assert thread_number.place_in_self(library) == 0
    Library.memory[5] = threading.get_native_id()
    assert thread_number.place_in_self(library) == 0  # one thread's number is not every thread's


def test_no_mark_is_lost_between_threads(loaded: tuple[mmap.mmap, NativeCode, int]) -> None:
    memory, native, code = loaded
    mark, enters = _callback(code + native.mark_at), ctypes.c_uint32(0)

    def work() -> None:
        for _ in range(3000):
            mark(None, 1, 307, ctypes.addressof(enters))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (marked,) = struct.unpack_from("<Q", memory, pool.MARKED_AT)
    assert marked == 12_000
    moments = struct.unpack_from(f"<{marked}Q", memory, LAYOUT.slots_at)
    assert all(moments)
    assert max(moments) <= time.monotonic_ns()


def test_a_mark_whose_moment_was_not_written_is_none() -> None:
    made = made_up(1)
    begin = 10**12
    struct.pack_into("<Q", made.memory, pool.MARKED_AT, 3)
    struct.pack_into("<QQQ", made.memory, made.layout.slots_at, begin + 9, 0, begin + 5)
    marks = read_marks(made.memory, made.layout)
    assert marks is not None
    assert marks.tolist() == [5, 9]
