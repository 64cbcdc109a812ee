"""Rewrite coordinate expressions: fix variables, and drop what the ranges of the variables decide."""

from __future__ import annotations

from collections.abc import Mapping

from memsim.isa.expr import Atom, Expr, ExprLike, FloorDiv, Min, Mod, Range, Var, as_expr, maximum, minimum, var


def substitute(e: Expr, values: Mapping[str, ExprLike]) -> Expr:
    """``e`` with each variable in ``values`` replaced by its number or expression.

    >>> str(substitute(var("y") * 128 + var("k"), {"y": 2}))
    'k + 256'
    """
    if not e.terms or e.variables().isdisjoint(values):
        return e
    total = Expr(e.const)
    for atom, factor in e.terms:
        total = total + _substitute_atom(atom, values) * factor
    return total


def _substitute_atom(atom: Atom, values: Mapping[str, ExprLike]) -> Expr:
    match atom:
        case Var(name):
            return as_expr(values[name]) if name in values else var(name)
        case FloorDiv(of, by):
            return substitute(of, values) // by
        case Mod(of, by):
            return substitute(of, values) % by
    fold = minimum if isinstance(atom, Min) else maximum
    return fold(substitute(atom.left, values), substitute(atom.right, values))


def simplify(e: Expr, ranges: Mapping[str, Range]) -> Expr:
    """An expression that equals ``e`` wherever each variable stays in its range, with fewer atoms where possible.

    >>> str(simplify(minimum(var("k") + 1, 8), {"k": (0, 3)}))
    'k + 1'
    >>> str(simplify((var("y") * 4 + var("k")) // 4, {"y": (0, 9), "k": (0, 3)}))
    'y'
    """
    total = Expr(e.const)
    for atom, factor in e.terms:
        total = total + _simplify_atom(atom, ranges) * factor
    return total


def _simplify_atom(atom: Atom, ranges: Mapping[str, Range]) -> Expr:
    match atom:
        case Var(name):
            low, high = ranges[name]
            return Expr(low) if low == high else var(name)
        case FloorDiv(of, by):
            whole, rest = _split(simplify(of, ranges), by)
            low, high = rest.bounds(ranges)
            return whole + (low // by if low // by == high // by else rest // by)
        case Mod(of, by):
            _, rest = _split(simplify(of, ranges), by)
            low, high = rest.bounds(ranges)
            return rest - low // by * by if low // by == high // by else rest % by
    left, right = simplify(atom.left, ranges), simplify(atom.right, ranges)
    low, high = (left - right).bounds(ranges)
    smaller, larger = (left, right) if isinstance(atom, Min) else (right, left)
    if high <= 0:
        return smaller
    if low >= 0:
        return larger
    return minimum(left, right) if isinstance(atom, Min) else maximum(left, right)


def _split(e: Expr, by: int) -> tuple[Expr, Expr]:
    """``(whole, rest)`` with ``e == whole * by + rest``, and no multiple of ``by`` left in ``rest``."""
    whole = Expr(e.const // by, tuple((atom, factor // by) for atom, factor in e.terms if factor % by == 0))
    rest = Expr(e.const % by, tuple((atom, factor) for atom, factor in e.terms if factor % by))
    return whole, rest


def clipped_size(start: Expr, size: int, step: int, extent: int, ranges: Mapping[str, Range] | None = None) -> Expr:
    """How many of the ``size`` elements at ``start``, ``start + step``, … lie from 0 up to below ``extent``.

    ``ranges`` are those of the variables: where they show that ``start`` is never negative, the result is simpler.

    >>> clipped_size(Expr(96), 64, 1, 100).const
    4
    >>> clipped_size(Expr(-3), 8, 2, 100).const
    6
    """
    end = minimum((extent - start + (step - 1)) // step, size)
    if ranges is not None and start.bounds(ranges)[0] >= 0:
        return maximum(end, 0)
    return maximum(end - maximum((step - 1 - start) // step, 0), 0)
