"""Quasi-affine integer expressions: trip counts and tile coordinates.

An expression is a constant plus integer multiples of *atoms*; an atom is a variable (a loop counter or
a block coordinate), ``e // c`` or ``e % c`` with a positive constant ``c``, or ``min`` / ``max`` of two
expressions. It is kept in one canonical form, so that equal expressions built in different ways compare equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

IntOrArray: TypeAlias = Any  # an int, or an integer numpy array when evaluated over many points at once
Range: TypeAlias = tuple[int, int]  # inclusive lowest and highest value


@dataclass(frozen=True, slots=True)
class Var:
    """A loop counter or block coordinate; it counts from 0."""

    name: str


@dataclass(frozen=True, slots=True)
class FloorDiv:
    """``floor(of / by)`` for a positive constant ``by``."""

    of: Expr
    by: int


@dataclass(frozen=True, slots=True)
class Mod:
    """``of`` modulo a positive constant ``by``; never negative."""

    of: Expr
    by: int


@dataclass(frozen=True, slots=True)
class Min:
    """The smaller of two expressions."""

    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Max:
    """The larger of two expressions."""

    left: Expr
    right: Expr


Atom: TypeAlias = Var | FloorDiv | Mod | Min | Max


@dataclass(frozen=True, slots=True)
class Expr:
    """``const + sum(coefficient * atom)``, atoms sorted and coefficients non-zero."""

    const: int
    terms: tuple[tuple[Atom, int], ...] = ()

    def __add__(self, other: ExprLike) -> Expr:
        other = as_expr(other)
        return _collect(self.const + other.const, (*self.terms, *other.terms))

    __radd__ = __add__

    def __neg__(self) -> Expr:
        return self * -1

    def __sub__(self, other: ExprLike) -> Expr:
        return self + as_expr(other) * -1

    def __rsub__(self, other: ExprLike) -> Expr:
        return as_expr(other) + self * -1

    def __mul__(self, factor: ExprLike) -> Expr:
        factor = as_expr(factor)
        if factor.terms and self.terms:
            raise TypeError(f"({self}) * ({factor}) is not affine: one factor must be a constant")
        if factor.terms:
            return factor * self.const
        return _collect(self.const * factor.const, [(a, c * factor.const) for a, c in self.terms])

    __rmul__ = __mul__

    def __floordiv__(self, by: int) -> Expr:
        _check_divisor(by)
        by = int(by)
        if by == 1:
            return self
        if not self.terms:
            return Expr(self.const // by)
        return Expr(0, ((FloorDiv(self, by), 1),))

    def __mod__(self, by: int) -> Expr:
        _check_divisor(by)
        by = int(by)
        if by == 1:
            return Expr(0)
        if not self.terms:
            return Expr(self.const % by)
        return Expr(0, ((Mod(self, by), 1),))

    @property
    def is_constant(self) -> bool:
        """Whether no variable occurs."""
        return not self.terms

    def variables(self) -> frozenset[str]:
        """Names of every variable that occurs, also inside ``//``, ``%``, ``min`` and ``max``."""
        names: set[str] = set()
        for atom, _ in self.terms:
            names |= {atom.name} if isinstance(atom, Var) else set().union(*(e.variables() for e in _parts(atom)))
        return frozenset(names)

    def evaluate(self, env: Mapping[str, IntOrArray]) -> IntOrArray:
        """Value where each variable has the int (or integer array) that ``env`` gives it."""
        total: IntOrArray = self.const
        for atom, coefficient in self.terms:
            total = total + coefficient * _evaluate_atom(atom, env)
        return total

    def bounds(self, ranges: Mapping[str, Range]) -> Range:
        """Inclusive interval that contains every value; by interval arithmetic, so it may be wide."""
        low = high = self.const
        for atom, coefficient in self.terms:
            a, b = _atom_bounds(atom, ranges)
            ends = (coefficient * a, coefficient * b)
            low, high = low + min(ends), high + max(ends)
        return low, high

    def __str__(self) -> str:
        parts: list[str] = []
        for atom, coefficient in self.terms:
            sign = "-" if coefficient < 0 else "+"
            factor = "" if abs(coefficient) == 1 else f"*{abs(coefficient)}"
            text = _atom_text(atom)
            if sign == "-" and not parts and isinstance(atom, (FloorDiv, Mod)):
                text = f"({text})"  # -y//2 would read as (-y)//2
            parts += [sign, f"{text}{factor}"]
        if self.const or not parts:
            parts += ["-" if self.const < 0 else "+", str(abs(self.const))]
        head = parts[1] if parts[0] == "+" else f"-{parts[1]}"
        return " ".join([head, *parts[2:]])


ExprLike: TypeAlias = Expr | int


def as_expr(value: ExprLike) -> Expr:
    """Take an int for a constant expression; reject anything else."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return Expr(int(value))
    raise TypeError(f"expected an integer or a coordinate expression, found {value!r}")


def var(name: str) -> Expr:
    """The expression that is just the variable ``name``."""
    return Expr(0, ((Var(name), 1),))


def minimum(left: ExprLike, right: ExprLike) -> Expr:
    """``min(left, right)``, folded when both are constant; arguments are put in canonical order."""
    return _clip(Min, min, as_expr(left), as_expr(right))


def maximum(left: ExprLike, right: ExprLike) -> Expr:
    """``max(left, right)``, folded when both are constant; arguments are put in canonical order."""
    return _clip(Max, max, as_expr(left), as_expr(right))


def ceil_div(value: ExprLike, by: int) -> Expr:
    """``ceil(value / by)`` for a positive constant ``by``."""
    return (as_expr(value) + (by - 1)) // by


def _clip(kind: Any, fold: Any, left: Expr, right: Expr) -> Expr:
    if left.is_constant and right.is_constant:
        return Expr(fold(left.const, right.const))
    if left == right:
        return left
    first, second = sorted((left, right), key=lambda e: (e.is_constant, str(e)))
    return Expr(0, ((kind(first, second), 1),))


def _collect(const: int, terms: Any) -> Expr:
    sums: dict[Atom, int] = {}
    for atom, coefficient in terms:
        sums[atom] = sums.get(atom, 0) + coefficient
    kept = [(a, c) for a, c in sums.items() if c]
    return Expr(const, tuple(sorted(kept, key=lambda term: _atom_text(term[0]))))


def _check_divisor(by: int) -> None:
    if isinstance(by, bool) or not isinstance(by, (int, np.integer)) or by <= 0:
        raise TypeError(f"// and % take a positive constant, found {by}")


def _parts(atom: Atom) -> tuple[Expr, ...]:
    if isinstance(atom, (FloorDiv, Mod)):
        return (atom.of,)
    if isinstance(atom, (Min, Max)):
        return (atom.left, atom.right)
    return ()


def _evaluate_atom(atom: Atom, env: Mapping[str, IntOrArray]) -> IntOrArray:
    match atom:
        case Var(name):
            return env[name]
        case FloorDiv(of, by):
            return of.evaluate(env) // by
        case Mod(of, by):
            return of.evaluate(env) % by
    left, right = atom.left.evaluate(env), atom.right.evaluate(env)
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return np.minimum(left, right) if isinstance(atom, Min) else np.maximum(left, right)
    return min(left, right) if isinstance(atom, Min) else max(left, right)


def _atom_bounds(atom: Atom, ranges: Mapping[str, Range]) -> Range:
    match atom:
        case Var(name):
            return ranges[name]
        case FloorDiv(of, by):
            low, high = of.bounds(ranges)
            return low // by, high // by
        case Mod(of, by):
            low, high = of.bounds(ranges)
            return (low % by, high % by) if low // by == high // by else (0, by - 1)
    (a, b), (c, d) = atom.left.bounds(ranges), atom.right.bounds(ranges)
    return (min(a, c), min(b, d)) if isinstance(atom, Min) else (max(a, c), max(b, d))


def _atom_text(atom: Atom) -> str:
    match atom:
        case Var(name):
            return name
        case FloorDiv(of, by):
            return f"{_operand_text(of)}//{by}"
        case Mod(of, by):
            return f"{_operand_text(of)}%{by}"
    return f"{'min' if isinstance(atom, Min) else 'max'}({atom.left}, {atom.right})"


def _operand_text(e: Expr) -> str:
    bare = e.const == 0 and len(e.terms) == 1 and e.terms[0][1] == 1 and isinstance(e.terms[0][0], Var)
    return str(e) if bare else f"({e})"
