"""Chooses the tiles of a kernel without matrix products by an analytic estimate of its time on the chip."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memsim.isa.ops import DTYPES, VECTOR_OPS
from memsim.lowering.facts import Facts
from memsim.lowering.recipes import VectorRecipe
from memsim.lowering.rings import place, too_small
from memsim.lowering.spaces import Tiling
from memsim.lowering.values import REDUCE, Value
from memsim.lowering.vector_layout import Chunk, VectorLayout, chunks_of
from memsim.lowering.vectors import Step

SMALLEST_CHUNK = 16
TURNS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64)  # tiles a core that are tried, for the overlap of loads, work and stores
SLACK = 1.05
LINE = 64  # a dimension that is cut comes in multiples of this many elements where it can


@dataclass(frozen=True, slots=True)
class VectorPlan:
    """How a kernel is cut into tiles, and how these are dealt to the cores."""

    tiling: Tiling
    """Of the space; the reduced axis is one tile."""
    layout: VectorLayout
    memories: dict[str, str]
    """Memory of each ring."""
    workers: int
    """Blocks that take turns at the tiles."""
    cycles: float
    """Estimated core cycles."""

    @property
    def instructions(self) -> int:
        """Vector instructions of all tiles."""
        sweeps = [sweep for part in self.layout.passes for sweep in part.sweeps]
        return self.tiling.total * sum(sweep.chunk.count * len(sweep.steps) for sweep in sweeps)


def plan_vector(recipe: VectorRecipe, facts: Facts) -> VectorPlan:
    """The quickest tiles, by estimate, that fit a core; of those about as quick, the ones with the fewest instructions.

    The reduced axis is one tile if that fits at all.

    Raises
    ------
    ChipError
        Not even the smallest tile fits a core.
    """
    plans = list(_plans(recipe, facts, _whole(recipe, facts)))
    plans = plans or list(_plans(recipe, facts, _chunked(recipe, facts)))
    if plans:
        limit = SLACK * min(plan.cycles for plan in plans)
        return min((plan for plan in plans if plan.cycles <= limit), key=lambda plan: (plan.instructions, plan.cycles))
    sizes = tuple(length if axis == recipe.axis else 1 for axis, length in enumerate(recipe.space))
    smallest = VectorLayout(recipe, sizes, chunks_of(_length(recipe), min(SMALLEST_CHUNK, _length(recipe))))
    raise too_small(recipe.name, facts.chip.name, smallest.specs, facts.room)


def _plans(
    recipe: VectorRecipe, facts: Facts, candidates: Iterator[tuple[tuple[int, ...], int]]
) -> Iterator[VectorPlan]:
    for sizes, chunk in dict.fromkeys(candidates):
        layout = VectorLayout(recipe, sizes, chunks_of(_length(recipe), chunk))
        memories = place(layout.specs, facts.room)
        if memories is not None:
            tiling = Tiling(recipe.space, sizes)
            workers = min(facts.cores, tiling.total)
            yield VectorPlan(tiling, layout, memories, workers, _cycles(layout, facts, tiling.total, workers))


def _length(recipe: VectorRecipe) -> int:
    return 1 if recipe.axis is None else recipe.space[recipe.axis]


def _whole(recipe: VectorRecipe, facts: Facts) -> Iterator[tuple[tuple[int, ...], int]]:
    """Tiles that hold the whole reduced axis."""
    for budget in _budgets(math.prod(recipe.space), facts.cores):
        yield tile_sizes(recipe.space, recipe.axis, budget), _length(recipe)


def _chunked(recipe: VectorRecipe, facts: Facts) -> Iterator[tuple[tuple[int, ...], int]]:
    """Tiles that take several chunks of the reduced axis."""
    if recipe.axis is None:
        return
    rest = tuple(1 if axis == recipe.axis else n for axis, n in enumerate(recipe.space))
    for budget in _budgets(math.prod(rest), facts.cores):
        sizes = list(tile_sizes(rest, None, budget))
        sizes[recipe.axis] = _length(recipe)
        chunk = min(SMALLEST_CHUNK, _length(recipe))
        while chunk < _length(recipe):
            yield tuple(sizes), _divisor_near(_length(recipe), chunk)
            chunk *= 2


def _budgets(total: int, cores: int) -> list[int]:
    """Elements of a tile to try: a fair share for each core in several turns, then ever smaller."""
    shares = {max(1, -(-total // (cores * turns))) for turns in TURNS}
    smallest = min(shares)
    while smallest > 1:
        smallest //= 2
        shares.add(smallest)
    return sorted(shares, reverse=True)


def _divisor_near(length: int, size: int) -> int:
    """The largest divisor of ``length`` from size/2 to size, else ``size``."""
    return next((d for d in range(size, size // 2, -1) if length % d == 0), size)


def tile_sizes(space: Sequence[int], axis: int | None, budget: int) -> tuple[int, ...]:
    """A tile of about ``budget`` elements that is long in the last dimensions, with ``axis`` whole."""
    sizes = [1] * len(space)
    if axis is not None:
        sizes[axis] = space[axis]
        budget //= space[axis]
    for dim in reversed([d for d in range(len(space)) if d != axis]):
        sizes[dim] = _piece(space[dim], max(1, budget))
        budget //= sizes[dim]
        if sizes[dim] < space[dim]:
            break
    return tuple(sizes)


def _piece(length: int, most: int) -> int:
    """A piece of at most ``most`` that cuts ``length`` evenly, in whole lines where it can."""
    if most >= length:
        return length
    even = -(-length // -(-length // most))
    return min(most // LINE * LINE, -(-even // LINE) * LINE) if most >= LINE else even


def _cycles(layout: VectorLayout, facts: Facts, tiles: int, workers: int) -> float:
    """Estimated core cycles of a kernel: fill, then work or memory of each turn, then the last store."""
    work = sum(
        _steps_cycles(part.before, layout, layout.chunks[0], facts)
        + sum(sweep.chunk.count * _steps_cycles(sweep.steps, layout, sweep.chunk, facts) for sweep in part.sweeps)
        for part in layout.passes
    )
    loaded = workers * sum(
        sum(_bytes(layout, name) for name in part.leaves)
        + sum(sweep.chunk.count * sum(_bytes(layout, name) for name in sweep.leaves) for sweep in part.sweeps)
        for part in layout.passes
    )
    last = layout.passes[-1]
    stored = workers * sum(sweep.chunk.count * _bytes(layout, sweep.out) for sweep in last.sweeps)
    turns = -(-tiles // workers)
    first = facts.load_latency * len(layout.passes) + loaded / facts.memory_rate + work
    memory = (loaded + stored) / min(facts.memory_rate, facts.dram_rate)
    return first + (turns - 1) * max(work, memory) + stored / facts.memory_rate


def _bytes(layout: VectorLayout, ring: str) -> int:
    spec = layout.rings[ring]
    return math.prod(spec.shape) * DTYPES[spec.dtype].bytes


def _steps_cycles(steps: Sequence[Step], layout: VectorLayout, chunk: Chunk, facts: Facts) -> float:
    vector, sizes = facts.chip.core.vector, layout.chunk_sizes(chunk)
    latency = facts.cycles(vector.latency)
    total = 0.0
    for step in steps:
        value = step.value
        span = value.values[0].span if value.op == REDUCE else value.span
        elements = math.prod(n for axis, n in enumerate(sizes) if axis in span)
        total += vector.cycles(_class(value), elements) + latency
    return total


def _class(value: Value) -> str:
    if value.op == REDUCE:
        return "reduce"
    return "special" if value.op in VECTOR_OPS and VECTOR_OPS[value.op].special else "simple"
