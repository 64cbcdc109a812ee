"""Scalar programs in plain Python, restated from the Sutro Group's public tools of autumn 2026, with their costs."""

from __future__ import annotations

from typing import Any

Vector = list[Any]
Matrix = list[list[Any]]


def dot(a: Vector, b: Vector) -> Any:
    s = a[0] * b[0]
    for i in range(1, len(a)):
        s = s + a[i] * b[i]
    return s


def matvec(a: Matrix, x: Vector) -> Vector:
    return [dot(row, x) for row in a]


def matmul_ijk(a: Matrix, b: Matrix) -> Matrix:
    n = len(a)
    c: Matrix = [[None] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            s = a[i][0] * b[0][j]
            for k in range(1, n):
                s = s + a[i][k] * b[k][j]
            c[i][j] = s
    return c


def matmul_tiled(a: Matrix, b: Matrix, t: int) -> Matrix:
    n = len(a)
    c: Matrix = [[None] * n for _ in range(n)]
    for i0 in range(0, n, t):
        for j0 in range(0, n, t):
            for k0 in range(0, n, t):
                for i in range(i0, i0 + t):
                    for j in range(j0, j0 + t):
                        for k in range(k0, k0 + t):
                            p = a[i][k] * b[k][j]
                            c[i][j] = p if c[i][j] is None else c[i][j] + p
    return c


def tiled2(a: Matrix, b: Matrix) -> Matrix:
    return matmul_tiled(a, b, 2)


def tiled4(a: Matrix, b: Matrix) -> Matrix:
    return matmul_tiled(a, b, 4)


def horner(c: Vector, x: Any) -> Any:
    s = c[0]
    for v in c[1:]:
        s = s * x + v
    return s


def prefix_sum(a: Vector) -> Vector:
    out = [a[0]]
    for v in a[1:]:
        out.append(out[-1] + v)
    return out


def outer(a: Vector, b: Vector) -> Matrix:
    return [[u * v for v in b] for u in a]


def stencil3(a: Vector) -> Vector:
    return [a[i - 1] + a[i] + a[i + 1] for i in range(1, len(a) - 1)]


def fir(a: Vector, h: Vector) -> Vector:
    return [dot(a[i : i + len(h)], h) for i in range(len(a) - len(h) + 1)]


def fft_like(a: Vector) -> Vector:
    """Butterflies with real twiddles of 1: the data flow of a radix-2 transform."""
    a = list(a)
    n, half = len(a), 1
    while half < n:
        for start in range(0, n, 2 * half):
            for i in range(start, start + half):
                u, v = a[i], a[i + half]
                a[i], a[i + half] = u + v, u - v
        half *= 2
    return a


def transpose_add(a: Matrix, b: Matrix) -> Matrix:
    n = len(a)
    return [[a[i][j] + b[j][i] for j in range(n)] for i in range(n)]


def mlp(w1: Matrix, w2: Matrix, x: Vector) -> Vector:
    h = [dot(r, x) for r in w1]
    h = [v * v for v in h]
    return [dot(r, h) for r in w2]


def ones(*shape: int) -> Any:
    """A number, or nested lists of it: every element is 1.0."""
    return 1.0 if not shape else [ones(*shape[1:]) for _ in range(shape[0])]


TABLE: list[tuple[Any, tuple[tuple[int, ...], ...], int, int, int]] = [
    (dot, ((8,), (8,)), 69, 72, 98),
    (matvec, ((5, 5), (5,)), 270, 253, 367),
    (matmul_ijk, ((3, 3), (3, 3)), 258, 255, 329),
    (matmul_ijk, ((6, 6), (6, 6)), 3_067, 3_047, 4_284),
    (tiled2, ((6, 6), (6, 6)), 2_868, 2_854, 4_195),
    (tiled4, ((8, 8), (8, 8)), 7_729, 7_672, 11_848),
    (horner, ((10,), ()), 68, 64, 82),
    (prefix_sum, ((20,),), 118, 158, 133),
    (outer, ((6,), (9,)), 394, 653, 396),
    (stencil3, ((16,),), 130, 158, 157),
    (fir, ((20,), (4,)), 607, 632, 789),
    (fft_like, ((8,),), 118, 132, 141),
    (transpose_add, ((5, 5), (5, 5)), 284, 355, 385),
    (mlp, ((4, 4), (2, 4), (4,)), 243, 241, 364),
]
"""Function, shapes of its arguments, and its cost under main, dev and classic-14."""
