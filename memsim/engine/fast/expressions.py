"""Expressions as rows of integers, for compiled code.

An expression is a list of *forms*, each linear in counters and in the values of earlier forms, each followed by one
step: division, remainder, minimum or maximum. It is stored as the number of forms, then for each form
``constant, terms, (index, factor) * terms, step, argument``; an index i below zero means the value of form -1 - i.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from memsim.compiled import compiled
from memsim.engine.fast import words as w
from memsim.engine.servers import Array
from memsim.isa.expr import Atom, Expr, FloorDiv, Min, Mod, Var

KEEP, DIVIDE, MODULO, MINIMUM, MAXIMUM = range(5)


class Expressions:
    """A growing store of expressions; equal ones over the same counters are stored once."""

    def __init__(self) -> None:
        self._words: list[int] = []
        self._known: dict[tuple[int, ...], int] = {}
        self.forms = 1
        """Forms of the expression that has the most: so many values `evaluate` needs room for."""

    def add(self, expression: Expr, index: Mapping[str, int]) -> int:
        """Store an expression; returns where. ``index`` names the counter of each variable."""
        forms: list[list[int]] = []
        forms.append([*_linear(expression, index, forms), KEEP, 0])
        self.forms = max(self.forms, len(forms))
        words = (len(forms), *(word for form in forms for word in form))
        if words not in self._known:
            self._known[words] = len(self._words)
            self._words += words
        return self._known[words]

    @property
    def words(self) -> list[int]:
        """All expressions, one after another."""
        return self._words


def _linear(e: Expr, index: Mapping[str, int], forms: list[list[int]]) -> list[int]:
    terms = [word for atom, factor in e.terms for word in (_place(atom, index, forms), factor)]
    return [e.const, len(e.terms), *terms]


def _place(atom: Atom, index: Mapping[str, int], forms: list[list[int]]) -> int:
    match atom:
        case Var(name):
            return index[name]
        case FloorDiv(of, by):
            forms.append([*_linear(of, index, forms), DIVIDE, by])
        case Mod(of, by):
            forms.append([*_linear(of, index, forms), MODULO, by])
        case _:
            forms.append([*_linear(atom.left, index, forms), KEEP, 0])
            left = len(forms) - 1
            step = MINIMUM if isinstance(atom, Min) else MAXIMUM
            forms.append([*_linear(atom.right, index, forms), step, left])
    return -len(forms)


@compiled
def evaluate(m: Array, at: int, counters: int) -> int:
    """Value of the expression at ``at`` for the counters that begin at ``counters``."""
    values = m[w.VALUE_BASE]
    forms = m[at]
    at += 1
    value = np.int64(0)
    for form in range(forms):
        value = m[at]
        terms = m[at + 1]
        at += 2
        for _ in range(terms):
            index = m[at]
            value += m[at + 1] * m[counters + index if index >= 0 else values - 1 - index]
            at += 2
        step, argument = m[at], m[at + 1]
        at += 2
        if step == DIVIDE:
            value //= argument
        elif step == MODULO:
            value %= argument
        elif step == MINIMUM:
            value = min(value, m[values + argument])
        elif step == MAXIMUM:
            value = max(value, m[values + argument])
        m[values + form] = value
    return int(value)
