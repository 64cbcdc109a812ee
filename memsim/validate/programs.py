"""Tile programs of the suite that no compiler has chosen: a copy, a transpose, and products with given tiles."""

from __future__ import annotations

from memsim.errors import MemsimError
from memsim.hierarchy import Chip
from memsim.isa import Program, ProgramBuilder

DTYPE = "fp32"
COPY_TILE = (4, 512)
"""Rows and columns of a tile of the copy: 8 KiB."""
SIDE = 32
"""Of a square tile of the transpose: 4 KiB."""


def _whole(length: int, tile: int, what: str) -> int:
    if length < tile or length % tile:
        raise MemsimError(
            f"{what} of {length} is no multiple of the tile's {tile}", where="suite", mend=f"give a multiple of {tile}"
        )
    return length // tile


def copy(chip: Chip, *, rows: int, columns: int) -> Program:
    """Y = X, tile by tile: a stream that reads as much as it writes.

    Parameters
    ----------
    chip
        Not looked at: the program is the same for every chip.
    rows, columns
        Of X: multiples of `COPY_TILE`.
    """
    high, wide = COPY_TILE
    p = ProgramBuilder("copy")
    x, y = p.tensor("X", DTYPE, (rows, columns)), p.tensor("Y", DTYPE, (rows, columns))
    trips = _whole(columns, wide, "a number of columns")
    with p.kernel("copy", grid={"i": _whole(rows, high, "a number of rows")}) as k:
        (i,) = k.coordinates
        tile = k.ring("tile", "sram", DTYPE, COPY_TILE, depth=2)
        with k.queue("load"), k.loop("j", trips) as j:
            tile.load(x[i * high, j * wide])
        with k.queue("store"), k.loop("j", trips) as j:
            y[i * high, j * wide].store(tile)
            tile.pop()
    return p.build()


def transpose(chip: Chip, *, rows: int, columns: int) -> Program:
    """Y = X transposed, by square tiles that are turned as they are stored.

    Parameters
    ----------
    chip
        Not looked at: the program is the same for every chip.
    rows, columns
        Of X: multiples of `SIDE`.
    """
    p = ProgramBuilder("transpose")
    x, y = p.tensor("X", DTYPE, (rows, columns)), p.tensor("Y", DTYPE, (columns, rows))
    trips = _whole(columns, SIDE, "a number of columns")
    with p.kernel("transpose", grid={"i": _whole(rows, SIDE, "a number of rows")}) as k:
        (i,) = k.coordinates
        tile = k.ring("tile", "sram", DTYPE, (SIDE, SIDE), depth=2)
        with k.queue("load"), k.loop("j", trips) as j:
            tile.load(x[i * SIDE, j * SIDE])
        with k.queue("store"), k.loop("j", trips) as j:
            y[j * SIDE, i * SIDE].store(tile, transpose=True)
            tile.pop()
    return p.build()


def matmul(chip: Chip, *, size: int, tile: int, depth: int) -> Program:
    """C = A B of square matrices, with tiles of C of ``tile`` squared and steps of ``depth`` along k.

    Parameters
    ----------
    chip
        Not looked at: the program is the same for every chip.
    size
        Rows and columns of the matrices: a multiple of ``tile`` and ``depth``.
    tile
        Rows and columns of a block's part of C.
    depth
        Columns of a tile of A, and rows of one of B.
    """
    p = ProgramBuilder("matmul", useful_flops=2 * size**3)
    a, b, c = (p.tensor(name, DTYPE, (size, size)) for name in "ABC")
    across, trips = _whole(size, tile, "a size"), _whole(size, depth, "a size")
    with p.kernel("matmul", grid={"y": across, "x": across}) as k:
        y, x = k.coordinates
        left = k.ring("a", "sram", DTYPE, (tile, depth), depth=2)
        right = k.ring("b", "sram", DTYPE, (depth, tile), depth=2)
        sums = k.ring("c", "reg", DTYPE, (tile, tile))
        with k.queue("load"), k.loop("k", trips) as step:
            left.load(a[y * tile, step * depth])
            right.load(b[step * depth, x * tile])
        with k.queue("compute"):
            sums.fill(0)
            with k.loop("k", trips):
                sums.mma(left, right)
                left.pop()
                right.pop()
            sums.push()
        with k.queue("store"):
            c[y * tile, x * tile].store(sums)
            sums.pop()
    return p.build()
