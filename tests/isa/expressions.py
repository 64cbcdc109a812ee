"""Random coordinate expressions, kept as trees so that their value can be told without `memsim.isa.expr`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from memsim.isa.expr import Expr, ceil_div, maximum, minimum, var

NAMES = ("x", "y", "z")
Tree = Any  # an int, a name, or (operator, left, right)

_constants = st.integers(-20, 20)
_divisors = st.integers(1, 9)


def _grow(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    return st.one_of(
        st.tuples(st.sampled_from(("+", "-", "min", "max")), inner, inner),
        st.tuples(st.just("*"), inner, _constants),
        st.tuples(st.just("*"), _constants, inner),
        st.tuples(st.sampled_from(("//", "%", "ceildiv")), inner, _divisors),
    )


trees = st.recursive(st.one_of(_constants, st.sampled_from(NAMES)), _grow, max_leaves=12)
"""Expression trees over `NAMES`."""


def value(tree: Tree, env: Mapping[str, int]) -> int:
    """What ``tree`` means, by Python's own arithmetic."""
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return env[tree]
    operator, left, right = tree
    a, b = value(left, env), value(right, env)
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "//":
            return a // b
        case "%":
            return a % b
        case "ceildiv":
            return -(-a // b)
        case "min":
            return min(a, b)
    return max(a, b)


def build(tree: Tree) -> Expr:
    """``tree`` as an `Expr`."""
    if isinstance(tree, int):
        return Expr(tree)
    if isinstance(tree, str):
        return var(tree)
    operator, left, right = tree
    a = build(left)
    match operator:
        case "//":
            return a // right
        case "%":
            return a % right
        case "ceildiv":
            return ceil_div(a, right)
    b = build(right)
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "min":
            return minimum(a, b)
    return maximum(a, b)


def written(tree: Tree) -> str:
    """``tree`` as it may be written by hand, with every bracket."""
    if isinstance(tree, (int, str)):
        return str(tree) if isinstance(tree, str) or tree >= 0 else f"(-{-tree})"
    operator, left, right = tree
    if operator in ("min", "max", "ceildiv"):
        return f"{operator}({written(left)}, {written(right)})"
    return f"({written(left)} {operator} {written(right)})"


exprs = trees.map(build)
"""Expressions over `NAMES`."""
