"""Writes the tile program of a plan."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

from memsim.isa import Program, ProgramBuilder
from memsim.isa.builder import KernelBuilder
from memsim.isa.expr import Expr, ExprLike, maximum
from memsim.isa.handles import RegionHandle, RingHandle, TensorHandle
from memsim.library.gemm.plan import Plan, Problem
from memsim.library.gemm.reduction import write_reduction
from memsim.library.knobs import knob

Blocks: TypeAlias = tuple[Expr, Expr, Expr]
"""Where a block is: its cluster, and its row and column in that."""


def write(problem: Problem, plan: Plan, cores: int) -> Program:
    """The program of a plan on so many cores.

    Parameters
    ----------
    problem
        What is computed.
    plan
        How.
    cores
        Cores of the chip.
    """
    p = ProgramBuilder("gemm", useful_flops=2 * problem.batch * problem.m * problem.n * problem.k)
    outer = (problem.batch,) if problem.batch > 1 else ()
    a = p.tensor("A", problem.dtype, (*outer, problem.m, problem.k))
    b = p.tensor("B", problem.dtype, (*outer, problem.n, problem.k))
    c = p.tensor("C", problem.out, (*outer, problem.m, problem.n))
    target = c
    if plan.splits > 1:
        target = p.tensor("parts", problem.sum, (plan.splits, problem.batch * problem.m, problem.n))
    _Writer(problem, plan, cores, a, b, target).write(p)
    if plan.splits > 1:
        write_reduction(p, target, c, cores)
    return p.build(verify=False)


@dataclass(frozen=True, slots=True)
class _Writer:
    problem: Problem
    plan: Plan
    cores: int
    a: TensorHandle
    b: TensorHandle
    c: TensorHandle

    # ---- how tiles are dealt ----

    @property
    def clusters(self) -> int:
        """Clusters of pieces of the product, all in all."""
        return self.plan.pieces(self.problem) // self.plan.tiling.cluster

    @property
    def at_once(self) -> int:
        """Clusters of the grid: as many as there is room for, each takes tile after tile."""
        tiling = self.plan.tiling
        return min(self.clusters, self.cores // tiling.cluster * tiling.residents)

    def place(self, turn: ExprLike, at: Blocks) -> tuple[ExprLike, ExprLike, ExprLike, ExprLike]:
        """Part along k, matrix, row and column of a block's tile."""
        tiling, (block, below, beside) = self.plan.tiling, at
        rows, columns = self.plan.tiles(self.problem)
        rows, columns = rows // tiling.high, columns // tiling.wide
        group = _divisor(rows, self.plan.group)
        tile: ExprLike = block + turn * self.at_once
        part, tile = _split(tile, self.problem.batch * rows * columns, self.plan.splits)
        matrix, tile = _split(tile, rows * columns, self.problem.batch)
        patch, tile = _split(tile, group * columns, rows // group)
        column, row = _split(tile, group, columns)
        return part, matrix, (patch * group + row) * tiling.high + below, column * tiling.wide + beside

    # ---- the kernel ----

    def write(self, p: ProgramBuilder) -> None:
        """Loads of A and of B, products, stores: four queues."""
        tiling = self.plan.tiling
        shape = {"y": tiling.high, "x": tiling.wide}
        with p.kernel("product", {"b": self.at_once, **shape}, cluster=shape, occupancy=tiling.residents) as kernel:
            block, below, beside = kernel.coordinates
            at = (block, below if tiling.high > 1 else Expr(0), beside if tiling.wide > 1 else Expr(0))
            rings = self._rings(kernel)
            self._load_a(kernel, rings[0], at)
            self._load_b(kernel, rings[1], at)
            self._multiply(kernel, rings, at)
            self._store(kernel, rings[3], at)

    def _rings(self, kernel: KernelBuilder) -> tuple[RingHandle, RingHandle, RingHandle, RingHandle]:
        tiling, problem = self.plan.tiling, self.problem
        a = kernel.ring("a", "sram", problem.dtype, (tiling.m, tiling.k), depth=tiling.stages)
        b = kernel.ring("b", "sram", problem.dtype, (tiling.n, tiling.k), depth=tiling.stages)
        shape = (tiling.n, tiling.m) if tiling.turned else (tiling.m, tiling.n)
        c = kernel.ring("c", "reg", problem.sum, shape, depth=tiling.accumulators)
        kind = self.c.tensor.dtype
        out = c if kind == problem.sum else kernel.ring("out", "reg", kind, shape)
        return a, b, c, out

    def _turns(self, kernel: KernelBuilder, block: Expr) -> AbstractContextManager[Expr]:
        """The loop over a block's tiles."""
        if self.at_once == self.clusters:
            return nullcontext(Expr(0))
        whole, rest = divmod(self.clusters, self.at_once)
        return kernel.loop("t", whole if not rest else (self.clusters - 1 - block) // self.at_once + 1)

    @property
    def steps(self) -> int:
        """Steps of a tile; those of the last part may lie beyond the end of k, where nothing is loaded."""
        return self.plan.steps(self.problem)

    def _load_a(self, kernel: KernelBuilder, ring: RingHandle, at: Blocks) -> None:
        tiling, (block, below, beside) = self.plan.tiling, at
        with kernel.queue("load_a"), _leader(kernel, beside, tiling.wide), self._turns(kernel, block) as turn:
            part, matrix, row, _ = self.place(turn, at)
            to = (block, below, (Expr(0), tiling.wide)) if tiling.wide > 1 else None
            with kernel.loop("k", self.steps) as k:
                depth = (part * self.steps + k) * tiling.k
                ring.load(self._region(self.a, matrix, row * tiling.m, depth, tiling.m, tiling.k), to=to, clip=True)

    def _load_b(self, kernel: KernelBuilder, ring: RingHandle, at: Blocks) -> None:
        tiling, (block, below, beside) = self.plan.tiling, at
        with kernel.queue("load_b"), _leader(kernel, below, tiling.high), self._turns(kernel, block) as turn:
            part, matrix, _, column = self.place(turn, at)
            to = (block, (Expr(0), tiling.high), beside) if tiling.high > 1 else None
            with kernel.loop("k", self.steps) as k:
                depth = (part * self.steps + k) * tiling.k
                ring.load(self._region(self.b, matrix, column * tiling.n, depth, tiling.n, tiling.k), to=to, clip=True)

    def _multiply(self, kernel: KernelBuilder, rings: tuple[RingHandle, ...], at: Blocks) -> None:
        a, b, c, out = rings
        tiling = self.plan.tiling
        single = tiling.accumulators == 1 and out is not c
        held = 0 if tiling.persistent or self.at_once == self.clusters else min(self.steps, tiling.stages)
        with kernel.queue("multiply"), self._turns(kernel, at[0]):
            self._products(kernel, rings, held)
            if single:
                self._finish(c, out)
            (out if single else c).push()
            for _ in range(held):
                a.pop()
                b.pop()
        if not single and out is not c:
            with kernel.queue("finish"), self._turns(kernel, at[0]):
                self._finish(c, out)
                c.pop()
                out.push()

    def _products(self, kernel: KernelBuilder, rings: tuple[RingHandle, ...], held: int) -> None:
        """The products of a tile. The last ``held`` steps stay in their slots.

        Where each tile is a block of its own, no operand of the next is loaded before the epilogue is done.
        """
        a, b, c, _ = rings
        left, right = (b, a) if self.plan.tiling.turned else (a, b)

        def product(first: bool, slot: int = 0) -> None:
            c.mma(left.at(slot), right.at(slot).T, accumulate=not first)

        free = self.steps - held
        if free:
            product(first=True)
            a.pop()
            b.pop()
        if free > 1:
            with kernel.loop("k", free - 1):
                product(first=False)
                a.pop()
                b.pop()
        for slot in range(held):
            product(first=not free and not slot, slot=slot)

    def _finish(self, c: RingHandle, out: RingHandle) -> None:
        """Sums to the type of C, in as many passes over the tile as an epilogue has instructions an element."""
        for _ in range(round(knob("gemm_epilogue"))):
            out.set("cast", c)

    def _store(self, kernel: KernelBuilder, out: RingHandle, at: Blocks) -> None:
        tiling = self.plan.tiling
        with kernel.queue("store"), self._turns(kernel, at[0]) as turn:
            part, matrix, row, column = self.place(turn, at)
            if self.plan.splits > 1:
                place = self.c[
                    part:1, matrix * self.problem.m + row * tiling.m : tiling.m, column * tiling.n : tiling.n
                ]
            else:
                place = self._region(self.c, matrix, row * tiling.m, column * tiling.n, tiling.m, tiling.n)
            place.store(out, clip=True, transpose=tiling.turned)
            out.pop()

    def _region(
        self, tensor: TensorHandle, matrix: ExprLike, row: ExprLike, column: ExprLike, high: int, wide: int
    ) -> RegionHandle:
        """A box of a matrix."""
        if self.problem.batch > 1:
            return tensor[matrix:1, row:high, column:wide]
        return tensor[row:high, column:wide]


def _leader(kernel: KernelBuilder, place: Expr, size: int) -> AbstractContextManager[Expr | None]:
    """A loop that runs once in the first block along an axis of a cluster, else never."""
    return nullcontext() if size == 1 else kernel.loop("lead", maximum(1 - place, 0))


def _split(number: ExprLike, base: int, count: int) -> tuple[ExprLike, ExprLike]:
    """Quotient and remainder by ``base``, where the quotient is below ``count``."""
    if count == 1:
        return Expr(0), number
    if base == 1:
        return number, Expr(0)
    return number // base, number % base


def _divisor(number: int, most: int) -> int:
    return next(d for d in range(min(number, most), 0, -1) if number % d == 0)
