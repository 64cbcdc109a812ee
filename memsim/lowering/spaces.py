"""How a kernel's tiles lie in tensors: spaces, accesses, and the tiles that blocks take turns at.

A kernel works on a *space*, a box of index tuples, tile by tile. An access says which axis of the space each
dimension of a tensor runs along, so one description serves matrices, vectors, batches, broadcasts and heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from memsim.isa.expr import Expr, ExprLike, FloorDiv, as_expr, ceil_div
from memsim.isa.handles import RegionHandle, RingHandle, TensorHandle


@dataclass(frozen=True, slots=True)
class Along:
    """A dimension of a tensor that runs along ``axis`` of the space.

    With ``head`` it holds heads side by side: the index is ``space[head] // group * width + space[axis]``.
    Where two dimensions share an axis, heads of ``over`` elements, or of ``within``, lie in dimensions of their own:
    the index is ``space[axis] // over`` in the first, ``space[axis] % within`` in the second.
    """

    axis: int
    head: int | None = None
    group: int = 1
    width: int = 0
    over: int = 1
    within: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """A tensor as a kernel sees it: for each dimension what it runs along, or the only index that is taken."""

    tensor: TensorHandle
    dims: tuple[Along | int, ...]

    @property
    def span(self) -> frozenset[int]:
        """Axes of the space along which the tensor's tiles extend (a head is fixed within a tile)."""
        return frozenset(dim.axis for dim in self.alongs)

    @property
    def alongs(self) -> tuple[Along, ...]:
        """The dimensions that run along an axis."""
        return tuple(dim for dim in self.dims if isinstance(dim, Along))

    def piece(self, axis: int) -> int | None:
        """Elements of the heads that cut an axis in two dimensions: a tile lies within one."""
        return next((dim.within for dim in self.alongs if dim.axis == axis and dim.within), None)

    @property
    def dtype(self) -> str:
        """The tensor's element type."""
        return self.tensor.tensor.dtype

    def tile_shape(self, sizes: Sequence[int], rank: int) -> tuple[int, ...]:
        """Shape of a tile of the last ``rank`` axes, 1 where the tensor does not extend."""
        shape = [size if axis in self.span else 1 for axis, size in enumerate(sizes)]
        return tuple(shape[len(shape) - rank :])

    def region(self, starts: Sequence[ExprLike], sizes: Sequence[int]) -> RegionHandle:
        """The part of the tensor in the tile that begins at ``starts``."""
        slices = tuple(self._slice(dim, starts, sizes) for dim in self.dims)
        return self.tensor[slices if len(slices) > 1 else slices[0]]

    def _slice(
        self, dim: Along | int, starts: Sequence[ExprLike], sizes: Sequence[int]
    ) -> slice[ExprLike | None, int | None, int | None]:
        if isinstance(dim, int):
            return slice(dim, 1)
        start = as_expr(starts[dim.axis])
        if dim.over > 1:
            return slice(floor_div(start, dim.over), 1)
        if dim.within:
            start = Expr(0) if sizes[dim.axis] == dim.within else start % dim.within
        if dim.head is not None:
            start = start + as_expr(starts[dim.head]) // dim.group * dim.width
        return slice(start, sizes[dim.axis])

    def is_swapped(self, sizes: Sequence[int]) -> bool:
        """Whether the tile's last two extended dimensions lie in the tensor the other way round."""
        order = [dim.axis for dim in self.alongs if sizes[dim.axis] > 1]
        return len(order) > 1 and order[-2] > order[-1]

    def load(
        self,
        ring: RingHandle,
        starts: Sequence[ExprLike],
        sizes: Sequence[int],
        *,
        to: Sequence[ExprLike | tuple[ExprLike, int]] | None = None,
        clip: bool = False,
        transpose: bool = True,
    ) -> None:
        """Load a tile into ``ring``, zero where it lies outside of the tensor.

        ``clip`` says that whole tiles may lie outside; without ``transpose`` the tile stays as it is in memory.
        """
        ring.load(
            self.region(starts, sizes),
            to=to,
            clip=clip or self.may_leave(sizes),
            transpose=transpose and self.is_swapped(sizes),
        )

    def store(self, ring: RingHandle, starts: Sequence[ExprLike], sizes: Sequence[int], *, clip: bool = False) -> None:
        """Store a tile from ``ring``, dropping what lies outside of the tensor."""
        region = self.region(starts, sizes)
        region.store(ring, clip=clip or self.may_leave(sizes), transpose=self.is_swapped(sizes))

    def may_leave(self, sizes: Sequence[int]) -> bool:
        """Whether a tile can reach beyond the tensor: heads are always taken whole, else the size must divide."""
        return any(
            isinstance(dim, Along) and dim.head is None and dim.over == 1 and extent % sizes[dim.axis] != 0
            for dim, extent in zip(self.dims, self.tensor.tensor.shape, strict=True)
        )


def aligned(tensor: TensorHandle, axes: Sequence[int]) -> Access:
    """A tensor whose dimensions run along these axes; those of size 1 are broadcast."""
    return Access(tensor, dims_along(tensor.tensor.shape, axes))


def dims_along(shape: Sequence[int], axes: Sequence[int]) -> tuple[Along | int, ...]:
    """Dimensions of these sizes along these axes; those of size 1 have index 0."""
    return tuple(0 if n == 1 else Along(axis) for axis, n in zip(axes, shape, strict=True))


def heads_along(shape: Sequence[int], axes: Sequence[int]) -> tuple[Along | int, ...]:
    """Dimensions [rows, heads, dim] of a matrix whose axis of columns is cut into heads."""
    rows, columns = axes
    return (*dims_along(shape[:1], (rows,)), Along(columns, over=shape[2]), Along(columns, within=shape[2]))


def floor_div(value: Expr, by: int) -> Expr:
    """``value // by`` with the terms that divide taken out, so that it stays as simple as it is."""
    outside = Expr(value.const // by, tuple((atom, c // by) for atom, c in value.terms if c % by == 0))
    inside = Expr(value.const % by, tuple((atom, c) for atom, c in value.terms if c % by))
    return outside if inside.is_constant else outside + Expr(0, ((FloorDiv(inside, by), 1),))


@dataclass(frozen=True, slots=True)
class Tiling:
    """A space cut into tiles, dealt to workers in turn: tile ``t * workers + w`` is the t-th of worker w."""

    shape: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Tiles along each axis."""
        return tuple(-(-n // size) for n, size in zip(self.shape, self.sizes, strict=True))

    @property
    def total(self) -> int:
        """Tiles in all."""
        return math.prod(self.counts)

    def starts(self, tile: ExprLike) -> list[Expr]:
        """First element of a tile along each axis, by its number, row-major."""
        return [index * size for index, size in zip(digits(tile, self.counts), self.sizes, strict=True)]


def digits(number: ExprLike, counts: Sequence[int]) -> list[Expr]:
    """Row-major coordinates of ``number`` in a box of ``counts``."""
    result: list[Expr] = []
    behind = math.prod(counts)
    rest = as_expr(number)
    for place, count in enumerate(counts):
        behind //= count
        digit = rest // behind if count > 1 else Expr(0)
        is_first = all(n == 1 for n in counts[:place])
        result.append(digit if is_first or count == 1 else digit % count)
    return result


class Loops(Protocol):
    """What opens loops: a kernel or a group of the builder."""

    def loop(self, name: str, count: ExprLike) -> AbstractContextManager[Expr]:
        """Record a loop."""
        ...


def repeat(kernel: Loops, name: str, count: ExprLike) -> AbstractContextManager[Expr]:
    """A loop, or nothing where it would run exactly once; gives the counter."""
    if as_expr(count) == Expr(1):
        return nullcontext(Expr(0))
    return kernel.loop(name, count)


def turns(total: int, workers: int, worker: Expr) -> Expr:
    """How many of ``total`` tiles a worker takes."""
    return Expr(1) if total == workers else ceil_div(total - worker, workers)
