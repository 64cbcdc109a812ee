import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.isa.expr import Expr, maximum, minimum, var
from memsim.isa.rewriting import clipped_size, simplify, substitute
from tests.isa.expressions import NAMES, exprs

x, y, z = map(var, NAMES)
ranges = st.fixed_dictionaries({name: st.tuples(st.integers(-9, 9), st.integers(0, 6)) for name in NAMES})


@given(exprs, ranges, st.data())
def test_simplified_expressions_have_the_same_value_within_the_ranges(e, drawn, data):
    within = {name: (low, low + width) for name, (low, width) in drawn.items()}
    env = {name: data.draw(st.integers(*bounds)) for name, bounds in within.items()}
    assert simplify(e, within).evaluate(env) == e.evaluate(env)


@given(exprs, st.fixed_dictionaries({name: st.integers(-30, 30) for name in NAMES}), st.sets(st.sampled_from(NAMES)))
def test_substitution_fixes_some_variables(e, env, fixed):
    rest = substitute(e, {name: env[name] for name in fixed})
    assert rest.variables() <= e.variables() - fixed
    assert rest.evaluate(env) == e.evaluate(env)


@given(exprs, exprs, st.fixed_dictionaries({name: st.integers(-30, 30) for name in NAMES}))
def test_substitution_takes_expressions(e, inner, env):
    assert substitute(e, {"x": inner}).evaluate(env) == e.evaluate({**env, "x": inner.evaluate(env)})


@pytest.mark.parametrize(
    ("e", "simpler"),
    [
        (minimum(x + 1, 8), x + 1),
        (maximum(minimum(x, y + 10), 0), x),
        ((x + 4 * y) // 4, y),
        ((x + 4 * y) % 4, x),
        ((x + 4 * y + 8) // 4, y + 2),
        ((6 * y) // 3, 2 * y),
        ((x // 4) * 7 + y, y),
        (z - 5, Expr(0)),
    ],
)
def test_ranges_decide_atoms(e, simpler):
    assert simplify(e, {"x": (0, 3), "y": (0, 7), "z": (5, 5)}) == simpler


@given(st.integers(-60, 50), st.integers(1, 20), st.integers(1, 5), st.integers(1, 60))
def test_clipped_size_counts_the_elements_inside(start, size, step, extent):
    inside = sum(0 <= start + i * step < extent for i in range(size))
    assert clipped_size(Expr(start), size, step, extent) == Expr(inside)
    for ranges in ({"x": (start, 99)}, {"x": (-99, start)}):  # it may know that a start is never negative
        found = clipped_size(var("x"), size, step, extent, ranges)
        assert found.evaluate({"x": start}) == inside
