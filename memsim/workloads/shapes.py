"""Shapes and types of results, and the errors of those that make no sense."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from memsim.errors import WorkloadError
from memsim.isa.ops import DTYPES, MMA_TYPES

Shape: TypeAlias = tuple[int, ...]

LARGEST_SIZE = 2**62


def shown(shape: Sequence[int]) -> str:
    """A shape as it is written in messages: ``(4, 5)``."""
    return str(tuple(shape))


def nearest(name: str, known: Iterable[str]) -> str:
    """The mend for an unknown name: the nearest known one, else all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(names)}"


def check_shape(shape: Sequence[int], where: str) -> Shape:
    """``shape`` as a tuple of sizes, each at least 1."""
    sizes = tuple(shape)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int):
            raise WorkloadError(f"shape {sizes} holds {size!r}, which is not a whole number", where=where)
        if size < 1:
            raise WorkloadError(
                f"shape {shown(sizes)} has an empty dimension (size {size})",
                where=where,
                mend="give each dimension a size of at least 1; leave the operation out if there is nothing to compute",
            )
        if size > LARGEST_SIZE:
            raise WorkloadError(
                f"a dimension of {size:,} is too large", where=where, mend=f"sizes go up to {LARGEST_SIZE:,}"
            )
    if not sizes:
        raise WorkloadError("a tensor has at least one dimension", where=where, mend="write (1,) for a single number")
    return sizes


def check_dtype(dtype: str, where: str) -> str:
    """``dtype`` if it is the name of a type."""
    if dtype not in DTYPES:
        raise WorkloadError(f"unknown dtype {dtype!r}", where=where, mend=nearest(str(dtype), DTYPES))
    return dtype


def broadcast(op: str, shapes: Sequence[Shape]) -> Shape:
    """The common shape under numpy's rules of broadcasting."""
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    result = []
    for sizes in zip(*padded, strict=True):
        wide = {size for size in sizes if size != 1}
        if len(wide) > 1:
            raise WorkloadError(
                f"shapes {' and '.join(shown(s) for s in shapes)} do not broadcast: {min(wide)} against {max(wide)}",
                where=op,
                mend="sizes of a dimension must be equal, or one of them 1, counted from the last dimension",
            )
        result.append(wide.pop() if wide else 1)
    return tuple(result)


def common_dtype(op: str, dtypes: Sequence[str]) -> str:
    """The type of an elementwise result: the widest operand type; floats win; two of one width give fp32."""
    distinct = list(dict.fromkeys(dtypes))
    floats = [d for d in distinct if DTYPES[d].is_float]
    candidates = floats or distinct
    widest = max(DTYPES[d].bits for d in candidates)
    found = [d for d in candidates if DTYPES[d].bits == widest]
    if len(found) > 1:
        return "fp16" if widest == 8 else "fp32"
    return found[0]


def axis_number(op: str, axis: int, shape: Shape) -> int:
    """``axis`` counted from the first dimension."""
    if not -len(shape) <= axis < len(shape):
        raise WorkloadError(
            f"axis {axis} of a tensor of shape {shown(shape)}",
            where=op,
            mend=f"choose from {-len(shape)} to {len(shape) - 1}",
        )
    return axis % len(shape)


def matmul_shape(a: Shape, b: Shape) -> Shape:
    """Shape of ``a @ b`` under numpy's rules; a product of two vectors has shape (1,)."""
    left = a if len(a) > 1 else (1, *a)
    right = b if len(b) > 1 else (*b, 1)
    if left[-1] != right[-2]:
        raise WorkloadError(
            f"shapes {shown(a)} and {shown(b)}: the inner dimensions {left[-1]} and {right[-2]} differ",
            where="matmul",
            mend="the last dimension of the left operand is the last but one of the right; `.T` swaps the two",
        )
    batch = broadcast("matmul", [left[:-2], right[:-2]]) if len(left) > 2 or len(right) > 2 else ()
    rows = (left[-2],) if len(a) > 1 else ()
    columns = (right[-1],) if len(b) > 1 else ()
    return (*batch, *rows, *columns) or (1,)


def matmul_dtype(a: str, b: str, wanted: str | None, op: str = "matmul") -> str:
    """Type of a product: that of float operands, int32 of int8 ones, unless another is wanted."""
    if a != b:
        raise WorkloadError(
            f"operands of types {a} and {b}", where=op, mend="cast one of them: memsim.workloads.cast(x, dtype)"
        )
    if a not in MMA_TYPES:
        raise WorkloadError(f"operands of type {a}", where=op, mend=nearest(a, MMA_TYPES))
    if wanted is None:
        return a if DTYPES[a].is_float else "int32"
    check_dtype(wanted, op)
    if not DTYPES[a].is_float and wanted != "int32" and not DTYPES[wanted].is_float and wanted != "int8":
        raise WorkloadError(f"a product of {a} as {wanted}", where=op, mend="choose int32, int8 or a float type")
    return wanted
