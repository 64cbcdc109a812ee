"""Chooses the tiles of flash attention, and deals queries to cores so that a causal triangle weighs on all alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from memsim.isa.expr import Expr, ExprLike, FloorDiv, as_expr, minimum
from memsim.isa.ops import DTYPES, MMA_TYPES
from memsim.lowering.facts import Facts
from memsim.lowering.recipes import FlashRecipe
from memsim.lowering.rings import RingSpec, place, too_small

TILES = (16, 32, 64, 128, 256, 512)
BIG_STEPS = 5  # elementwise work on a tile of scores: scale, maximum, difference, power, sum
SLACK = 1.05  # of plans whose estimates differ by less, the one with the fewest instructions is as good


@dataclass(frozen=True, slots=True)
class FlashPlan:
    """How attention is cut: tiles of ``rows`` queries against ``columns`` keys."""

    rows: int
    columns: int
    specs: tuple[RingSpec, ...]
    memories: dict[str, str]
    workers: int
    """Blocks that take turns at the tiles of queries."""
    stride: int
    """How far the order of query tiles is turned from one head to the next."""
    cycles: float
    """Estimated core cycles."""


@dataclass(frozen=True)
class Triangle:
    """Which tiles of keys a tile of queries needs."""

    recipe: FlashRecipe
    rows: int
    columns: int

    @property
    def offset(self) -> int:
        """Keys that the first query sees beyond its own."""
        return self.recipe.keys - self.recipe.queries

    @property
    def query_tiles(self) -> int:
        """Tiles of queries in a head."""
        return -(-self.recipe.queries // self.rows)

    @property
    def key_tiles(self) -> int:
        """Tiles of keys in a head."""
        return -(-self.recipe.keys // self.columns)

    def full(self, tile: ExprLike) -> Expr:
        """Leading tiles of keys that every query of the tile sees whole."""
        whole = self.recipe.keys // self.columns
        if not self.recipe.causal:
            return Expr(whole)
        return minimum(floor_div(as_expr(tile) * self.rows + self.offset + 1, self.columns), whole)

    def total(self, tile: ExprLike) -> Expr:
        """Tiles of keys that some query of the tile sees."""
        if not self.recipe.causal:
            return Expr(self.key_tiles)
        seen = as_expr(tile) * self.rows + self.rows + self.offset
        return minimum(floor_div(seen + self.columns - 1, self.columns), self.key_tiles)


def floor_div(value: Expr, by: int) -> Expr:
    """``value // by`` with the terms that divide taken out, so that it stays as simple as it is."""
    outside = Expr(value.const // by, tuple((atom, c // by) for atom, c in value.terms if c % by == 0))
    inside = Expr(value.const % by, tuple((atom, c) for atom, c in value.terms if c % by))
    return outside if inside.is_constant else outside + Expr(0, ((FloorDiv(inside, by), 1),))


def plan_flash(recipe: FlashRecipe, facts: Facts) -> FlashPlan:
    """The plan with the least estimated time; of those about as quick, the one with the largest tiles.

    Raises
    ------
    ChipError
        The matrix unit does not multiply this type, or not even the smallest tiles fit a core.
    """
    plans = list(_plans(recipe, facts))
    if not plans:
        specs = ring_specs(recipe, min(16, recipe.queries), min(16, recipe.keys), 1, 1)
        raise too_small(recipe.name, facts.chip.name, specs, facts.room)
    limit = SLACK * min(plan.cycles for plan in plans)
    return min((p for p in plans if p.cycles <= limit), key=lambda p: (-p.rows * p.columns, p.cycles))


def _plans(recipe: FlashRecipe, facts: Facts) -> Iterator[FlashPlan]:
    for rows in sorted({min(size, recipe.queries) for size in TILES}):
        for columns in sorted({min(size, recipe.keys) for size in TILES}):
            for stages, depth in ((2, 2), (2, 1), (1, 1)):
                specs = ring_specs(recipe, rows, columns, stages, depth)
                memories = place(specs, facts.room)
                if memories is None:
                    continue
                cost = _Cost(recipe, facts, Triangle(recipe, rows, columns), stages)
                yield FlashPlan(rows, columns, specs, memories, cost.workers, cost.stride, cost.cycles)
                break


def ring_specs(recipe: FlashRecipe, rows: int, columns: int, stages: int, depth: int) -> tuple[RingSpec, ...]:
    """The rings: operands in ``stages`` slots, scores and weights in ``depth``."""
    dtype, total = recipe.q.dtype, MMA_TYPES[recipe.q.dtype]
    mask = (rows, columns) if recipe.causal else (1, columns)
    return (
        RingSpec("q", dtype, (rows, recipe.dim), 1, moved=True),
        RingSpec("k", dtype, (columns, recipe.dim), stages, moved=True),
        RingSpec("v", dtype, (columns, recipe.value_dim), stages, moved=True),
        RingSpec("out", recipe.out.dtype, (rows, recipe.value_dim), 1, moved=True),
        RingSpec("o", total, (rows, recipe.value_dim)),
        *(RingSpec(name, "fp32", (rows, 1)) for name in ("m", "top", "l", "part")),
        RingSpec("shrink", "fp32", (rows, 1), depth),
        RingSpec("norm", "fp32", (rows, 1)),
        RingSpec("row", "fp32", (rows, 1)),
        RingSpec("column", "fp32", (1, columns)),
        RingSpec("s", total, (rows, columns), depth),
        RingSpec("t", "fp32", (rows, columns)),
        RingSpec("p", dtype, (rows, columns), depth),
        RingSpec("mask", "int8", mask),
    )


@dataclass(frozen=True)
class _Cost:
    """Estimated time of a plan, in core cycles."""

    recipe: FlashRecipe
    facts: Facts
    triangle: Triangle
    stages: int

    @property
    def items(self) -> int:
        """Tiles of queries of all heads."""
        return self.recipe.batch * self.recipe.heads * self.triangle.query_tiles

    @property
    def workers(self) -> int:
        """Blocks."""
        return min(self.facts.cores, self.items)

    def _work(self, stride: int) -> int:
        """Key tiles of the busiest worker."""
        tiles = self.triangle.query_tiles
        item = np.arange(self.items)
        query = (item + item // tiles * stride) % tiles
        weight = np.array([self.triangle.total(tile).const for tile in range(tiles)])[query]
        return int(np.bincount(item % self.workers, weights=weight).max())

    @cached_property
    def stride(self) -> int:
        """The stride that spreads the work best."""
        tiles = self.triangle.query_tiles
        choices = range(tiles) if self.recipe.causal and self.items > self.workers else range(1)
        return min(choices, key=lambda stride: (self._work(stride), stride))

    @cached_property
    def cycles(self) -> float:
        """Of the busiest worker."""
        recipe, triangle, facts = self.recipe, self.triangle, self.facts
        unit, vector = facts.matrix(recipe.q.dtype, recipe.name), facts.chip.core.vector
        products = unit.cycles(triangle.rows, triangle.columns, recipe.dim, recipe.q.dtype)[0]
        products += unit.cycles(triangle.rows, recipe.value_dim, triangle.columns, recipe.q.dtype)[0]
        scores, sums = triangle.rows * triangle.columns, triangle.rows * recipe.value_dim
        latency = facts.cycles(vector.latency)
        simple = (BIG_STEPS - 1) * vector.cycles("simple", scores) + vector.cycles("simple", sums)
        special = vector.cycles("special", scores)
        elementwise = simple + special + 2 * vector.cycles("simple", triangle.rows) + (BIG_STEPS + 6) * latency
        loaded = triangle.columns * (recipe.dim + recipe.value_dim) * DTYPES[recipe.q.dtype].bytes
        service = self.workers * loaded / facts.memory_rate
        trip = (facts.load_latency + service + float(products)) / self.stages
        chain = (float(products) + elementwise) / 2  # two tiles of scores are under way at a time
        step = max(float(products), elementwise, service, trip, chain)
        turns = -(-self.items // self.workers)
        return self._work(self.stride) * step + turns * (
            float(products) + elementwise + 2 * vector.cycles("simple", sums)
        )
