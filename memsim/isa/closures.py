"""Expressions as functions: walked once, when a program is compiled, and not once a use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from memsim.isa.expr import Atom, Expr, FloorDiv, Min, Mod, Var


class _Counters(Protocol):
    def __getitem__(self, key: Any, /) -> int: ...


IntFunction: TypeAlias = Callable[[Any], int]
"""The value of an expression for given counters: a mapping from names, or a list where each name has an index."""


def compile_expression(expression: Expr, index: Mapping[str, int] | None = None) -> IntFunction:
    """Turn an expression into a function of the counters.

    Parameters
    ----------
    expression
        What to compute.
    index
        Where each variable stands in a list of counters; without it the counters are a mapping from names.
    """
    const, terms = expression.const, expression.terms
    if not terms:
        return lambda counters: const
    if len(terms) == 1 and isinstance(terms[0][0], Var):
        return _linear(_key(terms[0][0].name, index), terms[0][1], const)
    compiled = [(_compile_atom(atom, index), factor) for atom, factor in terms]
    return lambda counters: const + sum([atom(counters) * factor for atom, factor in compiled])


def _linear(key: Any, factor: int, const: int) -> IntFunction:
    def value(counters: _Counters) -> int:
        return counters[key] * factor + const

    return value


def _key(name: str, index: Mapping[str, int] | None) -> Any:
    return name if index is None else index[name]


def _compile_atom(atom: Atom, index: Mapping[str, int] | None) -> IntFunction:
    match atom:
        case Var(name):
            return _linear(_key(name, index), 1, 0)
        case FloorDiv(of, by):
            value = compile_expression(of, index)
            return lambda counters: value(counters) // by
        case Mod(of, by):
            value = compile_expression(of, index)
            return lambda counters: value(counters) % by
    left, right = compile_expression(atom.left, index), compile_expression(atom.right, index)
    if isinstance(atom, Min):
        return lambda counters: min(left(counters), right(counters))
    return lambda counters: max(left(counters), right(counters))
