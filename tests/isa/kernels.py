"""Programs made by hand, and small inputs, for the tests of `interpret`."""

import ml_dtypes
import numpy as np

from memsim.isa.builder import ProgramBuilder
from memsim.isa.interpret import interpret

BF16 = ml_dtypes.bfloat16
E4M3 = ml_dtypes.float8_e4m3fn


def normal(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32).astype(dtype)


def small_ints(shape, dtype=np.float32, seed=0):
    """Whole numbers whose products and sums every type here holds exactly, so that results compare bit by bit."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(dtype)


def run(builder, **inputs):
    return interpret(builder.build(), inputs)


def matmul(m, n, k, tile, dtype="fp32", depth=2, out="fp32", cluster=None, occupancy=1, transpose=(False, False)):
    """A tiled matrix product with edges clipped; `transpose` stores A as [k, m], B as [n, k]."""
    tm, tn, tk = tile
    p = ProgramBuilder("matmul")
    A = p.tensor("A", dtype, (k, m) if transpose[0] else (m, k))
    B = p.tensor("B", dtype, (n, k) if transpose[1] else (k, n))
    C = p.tensor("C", out, (m, n))
    grid = {"y": -(-m // tm), "x": -(-n // tn)}
    with p.kernel("main", grid=grid, cluster=cluster, occupancy=occupancy) as g:
        y, x = g.coordinates
        a = g.ring("a", "sram", dtype, (tk, tm) if transpose[0] else (tm, tk), depth)
        b = g.ring("b", "sram", dtype, (tn, tk) if transpose[1] else (tk, tn), depth)
        c = g.ring("c", "reg", out, (tm, tn))
        steps = -(-k // tk)
        with g.queue("load"), g.loop("k", steps) as i:
            a.load(A[i * tk, y * tm] if transpose[0] else A[y * tm, i * tk], clip=True)
            b.load(B[x * tn, i * tk] if transpose[1] else B[i * tk, x * tn], clip=True)
        with g.queue("compute"):
            c.fill(0)
            with g.loop("k", steps):
                c.mma(a.T if transpose[0] else a, b.T if transpose[1] else b)
                a.pop()
                b.pop()
            c.push()
        with g.queue("store"):
            C[y * tm, x * tn].store(c, clip=True)
            c.pop()
    return p


def mover(rows, columns, tile, dtype="fp32", **flags):
    """Copy X [rows, columns] through one ring to Y of the (transposed) shape."""
    p = ProgramBuilder("move")
    turned = flags.get("transpose", False)
    X, Y = p.tensor("X", dtype, (rows, columns)), p.tensor("Y", dtype, (columns, rows) if turned else (rows, columns))
    with p.kernel("main", grid={"y": -(-rows // tile[0]), "x": -(-columns // tile[1])}) as g:
        y, x = g.coordinates
        t = g.ring("t", "sram", dtype, tile[::-1] if turned else tile)
        with g.queue("load"):
            t.load(X[y * tile[0], x * tile[1]], clip=True, **flags)
        with g.queue("store"):
            at = Y[x * tile[1], y * tile[0]] if turned else Y[y * tile[0], x * tile[1]]
            at.store(t, clip=True)
            t.pop()
    return p
