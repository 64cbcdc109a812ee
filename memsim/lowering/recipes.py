"""Kernels before they are tiled: what fusion hands to the templates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from memsim.isa.handles import TensorHandle
from memsim.lowering.spaces import Access
from memsim.lowering.values import Value


@dataclass(frozen=True, slots=True, eq=False)
class VectorRecipe:
    """A kernel without matrix products: one value over a space, all of whose reductions run along one axis."""

    name: str
    space: tuple[int, ...]
    value: Value
    out: Access
    axis: int | None = None
    """The axis of reductions, if there are any."""


@dataclass(frozen=True, slots=True, eq=False)
class MatmulRecipe:
    """A batched matrix product with an elementwise epilogue.

    Spaces: of ``a`` (*batch, m, k), of ``b`` (*batch, k, n), of ``out`` and the epilogue (*batch, m, n).
    """

    name: str
    batch: tuple[int, ...]
    m: int
    n: int
    k: int
    a: Access
    b: Access
    accumulator: Value
    """The sum of products, as the epilogue knows it."""
    value: Value
    """What is stored; the accumulator itself where there is no epilogue."""
    out: Access

    @property
    def dtype(self) -> str:
        """Type of the operands."""
        return self.a.dtype

    @property
    def space(self) -> tuple[int, ...]:
        """Space of the result."""
        return (*self.batch, self.m, self.n)


@dataclass(frozen=True, slots=True, eq=False)
class ConvRecipe:
    """A convolution with an elementwise epilogue. Space of the result: (batch, rows, columns, filters)."""

    name: str
    space: tuple[int, int, int, int]
    x: TensorHandle
    """[batch, rows, columns, channels]."""
    w: TensorHandle
    """[height, width, channels of a group, filters]."""
    stride: tuple[int, int]
    padding: tuple[int, int]
    groups: int
    accumulator: Value
    """The sum of products, as the epilogue knows it."""
    value: Value
    """What is stored; the accumulator itself where there is no epilogue."""
    out: Access

    @property
    def dtype(self) -> str:
        """Type of the operands."""
        return self.x.tensor.dtype

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of a filter."""
        return self.w.tensor.shape[0], self.w.tensor.shape[1]

    @property
    def channels(self) -> int:
        """Channels that a filter sees."""
        return self.w.tensor.shape[2]

    @property
    def filters(self) -> int:
        """Filters of a group."""
        return self.space[3] // self.groups

    @property
    def k(self) -> int:
        """Products in a sum."""
        return self.window[0] * self.window[1] * self.channels


@dataclass(frozen=True, slots=True, eq=False)
class FlashRecipe:
    """Attention that keeps its scores on chip. Space: (batch, head, query, key, column of the head)."""

    name: str
    batch: int
    heads: int
    group: int
    """Heads of q that share one of k and v."""
    queries: int
    keys: int
    dim: int
    value_dim: int
    causal: bool
    scale: float
    q: Access
    k: Access
    v: Access
    out: Access


@dataclass(frozen=True, slots=True, eq=False)
class RopeRecipe:
    """Rotary embedding of x [batch, positions, heads * dim]."""

    name: str
    batch: int
    positions: int
    heads: int
    dim: int
    base: float
    offset: int
    step: int
    x: Access
    out: Access


ProductRecipe: TypeAlias = MatmulRecipe | ConvRecipe
Recipe: TypeAlias = VectorRecipe | ProductRecipe | FlashRecipe | RopeRecipe
