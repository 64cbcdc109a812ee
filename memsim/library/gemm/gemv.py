"""A product of one row: each block streams some rows of the weights through its vector lanes."""

from __future__ import annotations

from memsim.isa import Program, ProgramBuilder
from memsim.isa.expr import Expr, ExprLike
from memsim.isa.handles import RegionHandle, TensorHandle
from memsim.library.gemm.plan import Problem

ELEMENTS = 4096
"""Of the weights, for a step of a block: two loads of 16 bytes for each of 256 threads."""
DEEPEST = 512
"""Of a row, for a step: as much as a warp takes."""
MOST_ROWS = 64
AHEAD = 1
"""Steps on their way."""
RESIDENTS = 4


def write_gemv(problem: Problem, cores: int) -> Program:
    """C[1, n] = A[1, k] · B[n, k]ᵀ: products and sums on the vector unit, a few rows of B a block.

    Parameters
    ----------
    problem
        Of one row.
    cores
        Cores of the chip.
    """
    p = ProgramBuilder("gemv", useful_flops=2 * problem.batch * problem.n * problem.k)
    outer = (problem.batch,) if problem.batch > 1 else ()
    a = p.tensor("A", problem.dtype, (*outer, 1, problem.k))
    b = p.tensor("B", problem.dtype, (*outer, problem.n, problem.k))
    c = p.tensor("C", problem.out, (*outer, 1, problem.n))
    deep = min(DEEPEST, 1 << (problem.k - 1).bit_length())
    rows = min(ELEMENTS // deep, MOST_ROWS)
    steps, across = -(-problem.k // deep), -(-problem.n // rows)
    blocks = min(across * problem.batch, cores * RESIDENTS)

    def place(turn: Expr) -> tuple[ExprLike, ExprLike]:
        tile = block + turn * blocks
        return (tile // across, tile % across * rows) if problem.batch > 1 else (0, tile * rows)

    with p.kernel("gemv", {"b": blocks}, occupancy=RESIDENTS) as kernel:
        (block,) = kernel.coordinates
        turns = (across * problem.batch - 1 - block) // blocks + 1
        x = kernel.ring("x", "reg", problem.dtype, (1, deep), depth=AHEAD)
        w = kernel.ring("w", "reg", problem.dtype, (rows, deep), depth=AHEAD)
        products = kernel.ring("products", "reg", problem.sum, (rows, deep))
        part = kernel.ring("part", "reg", problem.sum, (rows, 1))
        total = kernel.ring("total", "reg", problem.sum, (rows, 1))
        out = kernel.ring("out", "reg", problem.out, (rows, 1))
        with kernel.queue("load"), kernel.loop("t", turns) as turn, kernel.loop("k", steps) as k:
            matrix, row = place(turn)
            x.load(_part(problem, a, matrix, 0, k * deep, 1, deep), clip=True)
            w.load(_part(problem, b, matrix, row, k * deep, rows, deep), clip=True)
        with kernel.queue("add"), kernel.loop("t", turns):
            total.fill(0)
            with kernel.loop("k", steps):
                products.set("mul", w, x)
                x.pop()
                w.pop()
                part.reduce("sum", products, axis=1)
                total.set("add", total, part)
            out.set("cast", total)
            out.push()
        with kernel.queue("store"), kernel.loop("t", turns) as turn:
            matrix, row = place(turn)
            _part(problem, c, matrix, 0, row, 1, rows).store(out, clip=True, transpose=True)
            out.pop()
    return p.build(verify=False)


def _part(
    problem: Problem, tensor: TensorHandle, matrix: ExprLike, row: ExprLike, column: ExprLike, high: int, wide: int
) -> RegionHandle:
    if problem.batch > 1:
        return tensor[matrix:1, row:high, column:wide]
    return tensor[row:high, column:wide]
