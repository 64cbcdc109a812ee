"""What is known of the variables of a text: their ranges, and what follows for expressions of them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from memsim.isa.expr import Expr, Range
from memsim.isa.rewriting import simplify

MOST_POINTS = 200_000
"""Points at which two expressions are compared where algebra does not decide."""


class Domain:
    """Variables and the inclusive range of each.

    Parameters
    ----------
    ranges
        Lowest and highest value of each variable.
    """

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self.ranges = dict(ranges)

    def simplified(self, e: Expr) -> Expr:
        """An equal expression, with fewer atoms where the ranges decide; a constant where it is one."""
        e = simplify(e, self.ranges)
        low, high = e.bounds(self.ranges)
        return Expr(low) if low == high else e

    def constant(self, e: Expr) -> int | None:
        """The value of ``e`` if it has only one."""
        e = self.simplified(e)
        if e.is_constant:
            return e.const
        found = self._extremes(e)
        return found[0] if found is not None and found[0] == found[1] else None

    def reduced(self, e: Expr) -> Expr:
        """The value of ``e`` if it has only one, else an equal expression with fewer atoms."""
        value = self.constant(e)
        return self.simplified(e) if value is None else Expr(value)

    def highest(self, e: Expr) -> int:
        """A value that ``e`` never exceeds."""
        return self.simplified(e).bounds(self.ranges)[1]

    def at_most(self, e: Expr, f: Expr) -> bool:
        """Whether ``e <= f`` is sure everywhere."""
        difference = self.simplified(f - e)
        if difference.bounds(self.ranges)[0] >= 0:
            return True
        found = self._extremes(difference)
        return found is not None and found[0] >= 0

    def equal(self, e: Expr, f: Expr) -> bool:
        """Whether ``e == f`` is sure everywhere."""
        return self.constant(e - f) == 0

    def _extremes(self, e: Expr) -> Range | None:
        """Lowest and highest value, by looking at every point; None where there are too many."""
        names = sorted(e.variables())
        spans = [range(self.ranges[name][0], self.ranges[name][1] + 1) for name in names]
        points = math.prod(len(span) for span in spans)
        if not 0 < points <= MOST_POINTS:
            return None
        axes = np.meshgrid(*(np.arange(s.start, s.stop) for s in spans), indexing="ij", sparse=True)
        values = np.asarray(e.evaluate(dict(zip(names, axes, strict=True))))
        return int(values.min()), int(values.max())
