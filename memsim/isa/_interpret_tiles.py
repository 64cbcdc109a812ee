"""The arithmetic of `interpret`: tile values, regions of tensors, and matrix products."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import Location, ProgramError
from memsim.isa.closures import compile_expression
from memsim.isa.model import Region, Tensor
from memsim.isa.ops import MMA_TYPES

Array: TypeAlias = np.ndarray[Any, Any]
Environment: TypeAlias = Mapping[str, int]
"""Block coordinates and loop counters by name."""

_FP32 = np.dtype(np.float32)


class TileValue:
    """The content of a slot. It is never changed in place, so tiles share memory with tensors and each other."""

    __slots__ = ("_fp32", "bits")

    def __init__(self, bits: Array) -> None:
        self.bits = bits
        self._fp32: Array | None = None

    @property
    def fp32(self) -> Array:
        """The values in fp32, converted on first use: a tile that many instructions read is converted once."""
        if self._fp32 is None:
            self._fp32 = to_fp32(self.bits)
        return self._fp32


def to_fp32(bits: Array) -> Array:
    """Convert ``bits`` to fp32: exactly for every type but int32, which rounds to nearest-even."""
    if bits.dtype == _FP32:
        return bits
    if bits.dtype.itemsize == 1 and bits.dtype.kind != "i":  # a table: twice as fast as astype
        return _fp8_values(bits.dtype).take(bits.view(np.uint8))
    return bits.astype(np.float32)


@cache
def _fp8_values(dtype: np.dtype[Any]) -> Array:
    """Each of the 256 values of an fp8 type, in fp32."""
    return np.arange(256, dtype=np.uint8).view(dtype).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Box:
    """A region at one point of its loops: the slices of the tensor, and how many elements lie inside a dimension."""

    slices: tuple[slice, ...]
    counts: tuple[int, ...]
    before: tuple[int, ...] = ()
    """How many of the region's elements lie before index 0 of each dimension; none if left out."""

    @property
    def kept(self) -> tuple[slice, ...]:
        """Slices of a region-shaped array that lie inside the tensor."""
        before = self.before or (0,) * len(self.counts)
        return tuple(slice(first, first + n) for first, n in zip(before, self.counts, strict=True))

    @property
    def elements(self) -> int:
        """Elements that move."""
        return math.prod(self.counts)


def compile_region(region: Region, tensor: Tensor, where: str | Location) -> Callable[[Environment], Box]:
    """Turn a region into a function from the environment to its box; it raises where the box leaves the tensor."""
    starts = [compile_expression(start) for start in region.starts]
    dims = tuple(zip(starts, region.sizes, region.steps, tensor.shape, strict=True))

    def outside(dim: int, first: int) -> ProgramError:
        size, step, limit = region.sizes[dim], region.steps[dim], tensor.shape[dim]
        return ProgramError(
            f"region of {tensor.name} takes elements {first} to {first + (size - 1) * step} of dimension {dim}, "
            f"which has {limit}",
            where=where,
            mend="correct the start, or add `clip`",
        )

    def whole(env: Environment) -> Box:
        slices = []
        for dim, (start, size, step, limit) in enumerate(dims):
            first = start(env)
            end = first + (size - 1) * step + 1
            if first < 0 or end > limit:
                raise outside(dim, first)
            slices.append(slice(first, end, step))
        return Box(tuple(slices), region.sizes)

    def clipped(env: Environment) -> Box:
        slices, counts, before = [], [], []
        for start, size, step, limit in dims:
            first = start(env)
            skipped = min(size, max(0, -(first // step)))
            first += skipped * step
            count = min(size - skipped, max(0, -((first - limit) // step)))
            slices.append(slice(first, first + count * step, step))
            counts.append(count)
            before.append(skipped)
        return Box(tuple(slices), tuple(counts), tuple(before))

    return clipped if region.clip else whole


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Drop the dimensions of size 1."""
    return tuple(n for n in shape if n != 1)


def reshaped(values: Array, shape: tuple[int, ...], transpose: bool) -> Array:
    """View of ``values`` in a shape equal up to dimensions of size 1, its last two others swapped if asked."""
    if transpose:
        squeezed = values.reshape(without_ones(values.shape))
        values = squeezed.swapaxes(-1, -2) if squeezed.ndim >= 2 else squeezed
    return values if values.shape == shape else values.reshape(shape)


MatrixProduct: TypeAlias = Callable[[TileValue, TileValue, Array | None], Array]
"""``(a, b, c) -> a @ b + c`` as a new array; c is the accumulator, or None."""


def matrix_product(dtype: str, transpose_a: bool, transpose_b: bool, exact_order: bool) -> MatrixProduct:
    """Choose the matrix product for operands of type ``dtype``: sums over k in the accumulator's type."""
    if MMA_TYPES[dtype] == "int32":
        multiply = _integer_product
    else:
        multiply = _sequential_product if exact_order else _blas_product

    def product(a: TileValue, b: TileValue, c: Array | None) -> Array:
        left = a.fp32.T if transpose_a else a.fp32
        right = b.fp32.T if transpose_b else b.fp32
        if left.ndim == 2:
            return multiply(left, right, c)
        rows = left.reshape(-1, left.shape[-1])
        found = multiply(rows, right, None if c is None else c.reshape(-1, c.shape[-1]))
        return found.reshape(*left.shape[:-1], -1)

    return product


def _blas_product(a: Array, b: Array, c: Array | None) -> Array:
    product: Array = np.matmul(a, b)
    if c is not None:
        product += c
    return product


def _sequential_product(a: Array, b: Array, c: Array | None) -> Array:
    from memsim.isa._sequential import accumulate_product  # numba: imported only by those who ask for it

    out = np.zeros((a.shape[0], b.shape[1]), np.float32) if c is None else np.array(c, order="C")
    accumulate_product(np.ascontiguousarray(a), np.ascontiguousarray(b), out)
    return out


def _integer_product(a: Array, b: Array, c: Array | None) -> Array:
    """Exact int8 product through BLAS: a sum of k products is at most k * 2**14, and fp32 holds 2**24 exactly."""
    wide = np.float32 if a.shape[1] <= 1 << 10 else np.float64
    product: Array = np.matmul(a.astype(wide, copy=False), b.astype(wide, copy=False)).astype(np.int64)
    if c is not None:
        product += c
    return product.astype(np.int32)  # int32 accumulators wrap
