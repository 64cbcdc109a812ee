"""Convolution as an implicit matrix product: at each place of the filters, the window of pixels that it sees there.

The sum over a filter's rows, columns and channels is a loop over its places, and over tiles of channels at each. What a
tile of pixels sees at a place is a strided box of x, which a load takes as it lies: shifted by the place, cut at the
edges of the image, zero beyond them. So nothing is rearranged in memory beforehand (Chetlur et al., "cuDNN: efficient
primitives for deep learning", arXiv:1410.0759). Channels lie side by side, so a box is runs of channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from memsim.isa.builder import ProgramBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import Operand
from memsim.lowering.conv_plan import ConvPlan, pixel_tiles
from memsim.lowering.product_kernel import ProductWriter, emit_product
from memsim.lowering.recipes import ConvRecipe
from memsim.lowering.spaces import digits, repeat


def emit_conv(program: ProgramBuilder, recipe: ConvRecipe, plan: ConvPlan) -> None:
    """Write the kernel."""
    emit_product(program, recipe, plan, partial(_Writer, recipe, plan))


@dataclass(frozen=True, slots=True)
class _Writer(ProductWriter):
    recipe: ConvRecipe
    plan: ConvPlan

    @property
    def counts(self) -> tuple[int, ...]:
        """Tiles of a whole cluster: groups, pixels, filters of a group."""
        recipe, grid = self.recipe, self.plan.grid
        pixels = math.prod(pixel_tiles(recipe, self.plan.pixels))
        return recipe.groups, -(-pixels // grid.rows), -(-recipe.filters // (self.plan.tile.n * grid.columns))

    @property
    def steps(self) -> int:
        """Places of a filter, times tiles of channels."""
        return math.prod(self.recipe.window) * self._channel_steps

    @property
    def _channel_steps(self) -> int:
        return -(-self.recipe.channels // self.plan.tile.k)

    @property
    def beyond(self) -> tuple[bool, bool]:
        """Whether whole tiles of a cluster may lie beyond the last image or filter."""
        _, across, along = self.counts
        pixels = math.prod(pixel_tiles(self.recipe, self.plan.pixels))
        columns = along * self.plan.grid.columns * self.plan.tile.n - self.recipe.filters
        return across * self.plan.grid.rows > pixels, columns >= self.plan.tile.n

    @property
    def tile_sizes(self) -> tuple[int, ...]:
        """Images, rows, columns, filters."""
        return (*self.plan.pixels, self.plan.tile.n)

    def tile_starts(self, turn: Expr) -> Sequence[Expr]:
        """First image, row, column and filter."""
        (group,), pixels, filters = self.place(turn)
        images, rows, columns = pixel_tiles(self.recipe, self.plan.pixels)
        more = 1 if self.beyond[0] else 0  # a tile beyond the last is one of another image, not of another row
        indices = digits(pixels, (images + more, rows, columns))
        starts = [index * size for index, size in zip(indices, self.plan.pixels, strict=True)]
        return [*starts, group * self.recipe.filters + filters * self.plan.tile.n]

    def load_a(self) -> None:
        """Windows of x: the first block of each row of the cluster loads them for the row."""
        recipe, k = self.recipe, self.plan.tile.k
        with (
            self.kernel.queue("load_a"),
            self.leader(self.coordinates[2], self.plan.grid.columns),
            self.tiles() as turn,
            repeat(self.kernel, "r", recipe.window[0]) as r,
            repeat(self.kernel, "s", recipe.window[1]) as s,
            repeat(self.kernel, "k", self._channel_steps) as channel,
        ):
            image, row, column, _ = self.tile_starts(turn)
            (group,), *_ = self.place(turn)
            images, rows, columns = self.plan.pixels
            (down, right), (above, left) = recipe.stride, recipe.padding
            box = recipe.x[
                image:images,
                row * down + r - above : rows : down,
                column * right + s - left : columns : right,
                group * recipe.channels + channel * k : k,
            ]
            self.rings["a"].load(box, to=self.row(), clip=self._leaves_x)

    @property
    def _leaves_x(self) -> bool:
        """Whether a window can reach beyond x."""
        uneven = any(n % size for n, size in zip(self.recipe.space, self.plan.pixels, strict=False))
        return self.beyond[0] or uneven or any(self.recipe.padding) or self._leaves_channels

    @property
    def _leaves_channels(self) -> bool:
        return self.recipe.channels % self.plan.tile.k != 0

    def load_b(self) -> None:
        """Channels by filters at a place: the first block of each column of the cluster loads them for the column."""
        recipe, tile = self.recipe, self.plan.tile
        with (
            self.kernel.queue("load_b"),
            self.leader(self.coordinates[1], self.plan.grid.rows),
            self.tiles() as turn,
            repeat(self.kernel, "r", recipe.window[0]) as r,
            repeat(self.kernel, "s", recipe.window[1]) as s,
            repeat(self.kernel, "k", self._channel_steps) as channel,
        ):
            *_, first = self.tile_starts(turn)
            clip = self.beyond[1] or recipe.filters % tile.n != 0 or self._leaves_channels
            self.rings["b"].load(
                recipe.w[r:1, s:1, channel * tile.k : tile.k, first : tile.n], to=self.column(), clip=clip
            )

    def operands(self) -> tuple[Operand, Operand]:
        """Pixels by channels, and channels by filters."""
        return self.rings["a"], self.rings["b"]
