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
