"""Where a nest of loops changes its formula: the break points and periods that make counting exact.

A quasi-affine expression is, between the break points of its ``min`` and ``max`` and on one residue class of each
variable, an affine function. Summed over a loop whose count is such an expression, it stays a *piecewise
quasi-polynomial* of the outer variables (Ehrhart; for loop counting: Clauss 1996, Verdoolaege et al. 2007). This
module computes for each loop of a nest, innermost first,

- its *breaks*: the values of its counter at which the formula of everything inside may change, as functions of
  the outer counters. A ``//`` or ``%`` blurs a break to an interval, since its remainder moves it by a bounded amount;
- its *period*: the counter's residue class modulo it decides every remainder inside;
- its *degree*: that of the polynomial in the counter, on one residue class between two breaks.

Elimination of a counter ``v``: the breaks in ``v``, zero and the count are edges ``v = e(outer)``. The sum over ``v``
is a sum over the cells between consecutive edges, so it changes its formula only where two edges cross, and between
crossings each cell contributes a polynomial, if the outer period makes the edges move by whole periods of ``v``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from memsim.isa.expr import Atom, Expr, FloorDiv, Mod, Range, Var

MAX_FORMS = 256
"""Break points that one nest may have before it is called too intricate."""


class Intricate(Exception):
    """The nest has too many break points, or its period is too long, to be counted in closed form."""


@dataclass(frozen=True, slots=True)
class Form:
    """A quasi-affine function between breaks: ``sum(slope * variable)`` plus a remainder within ``[low, high]``."""

    slopes: tuple[tuple[str, Fraction], ...]
    low: Fraction
    high: Fraction

    def plus(self, other: Form, factor: Fraction) -> Form:
        """``self + factor * other``."""
        slopes = dict(self.slopes)
        for name, slope in other.slopes:
            slopes[name] = slopes.get(name, Fraction(0)) + factor * slope
        ends = (factor * other.low, factor * other.high)
        kept = tuple(sorted((name, slope) for name, slope in slopes.items() if slope))
        return Form(kept, self.low + min(ends), self.high + max(ends))

    def root(self, name: str) -> Form:
        """Where the form is zero: the value of variable ``name`` as a form of the others."""
        slope = dict(self.slopes)[name]
        rest = tuple((other, s) for other, s in self.slopes if other != name)
        return _ZERO.plus(Form(rest, self.low, self.high), -1 / slope)

    def may_change_sign(self, ranges: Mapping[str, Range]) -> bool:
        """Whether it depends on a variable and is not of one sign all over the ranges."""
        low, high = self.low, self.high
        for name, slope in self.slopes:
            ends = (slope * ranges[name][0], slope * ranges[name][1])
            low, high = low + min(ends), high + max(ends)
        return bool(self.slopes) and low < 0 < high


_ZERO = Form((), Fraction(0), Fraction(0))


class _Resolver:
    """Splits expressions at ``min`` and ``max`` into forms; collects the breaks and the periods on the way."""

    def __init__(self) -> None:
        self.breaks: set[Form] = set()
        self.periods: dict[str, int] = {}

    def forms(self, e: Expr) -> list[Form]:
        """Every form that ``e`` takes somewhere."""
        found = [Form((), Fraction(e.const), Fraction(e.const))]
        for atom, factor in e.terms:
            parts = self._atom(atom)
            found = list(dict.fromkeys(f.plus(part, Fraction(factor)) for f in found for part in parts))
            if len(found) > MAX_FORMS:
                raise Intricate(f"more than {MAX_FORMS} cases of min and max")
        return found

    def _atom(self, atom: Atom) -> list[Form]:
        match atom:
            case Var(name):
                return [Form(((name, Fraction(1)),), Fraction(0), Fraction(0))]
            case FloorDiv(of, by):
                return [self._quotient(form, by) for form in self.forms(of)]
            case Mod(of, by):
                for form in self.forms(of):
                    self._quotient(form, by)
                return [Form((), Fraction(0), Fraction(by - 1))]
        self.breaks.update(self.forms(atom.left - atom.right))
        return self.forms(atom.left) + self.forms(atom.right)

    def _quotient(self, form: Form, by: int) -> Form:
        for name, slope in form.slopes:
            period = self.periods.get(name, 1)
            change = int(slope * period)
            self.periods[name] = period * (by // math.gcd(change, by))
        exact = _ZERO.plus(form, Fraction(1, by))
        return Form(exact.slopes, exact.low - Fraction(by - 1, by), exact.high)


@dataclass(frozen=True, slots=True)
class Break:
    """A break of one counter, between ``(low + v) / by`` and ``(high + v) / by`` for ``v = sum(factor * outer)``."""

    factors: tuple[tuple[str, int], ...]
    low: int
    high: int
    by: int

    def between(self, env: Mapping[str, int]) -> Range:
        """``(first, end)``: below ``first`` one formula holds, from ``end`` on another, in between either may."""
        at = sum(factor * env[name] for name, factor in self.factors)
        first = (at + self.low) // self.by + 1
        return first, max(first, -((-at - self.high) // self.by))


@dataclass(frozen=True, slots=True)
class Level:
    """One loop of a nest: what is needed to sum over its counter."""

    name: str
    count: Expr
    breaks: tuple[Break, ...]
    period: int
    degree: int


def levels_of(
    loops: Sequence[tuple[str, Expr]], factors: Sequence[Expr], ranges: Mapping[str, Range]
) -> tuple[Level, ...]:
    """Levels of the nest ``loops`` (outermost first) around the product of ``factors``."""
    resolver = _Resolver()
    for factor in factors:
        resolver.forms(factor)
    ends = [resolver.forms(count) for _, count in loops]
    periods, degree = resolver.periods, len(factors)
    breaks = {form for form in resolver.breaks if form.may_change_sign(ranges)}
    levels: list[Level] = []
    for (name, count), end in zip(reversed(loops), reversed(ends), strict=True):
        mine = [form for form in breaks if name in dict(form.slopes)]
        roots = list(dict.fromkeys(form.root(name) for form in mine))
        period = periods.get(name, 1)
        levels.append(Level(name, count, tuple(map(_as_break, roots)), period, degree))
        edges = [*roots, _ZERO, *end]
        breaks.difference_update(mine)
        breaks.update(_crossings(edges, ranges))
        _lengthen_periods(edges, period, periods)
        degree += 1
        if len(breaks) > MAX_FORMS:
            raise Intricate(f"more than {MAX_FORMS} break points")
    return tuple(reversed(levels))


def period_of(expressions: Iterable[Expr], name: str) -> int:
    """A period of the variable ``name``: its residue decides every remainder in the expressions; 1 if in doubt."""
    resolver = _Resolver()
    try:
        for e in expressions:
            if name in e.variables():
                resolver.forms(e)
    except Intricate:
        return 1
    return resolver.periods.get(name, 1)


def _crossings(edges: Iterable[Form], ranges: Mapping[str, Range]) -> Iterable[Form]:
    for a, b in combinations(edges, 2):
        difference = a.plus(b, Fraction(-1))
        if difference.may_change_sign(ranges):
            yield difference


def _lengthen_periods(edges: Iterable[Form], period: int, periods: dict[str, int]) -> None:
    for edge in edges:
        for name, slope in edge.slopes:
            periods[name] = math.lcm(periods.get(name, 1), (slope / period).denominator)


def _as_break(root: Form) -> Break:
    by = math.lcm(root.low.denominator, root.high.denominator, *(slope.denominator for _, slope in root.slopes))
    factors = tuple((name, int(slope * by)) for name, slope in root.slopes)
    return Break(factors, int(root.low * by), int(root.high * by), by)
