"""Chooses the tiles of flash attention, and deals queries to cores so that a causal triangle weighs on all alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from memsim.isa.ops import MMA_TYPES
from memsim.lowering.facts import Facts
from memsim.lowering.flash_cost import FlashCost, Triangle
from memsim.lowering.recipes import FlashRecipe
from memsim.lowering.rings import RingSpec, place, too_small

TILES = (16, 32, 64, 128, 256, 512)
SLACK = 1.05  # of plans whose estimates differ by less, the one with the fewest instructions is as good


@dataclass(frozen=True, slots=True)
class FlashPlan:
    """How attention is cut: tiles of ``rows`` queries against ``columns`` keys."""

    rows: int
    columns: int
    specs: tuple[RingSpec, ...]
    memories: dict[str, str]
    cluster: int
    """Blocks that share tiles of keys and values: of one group of heads, or (`shares_heads` false) of one head."""
    shares_heads: bool
    clusters: int
    """Clusters that take turns at the tiles of queries."""
    stride: int
    """How far the order of query tiles is turned from one head to the next."""
    cycles: float
    """Estimated core cycles."""


def plan_flash(recipe: FlashRecipe, facts: Facts) -> FlashPlan:
    """The plan with the least estimated time; of those about as quick, the one with the largest tiles.

    Raises
    ------
    ChipError
        The matrix unit does not multiply this type, or not even the smallest tiles fit a core.
    """
    plans = list(_plans(recipe, facts))
    if not plans:
        specs = ring_specs(recipe, min(16, recipe.queries), min(16, recipe.keys), 1, 1, 1)
        raise too_small(recipe.name, facts.chip.name, specs, facts.room)
    limit = SLACK * min(plan.cycles for plan in plans)
    return min((p for p in plans if p.cycles <= limit), key=lambda p: (-p.rows * p.columns, p.cycles))


def _plans(recipe: FlashRecipe, facts: Facts) -> Iterator[FlashPlan]:
    packed = any(dim.head is not None and dim.axis == 2 for dim in recipe.q.alongs)  # heads are taken whole
    for rows in [recipe.queries] if packed else sorted({min(size, recipe.queries) for size in TILES}):
        for columns in sorted({min(size, recipe.keys) for size in TILES}):
            fitting = _fitting(recipe, facts, rows, columns)
            if fitting is None:
                continue
            specs, memories, stages = fitting
            for cluster, shares_heads in _clusters(recipe, facts, -(-recipe.queries // rows)):
                cost = FlashCost(recipe, facts, Triangle(recipe, rows, columns), stages, cluster, shares_heads)
                yield FlashPlan(
                    rows, columns, specs, memories, cluster, shares_heads, cost.clusters, cost.stride, cost.cycles
                )


def _fitting(
    recipe: FlashRecipe, facts: Facts, rows: int, columns: int
) -> tuple[tuple[RingSpec, ...], dict[str, str], int] | None:
    """The deepest rings that fit, their memories, and the stages of keys and values."""
    for ahead, stages, depth in ((2, 2, 2), (1, 2, 2), (1, 2, 1), (1, 1, 1)):
        specs = ring_specs(recipe, rows, columns, ahead, stages, depth)
        memories = place(specs, facts.room)
        if memories is not None:
            return specs, memories, stages
    return None


def _clusters(recipe: FlashRecipe, facts: Facts, query_tiles: int) -> Iterator[tuple[int, bool]]:
    """Sizes of clusters: heads of one group see the same keys in the same order; all queries do if nothing is masked.

    Chips with a cache have pairs, as NVIDIA's Hopper.
    """
    most = min(2, facts.cores) if facts.chip.cache else facts.cores
    size = 1
    while size <= most:
        if recipe.group % size == 0:
            yield size, True
        elif not recipe.causal and size <= query_tiles:
            yield size, False
        size *= 2


def ring_specs(
    recipe: FlashRecipe, rows: int, columns: int, ahead: int, stages: int, depth: int
) -> tuple[RingSpec, ...]:
    """The rings: queries in ``ahead`` slots, keys and values in ``stages``, scores and weights in ``depth``."""
    dtype, total = recipe.q.dtype, MMA_TYPES[recipe.q.dtype]
    mask = (rows, columns) if recipe.causal else (1, columns)
    return (
        RingSpec("q", dtype, (rows, recipe.dim), ahead, moved=True, fixed=True),
        RingSpec("k", dtype, (columns, recipe.dim), stages, moved=True, fixed=True),
        RingSpec("v", dtype, (columns, recipe.value_dim), stages, moved=True, fixed=True),
        RingSpec("out", recipe.out.dtype, (rows, recipe.value_dim), moved=True),
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
