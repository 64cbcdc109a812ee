"""Arrays that compiled code borrows: views without a reference count.

numba counts references to an array atomically whenever it hands the array on, which takes most of the time where
functions are small. A view made from an address has nothing to count. It must not outlive the array.
"""

from __future__ import annotations

from typing import Any

import numba
from numba.extending import intrinsic

from memsim.compiled import compiled
from memsim.engine.memory import Memory
from memsim.engine.servers import Array

types: Any = numba.types
carray: Any = numba.carray  # type: ignore[attr-defined,unused-ignore]


def _address64(context: Any, address: Any) -> Any:
    return types.CPointer(types.int64)(types.uintp), _to_pointer


def _address32(context: Any, address: Any) -> Any:
    return types.CPointer(types.int32)(types.uintp), _to_pointer


def _to_pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))


_pointer64: Any = intrinsic(_address64)
_pointer32: Any = intrinsic(_address32)


@compiled
def borrow(words: Array) -> Array:
    """A view of a contiguous array of ``int64``."""
    view: Array = carray(_pointer64(words.ctypes.data), words.shape)
    return view


@compiled
def borrow_memory(memory: Memory) -> Memory:
    """Views of all arrays of a memory."""
    line_of = carray(_pointer32(memory.line_of.ctypes.data), memory.line_of.shape)
    return Memory(
        borrow(memory.banks),
        borrow(memory.free_at),
        borrow(memory.busy),
        borrow(memory.spare),
        borrow(memory.directions),
        borrow(memory.open_rows),
        borrow(memory.cache),
        borrow(memory.lines),
        line_of,
        borrow(memory.bases),
        borrow(memory.shapes),
        borrow(memory.counts),
    )
