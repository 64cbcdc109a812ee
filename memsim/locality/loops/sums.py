r"""Sums of the cost of an address over a box, exact and without visiting its points.

An access at address ``a`` costs ``max(floor, slope * h)``, with ``h = ceil(sqrt(a))`` its shell. Over the addresses 1
to ``x`` that adds up to

    floor * min(x, m^2) + slope * (F(x) - F(min(x, m^2))),    m = floor // slope,

where ``F`` is the prefix sum of the shells (`memsim.locality.shells.prefix_distance`). Every box is summed in the
cheapest of three ways:

- *rows*: all dimensions but one are enumerated. A row of stride 1 is a difference of two prefix sums; a row of another
  stride is counted shell by shell, or point by point where it has fewer points than shells;
- *a histogram*: how often each address of the box is taken, by one sliding sum a dimension, and then its cost;
- both in Python where there is little to do or int64 might not hold the result, else compiled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import gcd, prod

import numpy as np

from memsim.errors import ProgramError
from memsim.locality.loops.boxes import Box, Dims, span
from memsim.locality.shells import distance, prefix_distance

MAX_PIECES = 2 * 10**8
"""Pieces (rows, shells, points or cells of a histogram) that the sum of a box may take: a few seconds."""

PYTHON_PIECES = 10_000
"""Up to this many pieces are added in Python, without compiled code."""

EXACT_PIECES = 10**6
"""Most pieces of a sum whose terms may not fit int64, which Python adds."""

MAX_CELLS = 2**24
"""Cells of a histogram."""

SAFE = 2**61
"""Terms of compiled sums are below this, and totals are carried at this."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What an access costs: ``max(floor, slope * shell)``."""

    floor: int
    slope: int

    def at(self, address: int) -> int:
        """The cost of one address."""
        return max(self.floor, self.slope * distance(address))

    def upto(self, address: int) -> int:
        """The cost of the addresses 1 to ``address``, each once."""
        low = min(address, (self.floor // self.slope) ** 2)
        return self.floor * low + self.slope * (prefix_distance(address) - prefix_distance(low))

    def row(self, first: int, stride: int, extent: int) -> int:
        """The cost of an arithmetic progression of addresses."""
        if stride == 1:
            return self.upto(first + extent - 1) - self.upto(first - 1)
        shell, last = distance(first), distance(first + stride * (extent - 1))
        if extent <= last - shell + 1:
            return sum(self.at(first + stride * k) for k in range(extent))
        total, done = 0, 0
        while done < extent:
            upto = min(extent, (shell * shell - first) // stride + 1)
            total += (upto - done) * max(self.floor, self.slope * shell)
            done, shell = upto, shell + 1
        return total


@dataclass(frozen=True, slots=True)
class Way:
    """How a box is summed: the dimension that is a row, or -1 for a histogram, and the pieces that this takes."""

    row: int
    pieces: int


def total(box: Box, rate: Rate) -> int:
    """The exact cost of every access of a box, repeats included.

    Raises
    ------
    ProgramError
        If no way to sum it takes less than `MAX_PIECES`; the message says how many it would take.
    """
    if not box.repeats:
        return 0
    if not box.dims:
        return box.repeats * rate.at(box.base)
    way = cheapest(box, rate)
    if way.pieces <= PYTHON_PIECES and way.row >= 0:
        return box.repeats * _rows(box, way.row, rate)
    fits = _fits(box, way.row, rate)
    if way.pieces > (MAX_PIECES if fits else EXACT_PIECES):
        most = f"{MAX_PIECES:,}" if fits else f"{EXACT_PIECES:,}, since its numbers do not fit 64 bits"
        raise ProgramError(
            f"a sum over strides and extents {list(box.dims)} from address {box.base} takes {way.pieces:,} pieces; "
            f"the most is {most}",
            mend="lay the region out so that inner loops touch consecutive addresses, or split the nest",
        )
    if not fits:
        return box.repeats * _rows(box, way.row, rate)
    return box.repeats * _compiled(box, way.row, rate)


def cheapest(box: Box, rate: Rate) -> Way:
    """The way that takes the fewest pieces; a row before a histogram where they are equal."""
    ways = []
    points = box.points
    for i, (stride, extent) in enumerate(box.dims):
        shells = distance(box.base + stride * (extent - 1)) - distance(box.base) + 1
        ways.append(Way(i, points // extent * (1 if stride == 1 else min(extent, shells))))
    cells = span(box.dims) // gcd(*(stride for stride, _ in box.dims)) + 1
    if len(box.dims) > 1 and cells <= MAX_CELLS and _fits(box, -1, rate):
        ways.append(Way(-1, cells * (len(box.dims) + 1)))
    return min(ways, key=lambda way: way.pieces)


def counts(box: Box, cells: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How often each of the ``cells`` addresses from the base of a box on is taken, without repeats."""
    from memsim.locality.loops._sums import histogram

    return histogram(cells, *_columns(box.dims))


def _rows(box: Box, row: int, rate: Rate) -> int:
    stride, extent = box.dims[row]
    return sum(rate.row(first, stride, extent) for first in _firsts(box, row))


def _firsts(box: Box, row: int) -> Iterator[int]:
    """Where each row of a box begins."""
    outer = [range(0, stride * extent, stride) for i, (stride, extent) in enumerate(box.dims) if i != row]
    return (box.base + sum(steps) for steps in product(*outer))


def _fits(box: Box, row: int, rate: Rate) -> bool:
    """Whether every term of a compiled sum is below `SAFE`, which also bounds every prefix sum that it takes."""
    largest = rate.at(box.last)
    if row < 0:
        return bool(box.points * largest < SAFE)
    return bool(prod((max(box.last, box.dims[row][1]), largest, 4)) < SAFE)


def _compiled(box: Box, row: int, rate: Rate) -> int:
    from memsim.locality.loops._sums import histogram_total, rows_total

    if row < 0:
        step = gcd(*(stride for stride, _ in box.dims))
        dims = tuple((stride // step, extent) for stride, extent in box.dims)
        taken = counts(Box(0, dims), span(dims) + 1)
        return int(histogram_total(taken, box.base, step, rate.floor, rate.slope))
    outer = box.dims[:row] + box.dims[row + 1 :]
    high, low = rows_total(box.base, *_columns(outer), *box.dims[row], rate.floor, rate.slope, SAFE)
    return int(high) * SAFE + int(low)


def _columns(
    dims: Dims,
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    return np.array([s for s, _ in dims], np.int64), np.array([e for _, e in dims], np.int64)
