"""Analytic estimate of the time of flash attention, and the tiles of keys that each tile of queries needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from memsim.isa.expr import Expr, ExprLike, as_expr, minimum, var
from memsim.isa.ops import DTYPES
from memsim.lowering.facts import Facts
from memsim.lowering.matmul_cost import spread
from memsim.lowering.recipes import FlashRecipe
from memsim.lowering.spaces import floor_div

MOST_STRIDES = 64
BIG_STEPS = 5  # elementwise work on a tile of scores: scale, maximum, difference, power, sum
Array: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


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


def item_counts(recipe: FlashRecipe, triangle: Triangle, cluster: int, shares_heads: bool) -> tuple[int, int, int]:
    """Batch, heads and tiles of queries, those that a cluster takes side by side counted once."""
    if shares_heads:
        return recipe.batch, recipe.heads // cluster, triangle.query_tiles
    return recipe.batch, recipe.heads, -(-triangle.query_tiles // cluster)


@dataclass(frozen=True)
class FlashCost:
    """Estimated time of a plan, in core cycles."""

    recipe: FlashRecipe
    facts: Facts
    triangle: Triangle
    stages: int
    cluster: int
    shares_heads: bool

    @property
    def counts(self) -> tuple[int, int, int]:
        """Batch, heads and tiles of queries as a cluster takes them."""
        return item_counts(self.recipe, self.triangle, self.cluster, self.shares_heads)

    @property
    def items(self) -> int:
        """What clusters take turns at: tiles of queries, as many side by side as a cluster has blocks."""
        return math.prod(self.counts)

    @property
    def clusters(self) -> int:
        """Clusters at once."""
        return min(self.facts.cores // self.cluster, self.items)

    @cached_property
    def _weights(self) -> Array:
        """Key tiles of each tile of queries."""
        tiles = np.arange(self.counts[2])
        return np.broadcast_to(self.triangle.total(var("q")).evaluate({"q": tiles}), tiles.shape)

    def _work(self, stride: int) -> int:
        """Key tiles of the busiest cluster."""
        tiles = self.counts[2]
        item = np.arange(self.items)
        query = (item + item // tiles * stride) % tiles
        return int(np.bincount(item % self.clusters, weights=self._weights[query]).max())

    @cached_property
    def stride(self) -> int:
        """The stride that spreads the work best."""
        uneven = self.recipe.causal and self.items > self.clusters
        choices = range(min(self.counts[2], MOST_STRIDES) if uneven else 1)
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
        per_tile, _ = spread(facts, 1, self.cluster, self.clusters)
        service = max(self.clusters * loaded / facts.memory_rate, float(per_tile.max()) * loaded)
        trip = (facts.load_latency + service + float(products)) / self.stages
        chain = (float(products) + elementwise) / 2  # two tiles of scores are under way at a time
        step = max(float(products), elementwise, service, trip, chain)
        turns = -(-self.items // self.clusters)
        return self._work(self.stride) * step + turns * (
            float(products) + elementwise + 2 * vector.cycles("simple", sums)
        )
