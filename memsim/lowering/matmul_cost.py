"""Analytic estimate of the time of a matrix product: what plans are compared by."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from memsim.isa.ops import DTYPES, VECTOR_OPS
from memsim.lowering.facts import Array, Facts
from memsim.lowering.recipes import MatmulRecipe, ProductRecipe
from memsim.lowering.rings import SRAM, RingSpec
from memsim.lowering.vectors import Step


@dataclass(frozen=True, slots=True)
class Tile:
    """A candidate that fits: sizes, rings and epilogue."""

    m: int
    n: int
    k: int
    stages: int
    accumulators: int
    specs: tuple[RingSpec, ...]
    memories: dict[str, str]
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """How tiles are dealt: clusters of ``rows`` x ``columns`` blocks, ``at_once`` of them, over ``tiles`` in all."""

    rows: int
    columns: int
    tiles: int
    at_once: int
    group: int

    @property
    def turns(self) -> int:
        """Tiles that the busiest cluster takes."""
        return -(-self.tiles // self.at_once)


class TileCost(ABC):
    """The cost of a kernel with a given tile, in core cycles."""

    def __init__(self, recipe: ProductRecipe, facts: Facts, tile: Tile) -> None:
        self.facts, self.tile = facts, tile
        unit, self.bytes = facts.matrix(recipe.dtype, recipe.name), DTYPES[recipe.dtype].bytes
        self.a_bytes, self.b_bytes = tile.m * tile.k * self.bytes, tile.k * tile.n * self.bytes
        interval, _ = unit.cycles(tile.m, tile.n, tile.k, recipe.dtype)
        moved = unit.operand_elements(tile.m, tile.n, tile.k, recipe.dtype)
        port = (moved.a_reads + moved.b_reads) * self.bytes + self.a_bytes + self.b_bytes
        if tile.memories["c"] == SRAM:
            port += (moved.c_reads + moved.c_writes) * 4
        self.compute = max(float(interval), port / facts.sram_rate)
        self.steps = -(-recipe.k // tile.k)
        """Products of a tile, one after another."""
        self.out_bytes = tile.m * tile.n * DTYPES[recipe.out.dtype].bytes

    def total(self, grid: Grid) -> float:
        """Cycles of the whole kernel: fill, steps of all turns, epilogues that nothing hides, and the last store."""
        blocks = grid.at_once * grid.rows * grid.columns
        loaded = grid.at_once * (grid.rows * self.a_bytes + grid.columns * self.b_bytes)
        service = max(self._busiest_link(grid), loaded / self.facts.memory_rate)
        step = max(self.compute, service, self._round_trip(service))
        store = blocks * self.out_bytes / self.facts.memory_rate
        between = self._between(store, self.steps * step)
        fill = self.facts.load_latency + service + self.compute
        work = fill + grid.turns * self.steps * step + (grid.turns - 1) * between + self.epilogue + store
        return max(work, self._dram(grid))

    def _between(self, store: float, products: float) -> float:
        """Cycles from the last product of a tile to the first of the next, whose ``products`` hide what they can.

        With one accumulator the epilogue holds the products up, and so does the store where it takes the accumulator.
        """
        if self.tile.accumulators > 1:
            return max(0.0, max(self.epilogue, store) - products)
        return self.epilogue + (max(0.0, store - products) if self.tile.steps else store)

    def _round_trip(self, service: float) -> float:
        """Cycles of a step where a slot has to be emptied before it is loaded again."""
        limit = self.facts.chip.core.dma.max_bytes // max(self.a_bytes, self.b_bytes)
        slots = min(self.tile.stages, max(1, limit))
        return (self.facts.load_latency + service + self.compute) / slots

    def _busiest_link(self, grid: Grid) -> float:
        per_a, per_b = spread(self.facts, grid.rows, grid.columns, grid.at_once)
        return float(np.max(per_a * self.a_bytes + per_b * self.b_bytes))

    @cached_property
    def epilogue(self) -> float:
        """Cycles of the vector work on one tile."""
        vector, elements = self.facts.chip.core.vector, self.tile.m * self.tile.n
        classes = [
            "special" if VECTOR_OPS[step.value.op].special else "simple"
            for step in self.tile.steps
            if step.value.op in VECTOR_OPS
        ]
        latency = self.facts.cycles(vector.latency)
        return sum(vector.cycles(kind, elements) + latency for kind in classes)

    def _dram(self, grid: Grid) -> float:
        """Cycles of the DRAM, behind a cache: what tiles that run at once share is fetched once."""
        if not self.facts.chip.cache:
            return 0.0
        high = min(grid.group, grid.at_once) * grid.rows
        wide = -(-grid.at_once // grid.group) * grid.columns
        least, stored = self.operands
        return (max(self.fetched(high, wide) * grid.turns, least) + stored) / self.facts.dram_rate

    @abstractmethod
    def fetched(self, high: int, wide: int) -> float:
        """Bytes of a and b that ``high`` tiles along m and ``wide`` ones along n need together."""

    @property
    @abstractmethod
    def operands(self) -> tuple[float, float]:
        """Bytes of all operands, and of the result."""


class MatmulCost(TileCost):
    """The cost of a matrix product."""

    def __init__(self, recipe: MatmulRecipe, facts: Facts, tile: Tile) -> None:
        super().__init__(recipe, facts, tile)
        self.recipe = recipe

    def fetched(self, high: int, wide: int) -> float:
        """Bytes of whole rows of a and columns of b."""
        return (high * self.tile.m + wide * self.tile.n) * self.recipe.k * self.bytes

    @property
    def operands(self) -> tuple[float, float]:
        """Bytes of a and b, and of the result."""
        recipe = self.recipe
        least = math.prod(recipe.batch) * (recipe.m + recipe.n) * recipe.k * self.bytes
        return least, math.prod(recipe.space) * DTYPES[recipe.out.dtype].bytes


def spread(facts: Facts, rows: int, columns: int, clusters: int) -> tuple[Array, Array]:
    """For each link, its cycles for a byte of every tile of a, and for a byte of every tile of b.

    ``clusters`` is taken up to the next power of two, so that few cases are worked out.
    """
    size = rows * columns
    clusters = min(1 << (clusters - 1).bit_length(), facts.cores // size)
    key = (rows, columns, clusters)
    if key not in facts.spreads:
        blocks = np.arange(clusters * size).reshape(clusters, rows, columns)
        a_sets = blocks.reshape(-1, columns)
        b_sets = blocks.swapaxes(1, 2).reshape(-1, rows)
        facts.spreads[key] = (facts.spread_cycles(a_sets), facts.spread_cycles(b_sets))
    return facts.spreads[key]
