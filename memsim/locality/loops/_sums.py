"""The compiled side of `memsim.locality.loops.sums`: int64, within bounds that the caller has proved."""

from __future__ import annotations

import numpy as np

from memsim.compiled import bare_inlined, compiled
from memsim.locality.shells import Array, integer_root, shell


@bare_inlined
def _shells_upto(address: int) -> int:
    full = integer_root(address)
    return full * (full + 1) * (4 * full - 1) // 6 + (address - full * full) * (full + 1)


@bare_inlined
def _cost_upto(address: int, floor: int, slope: int) -> int:
    low = min(address, (floor // slope) * (floor // slope))
    return floor * low + slope * (_shells_upto(address) - _shells_upto(low))


@bare_inlined
def _row(first: int, stride: int, extent: int, floor: int, slope: int) -> int:
    """The cost of a progression; see `Rate.row`."""
    if stride == 1:
        return _cost_upto(first + extent - 1, floor, slope) - _cost_upto(first - 1, floor, slope)
    at, last = shell(first), shell(first + stride * (extent - 1))
    total, done = 0, 0
    if extent <= last - at + 1:
        for k in range(extent):
            total += max(floor, slope * shell(first + stride * k))
        return total
    while done < extent:
        upto = min(extent, (at * at - first) // stride + 1)
        total += (upto - done) * max(floor, slope * at)
        done = upto
        at += 1
    return total


@compiled
def rows_total(
    base: int, strides: Array, extents: Array, stride: int, extent: int, floor: int, slope: int, carry: int
) -> tuple[int, int]:
    """The cost of all rows of a box as ``high * carry + low``; each row costs less than ``carry`` < 2^62."""
    steps = np.zeros(len(strides), np.int64)
    first, high, low = base, 0, 0
    while True:
        low += _row(first, stride, extent, floor, slope)
        if low >= carry:
            low -= carry
            high += 1
        d = 0
        while d < len(strides):
            steps[d] += 1
            first += strides[d]
            if steps[d] < extents[d]:
                break
            first -= strides[d] * extents[d]
            steps[d] = 0
            d += 1
        if d == len(strides):
            return high, low


@compiled
def histogram(cells: int, strides: Array, extents: Array) -> Array:
    """How often each cell is taken by the box of these dimensions that begins at cell 0: one sliding sum each."""
    taken = np.zeros(cells, np.int64)
    taken[0] = 1
    for d in range(len(strides)):
        stride, width = strides[d], strides[d] * extents[d]
        following = np.empty(cells, np.int64)
        for i in range(cells):
            value = taken[i]
            if i >= stride:
                value += following[i - stride]
            if i >= width:
                value -= taken[i - width]
            following[i] = value
        taken = following
    return taken


@compiled
def histogram_total(taken: Array, base: int, step: int, floor: int, slope: int) -> int:
    """The cost of the addresses ``base + step * i``, each ``taken[i]`` times."""
    at, total = shell(base), 0
    for i in range(len(taken)):
        address = base + step * i
        while at * at < address:
            at += 1
        total += taken[i] * max(floor, slope * at)
    return total
