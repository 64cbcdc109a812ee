"""Sets of addresses that are known to be initialised, as boxes, and what they cover.

Everything here errs on one side: what is said to be covered is covered.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import product

from memsim.locality.loops.boxes import Box, Dims, normal

MAX_ROWS = 4096
"""Rows of a box that are looked at one by one."""

MAX_LATTICES = 32
"""Boxes with gaps of which rows are looked at, or that may grow."""

MAX_GROWTH = 1000
"""How often it is tried to let boxes grow."""


class Cover:
    """A union of boxes: intervals in order, and boxes with gaps."""

    def __init__(self) -> None:
        self.begins: list[int] = []
        self.ends: list[int] = []
        self.lattices: list[tuple[int, Dims]] = []
        self.rows: Cover | None = None
        self.growth = 0

    def boxes(self) -> Iterator[tuple[int, Dims]]:
        """Base and dimensions of the boxes of the union."""
        for begin, end in zip(self.begins, self.ends, strict=True):
            yield begin, ((1, end - begin),) if end - begin > 1 else ()
        yield from self.lattices

    def add(self, base: int, dims: Dims) -> None:
        """Add a box in normal form."""
        base, dims = self._grown(base, dims)
        if not dims or (len(dims) == 1 and dims[0][0] == 1):
            self._interval(base, base + (dims[0][1] if dims else 1))
        elif (base, dims) not in self.lattices:
            self.lattices.append((base, dims))
            self.rows = None
        self._regrow()

    def end(self, address: int) -> int:
        """The end of the interval that an address is in; the address itself if it is in none."""
        i = bisect_right(self.begins, address) - 1
        return max(address, self.ends[i]) if i >= 0 else address

    def by_rows(self) -> Cover:
        """The intervals, and the rows of the boxes with gaps, where these are few."""
        if self.rows is None:
            self.rows = Cover()
            self.rows.begins, self.rows.ends = [*self.begins], [*self.ends]
            for base, dims in self.lattices[:MAX_LATTICES]:
                for begin, end in _rows(base, dims):
                    self.rows._interval(begin, end)
        return self.rows

    def _interval(self, begin: int, end: int) -> None:
        first = bisect_right(self.ends, begin - 1)
        last = bisect_right(self.begins, end)
        if first < last:
            begin, end = min(begin, self.begins[first]), max(end, self.ends[last - 1])
        self.begins[first:last], self.ends[first:last] = [begin], [end]
        self.rows = None

    def _grown(self, base: int, dims: Dims) -> tuple[int, Dims]:
        """A box with a step more in a dimension, where what is known already is that step."""
        for _ in range(2 * len(dims)):
            grown = next(self._steps(base, dims), None)
            if grown is None:
                break
            base, dims = grown
        return base, dims

    def _steps(self, base: int, dims: Dims) -> Iterator[tuple[int, Dims]]:
        for i, (stride, extent) in enumerate(dims):
            rest = dims[:i] + dims[i + 1 :]
            for first, begin in ((base - stride, base - stride), (base + stride * extent, base)):
                if covered(Box(first, rest), [self]):
                    box = normal(begin, (*rest, (stride, extent + 1)))
                    yield box.base, box.dims

    def _regrow(self) -> None:
        """Let boxes with gaps grow by what is new."""
        if len(self.lattices) > MAX_LATTICES or self.growth > MAX_GROWTH:
            return
        for base, dims in [*self.lattices]:
            self.growth += 1
            grown = self._grown(base, dims)
            if grown != (base, dims):
                self.lattices.remove((base, dims))
                self.rows = None
                self.add(*grown)
                return


def covered(box: Box, covers: Sequence[Cover]) -> bool:
    """Whether each address of a box is in one of the covers; ``False`` may also mean that it was too hard to say."""
    if _interval_covered(box.base, box.last + 1, covers):
        return True
    if any(_contains(base, dims, box) for cover in covers for base, dims in cover.lattices):
        return True
    if all(not cover.begins and not cover.lattices for cover in covers):
        return False
    rows = [cover.by_rows() for cover in covers]
    found = False
    for begin, end in _rows(box.base, box.dims):
        found = True
        if not _interval_covered(begin, end, rows):
            return False
    return found


def _interval_covered(begin: int, end: int, covers: Sequence[Cover]) -> bool:
    while begin < end:
        reached = max((cover.end(begin) for cover in covers), default=begin)
        if reached == begin:
            return False
        begin = reached
    return True


def _rows(base: int, dims: Dims) -> Iterator[tuple[int, int]]:
    """Begin and end of each row of a box; nothing if there are more than `MAX_ROWS`."""
    width = dims[0][1] if dims and dims[0][0] == 1 else 1
    outer = dims[1:] if dims and dims[0][0] == 1 else dims
    if Box(base, outer).points > MAX_ROWS:
        return
    for steps in product(*(range(0, stride * extent, stride) for stride, extent in outer)):
        begin = base + sum(steps)
        yield begin, begin + width


def _contains(base: int, dims: Dims, box: Box) -> bool:
    """Whether a box is within the box of ``base`` and ``dims``: each of its steps is a number of steps of one of these.

    The distance of the bases is written in the strides of the larger box, the greatest first; then each dimension
    of the smaller one adds to one digit, which has to stay below the extent.
    """
    rest = box.base - base
    if rest < 0:
        return False
    digits = [0] * len(dims)
    for i in reversed(range(len(dims))):
        stride, extent = dims[i]
        digits[i] = min(rest // stride, extent - 1)
        rest -= digits[i] * stride
    if rest:
        return False
    for stride, extent in box.dims:
        fitting = [i for i, (own, _) in enumerate(dims) if stride % own == 0]
        if not fitting:
            return False
        digits[fitting[-1]] += stride // dims[fitting[-1]][0] * (extent - 1)
    return all(digit < extent for digit, (_, extent) in zip(digits, dims, strict=True))
