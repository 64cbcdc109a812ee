"""The matrix product as a persistent kernel: loads run ahead across tiles, shared tiles are multicast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from memsim.isa.builder import ProgramBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import Operand, RingHandle, TileHandle
from memsim.lowering.matmul_plan import MatmulPlan
from memsim.lowering.product_kernel import ProductWriter, emit_product
from memsim.lowering.recipes import MatmulRecipe
from memsim.lowering.spaces import repeat


def emit_matmul(program: ProgramBuilder, recipe: MatmulRecipe, plan: MatmulPlan) -> None:
    """Write the kernel."""
    emit_product(program, recipe, plan, partial(_Writer, recipe, plan))


@dataclass(frozen=True, slots=True)
class _Writer(ProductWriter):
    recipe: MatmulRecipe

    @property
    def counts(self) -> tuple[int, ...]:
        """Tiles of a whole cluster: of the batch, along m, along n."""
        high, wide = self.plan.tile.m * self.plan.grid.rows, self.plan.tile.n * self.plan.grid.columns
        return (*self.recipe.batch, -(-self.recipe.m // high), -(-self.recipe.n // wide))

    @property
    def steps(self) -> int:
        """Tiles along k."""
        return -(-self.recipe.k // self.plan.tile.k)

    @property
    def beyond(self) -> tuple[bool, bool]:
        """Whether whole tiles of a cluster may lie beyond the last row or column."""
        *_, across, along = self.counts
        rows = across * self.plan.grid.rows * self.plan.tile.m - self.recipe.m
        columns = along * self.plan.grid.columns * self.plan.tile.n - self.recipe.n
        return rows >= self.plan.tile.m, columns >= self.plan.tile.n

    @property
    def tile_sizes(self) -> tuple[int, ...]:
        """One matrix of the batch, m, n."""
        return (*self._ones, self.plan.tile.m, self.plan.tile.n)

    @property
    def _ones(self) -> tuple[int, ...]:
        return (1,) * len(self.recipe.batch)

    def tile_starts(self, turn: Expr) -> Sequence[Expr]:
        """Batch coordinates, first row, first column."""
        batch, row, column = self.place(turn)
        return [*batch, row * self.plan.tile.m, column * self.plan.tile.n]

    def load_a(self) -> None:
        """Tiles of a: the first block of each row of the cluster loads them for the row."""
        plan = self.plan
        with (
            self.kernel.queue("load_a"),
            self.leader(self.coordinates[2], plan.grid.columns),
            self.tiles() as turn,
            repeat(self.kernel, "k", self.steps) as k,
        ):
            *batch, row, _ = self.tile_starts(turn)
            self.recipe.a.load(
                self.rings["a"],
                [*batch, row, k * plan.tile.k],
                (*self._ones, plan.tile.m, plan.tile.k),
                to=self.row(),
                clip=self.beyond[0],
                transpose=False,
            )

    def load_b(self) -> None:
        """Tiles of b: the first block of each column of the cluster loads them for the column."""
        plan = self.plan
        with (
            self.kernel.queue("load_b"),
            self.leader(self.coordinates[1], plan.grid.rows),
            self.tiles() as turn,
            repeat(self.kernel, "k", self.steps) as k,
        ):
            *batch, _, column = self.tile_starts(turn)
            self.recipe.b.load(
                self.rings["b"],
                [*batch, k * plan.tile.k, column],
                (*self._ones, plan.tile.k, plan.tile.n),
                to=self.column(),
                clip=self.beyond[1],
                transpose=False,
            )

    def operands(self) -> tuple[Operand, Operand]:
        """Tiles [m, k] and [k, n], perhaps the other way round."""
        tile = self.plan.tile
        left, right = (tile.m, tile.k), (tile.k, tile.n)
        return (
            _oriented(self.rings["a"], left, self.recipe.a.is_swapped((*self._ones, *left))),
            _oriented(self.rings["b"], right, self.recipe.b.is_swapped((*self._ones, *right))),
        )


def _oriented(ring: RingHandle, shape: tuple[int, int], is_swapped: bool) -> RingHandle | TileHandle:
    """The operand [m, k] or [k, n] that a ring holds, perhaps the other way round; a square tile does not show it."""
    turned = is_swapped if shape[0] == shape[1] else ring.ring.shape != shape
    return ring.T if turned else ring
