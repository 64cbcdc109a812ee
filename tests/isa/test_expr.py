"""Expressions against Python's own integer arithmetic on the same trees."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memsim.isa.expr import Expr, as_expr, ceil_div, maximum, minimum, var
from tests.isa.expressions import NAMES, build, exprs, trees, value

x, y, z = (var(name) for name in NAMES)
environments = st.fixed_dictionaries({name: st.integers(-50, 50) for name in NAMES})


@given(trees, environments)
def test_value_is_that_of_python(tree, env):
    assert build(tree).evaluate(env) == value(tree, env)


@given(trees)
def test_arrays_evaluate_as_each_of_their_points(tree):
    points = list(itertools.product((-7, 0, 5), repeat=len(NAMES)))
    env = dict(zip(NAMES, np.array(points).T, strict=True))
    found = np.broadcast_to(build(tree).evaluate(env), len(points))
    assert found.tolist() == [value(tree, dict(zip(NAMES, point, strict=True))) for point in points]


@given(trees)
def test_bounds_contain_every_value(tree):
    low, high = build(tree).bounds({"x": (0, 3), "y": (-2, 1), "z": (5, 5)})
    for a, b in itertools.product(range(4), range(-2, 2)):
        assert low <= value(tree, {"x": a, "y": b, "z": 5}) <= high


@given(trees)
def test_variables_are_those_that_can_matter(tree):
    expr = build(tree)
    env = dict.fromkeys(expr.variables(), 3)
    assert expr.evaluate(env) == value(tree, {"x": -4, "y": 1, "z": 7} | env)
    assert expr.is_constant == (not expr.terms)


@given(exprs, exprs, exprs)
def test_equal_sums_have_one_form(a, b, c):
    assert a + b + c == c + (b + a)
    assert a - b == -(b - a)
    assert (a + b) * 3 == a * 3 + 3 * b
    assert a - a == Expr(0)
    assert hash(a + b) == hash(b + a)
    assert str(a + b) == str(b + a)


@given(exprs, exprs)
def test_min_and_max_take_arguments_in_any_order(a, b):
    assert minimum(a, b) == minimum(b, a)
    assert maximum(a, b) == maximum(b, a)
    assert minimum(a, a) == a


@given(exprs, st.integers(1, 9))
def test_quotient_and_remainder_make_the_whole(a, by):
    quotient, remainder = a // by, a % by
    for point in ({"x": 0, "y": -3, "z": 11}, {"x": 8, "y": 2, "z": -1}):
        assert quotient.evaluate(point) * by + remainder.evaluate(point) == a.evaluate(point)
        assert 0 <= remainder.evaluate(point) < by


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (Expr(0), "0"),
        (Expr(-3), "-3"),
        (x, "x"),
        (-x, "-x"),
        (x * 128 + y * 64 + 3, "x*128 + y*64 + 3"),
        (3 - 2 * x, "-x*2 + 3"),
        (y - x, "-x + y"),
        (x // 2 * 2, "x//2*2"),
        ((x + 1) // 2 % 3, "((x + 1)//2)%3"),
        (-(x // 2), "-(x//2)"),
        (-3 * (x % 2) + y, "-(x%2)*3 + y"),
        (y - x // 2, "-(x//2) + y"),
        (x - y // 2, "x - y//2"),
        (-minimum(x, 3), "-min(x, 3)"),
        (minimum(3, x + 1), "min(x + 1, 3)"),
        (maximum(y, x), "max(x, y)"),
        (ceil_div(x, 4), "(x + 3)//4"),
        (x // 1, "x"),
        (x % 1, "0"),
        (minimum(4, 3), "3"),
        (as_expr(np.int64(5)), "5"),
    ],
)
def test_canonical_text(expr, text):
    assert str(expr) == text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: x * y, r"\(x\) \* \(y\) is not affine"),
        (lambda: x // 0, "positive constant, found 0"),
        (lambda: x % -2, "positive constant, found -2"),
        (lambda: x // y, "positive constant, found y"),
        (lambda: x + 1.5, "expected an integer or a coordinate expression, found 1.5"),
        (lambda: x + True, "found True"),
        (lambda: x + "y", "found 'y'"),
    ],
)
def test_what_is_not_affine_is_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()
