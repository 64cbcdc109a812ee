"""What kernels of products have in common: clusters that share what they load, the epilogue, and the queues' order."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from memsim.isa.builder import KernelBuilder, ProgramBuilder
from memsim.isa.expr import Expr, ExprLike, maximum
from memsim.isa.handles import Operand, RingHandle
from memsim.lowering.matmul_plan import MatmulPlan, extras, stores_directly
from memsim.lowering.recipes import ProductRecipe
from memsim.lowering.rings import declare
from memsim.lowering.spaces import digits, repeat, turns
from memsim.lowering.vector_layout import OUT
from memsim.lowering.vectors import emit

Blocks = Sequence[ExprLike | tuple[ExprLike, int]]
"""Blocks of a cluster that a load is for."""


def emit_product(
    program: ProgramBuilder,
    recipe: ProductRecipe,
    plan: MatmulPlan,
    writer_of: Callable[[KernelBuilder, Mapping[str, RingHandle]], ProductWriter],
) -> None:
    """Write the kernel: queues to load a, b and the epilogue's tiles, to compute, and to store."""
    grid = {"c": plan.grid.at_once, "y": plan.grid.rows, "x": plan.grid.columns}
    cluster = {"y": plan.grid.rows, "x": plan.grid.columns}
    with program.kernel(recipe.name, grid=grid, cluster=cluster) as kernel:
        writer = writer_of(kernel, declare(kernel, plan.tile.specs, plan.tile.memories))
        writer.load_a()
        writer.load_b()
        writer.load_extras()
        if stores_directly(recipe) or plan.tile.accumulators > 1:
            writer.multiply()
            writer.finish()
        else:
            writer.multiply_and_finish()
        writer.store()


@dataclass(frozen=True, slots=True)
class ProductWriter(ABC):
    """Writes the queues of a kernel whose tiles of the result are rows of a by columns of b."""

    recipe: ProductRecipe
    plan: MatmulPlan
    kernel: KernelBuilder
    rings: Mapping[str, RingHandle]

    # ---- what the kinds of products differ in ----

    @property
    @abstractmethod
    def counts(self) -> tuple[int, ...]:
        """Tiles of a whole cluster: of the batch, along the rows, along the columns."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """Products of a tile, one after another."""

    @property
    @abstractmethod
    def beyond(self) -> tuple[bool, bool]:
        """Whether whole tiles of a cluster may lie beyond the last row or column."""

    @property
    @abstractmethod
    def tile_sizes(self) -> tuple[int, ...]:
        """Sizes of a tile of the result."""

    @abstractmethod
    def tile_starts(self, turn: Expr) -> Sequence[Expr]:
        """Where this block's tile of the result begins."""

    @abstractmethod
    def load_a(self) -> None:
        """Tiles of a: the first block of each row of the cluster loads them for the row."""

    @abstractmethod
    def load_b(self) -> None:
        """Tiles of b: the first block of each column of the cluster loads them for the column."""

    @abstractmethod
    def operands(self) -> tuple[Operand, Operand]:
        """The operands of a product, as they lie in their rings."""

    # ---- where a tile is ----

    @property
    def coordinates(self) -> tuple[Expr, Expr, Expr]:
        """Cluster, and row and column of the block in it; constant where there is only one."""
        c, y, x = (
            coordinate if size > 1 else Expr(0)
            for coordinate, size in zip(
                self.kernel.coordinates,
                (self.plan.grid.at_once, self.plan.grid.rows, self.plan.grid.columns),
                strict=True,
            )
        )
        return c, y, x

    def tiles(self) -> AbstractContextManager[Expr]:
        """The loop over the tiles of this cluster."""
        return repeat(self.kernel, "t", turns(math.prod(self.counts), self.plan.grid.at_once, self.coordinates[0]))

    def place(self, turn: Expr) -> tuple[list[Expr], Expr, Expr]:
        """Batch coordinates, and number of this block's tile along the rows and along the columns."""
        c, y, x = self.coordinates
        *batch, across, along = self.counts
        group = self.plan.grid.group
        tile = turn * self.plan.grid.at_once + c
        *outer, patch, column, row = digits(tile, (*batch, across // group, along, group))
        return outer, (patch * group + row) * self.plan.grid.rows + y, column * self.plan.grid.columns + x

    def leader(self, coordinate: Expr, size: int) -> AbstractContextManager[Expr]:
        """A loop that runs once in the first block along a coordinate, else never."""
        return repeat(self.kernel, "lead", 1 if size == 1 else maximum(1 - coordinate, 0))

    def row(self) -> Blocks | None:
        """The blocks that share a tile of a; none where there is one."""
        c, y, _ = self.coordinates
        return (c, y, (Expr(0), self.plan.grid.columns)) if self.plan.grid.columns > 1 else None

    def column(self) -> Blocks | None:
        """The blocks that share a tile of b; none where there is one."""
        c, _, x = self.coordinates
        return (c, (Expr(0), self.plan.grid.rows), x) if self.plan.grid.rows > 1 else None

    # ---- queues ----

    def load_extras(self) -> None:
        """Tiles that the epilogue reads: bias, residual, another factor."""
        leaves = extras(self.recipe)
        if not leaves:
            return
        with self.kernel.queue("load_extras"), self.tiles() as turn:
            for name, value in leaves.items():
                assert value.access is not None
                value.access.load(self.rings[name], self.tile_starts(turn), self.tile_sizes, clip=any(self.beyond))

    def multiply(self) -> None:
        """Products alone; another queue takes the accumulators."""
        with self.kernel.queue("multiply"), self.tiles():
            self._products()
            self.rings["c"].push()

    def multiply_and_finish(self) -> None:
        """Products, then the epilogue in place."""
        with self.kernel.queue("multiply"), self.tiles() as turn:
            self._products()
            self._epilogue(turn)

    def finish(self) -> None:
        """The epilogue beside the products of the next tile."""
        if stores_directly(self.recipe):
            return
        with self.kernel.queue("finish"), self.tiles() as turn:
            self._epilogue(turn)
            self.rings["c"].pop()

    def store(self) -> None:
        """Store finished tiles."""
        ring = self.rings["c" if stores_directly(self.recipe) else OUT]
        with self.kernel.queue("store"), self.tiles() as turn:
            self.recipe.out.store(ring, self.tile_starts(turn), self.tile_sizes, clip=any(self.beyond))
            ring.pop()

    # ---- parts of queues ----

    def _products(self) -> None:
        self._product(accumulate=False)
        if self.steps > 1:
            with repeat(self.kernel, "k", self.steps - 1):
                self._product(accumulate=True)

    def _product(self, accumulate: bool) -> None:
        self.rings["c"].mma(*self.operands(), accumulate=accumulate)
        self.rings["a"].pop()
        self.rings["b"].pop()

    def _epilogue(self, turn: Expr) -> None:
        leaves = extras(self.recipe)
        known: dict[int, Operand] = {id(value): self.rings[name] for name, value in leaves.items()}
        known[id(self.recipe.accumulator)] = self.rings["c"]
        rank = len(self.rings["c"].ring.shape)
        emit(self.plan.tile.steps, self.rings, known, self.tile_starts(turn), rank)
        for name in leaves:
            self.rings[name].pop()
        self.rings[OUT].push()
