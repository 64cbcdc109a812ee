"""Chooses tiles, stages and clusters of a matrix product by an analytic estimate of its time on the chip."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TypeVar

from memsim.hierarchy import MatrixUnit
from memsim.isa.ops import MMA_TYPES
from memsim.lowering.facts import Facts
from memsim.lowering.matmul_cost import Grid, MatmulCost, Tile
from memsim.lowering.recipes import MatmulRecipe, ProductRecipe
from memsim.lowering.rings import RingSpec, Room, place, too_small
from memsim.lowering.values import LEAF, Value, order
from memsim.lowering.vector_layout import OUT, leaf_names
from memsim.lowering.vectors import Scratch, Step, schedule

MOST_STAGES = 4  # deeper rings of the same bytes are finer tiles
LARGEST_TILE = 8192
SLACK = 1.05  # of plans whose estimates differ by less, the one with the fewest instructions is as good
SLIVERS = (16, 32)  # columns of a tile where wider ones leave cores without work
SAME_TRAFFIC = 1.02  # likewise of the bytes that are loaded for a product
REG_SHARE = 2  # accumulators take at most 1/2 of the registers: the rest is for operands and the epilogue


@dataclass(frozen=True, slots=True)
class MatmulPlan:
    """How a matrix product is cut into tiles, and how these are dealt to the cores."""

    tile: Tile
    grid: Grid
    cycles: float
    """Estimated core cycles."""

    def __str__(self) -> str:
        tile, grid = self.tile, self.grid
        return (
            f"tiles {tile.m} x {tile.n} x {tile.k}, {tile.stages} stages, {tile.accumulators} accumulators, "
            f"{grid.at_once} clusters of {grid.rows} x {grid.columns}, groups of {grid.group}"
        )


P = TypeVar("P", bound=MatmulPlan)


def plan_matmul(recipe: MatmulRecipe, facts: Facts) -> MatmulPlan:
    """The plan with the least estimated time; of those about as quick, the one with the fewest instructions.

    Raises
    ------
    ChipError
        The matrix unit does not multiply this type, or not even the smallest tile fits a core.
    """
    return _Planner(recipe, facts, facts.matrix(recipe.dtype, recipe.name)).best()


@dataclass(frozen=True, slots=True)
class Rings:
    """The rings of a tile, and the instructions of its epilogue."""

    specs: tuple[RingSpec, ...]
    steps: tuple[Step, ...]


def ring_specs(recipe: MatmulRecipe, m: int, n: int, k: int, accumulators: int) -> Rings:
    """The rings for a tile, operands in a single stage, and the schedule of the epilogue."""
    swapped_a, swapped_b = _is_swapped(recipe, "a"), _is_swapped(recipe, "b")
    a = RingSpec("a", recipe.dtype, (k, m) if swapped_a else (m, k), moved=True, fixed=True)
    b = RingSpec("b", recipe.dtype, (n, k) if swapped_b else (k, n), moved=True, fixed=True)
    c = RingSpec("c", MMA_TYPES[recipe.dtype], (m, n), accumulators)
    epilogue = epilogue_rings(recipe, (*(1 for _ in recipe.batch), m, n), 2, accumulators)
    return Rings((a, b, c, *epilogue.specs), epilogue.steps)


@lru_cache(maxsize=64)
def epilogue_rings(recipe: ProductRecipe, sizes: tuple[int, ...], rank: int, accumulators: int) -> Rings:
    """What follows the products of a tile of ``sizes``, its last ``rank`` axes; tiles that differ along k share it."""
    if stores_directly(recipe):
        return Rings((), ())
    specs = []
    for name, value in extras(recipe).items():
        assert value.access is not None
        specs.append(RingSpec(name, value.dtype, value.access.tile_shape(sizes, rank), moved=True))
    specs.append(RingSpec(OUT, recipe.out.dtype, sizes[len(sizes) - rank :], moved=True))
    scratch = Scratch()
    steps = schedule(
        {OUT: recipe.value},
        [recipe.accumulator, *extras(recipe).values()],
        lambda value: tile_shape(value, sizes, rank),
        scratch,
        {"c": recipe.accumulator} if accumulators == 1 else None,
    )
    return Rings((*specs, *scratch.specs), steps)


def tile_shape(value: Value, sizes: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """Shape of a value's tile of the result."""
    return tuple(sizes[axis] if axis in value.span else 1 for axis in range(len(sizes) - rank, len(sizes)))


@lru_cache(maxsize=8)
def extras(recipe: ProductRecipe) -> Mapping[str, Value]:
    """The tiles that the epilogue loads, by the names of their rings."""
    names = leaf_names(recipe.value)
    return {names[id(value)]: value for value in order([recipe.value]) if value.op == LEAF}


def stores_directly(recipe: ProductRecipe) -> bool:
    """Whether the accumulator is the result, bit for bit."""
    return recipe.value is recipe.accumulator and recipe.out.dtype == recipe.accumulator.dtype


def _is_swapped(recipe: MatmulRecipe, which: str) -> bool:
    """Whether an operand lies in memory the other way round."""
    access = recipe.a if which == "a" else recipe.b
    axes = [dim.axis for dim in access.alongs]
    inner = len(recipe.batch)
    return inner in axes and inner + 1 in axes and axes.index(inner) > axes.index(inner + 1)


def _traffic(plan: MatmulPlan) -> float:
    """Elements loaded for each product, which contention makes dear."""
    return 1 / (plan.tile.m * plan.grid.rows) + 1 / (plan.tile.n * plan.grid.columns)


def best_of(plans: Sequence[P], steps: Callable[[P], int]) -> P:
    """Of the plans about as quick as the quickest, and that load about the least, the one with the fewest ``steps``."""

    def rank(plan: P) -> tuple[int, float, float, int]:
        return steps(plan), _traffic(plan), plan.cycles, sum(spec.bytes for spec in plan.tile.specs)

    quick = _about_least(plans, lambda plan: plan.cycles, SLACK)
    return min(_about_least(quick, _traffic, SAME_TRAFFIC), key=rank)


def _about_least(plans: Sequence[P], cost: Callable[[P], float], slack: float) -> Sequence[P]:
    """The plans that cost at most ``slack`` times the least."""
    limit = slack * min(map(cost, plans))
    return [plan for plan in plans if cost(plan) <= limit]


def native_shape(unit: MatrixUnit, dtype: str) -> tuple[int, int, int]:
    """Rows, columns and inner length of a step of the matrix unit."""
    if unit.kind == "dot":
        step = unit.native[dtype]
        return step.m, step.n, step.k
    assert unit.rows and unit.cols
    return unit.rows, unit.cols, unit.rows


def fit_tile(sizes: tuple[int, int, int], accumulators: int, room: Room, rings: Callable[[int], Rings]) -> Tile | None:
    """A tile (m, n, k) with as many stages as fit; ``rings`` gives those for a number of accumulators."""
    m, n, k = sizes
    sums = accumulators * 4 * m * n
    reg = room.reg if sums * REG_SHARE <= room.reg else 0
    found = rings(accumulators)
    for stages in range(MOST_STAGES, 0, -1):
        specs = tuple(replace(spec, depth=stages) if spec.name in ("a", "b") else spec for spec in found.specs)
        memories = place(specs, Room(reg, room.sram))
        if memories is not None:
            return Tile(m, n, k, stages, accumulators, specs, memories, found.steps)
    return None


def grids_of(facts: Facts, batch: int, tiles: tuple[int, int], sizes: tuple[int, int]) -> Iterator[Grid]:
    """Ways to deal ``batch`` times ``tiles`` along m and n, of these ``sizes``, to clusters of cores."""
    across, along = tiles
    for rows, columns in clusters(facts, across, along):
        total = batch * -(-across // rows) * -(-along // columns)
        at_once = min(facts.cores // (rows * columns), total)
        group = _group(facts, -(-across // rows), rows * sizes[0], columns * sizes[1], at_once)
        yield Grid(rows, columns, total, at_once, group)


def clusters(facts: Facts, across: int, along: int) -> Iterator[tuple[int, int]]:
    """Shapes of clusters: pairs on chips with a cache, as on NVIDIA's Hopper; else up to the whole chip."""
    most = min(2, facts.cores) if facts.chip.cache else facts.cores
    for rows in _sides(facts, min(across, most)):
        for columns in _sides(facts, min(along, most // rows)):
            yield rows, columns


def _sides(facts: Facts, most: int) -> list[int]:
    """Sides of clusters to try: powers of two, and what divides the number of cores."""
    powers = {1 << i for i in range(most.bit_length())}
    return sorted(powers | {n for n in range(1, most + 1) if facts.cores % n == 0})


def _group(facts: Facts, across: int, rows: int, columns: int, at_once: int) -> int:
    """The divisor of ``across`` for which tiles that run at once touch the fewest operands."""
    if not facts.chip.cache:
        return 1
    divisors = [g for g in range(1, across + 1) if across % g == 0]
    return min(divisors, key=lambda g: (min(g, at_once) * rows + -(-at_once // g) * columns, g))


@dataclass(frozen=True)
class _Planner:
    recipe: MatmulRecipe
    facts: Facts
    unit: MatrixUnit

    def best(self) -> MatmulPlan:
        """Try every candidate."""
        plans = [plan for tile in self._tiles() for plan in self._plans(tile)]
        if not plans:
            m, n, k = (min(sizes) for sizes in self._candidates())
            specs = ring_specs(self.recipe, m, n, k, 1).specs
            raise too_small(self.recipe.name, self.facts.chip.name, specs, self.facts.room)
        return best_of(plans, self._steps)

    def _steps(self, plan: MatmulPlan) -> int:
        """Products of all tiles."""
        return math.prod(-(-n // t) for n, t in zip(self._sizes, (plan.tile.m, plan.tile.n, plan.tile.k), strict=True))

    @property
    def _sizes(self) -> tuple[int, int, int]:
        return self.recipe.m, self.recipe.n, self.recipe.k

    def _candidates(self) -> tuple[list[int], list[int], list[int]]:
        """Tile sizes along m, n and k."""
        m0, n0, k0 = native_shape(self.unit, self.recipe.dtype)
        m, n, k = self._sizes
        ms = multiples(m0, m)
        ks = [k] if self._is_packed("a", 1) or self._is_packed("b", 0) else self._within("a", multiples(k0, k))
        if self._is_packed("b", 1) or self._is_packed("out", 1):
            return ms, [n], ks
        ns = multiples(n0, n)
        if math.prod(self.recipe.batch) * -(-m // ms[0]) * -(-n // ns[0]) < self.facts.cores:
            ns = [*(size for size in SLIVERS if size < ns[0]), *ns]
        return ms, self._within("out", ns), ks

    def _within(self, which: str, sizes: list[int]) -> list[int]:
        """The sizes that cut the columns of ``a`` or the result; heads in a dimension of their own are cut evenly."""
        access = {"a": self.recipe.a, "out": self.recipe.out}[which]
        head = access.piece(len(self.recipe.batch) + 1)
        return sizes if head is None else sorted({math.gcd(head, size) for size in sizes})

    def _is_packed(self, which: str, axis: int) -> bool:
        """Whether heads lie side by side along an axis, which is then taken whole."""
        access = {"a": self.recipe.a, "b": self.recipe.b, "out": self.recipe.out}[which]
        number = len(self.recipe.batch) + axis
        return any(dim.axis == number and dim.head is not None for dim in access.alongs)

    def _tiles(self) -> Iterator[Tile]:
        """Tiles that fit, each with as many stages as fit."""
        ms, ns, ks = self._candidates()
        room = self.facts.room
        for m in ms:
            for n in ns:
                if 4 * m * n > room.reg + room.sram:
                    continue
                for k in ks:
                    for accumulators in (1, 2):
                        rings = partial(ring_specs, self.recipe, m, n, k)
                        tile = fit_tile((m, n, k), accumulators, room, rings)
                        if tile is not None:
                            yield tile

    def _plans(self, tile: Tile) -> Iterator[MatmulPlan]:
        tiles = -(-self.recipe.m // tile.m), -(-self.recipe.n // tile.n)
        cost = MatmulCost(self.recipe, self.facts, tile)
        for grid in grids_of(self.facts, math.prod(self.recipe.batch), tiles, (tile.m, tile.n)):
            yield MatmulPlan(tile, grid, cost.total(grid))


def multiples(native: int, length: int) -> list[int]:
    """Tile sizes for a dimension: its length if small, else powers of two below it from a quarter of the native one."""
    sizes = {min(length, LARGEST_TILE)} if length <= native else set()
    size = max(16, native // 4)
    while size < min(length, LARGEST_TILE):
        sizes.add(size)
        size *= 2
    if length <= LARGEST_TILE:
        sizes.add(length if length < size else size)
    return sorted(min(size, length) for size in sizes)
