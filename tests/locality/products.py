"""The matrix products of the reference's test vectors, as texts of scalar programs."""

from __future__ import annotations

from collections.abc import Iterator

from memsim.locality.scalar.program import write

Step = tuple[object, ...]


def naive(n: int) -> str:
    """``C = A B`` in the order ijk: A from address 1, then B, C and one temporary; the product of k = 0 writes C."""
    a, b, c, tmp = 1, n * n + 1, 2 * n * n + 1, 3 * n * n + 1

    def steps() -> Iterator[Step]:
        for i in range(n):
            for j in range(n):
                yield "mul", c + i * n + j, a + i * n, b + j
                for k in range(1, n):
                    yield "mul", tmp, a + i * n + k, b + k * n + j
                    yield "add", c + i * n + j, c + i * n + j, tmp

    return write(range(1, c), steps(), range(c, c + n * n))


def naive_on_tape(n: int) -> str:
    """The same with A and B received from the tape and C sent to it."""
    lines = naive(n).splitlines()
    received = [f"recv {address}" for address in range(1, 2 * n * n + 1)]
    return "\n".join([*received, *lines[1:-1], *(f"send {2 * n * n + 1 + i}" for i in range(n * n))])


def tiled(n: int, t: int) -> str:
    """``C = A B`` in tiles: sA from 1, then sB, sC and a temporary, then A, B and C; tiles are copied in and out."""
    sa, sb, sc, tmp = 1, t * t + 1, 2 * t * t + 1, 3 * t * t + 1
    a, b, c = tmp + 1, tmp + 1 + n * n, tmp + 1 + 2 * n * n
    tile = [(i, j) for i in range(t) for j in range(t)]

    def steps() -> Iterator[Step]:
        for i0 in range(0, n, t):
            for j0 in range(0, n, t):
                for k0 in range(0, n, t):
                    for i, j in tile:
                        yield "copy", sa + i * t + j, a + (i0 + i) * n + k0 + j
                    for i, j in tile:
                        yield "copy", sb + i * t + j, b + (k0 + i) * n + j0 + j
                    for i, j in tile:
                        for k in range(t):
                            yield "mul", tmp, sa + i * t + k, sb + k * t + j
                            if k0 == k == 0:
                                yield "copy", sc + i * t + j, tmp
                            else:
                                yield "add", sc + i * t + j, sc + i * t + j, tmp
                for i, j in tile:
                    yield "copy", c + (i0 + i) * n + j0 + j, sc + i * t + j

    return write(range(a, c), steps(), range(c, c + n * n))


STRASSEN = """1,2,3,4,5,6,7,8
add 9,1,4; add 10,5,8; mul 11,9,10
add 9,3,4; mul 12,9,5
sub 9,6,8; mul 13,1,9
sub 9,7,5; mul 14,4,9
add 9,1,2; mul 15,9,8
sub 9,3,1; add 10,5,6; mul 16,9,10
sub 9,2,4; add 10,7,8; mul 17,9,10
add 18,11,14; sub 18,15; add 18,17
add 19,13,15
add 20,12,14
sub 21,11,12; add 21,13; add 21,16
18,19,20,21
"""
"""Strassen, "Gaussian elimination is not optimal", Numerische Mathematik 13 (1969): 2 x 2 with seven products."""


def winograd(n: int) -> str:
    """Winograd, IEEE Trans. Computers C-17 (1968), for even n: products of sums, less products within rows and columns.

    ``x . y`` is the sum of ``(x[2j] + y[2j+1]) (x[2j+1] + y[2j]) - x[2j] x[2j+1] - y[2j] y[2j+1]``.
    """
    a, b, c = 1, n * n + 1, 2 * n * n + 1
    rows, columns, s, t = (3 * n * n + 1 + offset for offset in (0, n, 2 * n, 2 * n + 1))

    def steps() -> Iterator[Step]:
        for i in range(n):
            for sums, first, stride in ((rows, a + i * n, 1), (columns, b + i, n)):
                yield "mul", sums + i, first, first + stride
                for k in range(2, n, 2):
                    yield "mul", t, first + k * stride, first + (k + 1) * stride
                    yield "add", sums + i, t
        for i in range(n):
            for j in range(n):
                for k in range(0, n, 2):
                    yield "add", s, a + i * n + k, b + (k + 1) * n + j
                    yield "add", t, a + i * n + k + 1, b + k * n + j
                    yield "mul", (t if k else c + i * n + j), s, t
                    if k:
                        yield "add", c + i * n + j, t
                yield "sub", c + i * n + j, rows + i
                yield "sub", c + i * n + j, columns + j

    return write(range(1, c), steps(), range(c, c + n * n))


def recursive_strassen(n: int) -> str:
    """Strassen's scheme down to single numbers, for n a power of two; every temporary has an address of its own."""
    lines: list[Step] = []
    fresh = iter(range(2 * n * n + 1, 10**9))

    def combine(name: str, x: list[int], y: list[int]) -> list[int]:
        found = [next(fresh) for _ in x]
        lines.extend((name, d, p, q) for d, p, q in zip(found, x, y, strict=True))
        return found

    def product(x: list[int], y: list[int], size: int) -> list[int]:
        if size == 1:
            return combine("mul", x, y)
        half = size // 2
        (a, b, c, d), (e, f, g, h) = (
            [
                [m[(r + i) * size + s + j] for i in range(half) for j in range(half)]
                for r in (0, half)
                for s in (0, half)
            ]
            for m in (x, y)
        )

        def plus(p: list[int], q: list[int]) -> list[int]:
            return combine("add", p, q)

        def minus(p: list[int], q: list[int]) -> list[int]:
            return combine("sub", p, q)

        factors = [(plus(a, d), plus(e, h)), (plus(c, d), e), (a, minus(f, h)), (d, minus(g, e)), (plus(a, b), h)]
        factors += [(minus(c, a), plus(e, f)), (minus(b, d), plus(g, h))]
        m1, m2, m3, m4, m5, m6, m7 = (product(p, q, half) for p, q in factors)
        blocks = [plus(minus(plus(m1, m4), m5), m7), plus(m3, m5), plus(m2, m4), plus(plus(minus(m1, m2), m3), m6)]
        return [
            blocks[2 * (i // half) + j // half][i % half * half + j % half] for i in range(size) for j in range(size)
        ]

    square = n * n
    outputs = product(list(range(1, square + 1)), list(range(square + 1, 2 * square + 1)), n)
    return write(range(1, 2 * square + 1), lines, outputs)
