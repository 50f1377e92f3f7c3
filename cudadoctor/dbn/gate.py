"""A gate at which the workers of a compiled CPU kernel wait for each other, some tens of thousands of times a second.

Each worker counts itself in and watches the count; one that waits for long gives its core away, so that a machine
with fewer free cores than workers goes on. A Python barrier would cost more than the work between two of its uses.
"""

from __future__ import annotations

import platform
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numpy.typing import NDArray

from cudadoctor.dbn.jit import cpu_kernel, in_llvm

_ARRIVED, _STOPPED = 0, 16
"""Places in a gate, two cache lines apart."""

_PATIENCE = 4000
"""Looks at the count before a core is given away: about 40 us, longer than a minibatch's share should be late."""

_IS_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")

# llvmlite finds no symbol of the process before numba has set up its code generator, which this asks for.
_ = cpu_target.target_context
_GIVE_WAY = next((name for name in ("sched_yield", "SwitchToThread") if llvmlite.binding.address_of_symbol(name)), None)

CAN_WAIT = _GIVE_WAY is not None
"""Whether this system has a way to give a core away; without one, there should be one worker only."""

_give_way = types.ExternalFunction(_GIVE_WAY or "abort", types.int32())


def new_gate() -> NDArray[np.int64]:
    """Return a gate that nobody has reached."""
    return np.zeros(_STOPPED + 16, np.int64)


def stop(gate: NDArray[np.int64]) -> None:
    """Turn away all who wait, for good; who finds the count reached passes all the same."""
    gate[_STOPPED] = 1


@in_llvm
def _count_in(context: Any, gate: Any, place: Any) -> Any:
    """Add 1 at a place, as one indivisible step that orders the memory around it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.atomic_rmw("add", _address(context, builder, signature, arguments), ir.IntType(64)(1), "acq_rel")
        return context.get_dummy_value()

    return types.void(gate, types.int64), generate


@in_llvm
def _look(context: Any, gate: Any, place: Any) -> Any:
    """Read a place anew, before anything that follows."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_address(context, builder, signature, arguments), "acquire", 8)

    return types.int64(gate, types.int64), generate


@in_llvm
def _pause(context: Any) -> Any:
    """Tell the core that it spins; a sibling thread gets more of it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _IS_X86:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.gep(data, [arguments[1]])


@cpu_kernel
def wait(gate: NDArray[np.int64], expected: int) -> bool:
    """Count oneself in and wait until `expected` arrivals have been counted since the gate was made.

    Returns:
        False if the gate was stopped first: then whoever was waited for may never come.
    """
    _count_in(gate, _ARRIVED)
    looks = 0
    while _look(gate, _ARRIVED) < expected:
        _pause()
        looks += 1
        if looks > _PATIENCE:
            if _look(gate, _STOPPED) != 0:
                return False
            _give_way()
    return True
