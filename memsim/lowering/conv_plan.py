"""Chooses windows and tiles of a convolution by an analytic estimate of its time, as for a matrix product."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

from memsim.hierarchy import MatrixUnit
from memsim.isa.ops import DTYPES, MMA_TYPES
from memsim.lowering.facts import Facts
from memsim.lowering.matmul_cost import Tile, TileCost
from memsim.lowering.matmul_plan import (
    SLIVERS,
    MatmulPlan,
    Rings,
    best_of,
    epilogue_rings,
    fit_tile,
    grids_of,
    multiples,
    native_shape,
)
from memsim.lowering.recipes import ConvRecipe
from memsim.lowering.rings import RingSpec, too_small

Pixels = tuple[int, int, int]
"""Images, rows and columns of a tile of the result."""


@dataclass(frozen=True, slots=True)
class ConvPlan(MatmulPlan):
    """How a convolution is cut: a tile of m pixels, n filters and k channels at one place of the filters at a time."""

    pixels: Pixels = (1, 1, 1)

    def __str__(self) -> str:
        images, rows, columns = self.pixels
        return f"{images} x {rows} x {columns} pixels: {MatmulPlan.__str__(self)}"


def plan_conv(recipe: ConvRecipe, facts: Facts) -> ConvPlan:
    """The plan with the least estimated time; of those about as quick, the one with the fewest instructions.

    Raises
    ------
    ChipError
        The matrix unit does not multiply this type, or not even the smallest tile fits a core.
    """
    return _Planner(recipe, facts, facts.matrix(recipe.dtype, recipe.name)).best()


def pixel_tiles(recipe: ConvRecipe, pixels: Pixels) -> Pixels:
    """Tiles of these pixels that cover the result, in each dimension."""
    images, rows, columns = (-(-n // size) for n, size in zip(recipe.space[:3], pixels, strict=True))
    return images, rows, columns


def pixels_within(recipe: ConvRecipe, most: int) -> Pixels:
    """The shape of at most that many pixels of which the fewest tiles cover the result; of these, the smallest.

    A tile may be several images, where they are small, or a part of one.
    """
    images, rows, columns = ({*(1 << i for i in range(n.bit_length())), n} for n in recipe.space[:3])
    shapes = [shape for shape in product(images, rows, columns) if math.prod(shape) <= most]
    return min(shapes, key=lambda s: (math.prod(pixel_tiles(recipe, s)), math.prod(s), -s[2], -s[1]))


def ring_specs(recipe: ConvRecipe, pixels: Pixels, n: int, k: int, accumulators: int) -> Rings:
    """The rings for a tile, operands in a single stage, and the schedule of the epilogue."""
    a = RingSpec("a", recipe.dtype, (*pixels, k), moved=True, fixed=True)
    b = RingSpec("b", recipe.dtype, (k, n), moved=True, fixed=True)
    c = RingSpec("c", MMA_TYPES[recipe.dtype], (*pixels, n), accumulators)
    epilogue = epilogue_rings(recipe, (*pixels, n), 4, accumulators)
    return Rings((a, b, c, *epilogue.specs), epilogue.steps)


class ConvCost(TileCost):
    """The cost of a convolution with a given tile: windows overlap, so a cache fetches less than is loaded."""

    def __init__(self, recipe: ConvRecipe, facts: Facts, tile: Tile, pixels: Pixels) -> None:
        super().__init__(recipe, facts, tile)
        self.recipe = recipe
        self.steps = math.prod(recipe.window) * -(-recipe.channels // tile.k)
        sides = zip(pixels[1:], recipe.stride, recipe.window, recipe.x.tensor.shape[1:3], strict=True)
        seen = math.prod(min((n - 1) * step + k, extent) for n, step, k, extent in sides)
        self.seen_bytes = pixels[0] * seen * recipe.channels * self.bytes
        """Of x that all windows of a tile see together."""

    def fetched(self, high: int, wide: int) -> float:
        """Bytes of the parts of x that the tiles see, and of whole filters."""
        return high * self.seen_bytes + wide * self.tile.n * self.recipe.k * self.bytes

    @property
    def operands(self) -> tuple[float, float]:
        """Bytes of x and w, and of the result."""
        recipe = self.recipe
        elements = math.prod(recipe.x.tensor.shape) + math.prod(recipe.w.tensor.shape)
        return elements * self.bytes, math.prod(recipe.space) * DTYPES[recipe.out.dtype].bytes


@dataclass(frozen=True)
class _Planner:
    recipe: ConvRecipe
    facts: Facts
    unit: MatrixUnit

    def best(self) -> ConvPlan:
        """Try every candidate."""
        shapes, ns, ks = self._candidates()
        plans = [plan for sizes in product(shapes, ns, ks) for plan in self._plans(*sizes)]
        if not plans:
            specs = ring_specs(self.recipe, min(shapes, key=math.prod), min(ns), min(ks), 1).specs
            raise too_small(self.recipe.name, self.facts.chip.name, specs, self.facts.room)
        return best_of(plans, self._steps)

    def _steps(self, plan: ConvPlan) -> int:
        """Products of all tiles."""
        recipe, tile = self.recipe, plan.tile
        tiles = recipe.groups * math.prod(pixel_tiles(recipe, plan.pixels)) * -(-recipe.filters // tile.n)
        return tiles * math.prod(recipe.window) * -(-recipe.channels // tile.k)

    def _candidates(self) -> tuple[list[Pixels], list[int], list[int]]:
        """Pixels, filters and channels of a tile."""
        recipe = self.recipe
        m0, n0, k0 = native_shape(self.unit, recipe.dtype)
        sizes = multiples(m0, math.prod(recipe.space[:3]))
        shapes = list(dict.fromkeys(pixels_within(recipe, size) for size in (1, *sizes)))
        whole = shapes[1:] or shapes  # a single pixel only where nothing else fits
        ns, ks = multiples(n0, recipe.filters), multiples(k0, recipe.channels)
        tiles = math.prod(pixel_tiles(recipe, whole[0])) * recipe.groups * -(-recipe.filters // ns[0])
        if tiles < self.facts.cores:
            ns = [*(size for size in SLIVERS if size < ns[0]), *ns]
        return shapes, self._within(recipe.filters, ns), self._within(recipe.channels, ks)

    def _within(self, length: int, sizes: list[int]) -> list[int]:
        """The sizes; those that cut the filters or channels of a group evenly, where there are several groups."""
        return sizes if self.recipe.groups == 1 else sorted({math.gcd(length, size) for size in sizes})

    def _plans(self, pixels: Pixels, n: int, k: int) -> Iterator[ConvPlan]:
        """A plan for each cluster, with as many stages as fit."""
        recipe, facts, m = self.recipe, self.facts, math.prod(pixels)
        if 4 * m * n > facts.room.reg + facts.room.sram:
            return
        for accumulators in (1, 2):
            tile = fit_tile((m, n, k), accumulators, facts.room, partial(ring_specs, recipe, pixels, n, k))
            if tile is None:
                continue
            cost = ConvCost(recipe, facts, tile, pixels)
            tiles = math.prod(pixel_tiles(recipe, pixels)), -(-recipe.filters // n)
            for grid in grids_of(facts, recipe.groups, tiles, (m, n)):
                if recipe.groups == 1 or tiles[1] % grid.columns == 0:  # filters beyond a group's are those of the next
                    yield ConvPlan(tile, grid, cost.total(grid), pixels)
