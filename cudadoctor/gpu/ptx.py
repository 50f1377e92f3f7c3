"""Instructions that numba has no name for, as inline PTX: shared memory by address, tensor cores, asynchronous copies.

Compute capability 8.0 or newer. Shared memory is addressed by 32-bit byte addresses and global memory by 64-bit ones.
Words are `int32` whatever they hold: four bytes, a pair of half-precision numbers, an integer. Source: PTX ISA, NVIDIA.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.cuda import cgutils, types
from numba.cuda.extending import intrinsic

_IR = {
    types.int32: ir.IntType(32),
    types.int64: ir.IntType(64),
    types.float32: ir.FloatType(),
    types.void: ir.VoidType(),
}
_CODE = {types.int32: "r", types.int64: "l", types.float32: "f"}

_i32, _i64, _f32 = types.int32, types.int64, types.float32
_TWO_WORDS, _FOUR_WORDS = types.UniTuple(_i32, 2), types.UniTuple(_i32, 4)
_FOUR_FLOATS, _TWO_LONGS = types.UniTuple(_f32, 4), types.UniTuple(_i64, 2)


def _instruction(define: Callable[..., Any]) -> Any:
    """Make a function that kernels call of one that returns its signature and code generator for argument types."""
    return intrinsic(define)


def _inline(result: Any, arguments: tuple[Any, ...], text: str, *, pure: bool = False) -> tuple[Any, Any]:
    """Return numba's signature and code generator of an instruction.

    Results come first among the operands; a tuple among the arguments gives one operand for each of its elements.
    What is not pure is kept in its order, and memory is not cached across it.
    """
    results = [] if result is types.void else list(result) if isinstance(result, types.UniTuple) else [result]
    operands = [kind for each in arguments for kind in (list(each) if isinstance(each, types.UniTuple) else [each])]
    constraints = ["=" + _CODE[kind] for kind in results] + [_CODE[kind] for kind in operands]
    if not pure:
        constraints.append("~{memory}")

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        flat: list[Any] = []
        for kind, value in zip(signature.args, values, strict=True):
            flat += cgutils.unpack_tuple(builder, value, kind.count) if isinstance(kind, types.UniTuple) else [value]
        kinds = [_IR[kind] for kind in results]
        returned = ir.VoidType() if not kinds else kinds[0] if len(kinds) == 1 else ir.LiteralStructType(kinds)
        function = ir.FunctionType(returned, [value.type for value in flat])
        call = builder.call(ir.InlineAsm(function, text, ",".join(constraints), side_effect=not pure), flat)
        if not kinds:
            return context.get_dummy_value()
        if len(kinds) == 1:
            return call
        parts = [builder.extract_value(call, i) for i in range(len(kinds))]
        return context.make_tuple(builder, signature.return_type, parts)

    return result(*arguments), codegen


def _address(array: Any, result: Any, text: str) -> tuple[Any, Any]:
    """Return signature and code generator of an instruction on the address of an array's first element."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        number = builder.ptrtoint(data, ir.IntType(64))
        function = ir.FunctionType(_IR[result], [ir.IntType(64)])
        return builder.call(ir.InlineAsm(function, text, f"={_CODE[result]},l"), [number])

    return result(array), codegen


@_instruction
def shared_address(typingctx: Any, array: Any) -> Any:
    """Return the byte address of a shared array."""
    return _address(array, _i32, "{ .reg .u64 p; cvta.to.shared.u64 p, $1; cvt.u32.u64 $0, p; }")


@_instruction
def global_address(typingctx: Any, array: Any) -> Any:
    """Return the byte address of an array in device memory."""
    return _address(array, _i64, "cvta.to.global.u64 $0, $1;")


@_instruction
def load_word(typingctx: Any, address: Any) -> Any:
    """Load a word from shared memory."""
    return _inline(_i32, (_i32,), "ld.shared.u32 $0, [$1];")


@_instruction
def load_2_words(typingctx: Any, address: Any) -> Any:
    """Load two words from shared memory."""
    return _inline(_TWO_WORDS, (_i32,), "ld.shared.v2.u32 {$0, $1}, [$2];")


@_instruction
def load_4_words(typingctx: Any, address: Any) -> Any:
    """Load four words from shared memory."""
    return _inline(_FOUR_WORDS, (_i32,), "ld.shared.v4.u32 {$0, $1, $2, $3}, [$4];")


@_instruction
def load_float(typingctx: Any, address: Any) -> Any:
    """Load a number from shared memory."""
    return _inline(_f32, (_i32,), "ld.shared.f32 $0, [$1];")


@_instruction
def load_4_floats(typingctx: Any, address: Any) -> Any:
    """Load four numbers from shared memory."""
    return _inline(_FOUR_FLOATS, (_i32,), "ld.shared.v4.f32 {$0, $1, $2, $3}, [$4];")


@_instruction
def load_long(typingctx: Any, address: Any) -> Any:
    """Load a 64-bit integer from shared memory."""
    return _inline(_i64, (_i32,), "ld.shared.u64 $0, [$1];")


@_instruction
def store_word(typingctx: Any, address: Any, word: Any) -> Any:
    """Store a word in shared memory."""
    return _inline(types.void, (_i32, _i32), "st.shared.u32 [$0], $1;")


@_instruction
def store_2_words(typingctx: Any, address: Any, first: Any, second: Any) -> Any:
    """Store two words in shared memory."""
    return _inline(types.void, (_i32, _i32, _i32), "st.shared.v2.u32 [$0], {$1, $2};")


@_instruction
def store_float(typingctx: Any, address: Any, number: Any) -> Any:
    """Store a number in shared memory."""
    return _inline(types.void, (_i32, _f32), "st.shared.f32 [$0], $1;")


@_instruction
def store_4_floats(typingctx: Any, address: Any, numbers: Any) -> Any:
    """Store four numbers in shared memory."""
    return _inline(types.void, (_i32, _FOUR_FLOATS), "st.shared.v4.f32 [$0], {$1, $2, $3, $4};")


@_instruction
def store_long(typingctx: Any, address: Any, number: Any) -> Any:
    """Store a 64-bit integer in shared memory."""
    return _inline(types.void, (_i32, _i64), "st.shared.u64 [$0], $1;")


@_instruction
def copy_16_bytes(typingctx: Any, shared: Any, source: Any) -> Any:
    """Start to copy 16 bytes from device memory to shared memory."""
    return _inline(types.void, (_i32, _i64), "cp.async.cg.shared.global [$0], [$1], 16;")


@_instruction
def copy_word(typingctx: Any, shared: Any, source: Any) -> Any:
    """Start to copy a word from device memory to shared memory."""
    return _inline(types.void, (_i32, _i64), "cp.async.ca.shared.global [$0], [$1], 4;")


@_instruction
def wait_for_copies(typingctx: Any) -> Any:
    """Wait for all copies that this thread started."""
    return _inline(types.void, (), "cp.async.wait_all;")


@_instruction
def add_to_sum(typingctx: Any, address: Any, number: Any) -> Any:
    """Add to a 64-bit integer in device memory, atomically, without waiting for it and without ordering anything."""
    return _inline(types.void, (_i64, _i64), "red.relaxed.gpu.global.add.u64 [$0], $1;")


@_instruction
def read_2_sums(typingctx: Any, address: Any) -> Any:
    """Read two neighbouring 64-bit integers as they are in device memory now, each by itself."""
    return _inline(_TWO_LONGS, (_i64,), "ld.relaxed.gpu.global.v2.u64 {$0, $1}, [$2];")


@_instruction
def select_bytes(typingctx: Any, low: Any, high: Any, selector: Any) -> Any:
    """Return the word of those bytes of `low` (0 to 3) and `high` (4 to 7) that the hexadecimal digits name."""
    return _inline(_i32, (_i32, _i32, _i32), "prmt.b32 $0, $1, $2, $3;", pure=True)


@_instruction
def split_pair(typingctx: Any, first: Any, second: Any) -> Any:
    """Return two numbers as pairs of half precision, `first` in the low half: rounded, and what rounding left over."""
    return _inline(
        _TWO_WORDS,
        (_f32, _f32),
        "{ .reg .b16 p, q; .reg .f32 a, b; cvt.rn.f16x2.f32 $0, $3, $2; mov.b32 {p, q}, $0; cvt.f32.f16 a, p; "
        "cvt.f32.f16 b, q; sub.rn.f32 a, $2, a; sub.rn.f32 b, $3, b; cvt.rn.f16x2.f32 $1, b, a; }",
        pure=True,
    )


@_instruction
def matrix_multiply_add(typingctx: Any, total: Any, a0: Any, a1: Any, a2: Any, a3: Any, b0: Any, b1: Any) -> Any:
    """Return total + A B for A (16, 16) and B (16, 8) of half precision and totals (16, 8) of single, over a warp.

    With lane = 4 g + t, A's words hold rows g, g + 8, g, g + 8 and columns 2t, 2t, 2t + 8, 2t + 8 and the next; B's
    hold rows 2t and 2t + 8 and the next, column g; the totals are of rows g, g, g + 8, g + 8 and columns 2t, 2t + 1,
    2t, 2t + 1.
    """
    # Not pure, so that it stays where all lanes of the warp are.
    return _inline(
        _FOUR_FLOATS,
        (_FOUR_FLOATS, _i32, _i32, _i32, _i32, _i32, _i32),
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {$0, $1, $2, $3}, {$8, $9, $10, $11}, {$12, $13}, "
        "{$4, $5, $6, $7};",
    )


@_instruction
def round_to_long(typingctx: Any, number: Any) -> Any:
    """Return the nearest 64-bit integer."""
    return _inline(_i64, (_f32,), "cvt.rni.s64.f32 $0, $1;", pure=True)
