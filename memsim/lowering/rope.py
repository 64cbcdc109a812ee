"""Rotary embedding: cosines and sines of a tile of positions are computed once and used by all heads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from memsim.isa.builder import KernelBuilder, ProgramBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import RingHandle
from memsim.lowering.facts import Facts
from memsim.lowering.recipes import RopeRecipe
from memsim.lowering.rings import RingSpec, declare, place, too_small
from memsim.lowering.spaces import Tiling, repeat, turns

SMALLEST = 1024  # elements of a head's rows that are worth a core of their own


@dataclass(frozen=True, slots=True)
class RopePlan:
    """Tiles of ``tiling`` over (batch, positions), dealt to ``workers``."""

    tiling: Tiling
    specs: tuple[RingSpec, ...]
    memories: dict[str, str]
    workers: int


def plan_rope(recipe: RopeRecipe, facts: Facts) -> RopePlan:
    """Tiles that give every core an equal share of the rows, or as many rows as fit.

    Raises
    ------
    ChipError
        Not even a single row fits a core.
    """
    share = -(-recipe.positions // max(1, facts.cores // recipe.batch))
    rows = min(recipe.positions, max(share, -(-SMALLEST // recipe.dim)))
    while True:
        specs = _specs(recipe, rows)
        memories = place(specs, facts.room)
        if memories is not None:
            tiling = Tiling((recipe.batch, recipe.positions), (1, rows))
            return RopePlan(tiling, specs, memories, min(facts.cores, tiling.total))
        if rows == 1:
            raise too_small(recipe.name, facts.chip.name, specs, facts.room)
        rows = -(-rows // 2)


def _specs(recipe: RopeRecipe, rows: int) -> tuple[RingSpec, ...]:
    half = recipe.dim // 2
    moved = [RingSpec(name, recipe.x.dtype, (rows, half), 2, moved=True) for name in ("x1", "x2", "y1", "y2")]
    tiles = [RingSpec(name, "fp32", (rows, half)) for name in ("cosine", "sine", "t1", "t2")]
    return (*moved, RingSpec("position", "fp32", (rows, 1)), RingSpec("frequency", "fp32", (1, half)), *tiles)


def emit_rope(program: ProgramBuilder, recipe: RopeRecipe, plan: RopePlan) -> None:
    """Write the kernel."""
    with program.kernel(recipe.name, grid={"core": plan.workers}) as kernel:
        writer = _Writer(recipe, plan, kernel, declare(kernel, plan.specs, plan.memories))
        writer.move("load", load=True)
        writer.compute()
        writer.move("store", load=False)


@dataclass(frozen=True, slots=True)
class _Writer:
    recipe: RopeRecipe
    plan: RopePlan
    kernel: KernelBuilder
    rings: Mapping[str, RingHandle]

    @contextmanager
    def _tiles(self) -> Iterator[list[Expr]]:
        """The loop over this worker's tiles; gives batch and first position."""
        (core,) = self.kernel.coordinates
        with repeat(self.kernel, "t", turns(self.plan.tiling.total, self.plan.workers, core)) as turn:
            yield self.plan.tiling.starts(turn * self.plan.workers + core)

    def move(self, queue: str, *, load: bool) -> None:
        """Load or store the two halves of every head."""
        half, rows = self.recipe.dim // 2, self.plan.tiling.sizes[1]
        with self.kernel.queue(queue), self._tiles() as starts, repeat(self.kernel, "h", self.recipe.heads) as head:
            for part in (0, 1):
                at = [*starts, head * self.recipe.dim + part * half]
                if load:
                    self.recipe.x.load(self.rings[f"x{part + 1}"], at, (1, rows, half))
                else:
                    self.recipe.out.store(self.rings[f"y{part + 1}"], at, (1, rows, half))
                    self.rings[f"y{part + 1}"].pop()

    def compute(self) -> None:
        """Turn each pair by position x frequency."""
        rings, dim = self.rings, self.recipe.dim
        with self.kernel.queue("compute"):
            rings["frequency"].iota(axis=1)
            rings["frequency"].set("mul", rings["frequency"], -2 * math.log2(self.recipe.base) / dim)
            rings["frequency"].set("exp2", rings["frequency"])
            with self._tiles() as starts:
                self._positions(starts[1])
                rings["t1"].set("mul", rings["position"], rings["frequency"])
                rings["cosine"].set("cos", rings["t1"])
                rings["sine"].set("sin", rings["t1"])
                with repeat(self.kernel, "h", self.recipe.heads):
                    self._turn()

    def _positions(self, first: Expr) -> None:
        """Positions of the rows of a tile."""
        position, recipe = self.rings["position"], self.recipe
        if recipe.step == 1:
            position.iota(axis=0, start=first + recipe.offset)
        elif recipe.step == 0:
            position.fill(recipe.offset)
        else:
            position.iota(axis=0, start=first)
            position.set("mul", position, recipe.step)
            position.set("add", position, recipe.offset)

    def _turn(self) -> None:
        x1, x2, y1, y2, t1, t2 = (self.rings[name] for name in ("x1", "x2", "y1", "y2", "t1", "t2"))
        cosine, sine = self.rings["cosine"], self.rings["sine"]
        for first, second, op, result in ((x1, x2, "sub", y1), (x2, x1, "add", y2)):
            t1.set("mul", first, cosine)
            t2.set("mul", second, sine)
            result.set(op, t1, t2)
        for ring in (x1, x2):
            ring.pop()
        for ring in (y1, y2):
            ring.push()
