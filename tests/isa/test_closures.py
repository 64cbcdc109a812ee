"""Compiled expressions against Python's own arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from memsim.isa.closures import compile_expression
from tests.isa.expressions import NAMES, Tree, build, trees, value


@given(trees, st.lists(st.integers(0, 99), min_size=3, max_size=3))
def test_a_compiled_expression_has_the_value_of_the_expression(tree: Tree, values: list[int]) -> None:
    env = dict(zip(NAMES, values, strict=True))
    expected = value(tree, env)
    assert compile_expression(build(tree))(env) == expected
    assert compile_expression(build(tree), {name: i for i, name in enumerate(NAMES)})(values) == expected
