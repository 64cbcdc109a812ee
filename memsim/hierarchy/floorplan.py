"""Where things are, in millimetres from the lower left corner of the die."""

from __future__ import annotations

from collections.abc import Iterable

Place = tuple[float, float]


def site(index: int, grid: tuple[int, int], pitch: Place, origin: Place) -> Place:
    """Centre of a grid site; sites are numbered row by row."""
    column, row = index % grid[0], index // grid[0]
    return origin[0] + (column + 0.5) * pitch[0], origin[1] + (row + 0.5) * pitch[1]


def manhattan(a: Place, b: Place) -> float:
    """Length of a wire between two places: along x, then along y."""
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def extent(places: Iterable[Place]) -> Place:
    """(width, height) of the box that holds the origin and all places."""
    xs, ys = zip(*places, strict=True)
    return max(0.0, *xs), max(0.0, *ys)


def mean_distance(some: Iterable[Place], others: Iterable[Place]) -> float:
    """Mean Manhattan distance over all pairs, in mm."""
    others = tuple(others)
    lengths = [manhattan(a, b) for a in some for b in others]
    return sum(lengths) / len(lengths)
