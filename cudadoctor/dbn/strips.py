"""Weighted sums of rows whose total stays in vector registers: the one operation of the sparse CPU kernels.

A strip is a few vectors of 16 units. Numba cannot keep an array in registers across a loop, so the loop is written in
LLVM's language here; LLVM cuts the vectors to what the processor has. How many vectors a strip has is a matter of
types: the last argument of each function is a tuple of that length, whose values are not looked at.

Each function sums, over i < n, weights[start + i] * table[base + which[first + i] * width + unit], unit < width, and
differs in what it does with the sum. Arrays are flat; weights are float32, or uint8 taken as whole numbers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from cudadoctor.dbn.jit import in_llvm

LANES = 16
"""Units in a vector: 64 bytes of float32, one register of AVX-512, two of AVX2, four of NEON."""

_CHAINS = 4
"""Sums that are under way at once at the least: a fused multiply-add takes about four cycles to finish."""

_FLOAT, _INT64, _INT32 = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_ZERO = ir.Constant(_VECTOR, None)
_FUSE = ("contract",)
"""A product and a sum may be rounded once."""

_ROWS = (types.int64, types.int64, types.int64, types.int64)
"""Types of base, first, start and n."""


@in_llvm
def add_rows(
    context: Any,
    table: Any,
    base: Any,
    which: Any,
    first: Any,
    weights: Any,
    start: Any,
    n: Any,
    out: Any,
    at: Any,
    parts: Any,
) -> Any:
    """Add the sum to out[at : at + width]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointers = _pointers(context, builder, signature, arguments, 7)
        addresses = _addresses(builder, pointers[-1], arguments[8], len(parts))
        totals = _sum(builder, pointers, arguments, [builder.load(address, align=4) for address in addresses])
        for total, address in zip(totals, addresses, strict=True):
            builder.store(total, address, align=4)
        return context.get_dummy_value()

    base, first, start, n = _ROWS
    return types.void(table, base, which, first, weights, start, n, out, types.int64, parts), generate


@in_llvm
def gate_rows(
    context: Any,
    table: Any,
    base: Any,
    which: Any,
    first: Any,
    weights: Any,
    start: Any,
    n: Any,
    gate: Any,
    out: Any,
    at: Any,
    parts: Any,
) -> Any:
    """Set out[at : at + width] to the sum where the gate there is above 0, and to 0 elsewhere."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointers = _pointers(context, builder, signature, arguments, 7, 8)
        totals = _sum(builder, pointers, arguments, [_ZERO] * len(parts))
        gates = _addresses(builder, pointers[-2], arguments[9], len(parts))
        addresses = _addresses(builder, pointers[-1], arguments[9], len(parts))
        for total, address, above in zip(totals, addresses, gates, strict=True):
            is_open = builder.fcmp_ordered(">", builder.load(above, align=4), _ZERO)
            builder.store(builder.select(is_open, total, _ZERO), address, align=4)
        return context.get_dummy_value()

    base, first, start, n = _ROWS
    return types.void(table, base, which, first, weights, start, n, gate, out, types.int64, parts), generate


@in_llvm
def learn_rows(
    context: Any,
    table: Any,
    base: Any,
    which: Any,
    first: Any,
    weights: Any,
    start: Any,
    n: Any,
    a: Any,
    v: Any,
    at: Any,
    mu: Any,
    rate: Any,
    shrink: Any,
    parts: Any,
) -> Any:
    """Take the sum for a gradient G and update there: g = rate G - shrink A; v <- mu v + g; A <- A + mu v + g."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointers = _pointers(context, builder, signature, arguments, 7, 8)
        totals = _sum(builder, pointers, arguments, [_ZERO] * len(parts))
        mu, rate, shrink = (_spread(builder, value) for value in arguments[10:13])
        ahead = _addresses(builder, pointers[-2], arguments[9], len(parts))
        speeds = _addresses(builder, pointers[-1], arguments[9], len(parts))
        for total, at_a, at_v in zip(totals, ahead, speeds, strict=True):
            old_a, old_v = builder.load(at_a, align=4), builder.load(at_v, align=4)
            change = builder.fsub(_product(builder, rate, total), _product(builder, shrink, old_a), flags=_FUSE)
            speed = _plus_product(builder, change, mu, old_v)
            builder.store(speed, at_v, align=4)
            step = _plus_product(builder, change, mu, speed)
            builder.store(builder.fadd(old_a, step, flags=_FUSE), at_a, align=4)
        return context.get_dummy_value()

    base, first, start, n = _ROWS
    single = types.float32
    arguments = (table, base, which, first, weights, start, n, a, v, types.int64, single, single, single, parts)
    return types.void(*arguments), generate


@in_llvm
def prefetch(context: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of array[index], without waiting for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        address = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        builder.call(function, [address, _INT32(0), _INT32(2), _INT32(1)])  # to read, into L2, data
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


def _sum(builder: Any, pointers: Any, arguments: Any, first_totals: list[Any]) -> list[Any]:
    """Write the loop; return the vectors of the sum, which begin at `first_totals`."""
    table, which, weights = pointers[:3]
    base, first, start, n = (arguments[i] for i in (1, 3, 5, 6))
    parts = len(first_totals)
    together = max(1, _CHAINS // parts)
    chains = [[cgutils.alloca_once(builder, _VECTOR) for _ in range(parts)] for _ in range(together)]
    for number, chain in enumerate(chains):
        for part, total in enumerate(chain):
            builder.store(_ZERO if number else first_totals[part], total)

    def add_row(i: Any, chain: list[Any]) -> None:
        row = builder.zext(builder.load(builder.gep(which, [builder.add(first, i)])), _INT64)
        weight = builder.load(builder.gep(weights, [builder.add(start, i)]))
        if isinstance(weight.type, ir.IntType):
            weight = builder.uitofp(weight, _FLOAT)
        weight = _spread(builder, weight)
        at = builder.add(base, builder.mul(row, _INT64(parts * LANES)))
        for total, address in zip(chain, _addresses(builder, table, at, parts), strict=True):
            value = builder.load(address, align=4)
            builder.store(_plus_product(builder, builder.load(total), weight, value), total)

    rounds = builder.udiv(n, _INT64(together))
    with cgutils.for_range(builder, rounds, intp=_INT64) as loop:
        begin = builder.mul(loop.index, _INT64(together))
        for number, chain in enumerate(chains):
            add_row(builder.add(begin, _INT64(number)), chain)
    if together > 1:
        done = builder.mul(rounds, _INT64(together))
        with cgutils.for_range(builder, builder.sub(n, done), intp=_INT64) as loop:
            add_row(builder.add(done, loop.index), chains[0])
    totals = [builder.load(total) for total in chains[0]]
    for chain in chains[1:]:
        totals = [builder.fadd(a, builder.load(b), flags=_FUSE) for a, b in zip(totals, chain, strict=True)]
    return totals


def _pointers(context: Any, builder: Any, signature: Any, arguments: Any, *more: int) -> list[Any]:
    """Return where the data of table, which and weights begin, and those of further arguments."""
    indices = (0, 2, 4, *more)
    return [context.make_array(signature.args[i])(context, builder, arguments[i]).data for i in indices]


def _addresses(builder: Any, data: Any, at: Any, parts: int) -> list[Any]:
    first = builder.bitcast(builder.gep(data, [at]), _VECTOR.as_pointer())
    return [builder.gep(first, [_INT64(part)]) for part in range(parts)]


def _spread(builder: Any, value: Any) -> Any:
    """Put one number in all lanes."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, value, _INT32(0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES))


def _product(builder: Any, x: Any, y: Any) -> Any:
    return builder.fmul(x, y, flags=_FUSE)


def _plus_product(builder: Any, total: Any, x: Any, y: Any) -> Any:
    return builder.fadd(total, builder.fmul(x, y, flags=_FUSE), flags=_FUSE)
