"""The callbacks that CUPTI calls, as machine code that needs nothing else in the process.

They run on the program's own threads in the middle of a launch, and on CUPTI's. Python there would have to take the
interpreter's lock, which the launching thread may hold while it waits for CUPTI, and would cost more than a launch. So
they are written in LLVM's language, compiled by llvmlite in the parent, and handed to the child as bytes: neither a C
compiler nor numba is needed, and nothing is imported into the user's process.
"""

from __future__ import annotations

import platform
import struct
import sys

from cudadoctor.gpu.cupti import pool
from cudadoctor.gpu.cupti.callback_source import TRIPLES, source
from cudadoctor.gpu.cupti.pool import NativeCode

_MOST_BYTES = 16_000


class NoNativeCodeError(Exception):
    """The callbacks cannot be compiled here; the text says why."""


def compile_callbacks(layout: pool.Layout) -> NativeCode:
    """Compile for this machine, some tenths of a second.

    Raises:
        NoNativeCodeError: No Linux on x86-64 or aarch64, or llvmlite is missing or too different.
    """
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in TRIPLES:
        raise NoNativeCodeError(f"programs are traced on Linux on x86-64 and aarch64, not on {sys.platform} {machine}")
    return compile_source(source(layout, machine), machine)


def compile_source(text: str, machine: str) -> NativeCode:
    """Compile callbacks in LLVM's language for a machine of `TRIPLES`; inline assembler must be of this one.

    Raises:
        NoNativeCodeError: llvmlite is missing or too different, or the code would need a linker.
    """
    try:
        import llvmlite.binding as llvm

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        llvm.initialize_native_asmparser()
        target = llvm.Target.from_triple(TRIPLES[machine])
        engine = target.create_target_machine(opt=1, reloc="pic", codemodel="small")
        module = llvm.parse_assembly(text)
        module.verify()
        return _read_object(engine.emit_object(module))
    # llvmlite asserts what it is given, and names of its own come and go.
    except (ImportError, RuntimeError, ValueError, KeyError, AssertionError, AttributeError, TypeError) as error:
        what = str(error) or type(error).__name__
        raise NoNativeCodeError(f"llvmlite could not compile the tracer's callbacks: {what}") from error


def _read_object(data: bytes) -> NativeCode:
    """Return the code of an ELF object, which must need no relocation.

    Source: the ELF-64 object file format, System V ABI.
    """
    (sections_at,) = struct.unpack_from("<Q", data, 0x28)
    entry_size, count, _ = struct.unpack_from("<HHH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, sections_at + i * entry_size) for i in range(count)]
    texts = [i for i, each in enumerate(sections) if each[1] == 1 and each[2] & 4 and each[5]]
    if len(texts) != 1:
        raise NoNativeCodeError("the compiler spread the tracer's callbacks over several sections")
    text = texts[0]
    if any(each[1] in (4, 9) and each[7] == text for each in sections):
        raise NoNativeCodeError("the compiled callbacks need the linker")
    offset, size = sections[text][4:6]
    found = {}
    for each in sections:
        if each[1] == 2:  # the symbol table
            strings = sections[each[6]][4]
            for at in range(each[4], each[4] + each[5], 24):
                name_at, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", data, at)
                if section == text:
                    end = data.index(b"\0", strings + name_at)
                    found[data[strings + name_at : end].decode("ascii")] = value
    if size > _MOST_BYTES:
        raise NoNativeCodeError("the compiled callbacks are longer than they may be")
    names = ("requested", "completed", "delay", "mark", "call")
    return NativeCode(data[offset : offset + size], *(found[name] for name in names))
