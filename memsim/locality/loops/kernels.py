"""Programs with loops that the models are compared on: matrix products and nearest neighbour."""

from __future__ import annotations

from collections.abc import Sequence

from memsim.errors import ProgramError
from memsim.locality.loops.builder import loop, op, program, ref, region
from memsim.locality.loops.model import Loop, LoopProgram, Operation, Region, Statement


def naive_matmul(n: int, tape: bool = False) -> LoopProgram:
    """``C = A B`` of n by n matrices in the order ijk, one product after another.

    Parameters
    ----------
    n
        Rows of each matrix.
    tape
        Whether A and B are received and C is sent, as Model 2 wants it, or are inputs and outputs, as Model 1 does.

    Notes
    -----
    Regions are A from address 1, B, C and one temporary. The product of k = 0 writes C.
    """
    _check_sizes(n=n)
    c = ref("C", i=n, j=1)
    body: list[Statement] = [
        op("mul", c, ref("A", i=n), ref("B", j=1)),
        loop("k", n - 1, [op("mul", "t", ref("A", i=n, k=1), ref("B", k=n, j=1)), op("add", c, "t")], start=1),
    ]
    regions = _matrices(n, tape)
    return program([*regions, region("t", 1)], _on_tape([_square("i", "j", n, body)], n, tape))


def tiled_matmul(n: int, tile: int, tape: bool = False) -> LoopProgram:
    """``C = A B`` of n by n matrices in tiles, which are copied next to the processor.

    Parameters
    ----------
    n
        Rows of each matrix, a multiple of ``tile``.
    tile
        Rows of a tile.
    tape
        Whether A and B are received and C is sent, or are inputs and outputs.

    Notes
    -----
    Regions are sA from address 1, sB, sC, one temporary, A, B and C. The first product of an element of a tile goes to
    the temporary and is copied to sC; sC is copied out when its tile is complete.
    """
    _check_sizes(n=n, tile=tile)
    if n % tile:
        raise ProgramError(f"{n} rows are no whole number of tiles of {tile}", where="tile", mend="use a divisor of n")
    t, steps = tile, n // tile

    def load(first: int) -> list[Loop]:
        """Copy in the tiles of A and B: those of k0 = 0, or of any k0 from ``first`` on."""
        k = bool(first)
        a = ref("A", i0=t * n, i=n, j=1, k0=t * k)
        b = ref("B", j0=t, i=n, j=1, k0=t * n * k)
        return [_square("i", "j", t, [op("copy", ref(s, i=t, j=1), big)]) for s, big in (("sA", a), ("sB", b))]

    sc = ref("sC", i=t, j=1)
    product = op("mul", "t", ref("sA", i=t, k=1), ref("sB", k=t, j=1))
    add = [product, op("add", sc, "t")]
    begin: list[Statement] = [
        op("mul", "t", ref("sA", i=t), ref("sB", j=1)),
        op("copy", sc, "t"),
        loop("k", t - 1, add, start=1),
    ]
    body = [
        *load(0),
        _square("i", "j", t, begin),
        loop("k0", steps - 1, [*load(1), _square("i", "j", t, [loop("k", t, add)])], start=1),
        _square("i", "j", t, [op("copy", ref("C", i0=t * n, i=n, j0=t, j=1), sc)]),
    ]
    near = [region("sA", t * t), region("sB", t * t), region("sC", t * t), region("t", 1)]
    return program([*near, *_matrices(n, tape)], _on_tape([_square("i0", "j0", steps, body)], n, tape))


def nearest_neighbour(train: int, queries: int, dims: int) -> LoopProgram:
    """Label each query like the training point that is nearest to it, by squared distance; all from the tape.

    Parameters
    ----------
    train, queries
        Points with a label, and points without.
    dims
        Words of a point.

    Notes
    -----
    All training points are received, then their labels, then one query after another. The first training point is
    taken as the nearest; each later one replaces it if its distance is less. What is used most lies nearest: diff,
    acc, best, label and less, then the query, the labels and the training points.
    """
    _check_sizes(train=train, queries=queries, dims=dims)

    def distance(**point: int) -> list[Statement]:
        inner = [
            op("sub", "diff", ref("query", d=1), ref("points", d=1, **point)),
            op("mul", "diff", "diff"),
            op("add", "acc", "diff"),
        ]
        return [op("set", "acc", 0), loop("d", dims, inner)]

    later = [
        op("cmp", "less", "acc", "best", "lt"),
        op("select", "best", "less", "acc", "best"),
        op("select", "label", "less", ref("labels", p=1), "label"),
    ]
    query = [
        loop("d", dims, [op("recv", ref("query", d=1))]),
        *distance(),
        op("copy", "best", "acc"),
        op("copy", "label", "labels"),
        loop("p", train - 1, [*distance(p=dims), *later], start=1),
        op("send", "label"),
    ]
    near = [region(name, 1) for name in ("diff", "acc", "best", "label", "less")]
    regions = [*near, region("query", dims), region("labels", train), region("points", train * dims)]
    received = [
        loop("w", train * dims, [op("recv", ref("points", w=1))]),
        loop("p", train, [op("recv", ref("labels", p=1))]),
    ]
    return program(regions, [*received, loop("q", queries, query)])


def _matrices(n: int, tape: bool) -> list[Region]:
    return [region(name, n * n, "none" if tape else role) for name, role in zip("ABC", _ROLES, strict=True)]


_ROLES = ("input", "input", "output")


def _square(first: str, second: str, count: int, body: Sequence[Statement]) -> Loop:
    return loop(first, count, [loop(second, count, body)])


def _on_tape(body: Sequence[Statement], n: int, tape: bool) -> list[Statement]:
    """A product with what it receives before and sends afterwards."""
    if not tape:
        return [*body]

    def all_words(name: str, operation: Operation) -> Loop:
        return loop("w", n * n, [operation])

    received: list[Statement] = [all_words(name, op("recv", ref(name, w=1))) for name in "AB"]
    return [*received, *body, all_words("C", op("send", ref("C", w=1)))]


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ProgramError(f"{name} = {size}", where=name, mend="use a whole number from 1 on")
