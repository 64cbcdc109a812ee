"""The matrix product as a persistent kernel: loads run ahead across tiles, shared tiles are multicast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from memsim.isa.builder import KernelBuilder, ProgramBuilder
from memsim.isa.expr import Expr, maximum
from memsim.isa.handles import Operand, RingHandle, TileHandle
from memsim.lowering.matmul_plan import MatmulPlan, extras, stores_directly
from memsim.lowering.recipes import MatmulRecipe
from memsim.lowering.rings import declare
from memsim.lowering.spaces import digits, repeat, turns
from memsim.lowering.vector_layout import OUT
from memsim.lowering.vectors import emit


def emit_matmul(program: ProgramBuilder, recipe: MatmulRecipe, plan: MatmulPlan) -> None:
    """Write the kernel: queues to load a, b and the epilogue's tiles, to compute, and to store."""
    grid = {"c": plan.grid.at_once, "y": plan.grid.rows, "x": plan.grid.columns}
    cluster = {"y": plan.grid.rows, "x": plan.grid.columns}
    with program.kernel(recipe.name, grid=grid, cluster=cluster) as kernel:
        writer = _Writer(recipe, plan, kernel, declare(kernel, plan.tile.specs, plan.tile.memories))
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
class _Writer:
    recipe: MatmulRecipe
    plan: MatmulPlan
    kernel: KernelBuilder
    rings: Mapping[str, RingHandle]

    # ---- where a tile is ----

    @property
    def _coordinates(self) -> tuple[Expr, Expr, Expr]:
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

    @property
    def _counts(self) -> tuple[int, ...]:
        """Tiles of a whole cluster: of the batch, along m, along n."""
        high, wide = self.plan.tile.m * self.plan.grid.rows, self.plan.tile.n * self.plan.grid.columns
        return (*self.recipe.batch, -(-self.recipe.m // high), -(-self.recipe.n // wide))

    @property
    def _steps(self) -> int:
        return -(-self.recipe.k // self.plan.tile.k)

    def _tiles(self) -> AbstractContextManager[Expr]:
        """The loop over the tiles of this cluster."""
        total = 1
        for count in self._counts:
            total *= count
        return repeat(self.kernel, "t", turns(total, self.plan.grid.at_once, self._coordinates[0]))

    def _starts(self, turn: Expr) -> tuple[list[Expr], Expr, Expr]:
        """Batch coordinates, first row and first column of this block's tile."""
        c, y, x = self._coordinates
        *batch, across, along = self._counts
        group = self.plan.grid.group
        tile = turn * self.plan.grid.at_once + c
        *outer, patch, column, row = digits(tile, (*batch, across // group, along, group))
        first_row = ((patch * group + row) * self.plan.grid.rows + y) * self.plan.tile.m
        first_column = (column * self.plan.grid.columns + x) * self.plan.tile.n
        return outer, first_row, first_column

    @property
    def _beyond(self) -> tuple[bool, bool]:
        """Whether whole tiles of a cluster may lie beyond the last row or column."""
        *_, across, along = self._counts
        rows = across * self.plan.grid.rows * self.plan.tile.m - self.recipe.m
        columns = along * self.plan.grid.columns * self.plan.tile.n - self.recipe.n
        return rows >= self.plan.tile.m, columns >= self.plan.tile.n

    # ---- queues ----

    def load_a(self) -> None:
        """Tiles of a: the first block of each row of the cluster loads them for the row."""
        _, y, x = self._coordinates
        plan = self.plan
        ones = (1,) * len(self.recipe.batch)
        with (
            self.kernel.queue("load_a"),
            self._leader(x, plan.grid.columns),
            self._tiles() as turn,
            repeat(self.kernel, "k", self._steps) as k,
        ):
            batch, row, _ = self._starts(turn)
            self.recipe.a.load(
                self.rings["a"],
                [*batch, row, k * plan.tile.k],
                (*ones, plan.tile.m, plan.tile.k),
                to=(self._coordinates[0], y, (Expr(0), plan.grid.columns)) if plan.grid.columns > 1 else None,
                clip=self._beyond[0],
                transpose=False,
            )

    def load_b(self) -> None:
        """Tiles of b: the first block of each column of the cluster loads them for the column."""
        _, y, x = self._coordinates
        plan = self.plan
        ones = (1,) * len(self.recipe.batch)
        with (
            self.kernel.queue("load_b"),
            self._leader(y, plan.grid.rows),
            self._tiles() as turn,
            repeat(self.kernel, "k", self._steps) as k,
        ):
            batch, _, column = self._starts(turn)
            self.recipe.b.load(
                self.rings["b"],
                [*batch, k * plan.tile.k, column],
                (*ones, plan.tile.k, plan.tile.n),
                to=(self._coordinates[0], (Expr(0), plan.grid.rows), x) if plan.grid.rows > 1 else None,
                clip=self._beyond[1],
                transpose=False,
            )

    def _leader(self, coordinate: Expr, size: int) -> AbstractContextManager[Expr]:
        """A loop that runs once in the first block along a coordinate, else never."""
        return repeat(self.kernel, "lead", 1 if size == 1 else maximum(1 - coordinate, 0))

    def load_extras(self) -> None:
        """Tiles that the epilogue reads: bias, residual, another factor."""
        leaves = extras(self.recipe)
        if not leaves:
            return
        with self.kernel.queue("load_extras"), self._tiles() as turn:
            for name, value in leaves.items():
                assert value.access is not None
                value.access.load(self.rings[name], self._tile_starts(turn), self._tile_sizes, clip=any(self._beyond))

    def multiply(self) -> None:
        """Products alone; another queue takes the accumulators."""
        with self.kernel.queue("multiply"), self._tiles():
            self._products()
            self.rings["c"].push()

    def multiply_and_finish(self) -> None:
        """Products, then the epilogue in place."""
        with self.kernel.queue("multiply"), self._tiles() as turn:
            self._products()
            self._epilogue(turn)

    def finish(self) -> None:
        """The epilogue beside the products of the next tile."""
        if stores_directly(self.recipe):
            return
        with self.kernel.queue("finish"), self._tiles() as turn:
            self._epilogue(turn)
            self.rings["c"].pop()

    def store(self) -> None:
        """Store finished tiles."""
        ring = self.rings["c" if stores_directly(self.recipe) else OUT]
        with self.kernel.queue("store"), self._tiles() as turn:
            self.recipe.out.store(ring, self._tile_starts(turn), self._tile_sizes, clip=any(self._beyond))
            ring.pop()

    # ---- parts of queues ----

    @property
    def _tile_sizes(self) -> tuple[int, ...]:
        return (*(1 for _ in self.recipe.batch), self.plan.tile.m, self.plan.tile.n)

    def _tile_starts(self, turn: Expr) -> Sequence[Expr]:
        batch, row, column = self._starts(turn)
        return [*batch, row, column]

    def _products(self) -> None:
        self._product(accumulate=False)
        if self._steps > 1:
            with repeat(self.kernel, "k", self._steps - 1):
                self._product(accumulate=True)

    def _product(self, accumulate: bool) -> None:
        a, b, c = (self.rings[name] for name in "abc")
        plan = self.plan
        ones = (1,) * len(self.recipe.batch)
        left, right = (plan.tile.m, plan.tile.k), (plan.tile.k, plan.tile.n)
        c.mma(
            _oriented(a, left, self.recipe.a.is_swapped((*ones, *left))),
            _oriented(b, right, self.recipe.b.is_swapped((*ones, *right))),
            accumulate=accumulate,
        )
        a.pop()
        b.pop()

    def _epilogue(self, turn: Expr) -> None:
        leaves = extras(self.recipe)
        known: dict[int, Operand] = {id(value): self.rings[name] for name, value in leaves.items()}
        known[id(self.recipe.accumulator)] = self.rings["c"]
        emit(self.plan.tile.steps, self.rings, known, self._tile_starts(turn), 2)
        for name in leaves:
            self.rings[name].pop()
        self.rings[OUT].push()


def _oriented(ring: RingHandle, shape: tuple[int, int], is_swapped: bool) -> RingHandle | TileHandle:
    """The operand [m, k] or [k, n] that a ring holds, perhaps the other way round; a square tile does not show it."""
    turned = is_swapped if shape[0] == shape[1] else ring.ring.shape != shape
    return ring.T if turned else ring
