"""Find an element that two accesses meet in, by listing them: where a proof fails, and for the example in an error.

Elements are listed as *cells*: boxes as large as the common divisor of all starts and sizes, so that aligned tiles
count as one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memsim.isa._race_proofs import Access
from memsim.isa.counting import MAX_POINTS, points_of
from memsim.isa.expr import Expr, minimum
from memsim.isa.model import Tensor

_FIRST_TRIPS = 100_000
"""Iterations, about, of the start of a nest in which an example is sought when the whole is too large to list."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two accesses that touch the same element, at least one of which writes it."""

    element: tuple[int, ...]
    first: Access
    first_at: dict[str, int]
    second: Access
    second_at: dict[str, int]


@dataclass(frozen=True, slots=True)
class Cores:
    """How blocks are dealt to cores, for a tensor of which each core has its own copy."""

    count: int
    first_block: Mapping[str, int]
    """Number of the first block of each group."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """Every iteration of an access, and the cells that each touches (-1 outside of the tensor)."""

    access: Access
    points: dict[str, Any]
    cells: Any
    """One row an iteration."""

    def at(self, position: int) -> dict[str, int]:
        """The iteration to which a position in the flattened cells belongs."""
        row = position // self.cells.shape[1]
        return {name: int(values[row]) for name, values in self.points.items()}


def find_meeting(tensor: Tensor, accesses: Sequence[Access], cores: Cores | None) -> tuple[Meeting | None, bool]:
    """An element that two accesses (or one, in two iterations) meet in; and whether all iterations were looked at."""
    for complete in (True, False):
        nests = [access.site.nest if complete else _first_trips(access) for access in accesses]
        points = [points_of(nest) for nest in nests]
        listed = [p for p in points if p is not None]
        if len(listed) == len(accesses):
            meeting, done = _among(tensor, accesses, listed, cores)
            if done:
                return meeting, complete
    return None, False


def _first_trips(access: Access) -> list[tuple[str, Expr]]:
    """The nest of an access with each loop cut short."""
    nest, tile = access.site.nest, math.prod(access.region.sizes)
    trips = max(2, int((_FIRST_TRIPS / min(tile, _FIRST_TRIPS)) ** (1 / max(len(nest), 1))))
    return [(name, minimum(count, trips)) for name, count in nest]


def _among(
    tensor: Tensor, accesses: Sequence[Access], points: Sequence[dict[str, Any]], cores: Cores | None
) -> tuple[Meeting | None, bool]:
    """A meeting in the given iterations; the flag is false if their cells are too many to list."""
    starts = [
        [_array(start, p, len(next(iter(p.values()), [0]))) for start in access.region.starts]
        for access, p in zip(accesses, points, strict=True)
    ]
    grains = [_grain(accesses, starts, dimension) for dimension in range(len(tensor.shape))]
    tiles = [math.prod(-(-size // g) for size, g in zip(a.region.sizes, grains, strict=True)) for a in accesses]
    copies = cores.count if cores is not None else 1
    keys = copies * math.prod(-(-extent // g) for extent, g in zip(tensor.shape, grains, strict=True))
    if keys >= 2**62 or sum(tile * len(s[0]) for tile, s in zip(tiles, starts, strict=True)) > MAX_POINTS:
        return None, False
    listed = [
        _Listed(access, p, _cells(tensor, access, s, grains, _core(access, p, cores)))
        for access, p, s in zip(accesses, points, starts, strict=True)
    ]
    return _meeting(tensor, listed, grains), True


def _array(e: Expr, points: Mapping[str, Any], length: int) -> Any:
    return np.broadcast_to(np.asarray(e.evaluate(points), np.int64), (length,))


def _grain(accesses: Sequence[Access], starts: Sequence[Sequence[Any]], dimension: int) -> int:
    """Size of a cell in one dimension: it divides every start and every size."""
    grain = 0
    for access, start in zip(accesses, starts, strict=True):
        size, step = access.region.sizes[dimension], access.region.steps[dimension]
        grain = math.gcd(grain, size if step == 1 else 1, int(np.gcd.reduce(start[dimension], initial=0)))
    return max(grain, 1)


def _core(access: Access, points: Mapping[str, Any], cores: Cores | None) -> Any:
    """Number of the core whose copy each iteration touches; 0 where there is one copy."""
    if cores is None:
        return 0
    group = access.site.group
    outer: Any = 0
    inner: Any = 0
    for (name, size), part in zip(group.grid, group.cluster, strict=True):
        outer = outer * (size // part) + points[name] // part
        inner = inner * part + points[name] % part
    return (cores.first_block[group.name] + outer * group.cluster_size + inner) % cores.count


def _cells(tensor: Tensor, access: Access, starts: Sequence[Any], grains: Sequence[int], core: Any) -> Any:
    """Number of each cell that each iteration touches: one row an iteration."""
    rows = len(starts[0])
    total = np.broadcast_to(np.asarray(core, np.int64), (rows,)).reshape(rows, 1)
    inside = np.ones((rows, 1), bool)
    boxes = zip(starts, access.region.sizes, access.region.steps, grains, tensor.shape, strict=True)
    for start, size, step, grain, extent in boxes:
        index = (start[:, None] + np.arange(0, size, grain) * step) // grain
        cells = -(-extent // grain)
        shape = rows, total.shape[1] * index.shape[1]  # -1 would be ambiguous without rows
        inside = (inside[:, :, None] & ((index >= 0) & (index < cells))[:, None, :]).reshape(shape)
        total = (total[:, :, None] * cells + index[:, None, :]).reshape(shape)
    return np.where(inside, total, -1)


def _meeting(tensor: Tensor, listed: Sequence[_Listed], grains: Sequence[int]) -> Meeting | None:
    """The first cell that is written and touched by another write or, failing that, by a read."""
    writes = [entry for entry in listed if entry.access.writes]
    reads = [entry for entry in listed if not entry.access.writes]
    written, read = _flat(writes), _flat(reads)
    order = np.argsort(written, kind="stable")
    ordered = written[order]
    twice = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] >= 0))
    if len(twice):
        at = twice[np.argmin(order[twice + 1])]
        first, second = _locate(writes, int(order[at])), _locate(writes, int(order[at + 1]))
        return _example(tensor, grains, int(ordered[at]), first, second)
    if not len(ordered) or not len(read):
        return None
    match = np.minimum(np.searchsorted(ordered, read), len(ordered) - 1)
    both = np.flatnonzero((ordered[match] == read) & (read >= 0))
    if not len(both):
        return None
    at = both[0]
    first, second = _locate(writes, int(order[match[at]])), _locate(reads, int(at))
    return _example(tensor, grains, int(read[at]), first, second)


def _flat(entries: Sequence[_Listed]) -> Any:
    return np.concatenate([np.zeros(0, np.int64), *(entry.cells.reshape(-1) for entry in entries)])


def _locate(entries: Sequence[_Listed], position: int) -> tuple[Access, dict[str, int]]:
    """Access and iteration of a position in `_flat`."""
    for entry in entries:
        if position < entry.cells.size:
            return entry.access, entry.at(position)
        position -= entry.cells.size
    raise AssertionError(position)


def _example(
    tensor: Tensor,
    grains: Sequence[int],
    cell: int,
    first: tuple[Access, dict[str, int]],
    second: tuple[Access, dict[str, int]],
) -> Meeting:
    element: list[int] = []
    for grain, extent in zip(reversed(grains), reversed(tensor.shape), strict=True):
        cell, index = divmod(cell, -(-extent // grain))
        element.insert(0, index * grain)
    return Meeting(tuple(element), *first, *second)
