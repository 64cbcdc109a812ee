"""Elementwise chains, reductions, softmax and norms as a persistent kernel over tiles, in one pass or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from memsim.isa.builder import KernelBuilder, ProgramBuilder
from memsim.isa.expr import Expr
from memsim.isa.handles import Operand, RingHandle
from memsim.lowering.recipes import VectorRecipe
from memsim.lowering.rings import declare
from memsim.lowering.spaces import repeat, turns
from memsim.lowering.values import Value
from memsim.lowering.vector_layout import PassLayout, Sweep
from memsim.lowering.vector_plan import VectorPlan
from memsim.lowering.vectors import emit


def emit_vector(program: ProgramBuilder, recipe: VectorRecipe, plan: VectorPlan) -> None:
    """Write the kernel: a queue to load, one to compute, one to store."""
    with program.kernel(recipe.name, grid={"core": plan.workers}) as kernel:
        writer = _Writer(recipe, plan, kernel, declare(kernel, plan.layout.specs, plan.memories))
        writer.load()
        writer.compute()
        writer.store()


@dataclass(frozen=True, slots=True)
class _Writer:
    recipe: VectorRecipe
    plan: VectorPlan
    kernel: KernelBuilder
    rings: Mapping[str, RingHandle]

    @contextmanager
    def _tiles(self) -> Iterator[list[Expr]]:
        """The loop over this worker's tiles; gives the first element of each."""
        (core,) = self.kernel.coordinates
        count = turns(self.plan.tiling.total, self.plan.workers, core)
        with repeat(self.kernel, "t", count) as turn:
            yield self.plan.tiling.starts(turn * self.plan.workers + core)

    def _chunks(self, sweep: Sweep) -> AbstractContextManager[Expr]:
        return repeat(self.kernel, "i", sweep.chunk.count)

    def _shifted(self, starts: list[Expr], sweep: Sweep, index: Expr) -> list[Expr]:
        """First element of a chunk."""
        chunk = sweep.chunk
        return [
            start + chunk.first + index * chunk.length if axis == self.recipe.axis else start
            for axis, start in enumerate(starts)
        ]

    def load(self) -> None:
        """Load the tiles of every pass, after those that stay."""
        with self.kernel.queue("load"):
            for name, value in self.plan.layout.constants.items():
                self._load(name, value, [Expr(0) for _ in self.recipe.space], self.plan.tiling.sizes)
            self._load_tiles()

    def _load_tiles(self) -> None:
        with self._tiles() as starts:
            for part in self.plan.layout.passes:
                for name, value in part.leaves.items():
                    self._load(name, value, starts, self.plan.tiling.sizes)
                for sweep in part.sweeps:
                    sizes = self.plan.layout.chunk_sizes(sweep.chunk)
                    if sweep.leaves:
                        with self._chunks(sweep) as index:
                            for name, value in sweep.leaves.items():
                                self._load(name, value, self._shifted(starts, sweep, index), sizes)

    def _load(self, name: str, value: Value, starts: list[Expr], sizes: tuple[int, ...]) -> None:
        assert value.access is not None
        value.access.load(self.rings[name], starts, sizes)

    def compute(self) -> None:
        """The vector work of every pass."""
        constants = self.plan.layout.constants
        with self.kernel.queue("compute"):
            with self._tiles() as starts:
                results: dict[int, Operand] = {id(value): self.rings[name] for name, value in constants.items()}
                for part in self.plan.layout.passes:
                    self._pass(part, starts, results)
            for name in constants:
                self.rings[name].pop()

    def _pass(self, part: PassLayout, starts: list[Expr], results: dict[int, Operand]) -> None:
        rank = len(self.recipe.space)
        for state in part.of.states:
            self.rings[state.name].fill(state.identity)
        known = results | {id(value): self.rings[name] for name, value in part.leaves.items()}
        known = emit(part.before, self.rings, known, starts, rank)
        known |= {id(state.running): self.rings[state.name] for state in part.of.states}
        for sweep in part.sweeps:
            with self._chunks(sweep) as index:
                here = known | {id(value): self.rings[name] for name, value in sweep.leaves.items()}
                emit(sweep.steps, self.rings, here, self._shifted(starts, sweep, index), rank)
                for name, (following, _) in part.of.copies.items():
                    self.rings[name].set("cast", self.rings[following])
                for name in sweep.leaves:
                    self.rings[name].pop()
                if sweep.out:
                    self.rings[sweep.out].push()
        for name in part.leaves:
            self.rings[name].pop()
        results |= {id(state.value): self.rings[state.name] for state in part.of.states}

    def store(self) -> None:
        """Store the results of the last pass."""
        with self.kernel.queue("store"), self._tiles() as starts:
            for sweep in self.plan.layout.passes[-1].sweeps:
                with self._chunks(sweep) as index:
                    sizes = self.plan.layout.chunk_sizes(sweep.chunk)
                    self.recipe.out.store(self.rings[sweep.out], self._shifted(starts, sweep, index), sizes)
                    self.rings[sweep.out].pop()
