"""Exact sums over loop nests without running them, so that 10^12 iterations cost the same as 10.

`sum_over` adds a product of quasi-affine expressions over every iteration of a nest. Variables that do not meet are
summed apart and multiplied; what is left is a piecewise quasi-polynomial (see `chambers`), which is sampled on each
residue class between its breaks, ``degree + 1`` times, and summed by Newton's forward differences
``sum(p(u) for u < m) = sum(difference_k * binomial(m, k + 1))``, in Python integers. A nest too intricate for that is
enumerated with numpy, up to `MAX_POINTS` iterations, and beyond it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from memsim.errors import ProgramError
from memsim.isa.chambers import Intricate, Level, levels_of
from memsim.isa.expr import Expr, FloorDiv, Max, Min, Mod, Range, Var, maximum, minimum
from memsim.isa.rewriting import simplify, substitute

Nest: TypeAlias = Sequence[tuple[str, Expr]]
"""``(counter, trip count)`` of each loop, outermost first; a count may depend on the counters before it."""

MAX_POINTS = 10**7
"""Iterations that are enumerated at most, where there is no closed form."""

_FEW_POINTS = 4096
"""Up to here enumeration is quicker than anything cleverer."""
_MAX_SAMPLES = 30_000
"""Samples of the integrand that a closed form may take."""
_INT64_SAFE = 2**62


def sum_over(loops: Nest, factors: Sequence[Expr] = (), *, where: str = "") -> int:
    """Sum of the product of ``factors`` over every iteration of ``loops``; without factors, the iterations.

    A loop whose count is negative does not run. ``where`` is the place that an error names.

    >>> from memsim.isa.expr import var
    >>> sum_over([("y", Expr(4)), ("k", var("y") + 1)])
    10
    >>> sum_over([("k", Expr(10**12))], [minimum(var("k"), 3)])
    2999999999994
    """
    ranges = ranges_of(loops)
    if ranges is None:
        return 0
    nest = [(name, simplify(count, ranges)) for name, count in loops]
    product = [simplify(factor, ranges) for factor in factors]
    total = math.prod(factor.const for factor in product if factor.is_constant)
    for part in _independent_parts(nest, [factor for factor in product if not factor.is_constant]):
        if total:
            total *= _sum_part(part, ranges, where)
    return total


def ranges_of(loops: Nest) -> dict[str, Range] | None:
    """Range of each counter, by interval arithmetic; ``None`` where some loop never runs."""
    ranges: dict[str, Range] = {}
    for name, count in loops:
        high = count.bounds(ranges)[1] - 1
        if high < 0:
            return None
        ranges[name] = (0, high)
    return ranges


def first_positive(loops: Nest, e: Expr, *, where: str = "") -> dict[str, int] | None:
    """The first iteration, in the order of execution, in which ``e`` is positive; ``None`` if there is none."""
    ranges = ranges_of(loops)
    if ranges is None:
        return None
    e = simplify(e, ranges)
    if e.bounds(ranges)[1] <= 0:
        return None
    hit = minimum(maximum(e, 0), 1)
    if not sum_over(loops, [hit], where=where):
        return None
    found: dict[str, int] = {}
    for position, (name, _) in enumerate(loops):
        rest = [(other, substitute(count, found)) for other, count in loops[position:]]
        found[name] = _first_value(rest, substitute(hit, found), ranges[name][1], where)
    return found


def _first_value(loops: Nest, hit: Expr, high: int, where: str) -> int:
    """Smallest value of the first counter with a hit inside, by bisection over sums."""
    (name, count), *inner = loops
    low = 0
    while low < high:
        middle = (low + high) // 2
        if sum_over([(name, minimum(count, middle + 1)), *inner], [hit], where=where):
            high = middle
        else:
            low = middle + 1
    return low


def points_of(loops: Nest, limit: int = MAX_POINTS) -> dict[str, Any] | None:
    """Every iteration, in order of execution: an integer array for each counter. ``None`` beyond ``limit``."""
    ranges = ranges_of(loops)
    if ranges is None:
        return {name: np.zeros(0, np.int64) for name, _ in loops}
    dtype: Any = np.int64 if all(magnitude(count, ranges) < _INT64_SAFE for _, count in loops) else object
    points: dict[str, Any] = {}
    total = 1
    for name, count in loops:
        counts = np.broadcast_to(np.asarray(count.evaluate(points), dtype), (total,))
        counts = np.maximum(counts, 0)
        total = int(counts.sum(dtype=object)) if dtype is object or ranges[name][1] > limit else int(counts.sum())
        if total > limit:
            return None
        counts = counts.astype(np.int64)
        points = {other: np.repeat(values, counts) for other, values in points.items()}
        firsts = np.repeat(np.cumsum(counts) - counts, counts)
        points[name] = (np.arange(total) - firsts).astype(dtype)
    return points


def magnitude(e: Expr, ranges: Mapping[str, Range]) -> int:
    """A bound on the absolute value of ``e`` and of all its parts."""
    total, largest = abs(e.const), 0
    for atom, factor in e.terms:
        match atom:
            case Var(name):
                size = max(map(abs, ranges[name]))
            case FloorDiv(of, _) | Mod(of, _):
                size = magnitude(of, ranges)
            case Min(left, right) | Max(left, right):
                size = max(magnitude(left, ranges), magnitude(right, ranges))
        total, largest = total + abs(factor) * size, max(largest, size)
    return max(total, largest)


# ---- parts that share no variable ----


@dataclass(frozen=True, slots=True)
class _Part:
    loops: list[tuple[str, Expr]]
    factors: list[Expr]


def _independent_parts(loops: Nest, factors: Sequence[Expr]) -> list[_Part]:
    """Split a nest so that no factor and no count joins two parts."""
    part_of = {name: name for name, _ in loops}

    def find(name: str) -> str:
        while part_of[name] != name:
            name = part_of[name]
        return name

    for joined in [*(factor.variables() for factor in factors), *(c.variables() | {n} for n, c in loops)]:
        first, *others = sorted(joined)
        for other in others:
            part_of[find(other)] = find(first)
    parts: dict[str, _Part] = {}
    for name, count in loops:
        parts.setdefault(find(name), _Part([], [])).loops.append((name, count))
    for factor in factors:
        parts[find(min(factor.variables()))].factors.append(factor)
    return list(parts.values())


def _sum_part(part: _Part, ranges: Mapping[str, Range], where: str) -> int:
    if len(part.loops) == 1 and not part.factors:
        return max(part.loops[0][1].const, 0)
    volume = math.prod(ranges[name][1] + 1 for name, _ in part.loops)
    if volume > _FEW_POINTS:
        try:
            return _ClosedForm(levels_of(part.loops, part.factors, ranges), part.factors).total()
        except Intricate as reason:
            why = str(reason)
    else:
        why = ""
    points = points_of(part.loops)
    if points is None:
        names = ", ".join(name for name, _ in part.loops)
        raise ProgramError(
            f"cannot count over {names}: {why}, and more than {MAX_POINTS:,} iterations to enumerate",
            where=where,
            mend="use fewer or smaller divisors, fewer min and max, or split the loop",
        )
    return _sum_points(points, part.factors, ranges)


def _sum_points(points: Mapping[str, Any], factors: Sequence[Expr], ranges: Mapping[str, Range]) -> int:
    count = len(next(iter(points.values())))
    sizes = [magnitude(factor, ranges) for factor in factors]
    if max(sizes, default=0) >= _INT64_SAFE:
        points = {name: values.astype(object) for name, values in points.items()}
    product: Any = np.ones(count, np.int64 if math.prod(sizes) * count < _INT64_SAFE else object)
    for factor in factors:
        product = product * factor.evaluate(points)
    return int(product.sum())


# ---- closed form ----


class _ClosedForm:
    """Sums a nest level by level: samples each piece, and sums the polynomial through the samples."""

    def __init__(self, levels: tuple[Level, ...], factors: Sequence[Expr]) -> None:
        self.levels, self.factors = levels, factors
        self.samples_left = _MAX_SAMPLES
        self.env: dict[str, int] = {}

    def total(self) -> int:
        """The whole sum."""
        return self._sum(0)

    def _sum(self, depth: int) -> int:
        level = self.levels[depth]
        count = level.count.evaluate(self.env)
        total, start = 0, 0
        for first, end in sorted(b.between(self.env) for b in level.breaks):
            first, end = min(first, count), min(end, count)
            if end <= start:
                continue
            total += self._piece(depth, start, first) + self._each(depth, range(max(first, start), end))
            start = end
        return total + self._piece(depth, start, count)

    def _piece(self, depth: int, start: int, end: int) -> int:
        """Sum over ``start <= counter < end``, where one formula holds on each residue class."""
        period, needed = self.levels[depth].period, self.levels[depth].degree + 1
        if end - start <= period * needed:
            return self._each(depth, range(start, end))
        self._spend(period)
        total = 0
        for residue in range(period):
            first = start + residue
            samples = [self._at(depth, first + period * u) for u in range(needed)]
            total += _sum_polynomial(samples, -((first - end) // period))
        return total

    def _each(self, depth: int, values: range) -> int:
        self._spend(len(values))
        return sum(self._at(depth, value) for value in values)

    def _at(self, depth: int, value: int) -> int:
        """Sum of everything inside, with the counter of this level fixed."""
        self.env[self.levels[depth].name] = value
        if depth + 1 < len(self.levels):
            return self._sum(depth + 1)
        self._spend(1)
        return math.prod(factor.evaluate(self.env) for factor in self.factors)

    def _spend(self, samples: int) -> None:
        self.samples_left -= samples
        if self.samples_left < 0:
            raise Intricate("its pieces are too many or their periods too long for a closed form")


def _sum_polynomial(samples: list[int], count: int) -> int:
    """``sum(p(u) for u in range(count))`` for the polynomial ``p`` with ``p(i) == samples[i]``."""
    total, differences = 0, samples
    for order in range(len(samples)):
        total += differences[0] * math.comb(count, order + 1)
        differences = [b - a for a, b in pairwise(differences)]
    return total
