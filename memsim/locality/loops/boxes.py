"""Boxes of addresses: what an affine operand touches while the loops around it run, in a normal form.

A box is the multiset ``base + sum of stride_d * k_d`` with ``0 <= k_d < extent_d`` for each dimension, every point of
it taken ``repeats`` times. The normal form has positive strides and extents of at least 2, and dimensions that
continue each other (``stride_e = stride_d * extent_d``) are one. Loops that an operand does not depend on become
repeats. The multiset is the same throughout.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from memsim.locality.loops.model import Loop, Ref

Dims = tuple[tuple[int, int], ...]
"""Stride and extent of each dimension, by growing stride."""


@dataclass(frozen=True, slots=True)
class Box:
    """A multiset of addresses in normal form.

    Attributes
    ----------
    base
        The least address.
    dims
        Stride, at least 1, and extent, at least 2, of each dimension, by growing stride.
    repeats
        How often each point is taken; 0 for an empty box.
    """

    base: int
    dims: Dims = ()
    repeats: int = 1

    @property
    def points(self) -> int:
        """How many points there are, each counted once for each way to reach it, without repeats."""
        return prod(extent for _, extent in self.dims)

    @property
    def last(self) -> int:
        """The greatest address."""
        return self.base + span(self.dims)


def span(dims: Dims) -> int:
    """How far the last point of a box is from its first."""
    return sum(stride * (extent - 1) for stride, extent in dims)


def normal(base: int, dims: Iterable[tuple[int, int]], repeats: int = 1) -> Box:
    """The box of any strides and extents in normal form."""
    kept = []
    for stride, extent in dims:
        if extent == 0:
            return Box(base, (), 0)
        if stride == 0:
            repeats *= extent
        elif extent > 1:
            base += min(0, stride * (extent - 1))
            kept.append((abs(stride), extent))
    return Box(base, merged(kept), repeats)


def merged(dims: Iterable[tuple[int, int]]) -> Dims:
    """Dimensions with those that continue each other made one."""
    found = sorted(dims)
    while True:
        pair = next(
            ((a, b) for a in found for b in found if a is not b and b[0] == a[0] * a[1]),
            None,
        )
        if pair is None:
            return tuple(found)
        inner, outer = pair
        found.remove(inner)
        found.remove(outer)
        found.append((inner[0], inner[1] * outer[1]))
        found.sort()


def box_of(base: int, ref: Ref, loops: tuple[Loop, ...]) -> Box:
    """What an operand touches: ``base`` is the first address of its region, ``loops`` are those around it."""
    factors = dict(ref.coefficients)
    first = base + ref.offset + sum(factors.get(loop.name, 0) * loop.start for loop in loops)
    return normal(first, ((factors.get(loop.name, 0), loop.count) for loop in loops))
